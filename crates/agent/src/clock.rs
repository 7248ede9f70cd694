//! One clock for all: what a page, a report and the journal call now.
//!
//! The time of a profile is the system's plus an offset. Advancing adds to the offset, which the journal keeps,
//! so that a profile that has seen the next month stays in it. Time never runs backwards in a profile: when the
//! system's clock is set back, the profile's stands still until the system's has caught up; also over a
//! restart, as far as the journal knows how late it was.

use std::time::{SystemTime, UNIX_EPOCH};

use ascribe_reports::{Duration, Time};

/// Where time comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock(Source);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Source {
    #[default]
    System,
    Fixed(Time),
}

impl Clock {
    /// The system's time, plus what it was advanced by.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// Time that starts at a moment, and moves only when it is advanced. A profile that was later already
    /// goes on where it was.
    #[must_use]
    pub fn fixed(start: Time) -> Self {
        Self(Source::Fixed(start))
    }

    fn read(self) -> Time {
        match self.0 {
            Source::System => system_time(),
            Source::Fixed(start) => start,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place of the host half that reads the clock")]
fn system_time() -> Time {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

/// A clock that runs.
#[derive(Clone, Debug)]
pub(crate) struct Timekeeper {
    clock: Clock,
    offset: Duration,
    /// The latest time that was told.
    latest: Time,
}

impl Timekeeper {
    /// Goes on with the offset, and not before the latest time, that the profile knows.
    pub(crate) fn new(clock: Clock, offset: Duration, latest: Time) -> Self {
        Self { clock, offset, latest }
    }

    pub(crate) fn now(&mut self) -> Time {
        self.latest = self.latest.max(self.clock.read() + self.offset);
        self.latest
    }

    /// Moves on to a moment, if it is not past yet.
    pub(crate) fn advance_to(&mut self, moment: Time) {
        if moment > self.now() {
            self.offset = moment.since(self.clock.read());
            self.latest = moment;
        }
    }

    /// How long until a moment, when time runs by itself.
    pub(crate) fn wait_until(&mut self, moment: Time) -> Option<std::time::Duration> {
        match self.clock.0 {
            Source::System => {
                let millis = moment.as_millis().saturating_sub(self.now().as_millis());
                Some(std::time::Duration::from_millis(u64::try_from(millis).unwrap_or(0)))
            }
            Source::Fixed(_) => (moment <= self.now()).then_some(std::time::Duration::ZERO),
        }
    }

    pub(crate) fn offset(&self) -> Duration {
        self.offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Time = Time::from_secs(1_000);

    #[test]
    fn a_fixed_clock_moves_only_by_advancing() {
        let mut time = Timekeeper::new(Clock::fixed(START), Duration::default(), Time::MIN);
        assert_eq!(time.now(), START);
        time.advance_to(Time::from_secs(1_060));
        assert_eq!((time.now(), time.offset()), (Time::from_secs(1_060), Duration::from_secs(60)));
        time.advance_to(START);
        assert_eq!(time.now(), Time::from_secs(1_060), "never backwards");
        assert_eq!(time.wait_until(Time::from_secs(1_061)), None, "it would wait for ever");
        assert_eq!(time.wait_until(START), Some(std::time::Duration::ZERO));
    }

    #[test]
    fn a_profile_goes_on_where_it_was() {
        let offset = Duration::from_secs(60);
        let mut time = Timekeeper::new(Clock::fixed(START), offset, Time::MIN);
        assert_eq!(time.now(), Time::from_secs(1_060));
        // The clock was set back by a lot.
        let mut time = Timekeeper::new(Clock::fixed(START), offset, Time::from_secs(5_000));
        assert_eq!(time.now(), Time::from_secs(5_000));
        time.advance_to(Time::from_secs(5_001));
        assert_eq!(time.now(), Time::from_secs(5_001));
        assert_eq!(time.offset(), Duration::from_secs(4_001));
    }

    #[test]
    fn the_system_clock_runs_and_is_advanced() {
        let mut time = Timekeeper::new(Clock::system(), Duration::default(), Time::MIN);
        let before = time.now();
        assert!(before > Time::from_secs(1_700_000_000));
        time.advance_to(before + Duration::from_days(30));
        assert!(time.now() >= before + Duration::from_days(30));
        let wait = time.wait_until(before + Duration::from_days(31)).expect("it runs");
        assert!(wait <= std::time::Duration::from_hours(24), "{wait:?}");
    }
}
