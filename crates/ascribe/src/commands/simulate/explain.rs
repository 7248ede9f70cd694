//! `--explain`: what became of each response, and why.

use std::io::Write;

use ascribe_engine::Verdict;
use ascribe_simulation::{Explained, Run, outcome, problems};

use crate::output::{ERROR, FAINT, GOOD, NOTE, Output, STRONG, WARNING};

pub(super) fn show(run: &Run) -> Vec<Explained<'_>> {
    let registrations = run.registrations.iter();
    registrations
        .map(|(time, url, registration, trace)| Explained::new(*time, url, registration, trace))
        .collect()
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
