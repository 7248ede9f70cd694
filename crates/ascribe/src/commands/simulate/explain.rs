//! `--explain`: what became of each response, and why.

use std::io::Write;

use ascribe_agent::Registration;
use ascribe_engine::{Attribution, SourceOutcome, Verdict};
use ascribe_headers::Problem;
use ascribe_simulation::Run;
use serde::Serialize;

use crate::output::{ERROR, FAINT, GOOD, NOTE, Output, STRONG, WARNING};

/// What `--json` prints of a response.
#[derive(Serialize)]
pub(super) struct Shown {
    time: String,
    url: String,
    outcome: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    steps: Vec<Step>,
}

#[derive(Serialize)]
struct Step {
    check: &'static str,
    verdict: &'static str,
    detail: String,
}

pub(super) fn show(run: &Run) -> Vec<Shown> {
    let shown = run.registrations.iter().map(|(time, url, registration, trace)| Shown {
        time: time.as_millis().to_string(),
        url: url.clone(),
        outcome: outcome(registration),
        problems: problems(registration).iter().map(ToString::to_string).collect(),
        steps: trace
            .steps()
            .iter()
            .map(|step| Step {
                check: step.check,
                verdict: match step.verdict {
                    Verdict::Note => "note",
                    Verdict::Passed => "passed",
                    Verdict::Stopped => "stopped",
                },
                detail: step.detail.clone(),
            })
            .collect(),
    });
    shown.collect()
}

pub(super) fn print(run: &Run, output: &mut Output) -> anyhow::Result<()> {
    for (time, url, registration, trace) in &run.registrations {
        let time = time.as_millis();
        writeln!(output, "{FAINT}{time:>14}{FAINT:#} {url} {STRONG}{}{STRONG:#}", outcome(registration))?;
        for problem in problems(registration) {
            writeln!(output, "{:>14} {WARNING}!{WARNING:#} {problem}", "")?;
        }
        for step in trace.steps() {
            let (style, sign) = match step.verdict {
                Verdict::Note => (NOTE, "·"),
                Verdict::Passed => (GOOD, "✓"),
                Verdict::Stopped => (ERROR, "✗"),
            };
            writeln!(output, "{:>14} {style}{sign}{style:#} {}: {}", "", step.check, step.detail)?;
        }
    }
    Ok(())
}

fn problems(registration: &Registration) -> &[Problem] {
    match registration {
        Registration::Invalid { errors, .. } => errors,
        Registration::Source { warnings, .. } | Registration::Trigger { warnings, .. } => warnings,
        _ => &[],
    }
}

/// One line on what became of a response.
fn outcome(registration: &Registration) -> String {
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
                Attribution::Dropped(why) => ascribe_headers::TriggerDebugType::as_str(why),
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
