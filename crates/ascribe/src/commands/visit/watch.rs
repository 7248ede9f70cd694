//! What happens during a visit, told as it happens.

use std::io::Write;

use ascribe_agent::Event;
use ascribe_browser::{Attempt, Browser};
use ascribe_headers::VendorValues;
use tokio::sync::broadcast::{
    Receiver,
    error::{RecvError, TryRecvError},
};

use super::{
    grade::Grade,
    summary::Found,
    told::{Delivery, Told},
};
use crate::{
    output::{ERROR, FAINT, GOOD, NOTE, Output, STRONG, WARNING},
    recording::Recorder,
};

/// Looks on, prints, and keeps what it saw.
pub(super) struct Watch<'o> {
    output: &'o mut Output,
    attempts: Receiver<Attempt>,
    events: Receiver<Event>,
    vendor: VendorValues,
    pub(super) recorder: Option<Recorder>,
    pub(super) found: Found,
    /// How much was told too fast to be seen.
    pub(super) missed: u64,
}

/// As wide as a time.
const INDENT: &str = "               ";

impl<'o> Watch<'o> {
    pub(super) fn begin(browser: &Browser, recorder: Option<Recorder>, output: &'o mut Output) -> Self {
        let user_agent = browser.user_agent();
        Self {
            output,
            attempts: browser.attempts(),
            events: user_agent.events(),
            vendor: user_agent.view(|engine| engine.config().vendor.clone()),
            recorder,
            found: Found::default(),
            missed: 0,
        }
    }

    /// Looks on while something is done.
    pub(super) async fn during<T>(&mut self, act: impl Future<Output = T>) -> anyhow::Result<T> {
        let mut act = std::pin::pin!(act);
        loop {
            tokio::select! {
                biased;
                done = &mut act => {
                    self.catch_up()?;
                    return Ok(done);
                }
                attempt = self.attempts.recv() => match attempt {
                    Ok(attempt) => self.attempt(attempt)?,
                    Err(RecvError::Lagged(missed)) => self.miss(missed),
                    Err(RecvError::Closed) => {}
                },
                event = self.events.recv() => match event {
                    Ok(event) => self.event(event)?,
                    Err(RecvError::Lagged(missed)) => self.miss(missed),
                    Err(RecvError::Closed) => {}
                },
            }
            if let Some(recorder) = &mut self.recorder {
                recorder.catch_up();
            }
        }
    }

    /// What has been told already.
    fn catch_up(&mut self) -> anyhow::Result<()> {
        loop {
            match self.attempts.try_recv() {
                Ok(attempt) => self.attempt(attempt)?,
                Err(TryRecvError::Lagged(missed)) => self.miss(missed),
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        loop {
            match self.events.try_recv() {
                Ok(event) => self.event(event)?,
                Err(TryRecvError::Lagged(missed)) => self.miss(missed),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return Ok(()),
            }
        }
    }

    fn miss(&mut self, missed: u64) {
        self.missed += missed;
    }

    fn attempt(&mut self, attempt: Attempt) -> anyhow::Result<()> {
        let told = Told::new(attempt);
        if !self.output.is_json() {
            print_told(&told, self.output)?;
        }
        self.found.registrations.push(told);
        Ok(())
    }

    fn event(&mut self, event: Event) -> anyhow::Result<()> {
        match event {
            Event::TriggerAttributed {
                time,
                reporting_origin,
                destination,
                registration,
                outcome,
                trace,
                ..
            } => {
                let mut all = self.found.registrations.iter_mut();
                let waited =
                    all.find(|told| told.waits(&reporting_origin, &destination, &registration, &self.vendor));
                if let Some(told) = waited {
                    told.attributed(outcome, &trace);
                    if !self.output.is_json() {
                        let (time, surface, url) = (time.as_millis(), &told.surface, &told.url);
                        writeln!(
                            self.output,
                            "{FAINT}{time:>14}{FAINT:#} {surface} {STRONG}{url}{STRONG:#} waits no longer"
                        )?;
                        print_outcome(told, self.output)?;
                    }
                }
            }
            Event::ReportSent(sent) | Event::ReportFailed(sent) => {
                let delivery = Delivery::new(&sent);
                if !self.output.is_json() {
                    print_delivery(&delivery, self.output)?;
                }
                self.found.reports.push(delivery);
            }
            Event::KeysFailed { coordinator, error, .. } => {
                anstream::eprintln!(
                    "{WARNING}warning:{WARNING:#} no keys of {}: {error}",
                    coordinator.origin()
                );
            }
            _ => {}
        }
        Ok(())
    }
}

/// A registration, in the style of `ascribe simulate --explain`, with what the browser knows of it.
fn print_told(told: &Told, output: &mut Output) -> anyhow::Result<()> {
    let hop = match told.hop {
        0 => String::new(),
        hop => format!(" (redirect {hop})"),
    };
    let (time, surface, url) = (told.time(), &told.surface, &told.url);
    writeln!(output, "{FAINT}{time:>14}{FAINT:#} {surface} {STRONG}{url}{STRONG:#}{hop}")?;
    let eligible = match told.eligible.as_deref() {
        None => "no Attribution-Reporting-Eligible".to_owned(),
        Some(value) => format!("Attribution-Reporting-Eligible: {value}"),
    };
    writeln!(output, "{INDENT}{FAINT}on {}, {eligible}{FAINT:#}", told.page_url)?;
    for (name, value) in told.fields() {
        writeln!(output, "{INDENT}{FAINT}{name}: {value}{FAINT:#}")?;
    }
    print_outcome(told, output)
}

fn print_outcome(told: &Told, output: &mut Output) -> anyhow::Result<()> {
    let (style, sign) = sign(told.grade);
    let outcome = told.outcome.as_deref().unwrap_or("not registered");
    writeln!(output, "{INDENT}{style}{sign} {outcome}{style:#}")?;
    for problem in &told.problems {
        writeln!(output, "{INDENT}  {WARNING}!{WARNING:#} {problem}")?;
    }
    for diagnosis in &told.diagnoses {
        writeln!(output, "{INDENT}  {style}{sign}{style:#} {diagnosis}")?;
    }
    for step in &told.steps {
        let (style, sign) = match step.verdict {
            "passed" => (GOOD, "✓"),
            "stopped" => (ERROR, "✗"),
            _ => (NOTE, "·"),
        };
        writeln!(output, "{INDENT}  {style}{sign}{style:#} {}: {}", step.check, step.detail)?;
    }
    output.flush()?;
    Ok(())
}

fn print_delivery(delivery: &Delivery, output: &mut Output) -> anyhow::Result<()> {
    let (style, sign) = sign(delivery.grade);
    let attempt = match delivery.attempt {
        1 => String::new(),
        attempt => format!(" (attempt {attempt})"),
    };
    let (time, url) = (delivery.time(), &delivery.url);
    writeln!(output, "{FAINT}{time:>14}{FAINT:#} report to {STRONG}{url}{STRONG:#}{attempt}")?;
    writeln!(output, "{INDENT}{FAINT}{}{FAINT:#}", delivery.payload)?;
    writeln!(output, "{INDENT}{style}{sign} {}{style:#}", delivery.outcome)?;
    output.flush()?;
    Ok(())
}

pub(super) fn sign(grade: Grade) -> (anstyle::Style, &'static str) {
    match grade {
        Grade::Passed => (GOOD, "✓"),
        Grade::Note => (NOTE, "·"),
        Grade::Failed => (ERROR, "✗"),
    }
}
