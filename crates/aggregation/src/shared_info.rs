//! Shared info as the aggregation service reads it.
//!
//! More lenient than `SharedInfo` of `ascribe-reports`: only what a report cannot be read without makes it
//! unreadable; what is wrong with the rest is told by the checks, each under its own counter.

use std::borrow::Cow;

use ascribe_reports::Time;
use chrono::{DateTime, SecondsFormat};
use serde::{Deserialize, Deserializer, de};

/// The members that the service looks at, unchecked except for their types.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SharedInfo<'a> {
    /// `version`: a text.
    #[serde(borrow)]
    pub version: Cow<'a, str>,
    /// `scheduled_report_time`.
    #[serde(deserialize_with = "time")]
    pub scheduled_report_time: Time,
    /// `reporting_origin`: a text, no more.
    #[serde(borrow)]
    pub reporting_origin: Cow<'a, str>,
    /// `api`.
    #[serde(borrow, default)]
    pub api: Option<Cow<'a, str>>,
    /// `attribution_destination`.
    #[serde(borrow, default)]
    pub attribution_destination: Option<Cow<'a, str>>,
    /// `source_registration_time`.
    #[serde(default, deserialize_with = "optional_time")]
    pub source_registration_time: Option<Time>,
    /// `report_id`.
    #[serde(borrow, default)]
    pub report_id: Option<Cow<'a, str>>,
    /// `debug_mode`.
    #[serde(borrow, default)]
    pub debug_mode: Option<Cow<'a, str>>,
}

impl<'a> SharedInfo<'a> {
    /// Reads shared info; `None` if it is no JSON object, a member is of the wrong type or stands twice, or
    /// `version`, `scheduled_report_time` or `reporting_origin` is missing. Other members are ignored.
    ///
    /// Times are seconds since the UNIX epoch, as numbers or decimal text, of which milliseconds are kept;
    /// they must lie in the years -262143 to 262142.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        // A struct would be read from a list as well.
        if !text.trim_ascii_start().starts_with('{') {
            return None;
        }
        serde_json::from_str(text).ok()
    }

    /// Whether debug mode is enabled: any other text than `enabled` means that it is not.
    #[must_use]
    pub fn is_debug(&self) -> bool {
        self.debug_mode.as_deref() == Some("enabled")
    }
}

