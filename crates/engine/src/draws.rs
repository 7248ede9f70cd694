//! Randomness by name: what is drawn, not which bytes.

use ascribe_headers::SourceRegistration;
use ascribe_privacy::TriggerStates;
use ascribe_reports::{Duration, ReportId};
use rand::{Rng, RngExt};

/// One fake report of a noised source: which trigger data, in which of its windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FakeReport {
    /// One of the source's trigger data.
    pub trigger_data: u32,
    /// The index of one of the source's report windows.
    pub window: usize,
}

/// Everything that the engine leaves to chance. A script of answers makes a run reproducible.
pub trait Draws {
    /// "Obtain a randomized source response": `None` for the truth, or the fake reports to make instead, of
    /// one of the source's `states`, each with equal probability. Fake reports with trigger data or windows that
    /// the source has not, and those beyond its maximum, are ignored.
    fn randomized_response(
        &mut self,
        source: &SourceRegistration,
        states: &TriggerStates,
    ) -> Option<Vec<FakeReport>>;

    /// "Determine if a randomized null attribution report is generated", for a source time so many days
    /// before the trigger: true with probability `rate`.
    fn null_report(&mut self, days_before: u32, rate: f64) -> bool;

    /// The random delay of an aggregatable report: uniform from zero to `span`.
    fn aggregatable_report_delay(&mut self, span: Duration) -> Duration;

    /// "Generating a random UUID".
    fn report_id(&mut self) -> ReportId;
}

/// Draws from a random number generator.
///
/// Where it protects people, `R` must be cryptographically secure and seeded by the operating system.
#[derive(Clone, Debug)]
pub struct SystemDraws<R>(pub R);

impl<R: Rng> Draws for SystemDraws<R> {
    fn randomized_response(
        &mut self,
        source: &SourceRegistration,
        states: &TriggerStates,
    ) -> Option<Vec<FakeReport>> {
        let state = ascribe_privacy::randomized_response(*states, source.event_level_epsilon, &mut self.0)?;
        let fake = |report: &ascribe_privacy::TriggerState| {
            let trigger_data = source.trigger_data.get(report.trigger_data_index.into())?;
            Some(FakeReport { trigger_data, window: report.window_index.into() })
        };
        Some(state.iter().filter_map(fake).collect())
    }

    fn null_report(&mut self, _days_before: u32, rate: f64) -> bool {
        self.0.random::<f64>() < rate
    }

    fn aggregatable_report_delay(&mut self, span: Duration) -> Duration {
        if span.as_millis() <= 0 {
            return Duration::default();
        }
        Duration::from_millis(self.0.random_range(0..span.as_millis()))
    }

    fn report_id(&mut self) -> ReportId {
        uuid::Builder::from_random_bytes(self.0.random()).into_uuid()
    }
}

impl<D: Draws + ?Sized> Draws for &mut D {
    fn randomized_response(
        &mut self,
        source: &SourceRegistration,
        states: &TriggerStates,
    ) -> Option<Vec<FakeReport>> {
        (**self).randomized_response(source, states)
    }

    fn null_report(&mut self, days_before: u32, rate: f64) -> bool {
        (**self).null_report(days_before, rate)
    }

    fn aggregatable_report_delay(&mut self, span: Duration) -> Duration {
        (**self).aggregatable_report_delay(span)
    }

    fn report_id(&mut self) -> ReportId {
        (**self).report_id()
    }
}
