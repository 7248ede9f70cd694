//! What counts as a failure.

use ascribe_agent::{Registration, SendOutcome};
use ascribe_browser::{Attempt, Diagnosis};
use ascribe_engine::{Attribution, SourceOutcome};
use ascribe_headers::TriggerDebugType as T;
use serde::Serialize;

/// How well something went. The worst counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Grade {
    /// As its author means it.
    Passed,
    /// Worth a look: it registers nothing, or less, but nothing is broken.
    Note,
    /// It should have worked and did not.
    Failed,
}

/// The grade of a response.
pub(super) fn of_attempt(attempt: &Attempt, registration: Option<&Registration>) -> Grade {
    let diagnoses = attempt.diagnosis.iter().map(|diagnosis| match diagnosis {
        Diagnosis::NothingRegistered { .. } | Diagnosis::HeaderSetByPage { .. } => Grade::Note,
        _ => Grade::Failed,
    });
    let registered = registration.map_or(Grade::Passed, of_registration);
    diagnoses.fold(registered, Grade::max)
}

fn of_registration(registration: &Registration) -> Grade {
    match registration {
        Registration::Invalid { .. }
        | Registration::Ignored(_)
        | Registration::Source { outcome: SourceOutcome::Dropped(_), .. } => Grade::Failed,
        Registration::Trigger { outcome: None, .. } => Grade::Note,
        Registration::Trigger { outcome: Some(outcome), .. } => {
            of_attribution(outcome.event_level).max(of_attribution(outcome.aggregatable))
        }
        _ => Grade::Passed,
    }
}

/// What the headers themselves decide is a note; what a limit, a budget or an error takes away has failed.
fn of_attribution(attribution: Attribution) -> Grade {
    let Attribution::Dropped(why) = attribution else { return Grade::Passed };
    match why {
        T::NoMatchingSource
        | T::NoMatchingFilterData
        | T::EventNoMatchingConfigurations
        | T::EventNoMatchingTriggerData
        | T::EventDeduplicated
        | T::EventLowPriority
        | T::EventNoise
        | T::EventReportWindowNotStarted
        | T::EventReportWindowPassed
        | T::AggregateDeduplicated
        | T::AggregateNoContributions
        | T::AggregateReportWindowPassed => Grade::Note,
        T::AggregateAttributionsPerSourceDestinationLimit
        | T::AggregateExcessiveReports
        | T::AggregateInsufficientBudget
        | T::AggregateInsufficientNamedBudget
        | T::AggregateStorageLimit
        | T::EventAttributionsPerSourceDestinationLimit
        | T::EventExcessiveReports
        | T::EventStorageLimit
        | T::ReportingOriginLimit
        | T::UnknownError => Grade::Failed,
    }
}

/// The grade of an attempt to deliver a report: any answer ends it, but only success is good.
pub(super) fn of_delivery(outcome: &SendOutcome) -> Grade {
    match outcome {
        SendOutcome::Answered(200..=299) => Grade::Passed,
        _ => Grade::Failed,
    }
}

#[cfg(test)]
mod tests {
    use ascribe_engine::TriggerOutcome;
    use ascribe_headers::SourceDebugType;

    use super::*;

    #[test]
    fn the_worst_half_of_a_trigger_counts() {
        let trigger = |event_level, aggregatable| {
            let outcome = Some(TriggerOutcome { event_level, aggregatable });
            of_registration(&Registration::Trigger { outcome, warnings: Vec::new() })
        };
        let (attributed, none) = (Attribution::Attributed, Attribution::NotRegistered);
        assert_eq!(trigger(attributed, none), Grade::Passed);
        assert_eq!(trigger(Attribution::Noised, attributed), Grade::Passed);
        assert_eq!(trigger(Attribution::Dropped(T::NoMatchingSource), none), Grade::Note);
        let budget = Attribution::Dropped(T::AggregateInsufficientBudget);
        assert_eq!(trigger(Attribution::Dropped(T::EventDeduplicated), budget), Grade::Failed);
    }

    #[test]
    fn a_source_that_a_limit_drops_has_failed() {
        let source = |outcome| of_registration(&Registration::Source { outcome, warnings: Vec::new() });
        assert_eq!(source(SourceOutcome::Stored(SourceDebugType::Noised)), Grade::Passed);
        assert_eq!(source(SourceOutcome::Dropped(SourceDebugType::StorageLimit)), Grade::Failed);
    }

    #[test]
    fn only_success_is_a_good_answer() {
        let grades = [199, 200, 299, 300, 404, 500].map(|status| of_delivery(&SendOutcome::Answered(status)));
        let (good, bad) = (Grade::Passed, Grade::Failed);
        assert_eq!(grades, [bad, good, good, bad, bad, bad]);
    }
}
