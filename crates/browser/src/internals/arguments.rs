//! What requests to the control endpoint say.

use ascribe_headers::SuitableOrigin;
use ascribe_reports::{Duration, Time};
use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{HeaderMap, header},
};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::error::Error;

/// A body is no longer than this.
pub(super) const MAX_BODY: usize = 16 * 1024;
/// The clock is advanced by no more at once.
const MAX_ADVANCE: Duration = Duration::from_days(3660);

/// A JSON body; unlike axum's, refused in this endpoint's own words.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        if !is_json(request.headers()) {
            return Err(Error::NotJson);
        }
        // The only other reason is a connection that broke, which hears no answer.
        let bytes = Bytes::from_request(request, state).await.map_err(|_| Error::TooLarge(MAX_BODY))?;
        // A list would do for a struct, too.
        let object = serde_json::from_slice::<Map<String, Value>>(&bytes);
        let arguments = object.and_then(|object| serde_json::from_value(Value::Object(object)));
        arguments.map(Self).map_err(|error| Error::InvalidArgument(error.to_string()))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// `?context=…`: which browser context is meant; without it, the first.
#[derive(Debug, Deserialize)]
pub(super) struct InContext {
    pub(super) context: Option<String>,
}

/// `?limit=…`: how many of the latest are meant; without it, all that are remembered.
#[derive(Debug, Deserialize)]
pub(super) struct Limit {
    limit: Option<usize>,
}

impl Limit {
    pub(super) fn get(&self) -> usize {
        self.limit.unwrap_or(usize::MAX)
    }
}

/// `?since=…&timeout=…` of a wait for changes.
#[derive(Debug, Deserialize)]
pub(super) struct Since {
    pub(super) since: Option<i64>,
    /// In seconds.
    pub(super) timeout: Option<u64>,
}

/// WebDriver's "set local testing mode".
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LocalTestingMode {
    pub(super) enabled: bool,
}

/// Which of noise and delays are on; what is not named stays.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Switches {
    pub(super) noise: Option<bool>,
    pub(super) delay: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Advance {
    #[serde(deserialize_with = "advance")]
    pub(super) by: Duration,
}

/// An empty object: what takes no arguments refuses them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// What is cleared; without arguments, everything.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Clear {
    #[serde(default, deserialize_with = "origin")]
    pub(super) origin: Option<SuitableOrigin>,
    #[serde(default, deserialize_with = "moment")]
    pub(super) from: Option<Time>,
    #[serde(default, deserialize_with = "moment")]
    pub(super) to: Option<Time>,
    #[serde(default = "yes")]
    pub(super) rate_limits: bool,
}

fn yes() -> bool {
    true
}

fn origin<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SuitableOrigin>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    let parse = |text: String| SuitableOrigin::parse(&text).map_err(serde::de::Error::custom);
    text.map(parse).transpose()
}

/// Milliseconds since the UNIX epoch; JavaScript's may have a fraction.
fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Time>, D::Error> {
    let millis = Option::<f64>::deserialize(deserializer)?;
    // Saturates.
    Ok(millis.map(|millis| Time::from_millis(millis as i64)))
}

/// Milliseconds, or a text such as `30d`.
fn advance<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected milliseconds, or a text such as \"30d\"")]
    enum By {
        Millis(u64),
        Text(String),
    }
    let by = match By::deserialize(deserializer)? {
        By::Millis(millis) => i64::try_from(millis).ok().map(Duration::from_millis),
        By::Text(text) => parse_duration(&text),
    };
    by.filter(|by| *by <= MAX_ADVANCE).ok_or_else(|| {
        serde::de::Error::custom("expected a whole number of ms, s, min, h or d, 3660 days at most")
    })
}

/// `90s`, `15min`, `36h`, `30d`, `1500ms`.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = match unit.trim_start() {
        "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(unit).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_have_a_number_and_a_unit() {
        for (text, millis) in [
            ("30d", 30 * 86_400_000),
            ("36 h", 36 * 3_600_000),
            ("15min", 900_000),
            (" 90s ", 90_000),
            ("0ms", 0),
        ] {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in
            ["", "d", "30", "-1d", "1.5d", "1w", "1D", "1d1h", "9223372036854775808ms", "106751991168d"]
        {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn the_clock_is_advanced_by_ten_years_at_most() {
        let parse = |json: &str| serde_json::from_str::<Advance>(json).map(|advance| advance.by);
        assert_eq!(parse(r#"{"by": 5}"#).unwrap(), Duration::from_millis(5));
        assert_eq!(parse(r#"{"by": "3660d"}"#).unwrap(), MAX_ADVANCE);
        for json in [
            r#"{"by": "3661d"}"#,
            r#"{"by": 316224000001}"#,
            r#"{"by": -1}"#,
            r#"{"by": true}"#,
            r#"{}"#,
            r#"{"by": 1, "to": 2}"#,
        ] {
            assert!(parse(json).is_err(), "{json}");
        }
    }
}
