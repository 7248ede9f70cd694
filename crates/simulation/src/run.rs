//! A whole case from its input to its reports.

use ascribe_agent::Registration;
use ascribe_engine::Trace;
use ascribe_reports::Time;
use serde_json::Value;

use crate::{Case, Noise, Observer, PlayError, Player, Sent, Setup, output};

/// What a case led to.
#[derive(Debug, Default)]
pub struct Run {
    /// The reports, in the order in which they were sent; without their IDs, as in case files.
    pub reports: Vec<Value>,
    /// What became of each response: when, from which URL, what, and why, if the setup asks to explain.
    pub registrations: Vec<(Time, String, Registration, Trace)>,
}

/// Plays a case to its end.
///
/// # Errors
/// When an entry makes no sense; tells which, counted from 0.
pub fn run_case(case: &Case<'_>, setup: &Setup, noise: Noise) -> Result<Run, (usize, PlayError)> {
    let mut player = Player::new(setup, noise, "");
    let mut run = Run::default();
    for (at, entry) in case.input.registrations.iter().enumerate() {
        player.play(entry, &mut run).map_err(|error| (at, error))?;
    }
    player.finish(&mut run);
    Ok(run)
}

/// Appends a report as a line of JSON, with its user if there is one.
pub fn write_report(out: &mut Vec<u8>, user: Option<&str>, time: Time, sent: Sent<'_>) {
    output::write(out, user, time, sent);
    out.push(b'\n');
}

impl Observer for Run {
    fn sent(&mut self, time: Time, report: Sent<'_>) {
        let mut json = Vec::new();
        output::write(&mut json, None, time, report);
        self.reports.push(serde_json::from_slice(&json).expect("reports are written as JSON"));
    }

    fn registered(&mut self, time: Time, url: &str, registration: &Registration, trace: &Trace) {
        self.registrations.push((time, url.to_owned(), registration.clone(), trace.clone()));
    }
}
