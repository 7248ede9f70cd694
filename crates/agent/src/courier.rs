//! The courier: when reports are tried, tried again, and given up.
//!
//! Spec: "queue reports for delivery". Chromium's schedule: a report that could not be delivered for reasons
//! of the network is tried again 5 minutes later, then 15 minutes later, then dropped; while the user agent
//! knows that it is offline, nothing is tried. Any HTTP answer is final. Which reports have failed how often
//! is part of the engine's state, so that it survives a restart.

use std::collections::BTreeSet;

use ascribe_engine::{Effects, Engine, ReportKey, StoredReport};
use ascribe_reports::{Duration, Time};

/// Which retry waits for the next navigation, and goes 5 minutes after it, in place of its own delay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NavigationRetry {
    /// None; two retries.
    #[default]
    Off,
    /// The first of two.
    First,
    /// The second of two.
    Second,
    /// A third one.
    Third,
}

/// What the courier leaves to chance.
pub trait CourierDraws {
    /// Reports that are due together are sent in random order: a number below `n`, uniform.
    fn shuffle(&mut self, n: usize) -> usize;

    /// Reports that became due while nothing could be sent are spread: uniform, at least zero and less than
    /// `span`.
    fn offline_delay(&mut self, span: Duration) -> Duration;
}

/// What became of a report that could not be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// It is tried again at this time.
    Retry(Time),
    /// It waits for the next navigation.
    AwaitsNavigation,
    /// It failed too often and is gone.
    Dropped,
}

/// The schedule of attempts; the network is the host's.
#[derive(Clone, Debug, Default)]
pub struct Courier {
    navigation_retry: NavigationRetry,
    offline: bool,
    in_flight: BTreeSet<ReportKey>,
}

const RETRY_DELAYS: [Duration; 2] = [Duration::from_secs(5 * 60), Duration::from_secs(15 * 60)];
const DELAY_AFTER_NAVIGATION: Duration = Duration::from_secs(5 * 60);
const OFFLINE_DELAY_SPAN: Duration = Duration::from_secs(60);
/// The due time of a report that waits for a navigation.
const AFTER_NAVIGATION: Time = Time::MAX;

impl Courier {
    /// A courier that is online.
    #[must_use]
    pub fn new(navigation_retry: NavigationRetry) -> Self {
        Self { navigation_retry, ..Self::default() }
    }

    /// When the next attempt is due, if anything waits and nothing forbids to try.
    #[must_use]
    pub fn next_due(&self, engine: &Engine) -> Option<Time> {
        if self.offline {
            return None;
        }
        if self.in_flight.is_empty() {
            return engine.next_due().filter(|due| *due != AFTER_NAVIGATION);
        }
        let mut waiting = engine.state().reports().filter(|s| !self.in_flight.contains(&s.report.key()));
        waiting.next().map(|stored| stored.due).filter(|due| *due != AFTER_NAVIGATION)
    }

    /// The reports to send now, in random order. Each is handed out once, until its fate is told with
    /// [`delivered`](Self::delivered) or [`failed`](Self::failed).
    pub fn take_due(&mut self, engine: &Engine, now: Time, draws: &mut impl CourierDraws) -> Vec<ReportKey> {
        self.take(engine.due(now).filter(|stored| stored.due != AFTER_NAVIGATION), draws)
    }

    /// Like [`take_due`](Self::take_due), but all reports that are not on their way, however early it is.
    pub fn take_all(&mut self, engine: &Engine, draws: &mut impl CourierDraws) -> Vec<ReportKey> {
        self.take(engine.state().reports(), draws)
    }

    fn take<'e>(
        &mut self,
        reports: impl Iterator<Item = &'e StoredReport>,
        draws: &mut impl CourierDraws,
    ) -> Vec<ReportKey> {
        if self.offline {
            return Vec::new();
        }
        let mut keys: Vec<_> =
            reports.map(|stored| stored.report.key()).filter(|key| self.in_flight.insert(*key)).collect();
        for last in (1..keys.len()).rev() {
            let other = draws.shuffle(last + 1).min(last);
            keys.swap(last, other);
        }
        keys
    }

    /// A report that was handed out was not tried after all: it is due as before.
    pub fn put_back(&mut self, report: ReportKey) {
        self.in_flight.remove(&report);
    }

    /// A server answered, whatever it said.
    pub fn delivered(&mut self, engine: &mut Engine, report: ReportKey) -> Effects {
        self.in_flight.remove(&report);
        engine.report_sent(report)
    }

    /// A report could not be delivered, or not be sealed.
    pub fn failed(&mut self, engine: &mut Engine, report: ReportKey, now: Time) -> Effects<Failed> {
        self.in_flight.remove(&report);
        let Some(stored) = engine.state().report(report) else {
            // It was cleared while it was on its way.
            return Effects::of(Failed::Dropped);
        };
        let failures = stored.failures + 1;
        let (failed, effects) = match self.retry(failures, now) {
            Some(AFTER_NAVIGATION) => {
                (Failed::AwaitsNavigation, engine.report_postponed(report, AFTER_NAVIGATION))
            }
            Some(due) => (Failed::Retry(due), engine.report_postponed(report, due)),
            None => (Failed::Dropped, engine.report_sent(report)),
        };
        effects.map(|()| failed)
    }

    fn retry(&self, failures: u32, now: Time) -> Option<Time> {
        let after_navigation = match self.navigation_retry {
            NavigationRetry::Off => None,
            NavigationRetry::First => Some(1),
            NavigationRetry::Second => Some(2),
            NavigationRetry::Third => Some(3),
        };
        if after_navigation == Some(failures) {
            return Some(AFTER_NAVIGATION);
        }
        let delay = RETRY_DELAYS.get(usize::try_from(failures).ok()?.checked_sub(1)?)?;
        Some(now + *delay)
    }

    /// The user navigated: what waited for it goes a little later.
    pub fn navigated(&mut self, engine: &mut Engine, now: Time) -> Effects {
        let waiting: Vec<_> = engine
            .state()
            .reports()
            .filter(|stored| stored.due == AFTER_NAVIGATION)
            .map(|stored| stored.report.key())
            .collect();
        delay(engine, waiting.into_iter().map(|key| (key, now + DELAY_AFTER_NAVIGATION)))
    }

    /// Whether it knows that there is no network.
    #[must_use]
    pub fn is_offline(&self) -> bool {
        self.offline
    }

    /// The user agent knows that it has no network: nothing is tried, nothing fails.
    pub fn went_offline(&mut self) {
        self.offline = true;
    }

    /// The network is back, or the user agent has just started: reports that are overdue are spread over a
    /// minute, so that they cannot be joined by the time of their arrival.
    pub fn came_online(&mut self, engine: &mut Engine, now: Time, draws: &mut impl CourierDraws) -> Effects {
        self.offline = false;
        let overdue: Vec<_> = engine.due(now).map(|stored| stored.report.key()).collect();
        let delayed = overdue.into_iter().map(|key| (key, now + draws.offline_delay(OFFLINE_DELAY_SPAN)));
        delay(engine, delayed.collect::<Vec<_>>())
    }
}

fn delay(engine: &mut Engine, reports: impl IntoIterator<Item = (ReportKey, Time)>) -> Effects {
    let mut all = Effects::default();
    for (report, due) in reports {
        all.changes.extend(engine.report_delayed(report, due).changes);
    }
    all
}
