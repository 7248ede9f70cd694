//! What became of a registration, and why, in sentences: each verdict with the values that were compared.

use ascribe_agent::{Ignored, Registration};
use ascribe_engine::{Attribution, SourceOutcome, Trace, TriggerOutcome, Verdict};
use ascribe_headers::{Problem, SourceDebugType, SourceType, TriggerDebugType};

/// What became of a response that registers something, or does not.
pub(crate) fn sentence(registration: &Registration, trace: &Trace) -> String {
    match registration {
        Registration::Ignored(why) => ignored(*why),
        Registration::Invalid { header, errors } => invalid(header, errors),
        Registration::Source { outcome, .. } => source(*outcome, trace),
        Registration::Trigger { outcome: Some(outcome), .. } => trigger(*outcome, trace),
        Registration::Trigger { outcome: None, .. } => {
            "Deferred: it waits until the sources of the navigation that led to this page are processed, 20 s \
             at most."
                .to_owned()
        }
        Registration::OsSource(source_type, registrations) => {
            let kind = match source_type {
                SourceType::Event => "event",
                SourceType::Navigation => "navigation",
            };
            format!("For the operating system: {} {kind} sources.", registrations.len())
        }
        Registration::OsTrigger(registrations) => {
            format!("For the operating system: {} triggers.", registrations.len())
        }
        _ => "Something that this page has no words for.".to_owned(),
    }
}

fn ignored(why: Ignored) -> String {
    let text = match why {
        Ignored::NothingEligible => {
            "Nothing is registered: the response has no registration header that its request is eligible for. \
             Compare the request's Attribution-Reporting-Eligible with the headers of the response."
        }
        Ignored::InvalidInfo => {
            "Nothing is registered: Attribution-Reporting-Info is invalid, and then nothing of the response \
             counts."
        }
        Ignored::SourceAndTrigger => {
            "Nothing is registered: the response has a source header and a trigger header, and may have only \
             one of them."
        }
        Ignored::WebAndOs => {
            "Nothing is registered: the response has headers for the web and for the operating system, and no \
             preferred-platform in Attribution-Reporting-Info."
        }
        Ignored::PreferredPlatformMissing => {
            "Nothing is registered: the response has no header for the platform that its \
             Attribution-Reporting-Info prefers."
        }
        Ignored::UnsupportedPlatform => {
            "Nothing is registered: the response only has headers for a platform that is not supported here."
        }
        Ignored::InvalidEligible => {
            "Nothing is registered: the request's Attribution-Reporting-Eligible is none that a user agent \
             sends."
        }
        Ignored::UnsuitableContextOrigin => {
            "Nothing is registered: the top-level page is not potentially trustworthy. Serve it over HTTPS."
        }
        Ignored::UnsuitableReportingOrigin => {
            "Nothing is registered: the responding server is not potentially trustworthy. Serve it over HTTPS."
        }
        Ignored::OtherScopesInNavigation => {
            "Nothing is registered: an earlier source of this reporting origin in the same navigation has \
             another set of attribution_scopes, and the first set counts for all."
        }
        other => return format!("Nothing is registered: {other}."),
    };
    text.to_owned()
}

fn invalid(header: &str, errors: &[Problem]) -> String {
    let Some((first, more)) = errors.split_first() else {
        return format!("Nothing is registered: {header} is invalid.");
    };
    let more = match more.len() {
        0 => String::new(),
        n => format!(" And {n} more."),
    };
    format!("Nothing is registered: {header} is invalid at {first}.{more}")
}

