//! A user agent's chance: one generator for what is drawn, and a record of it.

use ascribe_engine::{Draws, FakeReport, SystemDraws};
use ascribe_headers::SourceRegistration;
use ascribe_privacy::TriggerStates;
use ascribe_reports::{Duration, ReportId};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;

use crate::CourierDraws;

/// What chance decided while one input was processed: given the same again, the same becomes of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordedDraws {
    /// The fake reports of a noised source; none when it tells the truth, or nothing was asked.
    pub randomized_response: Option<Vec<FakeReport>>,
    /// For which days before the trigger a null report was drawn.
    pub null_report_days: Vec<u32>,
    /// The random delays of aggregatable reports, in the order in which the reports were made.
    pub aggregatable_delays: Vec<Duration>,
    /// The IDs of reports, in that order too.
    pub report_ids: Vec<ReportId>,
}

/// Draws for an engine and a courier, from generators that do not disturb each other: with the same seed and
/// the same inputs, the same is drawn, however long servers take to answer.
#[derive(Debug)]
pub(super) struct HostDraws {
    engine: SystemDraws<ChaCha20Rng>,
    courier: SystemDraws<ChaCha20Rng>,
    sealing: ChaCha20Rng,
    recorded: RecordedDraws,
    spread_overdue: bool,
}

impl HostDraws {
    pub(super) fn new(mut seed: ChaCha20Rng) -> Self {
        let mut next = || ChaCha20Rng::from_rng(&mut seed);
        Self {
            engine: SystemDraws(next()),
            courier: SystemDraws(next()),
            sealing: next(),
            recorded: RecordedDraws::default(),
            spread_overdue: true,
        }
    }

    /// What was drawn for the engine since this was last asked.
    pub(super) fn take_recorded(&mut self) -> RecordedDraws {
        std::mem::take(&mut self.recorded)
    }

    /// Whether overdue reports are spread over a span, or go at once: for tests without delays.
    pub(super) fn spread_overdue(&mut self, spread: bool) {
        self.spread_overdue = spread;
    }

    /// A generator to seal one report with.
    pub(super) fn for_sealing(&mut self) -> ChaCha20Rng {
        ChaCha20Rng::from_rng(&mut self.sealing)
    }
}

impl Draws for HostDraws {
    fn randomized_response(
        &mut self,
        source: &SourceRegistration,
        states: &TriggerStates,
    ) -> Option<Vec<FakeReport>> {
        let response = self.engine.randomized_response(source, states);
        self.recorded.randomized_response.clone_from(&response);
        response
    }

    fn null_report(&mut self, days_before: u32, rate: f64) -> bool {
        let drawn = self.engine.null_report(days_before, rate);
        if drawn {
            self.recorded.null_report_days.push(days_before);
        }
        drawn
    }

    fn aggregatable_report_delay(&mut self, span: Duration) -> Duration {
        let delay = self.engine.aggregatable_report_delay(span);
        self.recorded.aggregatable_delays.push(delay);
        delay
    }

    fn report_id(&mut self) -> ReportId {
        let id = self.engine.report_id();
        self.recorded.report_ids.push(id);
        id
    }
}

impl CourierDraws for HostDraws {
    fn shuffle(&mut self, n: usize) -> usize {
        self.courier.0.random_range(0..n)
    }

    fn offline_delay(&mut self, span: Duration) -> Duration {
        let span = if self.spread_overdue { span } else { Duration::default() };
        self.courier.aggregatable_report_delay(span)
    }
}
