//! Where the chance of a run comes from: the record, or a seeded generator.

use std::collections::VecDeque;

use ascribe_agent::CourierDraws;
use ascribe_engine::{Draws, FakeReport, SystemDraws};
use ascribe_headers::SourceRegistration;
use ascribe_privacy::TriggerStates;
use ascribe_reports::{Duration, ReportId};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;

/// How much is left to chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noise {
    /// Only what the record says: no noise and no null reports unless it asks for them, and the longest
    /// delays. Runs are the same every time.
    Recorded,
    /// As for real users, from a generator with this seed; what the record says still holds.
    Random(u64),
}

/// Draws for one user.
#[derive(Clone, Debug)]
pub(crate) struct RunDraws {
    random: Option<SystemDraws<ChaCha12Rng>>,
    recorded: Recorded,
    next_report_id: u128,
}

/// What the record says of the response that is being processed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recorded {
    pub(crate) randomized_response: Option<Vec<FakeReport>>,
    pub(crate) null_report_days: Vec<u32>,
    pub(crate) aggregatable_report_delays: VecDeque<Duration>,
}

impl RunDraws {
    /// Each user has a stream of random numbers of its own, so that the order of users does not matter.
    pub(crate) fn new(noise: Noise, user: &str) -> Self {
        let random = match noise {
            Noise::Recorded => None,
            Noise::Random(seed) => Some(SystemDraws(ChaCha12Rng::from_seed(user_seed(seed, user)))),
        };
        Self { random, recorded: Recorded::default(), next_report_id: 0 }
    }

    pub(crate) fn set_recorded(&mut self, recorded: Recorded) {
        self.recorded = recorded;
    }
}

/// FNV-1a over the user's name, beside the run's seed: distinct streams, nothing secret.
fn user_seed(seed: u64, user: &str) -> [u8; 32] {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let hash = |basis: u64| user.bytes().fold(basis, |h, b| (h ^ u64::from(b)).wrapping_mul(PRIME));
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&hash(OFFSET).to_le_bytes());
    bytes[16..24].copy_from_slice(&hash(OFFSET ^ PRIME).to_le_bytes());
    bytes[24..].copy_from_slice(&(user.len() as u64).to_le_bytes());
    bytes
}

impl Draws for RunDraws {
    fn randomized_response(
        &mut self,
        source: &SourceRegistration,
        states: &TriggerStates,
    ) -> Option<Vec<FakeReport>> {
        let recorded = self.recorded.randomized_response.take();
        recorded.or_else(|| self.random.as_mut()?.randomized_response(source, states))
    }

    fn null_report(&mut self, days_before: u32, rate: f64) -> bool {
        self.recorded.null_report_days.contains(&days_before)
            || self.random.as_mut().is_some_and(|random| random.null_report(days_before, rate))
    }

    fn aggregatable_report_delay(&mut self, span: Duration) -> Duration {
        let recorded = self.recorded.aggregatable_report_delays.pop_front();
        let random = || self.random.as_mut().map_or(span, |random| random.aggregatable_report_delay(span));
        recorded.unwrap_or_else(random)
    }

    fn report_id(&mut self) -> ReportId {
        // The IDs of a run protect nobody: distinct within a user, and the same every time.
        self.next_report_id += 1;
        uuid::Builder::from_random_bytes(self.next_report_id.to_be_bytes()).into_uuid()
    }
}

impl CourierDraws for RunDraws {
    fn shuffle(&mut self, n: usize) -> usize {
        self.random.as_mut().map_or(0, |random| random.0.random_range(0..n))
    }

    fn offline_delay(&mut self, span: Duration) -> Duration {
        self.random.as_mut().map_or(Duration::default(), |random| random.aggregatable_report_delay(span))
    }
}