fn source(outcome: SourceOutcome, trace: &Trace) -> String {
    let (reason, why) = match outcome {
        SourceOutcome::Stored(SourceDebugType::Noised) => {
            let detail = notes_of(trace, "obtain a randomized source response");
            return format!("Stored, and chosen by noise{}.", colon(&detail));
        }
        SourceOutcome::Stored(_) => return "Stored.".to_owned(),
        SourceOutcome::Dropped(reason) => (reason, stops_of(trace, source_check(reason)).join("; ")),
    };
    let because = match reason {
        SourceDebugType::TriggerStateCardinalityLimit => "it has too many trigger states",
        SourceDebugType::ChannelCapacityLimit => "its event-level reports would disclose too much",
        SourceDebugType::MaxEventStatesLimit => {
            "it has more trigger states than its attribution scopes allow"
        }
        SourceDebugType::ScopesChannelCapacityLimit => "its attribution scopes would disclose too much",
        SourceDebugType::StorageLimit => "too many sources are stored",
        SourceDebugType::ReportingOriginPerSiteLimit => {
            "another reporting origin of the same reporting site has registered sources on this site lately"
        }
        SourceDebugType::DestinationRateLimit => "there were too many destinations within a minute",
        SourceDebugType::DestinationPerDayRateLimit => "there were too many destinations within a day",
        SourceDebugType::DestinationLimit => "unexpired sources cover too many destinations",
        SourceDebugType::DestinationGlobalRateLimit => {
            "there were too many destinations of all reporting sites within a minute, of which debug reports \
             do not tell"
        }
        SourceDebugType::ReportingOriginLimit => {
            "there were too many reporting origins for this site and destination, of which debug reports do \
             not tell"
        }
        SourceDebugType::DestinationLimitReplaced
        | SourceDebugType::Noised
        | SourceDebugType::Success
        | SourceDebugType::UnknownError => reason.as_str(),
    };
    format!("Not stored, because {because}{}.", colon(&why))
}

fn trigger(outcome: TriggerOutcome, trace: &Trace) -> String {
    let TriggerOutcome { event_level, aggregatable } = outcome;
    // Why nothing at all was attributed is told once.
    let of_both = match (event_level, aggregatable) {
        (Attribution::Dropped(event), Attribution::Dropped(other)) if event == other => Some(event),
        (Attribution::Dropped(reason), Attribution::NotRegistered)
        | (Attribution::NotRegistered, Attribution::Dropped(reason)) => Some(reason),
        _ => None,
    };
    if let Some(reason) = of_both {
        return format!("Not attributed, because {}.", trigger_reason(reason, trace));
    }
    let half = |name: &str, half| match half {
        Attribution::NotRegistered => None,
        Attribution::Attributed => Some(format!("{name}: attributed, a report is stored.")),
        Attribution::Noised => Some(format!("{name}: it counts, but noise hides the report.")),
        Attribution::Dropped(reason) => {
            Some(format!("{name}: not attributed, because {}.", trigger_reason(reason, trace)))
        }
    };
    let halves = [half("Event level", event_level), half("Aggregatable", aggregatable)];
    let told: Vec<_> = halves.into_iter().flatten().collect();
    if told.is_empty() {
        return "Nothing to attribute: the trigger has neither event_trigger_data nor aggregatable values."
            .to_owned();
    }
    told.join(" ")
}