/// A time as ISO 8601 has it, in UTC, with as many decimals as it takes. Shared IDs are made of it, too.
#[must_use]
pub fn iso_8601(time: Time) -> String {
    DateTime::from_timestamp_millis(time.as_millis())
        .map_or_else(|| time.as_secs().to_string(), |time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
    deserializer.deserialize_any(Seconds)
}

fn optional_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Time>, D::Error> {
    #[derive(Deserialize)]
    struct Wrapped(#[serde(deserialize_with = "time")] Time);
    Ok(Option::<Wrapped>::deserialize(deserializer)?.map(|Wrapped(time)| time))
}

/// Seconds as a number or as text.
struct Seconds;

impl Seconds {
    fn checked<E: de::Error>(millis: Option<i64>) -> Result<Time, E> {
        millis
            .filter(|millis| DateTime::from_timestamp_millis(*millis).is_some())
            .map(Time::from_millis)
            .ok_or_else(|| E::custom("a time out of range"))
    }
}

impl de::Visitor<'_> for Seconds {
    type Value = Time;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("seconds as a number or as text")
    }

    fn visit_i64<E: de::Error>(self, secs: i64) -> Result<Time, E> {
        Self::checked(secs.checked_mul(1000))
    }

    fn visit_u64<E: de::Error>(self, secs: u64) -> Result<Time, E> {
        Self::checked(i64::try_from(secs).ok().and_then(|secs| secs.checked_mul(1000)))
    }

    fn visit_f64<E: de::Error>(self, secs: f64) -> Result<Time, E> {
        // Out of range, the cast saturates, and the check rejects it; a double holds every millisecond in it.
        Self::checked(Some((secs * 1000.0).floor() as i64))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Time, E> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !are_digits(whole) || !are_digits(fraction) {
            return Err(E::custom("a time that is no decimal number"));
        }
        match text.parse::<i64>() {
            Ok(secs) => self.visit_i64(secs),
            Err(_) => self.visit_f64(text.parse().map_err(E::custom)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str =
        r#"{"version":"1.0","scheduled_report_time":"1700000000","reporting_origin":"https://r.test"}"#;

    #[test]
    fn three_members_are_what_a_report_cannot_be_read_without() {
        let read = SharedInfo::parse(MINIMAL).unwrap();
        assert_eq!(read.scheduled_report_time, Time::from_secs(1_700_000_000));
        assert!(!read.is_debug() && read.api.is_none() && read.source_registration_time.is_none());
        for key in ["version", "scheduled_report_time", "reporting_origin"] {
            assert_eq!(SharedInfo::parse(&MINIMAL.replace(key, "other")), None, "{key}");
        }
    }

    #[test]
    fn times_are_numbers_or_text() {
        for (time, millis) in [
            ("0", Some(0)),
            ("\"0\"", Some(0)),
            ("-1", Some(-1000)),
            ("\"-1.5\"", Some(-1500)),
            ("1640995200.000000000", Some(1_640_995_200_000)),
            ("\"1640995200.25\"", Some(1_640_995_200_250)),
            ("1e3", Some(1_000_000)),
            ("8210266876799", Some(8_210_266_876_799_000)),
            ("8210266876800", None),
            ("1e300", None),
            ("18446744073709551615", None),
            ("\"\"", None),
            ("\"1e3\"", None),
            ("\" 1\"", None),
            ("\"1.\"", None),
            ("\"NaN\"", None),
            ("null", None),
            ("[1]", None),
        ] {
            let read = SharedInfo::parse(&MINIMAL.replace("\"1700000000\"", time)).map(|info| {
                assert_eq!(info.version, "1.0");
                info.scheduled_report_time.as_millis()
            });
            assert_eq!(read, millis, "{time}");
            let optional = format!("{},\"source_registration_time\":{time}}}", MINIMAL.trim_end_matches('}'));
            let read = SharedInfo::parse(&optional).map(|info| info.source_registration_time);
            let expected = if time == "null" { Some(None) } else { millis.map(Time::from_millis).map(Some) };
            assert_eq!(read, expected, "{time}");
        }
    }

    #[test]
    fn lists_other_types_and_repeated_members_are_unreadable() {
        let twice = MINIMAL.replace('}', r#","version":"1.0"}"#);
        let number = MINIMAL.replace("\"1.0\"", "1.0");
        let list = r#"["1.0","1700000000","https://r.test"]"#;
        for text in ["", "{", "null", list, &twice, &number, &format!("{MINIMAL}x")] {
            assert_eq!(SharedInfo::parse(text), None, "{text}");
        }
        let later = MINIMAL.replace('}', r#","later":{"a":[1]}} "#);
        assert!(SharedInfo::parse(&later).is_some());
    }

    #[test]
    fn only_enabled_is_debug_mode() {
        for (mode, is_debug) in
            [("\"enabled\"", true), ("\"disabled\"", false), ("\"Enabled\"", false), ("null", false)]
        {
            let text = MINIMAL.replace('}', &format!(",\"debug_mode\":{mode}}}"));
            assert_eq!(SharedInfo::parse(&text).unwrap().is_debug(), is_debug, "{mode}");
        }
    }

    #[test]
    fn times_print_as_iso_8601() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_640_995_200_000, "2022-01-01T00:00:00Z"),
            (1_640_995_200_500, "2022-01-01T00:00:00.500Z"),
            (-1000, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(iso_8601(Time::from_millis(millis)), text);
        }
    }
}
