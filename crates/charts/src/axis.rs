//! An axis: what it shows, in which unit, and how its ticks are written.

use std::sync::Arc;

use kuva::prelude::{DateTimeAxis, TickFormat};

/// What an axis shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// Written along the axis; may be empty.
    pub label: String,
    /// How ticks are written.
    pub unit: Unit,
    /// A logarithmic scale. Values that are not above 0 have no place on it and are left out; bars have
    /// none of their own and are drawn on a linear one.
    pub logarithmic: bool,
}

/// What the numbers of an axis count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Things: 1200 is "1.2k".
    Count,
    /// Any number: 0.25 is "0.25", 1200 is "1.2k".
    Number,
    /// A share: 0.25 is "25%".
    Share,
    /// A duration in seconds: 5400 is "1.5h".
    Seconds,
    /// A moment in seconds since 1970 in UTC, for the x axis of a [`LineChart`](crate::LineChart).
    Time,
}

impl Axis {
    /// A linear axis.
    #[must_use]
    pub fn new(label: impl Into<String>, unit: Unit) -> Self {
        Self { label: label.into(), unit, logarithmic: false }
    }

    /// The same axis with a logarithmic scale.
    #[must_use]
    pub fn logarithmic(self) -> Self {
        Self { logarithmic: true, ..self }
    }

    /// Whether a value can be drawn on it.
    pub(crate) fn shows(&self, value: f64) -> bool {
        value.is_finite()
            && value.abs() <= LARGEST
            && (!self.logarithmic || value >= SMALLEST_POSITIVE)
            && (self.unit != Unit::Time || (0.0..=LATEST).contains(&value))
    }
}

/// Beyond these a scale's own arithmetic would lose its ticks.
const LARGEST: f64 = 1e15;
const SMALLEST_POSITIVE: f64 = 1e-15;
/// The end of the year 9999.
const LATEST: f64 = 253_402_300_799.0;

impl Unit {
    pub(crate) fn ticks(self) -> TickFormat {
        TickFormat::Custom(Arc::new(move |value| self.write(value)))
    }

    /// A number as a tick says it.
    fn write(self, value: f64) -> String {
        match self {
            Self::Count | Self::Number | Self::Time => compact(value),
            Self::Share => format!("{}%", compact(value * 100.0)),
            Self::Seconds => {
                let (size, suffix) = match value.abs() {
                    size if size >= 86_400.0 => (86_400.0, "d"),
                    size if size >= 3_600.0 => (3_600.0, "h"),
                    size if size >= 60.0 => (60.0, "min"),
                    size if size >= 1.0 || size == 0.0 => (1.0, "s"),
                    _ => (0.001, "ms"),
                };
                format!("{}{suffix}", compact(value / size))
            }
        }
    }
}

/// A number in a few characters: at most three decimals, thousands as `k`, millions as `M`, and so on.
fn compact(value: f64) -> String {
    const SUFFIXES: [(f64, &str); 5] = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, "")];
    let size = value.abs();
    if size != 0.0 && size < 0.001 {
        return format!("{value:.1e}");
    }
    let (unit, suffix) =
        SUFFIXES.iter().find(|(unit, _)| size >= *unit * (1.0 - 1e-9)).copied().unwrap_or((1.0, ""));
    let digits = format!("{:.3}", value / unit);
    let digits = digits.trim_end_matches('0').trim_end_matches('.');
    let digits = if digits == "-0" { "0" } else { digits };
    format!("{}{suffix}", digits.replace('-', "−"))
}

/// Calendar ticks for a span, as many as a narrow chart has room for.
pub(crate) fn calendar(from: f64, to: f64) -> DateTimeAxis {
    const HOUR: f64 = 3_600.0;
    const DAY: f64 = 24.0 * HOUR;
    let steps = |size: f64| ((to - from) / size / 5.0).ceil().max(1.0) as usize;
    match to - from {
        span if span < 5.0 * 60.0 => {
            DateTimeAxis { format: "%H:%M:%S".into(), ..DateTimeAxis::auto(0.0, 1.0) }
                .with_step(steps(1.0).next_multiple_of(10).min(60))
        }
        span if span < 5.0 * HOUR => DateTimeAxis::minutes("%H:%M").with_step(match steps(60.0) {
            1 => 1,
            2..=5 => 5,
            6..=15 => 15,
            _ => 60,
        }),
        span if span < 3.0 * DAY => DateTimeAxis::hours("%-d %b %H:%M").with_step(match steps(HOUR) {
            1 => 1,
            2..=3 => 3,
            4..=6 => 6,
            7..=12 => 12,
            _ => 24,
        }),
        span if span < 150.0 * DAY => DateTimeAxis::days("%-d %b").with_step(steps(DAY)),
        span if span < 5.0 * 365.0 * DAY => DateTimeAxis::months("%b %Y").with_step(steps(30.0 * DAY)),
        _ => DateTimeAxis::years("%Y").with_step(steps(365.0 * DAY)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_short_and_have_their_unit() {
        for (unit, value, expected) in [
            (Unit::Count, 0.0, "0"),
            (Unit::Count, -0.0, "0"),
            (Unit::Count, 999.0, "999"),
            (Unit::Count, 1_200.0, "1.2k"),
            (Unit::Number, 1e6, "1M"),
            (Unit::Number, -2.5, "−2.5"),
            (Unit::Number, 0.000_02, "2.0e-5"),
            (Unit::Share, 0.25, "25%"),
            (Unit::Share, 0.001, "0.1%"),
            (Unit::Seconds, 0.25, "250ms"),
            (Unit::Seconds, 5_400.0, "1.5h"),
            (Unit::Seconds, 172_800.0, "2d"),
        ] {
            assert_eq!(unit.write(value), expected, "{unit:?} {value}");
        }
    }

    #[test]
    fn calendars_of_any_span_have_few_ticks() {
        let mut span = 1.0;
        while span < LATEST {
            let ticks = calendar(1_000_000_000.0, 1_000_000_000.0 + span).generate_ticks(1e9, 1e9 + span);
            assert!(ticks.len() <= 8, "{span}: {}", ticks.len());
            span *= 1.37;
        }
    }
}
