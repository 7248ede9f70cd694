//! What became of each response, and why.

use ascribe_agent::Registration;
use ascribe_engine::{Attribution, SourceOutcome, Trace, Verdict};
use ascribe_headers::Problem;
use ascribe_reports::Time;
use serde::Serialize;

/// What became of a response, as JSON: time in milliseconds, the responding URL, one line on the outcome, what is wrong
/// with the header, and the checks that were met.
#[derive(Debug, Serialize)]
pub struct Explained<'a> {
    time: String,
    url: &'a str,
    outcome: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    steps: Vec<Step<'a>>,
}

#[derive(Debug, Serialize)]
struct Step<'a> {
    check: &'static str,
    verdict: &'static str,
    detail: &'a str,
}

impl<'a> Explained<'a> {
    /// Tells what an [`Observer`](crate::Observer) was told.
    #[must_use]
    pub fn new(time: Time, url: &'a str, registration: &Registration, trace: &'a Trace) -> Self {
        let step = |step: &'a ascribe_engine::Step| Step {
            check: step.check,
            verdict: match step.verdict {
                Verdict::Note => "note",
                Verdict::Passed => "passed",
                Verdict::Stopped => "stopped",
            },
            detail: &step.detail,
        };
        Self {
            time: time.as_millis().to_string(),
            url,
            outcome: outcome(registration),
            problems: problems(registration).iter().map(ToString::to_string).collect(),
            steps: trace.steps().iter().map(step).collect(),
        }
    }
}

/// What is wrong with the header of a response, or should not have been said in it.
#[must_use]
pub fn problems(registration: &Registration) -> &[Problem] {
    match registration {
        Registration::Invalid { errors, .. } => errors,
        Registration::Source { warnings, .. } | Registration::Trigger { warnings, .. } => warnings,
        _ => &[],
    }
}

/// One line on what became of a response.
#[must_use]
pub fn outcome(registration: &Registration) -> String {
    match registration {
        Registration::Ignored(why) => format!("ignored: {why}"),
        Registration::Invalid { header, .. } => format!("invalid {header}"),
        Registration::Source { outcome: SourceOutcome::Stored(as_what), .. } => {
            format!("source stored: {}", as_what.as_str())
        }
        Registration::Source { outcome: SourceOutcome::Dropped(why), .. } => {
            format!("source dropped: {}", why.as_str())
        }
        Registration::Trigger { outcome: None, .. } => "trigger deferred".to_owned(),
        Registration::Trigger { outcome: Some(outcome), .. } => {
            let half = |attribution| match attribution {
                Attribution::NotRegistered => "not registered",
                Attribution::Attributed => "attributed",
                Attribution::Noised => "noised",
                Attribution::Dropped(why) => why.as_str(),
            };
            format!(
                "trigger: event level {}, aggregatable {}",
                half(outcome.event_level),
                half(outcome.aggregatable)
            )
        }
        Registration::OsSource(_, registrations) => {
            format!("{} sources for the operating system", registrations.len())
        }
        Registration::OsTrigger(registrations) => {
            format!("{} triggers for the operating system", registrations.len())
        }
        _ => "unknown".to_owned(),
    }
}