fn trigger_reason(reason: TriggerDebugType, trace: &Trace) -> String {
    use TriggerDebugType::*;
    let (check, because) = match reason {
        NoMatchingSource => ("find matching sources", "no source matches"),
        NoMatchingFilterData => ("match top-level filters", "the filters do not match the best source"),
        ReportingOriginLimit => (
            "max attribution reporting origins per rate-limit window",
            "too many reporting origins have attributions here",
        ),
        EventNoise => ("trigger event-level attribution", "noise chose the source"),
        EventNoMatchingConfigurations => {
            ("trigger event-level attribution", "no event_trigger_data matches the source")
        }
        EventDeduplicated => ("trigger event-level attribution", "it is a duplicate"),
        EventNoMatchingTriggerData => {
            ("find matching trigger data", "the source does not report such trigger_data")
        }
        EventReportWindowNotStarted => (WINDOW, "it came before the source's event-level report windows"),
        EventReportWindowPassed => (WINDOW, "it came after the source's event-level report windows"),
        EventAttributionsPerSourceDestinationLimit => (ATTRIBUTIONS, "there are too many attributions"),
        EventStorageLimit => {
            ("max event-level reports per attribution destination", "too many reports are pending")
        }
        EventExcessiveReports => ("maybe replace event-level report", "the source has no report left"),
        EventLowPriority => ("maybe replace event-level report", "its priority is too low"),
        AggregateReportWindowPassed => (WINDOW, "it came after the source's aggregatable report window"),
        AggregateDeduplicated => ("trigger aggregatable attribution", "it is a duplicate"),
        AggregateNoContributions => {
            ("create aggregatable contributions", "it contributes nothing to the source's keys")
        }
        AggregateStorageLimit => (
            "max aggregatable attribution reports per attribution destination",
            "too many reports are pending",
        ),
        AggregateAttributionsPerSourceDestinationLimit => (ATTRIBUTIONS, "there are too many attributions"),
        AggregateExcessiveReports => ("max aggregatable reports per source", "the source has no report left"),
        AggregateInsufficientBudget => (
            "check if an attribution source can create aggregatable contributions",
            "the source's budget does not suffice",
        ),
        AggregateInsufficientNamedBudget => (
            "check if a source can create aggregatable contributions for matched budget name",
            "the source's named budget does not suffice",
        ),
        UnknownError => ("", "of an unknown error"),
    };
    let stops = stops_of(trace, check);
    // Where both halves meet a check of one name, event level comes first.
    let is_aggregatable = reason.as_str().starts_with("trigger-aggregate-");
    let stop = if is_aggregatable { stops.last() } else { stops.first() };
    format!("{because}{}", colon(stop.copied().unwrap_or_default()))
}

const WINDOW: &str = "check whether a moment falls within a window";
const ATTRIBUTIONS: &str = "max attributions per rate-limit window";

fn source_check(reason: SourceDebugType) -> &'static str {
    match reason {
        SourceDebugType::TriggerStateCardinalityLimit => "max trigger-state cardinality",
        SourceDebugType::ChannelCapacityLimit => "max event-level channel capacity per source",
        SourceDebugType::MaxEventStatesLimit => "max event states of attribution scopes",
        SourceDebugType::ScopesChannelCapacityLimit => {
            "max event-level attribution scopes channel capacity per source"
        }
        SourceDebugType::StorageLimit => "max pending sources per source origin",
        SourceDebugType::ReportingOriginPerSiteLimit => {
            "max source reporting origins per source reporting site"
        }
        SourceDebugType::DestinationRateLimit => "max destinations per rate-limit window and reporting site",
        SourceDebugType::DestinationPerDayRateLimit => "max destinations per source reporting site per day",
        SourceDebugType::DestinationLimit | SourceDebugType::DestinationLimitReplaced => {
            "max destinations covered by unexpired sources"
        }
        SourceDebugType::DestinationGlobalRateLimit => "max destinations per rate-limit window",
        SourceDebugType::ReportingOriginLimit => "max source reporting origins per rate-limit window",
        SourceDebugType::Noised | SourceDebugType::Success | SourceDebugType::UnknownError => "",
    }
}

/// What a check said when it stopped something.
fn stops_of<'t>(trace: &'t Trace, check: &str) -> Vec<&'t str> {
    let stops = trace.steps().iter().filter(|step| step.verdict == Verdict::Stopped && step.check == check);
    stops.map(|step| &*step.detail).collect()
}

fn notes_of(trace: &Trace, check: &str) -> String {
    let notes = trace.steps().iter().filter(|step| step.verdict == Verdict::Note && step.check == check);
    notes.map(|step| &*step.detail).collect::<Vec<_>>().join("; ")
}

fn colon(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!(": {detail}") }
}
