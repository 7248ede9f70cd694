//! Moments: points of wall time, as far apart as whole milliseconds.

use std::ops::Add;

use serde::{Deserialize, Serialize};

/// A moment: milliseconds since the UNIX epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Time(i64);

impl Time {
    /// The first moment that can be told.
    pub const MIN: Self = Self(i64::MIN);

    /// The last moment that can be told.
    pub const MAX: Self = Self(i64::MAX);

    /// From milliseconds since the UNIX epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// From seconds since the UNIX epoch.
    #[must_use]
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Milliseconds since the UNIX epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the UNIX epoch, rounded down: what reports carry.
    #[must_use]
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// "Obtain rounded source time": seconds since the UNIX epoch, rounded down to a whole day.
    #[must_use]
    pub const fn as_whole_days(self) -> i64 {
        self.0.div_euclid(86_400_000) * 86_400
    }

    /// How long after `earlier` this is; negative when it is before.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration(self.0.saturating_sub(earlier.0))
    }
}

/// A length of time in milliseconds; can be negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Duration(i64);

impl Duration {
    /// One day.
    pub const DAY: Self = Self::from_secs(86_400);

    /// From milliseconds.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// From seconds.
    #[must_use]
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// From whole days.
    #[must_use]
    pub const fn from_days(days: i64) -> Self {
        Self::from_secs(days.saturating_mul(86_400))
    }

    /// The number of milliseconds.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }
}

/// In the largest unit that leaves a whole number: `30 d`, `90 min`, `5 s`, `1500 ms`.
impl std::fmt::Display for Duration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s")];
        let whole = |(millis, _): &&(i64, _)| self.0 != 0 && self.0 % millis == 0;
        match units.iter().find(whole) {
            Some((millis, unit)) => write!(f, "{} {unit}", self.0 / millis),
            None => write!(f, "{} ms", self.0),
        }
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.0))
    }
}

impl std::ops::Sub<Duration> for Time {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_days_are_rounded_down() {
        for (millis, secs, day) in [
            (-86_400_001, -86_401, -172_800),
            (-86_400_000, -86_400, -86_400),
            (-1001, -2, -86_400),
            (-1000, -1, -86_400),
            (-1, -1, -86_400),
            (0, 0, 0),
            (999, 0, 0),
            (1000, 1, 0),
            (86_399_999, 86_399, 0),
            (86_400_000, 86_400, 86_400),
            (i64::MAX, i64::MAX / 1000, 9_223_372_036_828_800),
        ] {
            let time = Time::from_millis(millis);
            assert_eq!((time.as_secs(), time.as_whole_days()), (secs, day), "{millis}");
        }
    }

    #[test]
    fn arithmetic_stops_at_the_ends_of_time() {
        let (first, last) = (Time::from_millis(i64::MIN), Time::from_millis(i64::MAX));
        assert_eq!(last + Duration::from_millis(1), last);
        assert_eq!(first - Duration::from_millis(1), first);
        assert_eq!(last.since(first), Duration::from_millis(i64::MAX));
        assert_eq!(Time::from_secs(i64::MAX), last);
        assert_eq!(Duration::from_days(i64::MIN), Duration::from_millis(i64::MIN));
        assert_eq!(Time::from_secs(90_000).since(Time::from_secs(3600)), Duration::DAY);
    }

    #[test]
    fn durations_are_told_in_the_largest_whole_unit() {
        for (millis, told) in [
            (30 * 86_400_000, "30 d"),
            (3_600_000, "1 h"),
            (5_400_000, "90 min"),
            (61_000, "61 s"),
            (1500, "1500 ms"),
            (0, "0 ms"),
            (-86_400_000, "-1 d"),
        ] {
            assert_eq!(Duration::from_millis(millis).to_string(), told);
        }
    }
}
