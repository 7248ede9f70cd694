//! Reading shared info, whoever wrote it.
//!
//! What is accepted is wider than what reports write: versions 0.1 to below 2.0, of all APIs that share the
//! aggregation service, with times as strings or numbers. Unknown members are ignored, as a later version
//! may add some; a known one that stands twice is an error.

use ascribe_headers::SuitableOrigin;
use serde::Deserialize;
use serde_json::Value;

use crate::{Api, ReportId, SharedInfo, Time, Version, json};

/// Why a text is not shared info.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SharedInfoError {
    /// It is not a JSON object, or a known member stands twice in it.
    #[error("not a valid JSON object: {0}")]
    Json(#[from] serde_json::Error),
    /// `api` names none of [`Api`].
    #[error("the API `{0}` is not supported")]
    UnsupportedApi(Box<str>),
    /// `version` is 0.0, or 2.0 or higher.
    #[error("version {0} is not supported")]
    UnsupportedVersion(Version),
    /// A member that must be there is not.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A member does not hold what it must.
    #[error("`{0}` is invalid")]
    Invalid(&'static str),
}

impl SharedInfo {
    /// Reads shared info of versions 0.1 to below 2.0. Unknown members are ignored.
    ///
    /// Times are seconds since the UNIX epoch, as decimal strings or, as earlier writers have it, as
    /// numbers, of which milliseconds are kept; at most 8.64e12 either way, the range of ECMAScript times.
    /// A report ID is a UUID of any version, in its hyphenated form.
    ///
    /// # Errors
    /// When it is not JSON, of an API or version that is not supported, or a member is missing or invalid.
    pub fn parse(text: &str) -> Result<Self, SharedInfoError> {
        let members: Received = json::parse_object(text.as_bytes())?;
        let version = members.version()?;
        let api = members.api()?;
        let source_registration_time =
            members.source_registration_time.as_ref().map(|value| time(value, "source_registration_time"));
        Ok(Self {
            api,
            attribution_destination: members.attribution_destination(api)?,
            debug_mode: members.debug_mode()?,
            report_id: members.report_id()?,
            reporting_origin: members.reporting_origin()?,
            scheduled_report_time: {
                let value = present(members.scheduled_report_time.as_ref(), "scheduled_report_time")?;
                time(value, "scheduled_report_time")?
            },
            source_registration_time: source_registration_time.transpose()?,
            version,
        })
    }
}

/// The members as they came, each checked by itself so that errors can name it.
#[derive(Deserialize)]
struct Received {
    api: Option<Value>,
    attribution_destination: Option<Value>,
    debug_mode: Option<Value>,
    report_id: Option<Value>,
    reporting_origin: Option<Value>,
    scheduled_report_time: Option<Value>,
    source_registration_time: Option<Value>,
    version: Option<Value>,
}

impl Received {
    fn version(&self) -> Result<Version, SharedInfoError> {
        let text = string(self.version.as_ref(), "version")?;
        match Version::from_text(text) {
            Some(version) if version.is_supported() => Ok(version),
            Some(version) => Err(SharedInfoError::UnsupportedVersion(version)),
            None => Err(SharedInfoError::Invalid("version")),
        }
    }

    fn api(&self) -> Result<Api, SharedInfoError> {
        let name = string(self.api.as_ref(), "api")?;
        Api::from_name(name).ok_or_else(|| SharedInfoError::UnsupportedApi(name.into()))
    }

    fn attribution_destination(&self, api: Api) -> Result<Option<Box<str>>, SharedInfoError> {
        const KEY: &str = "attribution_destination";
        if self.attribution_destination.is_none() && !api.has_destination() {
            return Ok(None);
        }
        match string(self.attribution_destination.as_ref(), KEY)? {
            "" => Err(SharedInfoError::Invalid(KEY)),
            destination => Ok(Some(destination.into())),
        }
    }

    fn debug_mode(&self) -> Result<bool, SharedInfoError> {
        match self.debug_mode.as_ref().map(Value::as_str) {
            None | Some(Some("disabled")) => Ok(false),
            Some(Some("enabled")) => Ok(true),
            Some(_) => Err(SharedInfoError::Invalid("debug_mode")),
        }
    }

    fn report_id(&self) -> Result<ReportId, SharedInfoError> {
        const HYPHENATED_LEN: usize = 36;
        let text = string(self.report_id.as_ref(), "report_id")?;
        match ReportId::try_parse(text) {
            Ok(id) if text.len() == HYPHENATED_LEN => Ok(id),
            _ => Err(SharedInfoError::Invalid("report_id")),
        }
    }

    fn reporting_origin(&self) -> Result<SuitableOrigin, SharedInfoError> {
        let text = string(self.reporting_origin.as_ref(), "reporting_origin")?;
        SuitableOrigin::parse(text).map_err(|_| SharedInfoError::Invalid("reporting_origin"))
    }
}

fn present<'a>(value: Option<&'a Value>, key: &'static str) -> Result<&'a Value, SharedInfoError> {
    value.ok_or(SharedInfoError::Missing(key))
}

fn string<'a>(value: Option<&'a Value>, key: &'static str) -> Result<&'a str, SharedInfoError> {
    present(value, key)?.as_str().ok_or(SharedInfoError::Invalid(key))
}

pub(crate) fn time(value: &Value, key: &'static str) -> Result<Time, SharedInfoError> {
    const MAX_SECS: i64 = 8_640_000_000_000;
    let millis = match value {
        Value::String(text) => {
            let digits = text.strip_prefix('-').unwrap_or(text);
            let is_decimal = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<i64>().ok().filter(|_| is_decimal).and_then(|secs| secs.checked_mul(1000))
        }
        // Exact: a double holds every millisecond of the range. Out of it, the cast saturates.
        Value::Number(number) => number.as_f64().map(|secs| (secs * 1000.0).floor() as i64),
        _ => None,
    };
    millis
        .filter(|millis| (-MAX_SECS * 1000..=MAX_SECS * 1000).contains(millis))
        .map(Time::from_millis)
        .ok_or(SharedInfoError::Invalid(key))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn valid() -> Value {
        json!({
            "api": "attribution-reporting",
            "attribution_destination": "https://d.test",
            "debug_mode": "enabled",
            "report_id": "01234567-89ab-4def-8123-456789abcdef",
            "reporting_origin": "https://report.test",
            "scheduled_report_time": "1234567890",
            "source_registration_time": "1234483200",
            "version": "1.0",
        })
    }

    /// The valid one with a member replaced, or removed.
    fn with(key: &str, value: impl Into<Option<Value>>) -> Result<SharedInfo, String> {
        let mut text = valid();
        let members = text.as_object_mut().unwrap();
        match value.into() {
            Some(value) => members.insert(key.to_owned(), value),
            None => members.remove(key),
        };
        SharedInfo::parse(&text.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn every_member_is_read() {
        assert_eq!(
            SharedInfo::parse(&valid().to_string()).unwrap(),
            SharedInfo {
                api: Api::AttributionReporting,
                attribution_destination: Some("https://d.test".into()),
                debug_mode: true,
                report_id: ReportId::from_u128(0x0123_4567_89ab_4def_8123_4567_89ab_cdef),
                reporting_origin: SuitableOrigin::parse("https://report.test").unwrap(),
                scheduled_report_time: Time::from_secs(1_234_567_890),
                source_registration_time: Some(Time::from_secs(1_234_483_200)),
                version: Version { major: 1, minor: 0 },
            }
        );
    }

    #[test]
    fn earlier_writers_are_read_and_printed_as_today() {
        let text = concat!(
            r#"{ "version":"0.1","scheduled_report_time":1640995200.000000000,"api":"protected-audience","#,
            r#""reporting_origin":"https:\/\/report.test","debug_mode":"disabled","later":{"a":[1]},"#,
            r#""report_id":"01234567-89AB-4DEF-8123-456789ABCDEF"}"#,
        );
        assert_eq!(
            SharedInfo::parse(text).unwrap().to_string(),
            concat!(
                r#"{"api":"protected-audience","report_id":"01234567-89ab-4def-8123-456789abcdef","#,
                r#""reporting_origin":"https://report.test","scheduled_report_time":"1640995200","version":"0.1"}"#,
            )
        );
    }

    #[test]
    fn members_that_every_report_has_are_required() {
        for key in [
            "api",
            "attribution_destination",
            "report_id",
            "reporting_origin",
            "scheduled_report_time",
            "version",
        ] {
            assert_eq!(with(key, None), Err(format!("`{key}` is missing")));
            for invalid in [json!(true), json!([]), json!({}), json!("")] {
                let expected = match (key, &invalid) {
                    ("api", Value::String(_)) => "the API `` is not supported".to_owned(),
                    _ => format!("`{key}` is invalid"),
                };
                assert_eq!(with(key, invalid), Err(expected));
            }
        }
        assert!(!with("debug_mode", None).unwrap().debug_mode);
        assert_eq!(with("source_registration_time", None).unwrap().source_registration_time, None);
    }

    #[test]
    fn only_attribution_reports_need_a_destination() {
        for api in Api::ALL {
            let mut text = valid();
            text["api"] = api.as_str().into();
            assert_eq!(SharedInfo::parse(&text.to_string()).unwrap().api, api);
            text.as_object_mut().unwrap().remove("attribution_destination");
            assert_eq!(SharedInfo::parse(&text.to_string()).is_ok(), !api.has_destination(), "{api:?}");
        }
        let expected = "the API `Attribution-Reporting` is not supported".to_owned();
        assert_eq!(with("api", json!("Attribution-Reporting")), Err(expected));
    }

    #[test]
    fn versions_from_0_1_to_below_2_are_supported() {
        for (text, version) in [
            ("0.1", Version { major: 0, minor: 1 }),
            ("0.10", Version { major: 0, minor: 10 }),
            ("1.0", Version { major: 1, minor: 0 }),
            ("1.4294967295", Version { major: 1, minor: u32::MAX }),
        ] {
            assert_eq!(with("version", json!(text)).unwrap().version, version);
        }
        for unsupported in ["0.0", "2.0", "2.1", "4294967295.0"] {
            let expected = format!("version {unsupported} is not supported");
            assert_eq!(with("version", json!(unsupported)), Err(expected));
        }
        for invalid in ["", "1", "1.", ".1", "1.0.0", "+1.0", "1.-1", " 1.0", "1.4294967296", "a.b"] {
            assert_eq!(with("version", json!(invalid)), Err("`version` is invalid".to_owned()), "{invalid}");
        }
    }

    #[test]
    fn times_are_strings_or_numbers_within_range() {
        let key = "scheduled_report_time";
        for (value, millis) in [
            (json!("0"), 0),
            (json!(0), 0),
            (json!("-1"), -1000),
            (json!(-1), -1000),
            (json!(1.5), 1500),
            (json!(1.000_9), 1000),
            (json!(1e3), 1_000_000),
            (json!("8639999999999"), 8_639_999_999_999_000),
            (json!("8640000000000"), 8_640_000_000_000_000),
            (json!(8_640_000_000_000_i64), 8_640_000_000_000_000),
            (json!("-8640000000000"), -8_640_000_000_000_000),
        ] {
            let time = with(key, value.clone()).unwrap().scheduled_report_time;
            assert_eq!(time.as_millis(), millis, "{value}");
        }
        for value in [
            json!("8640000000001"),
            json!("-8640000000001"),
            json!(8_640_000_000_001_i64),
            json!(-8_640_000_000_001_i64),
            json!(1e300),
            json!(u64::MAX),
            json!("9223372036854775808"),
            json!("1.0"),
            json!("+1"),
            json!(" 1"),
            json!("-"),
            json!("--1"),
            json!("1e3"),
            json!("0x1"),
        ] {
            assert_eq!(with(key, value.clone()), Err(format!("`{key}` is invalid")), "{value}");
            let key = "source_registration_time";
            assert_eq!(with(key, value.clone()), Err(format!("`{key}` is invalid")), "{value}");
        }
    }

    #[test]
    fn report_ids_are_hyphenated_uuids() {
        for valid in ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-FFFFFFFFFFFF"] {
            assert!(with("report_id", json!(valid)).is_ok(), "{valid}");
        }
        for invalid in [
            "0123456789ab4def8123456789abcdef",
            "{01234567-89ab-4def-8123-456789abcdef}",
            "urn:uuid:01234567-89ab-4def-8123-456789abcdef",
            "01234567-89ab-4def-8123-456789abcde",
            "01234567-89ab-4def-8123-456789abcdeff",
            "0123456789ab-4def-8123-456789abcdef-0",
            "g1234567-89ab-4def-8123-456789abcdef",
        ] {
            assert_eq!(
                with("report_id", json!(invalid)),
                Err("`report_id` is invalid".to_owned()),
                "{invalid}"
            );
        }
    }

    #[test]
    fn debug_mode_is_enabled_or_disabled() {
        assert!(!with("debug_mode", json!("disabled")).unwrap().debug_mode);
        for invalid in [json!("Enabled"), json!(""), json!(true), json!(null)] {
            let read = with("debug_mode", invalid.clone());
            match invalid {
                // JSON's null is absence.
                Value::Null => assert!(!read.unwrap().debug_mode),
                _ => assert_eq!(read, Err("`debug_mode` is invalid".to_owned()), "{invalid}"),
            }
        }
    }

    #[test]
    fn reporting_origins_are_suitable() {
        for invalid in ["report.test", "http://report.test", "ftp://report.test", "https://"] {
            let expected = "`reporting_origin` is invalid".to_owned();
            assert_eq!(with("reporting_origin", json!(invalid)), Err(expected), "{invalid}");
        }
        let origin =
            with("reporting_origin", json!("https://REPORT.test:443/path")).unwrap().reporting_origin;
        assert_eq!(origin.as_str(), "https://report.test");
    }

    #[test]
    fn what_is_no_object_or_says_a_thing_twice_is_not_valid_json() {
        let twice = valid().to_string().replace(r#"{"api""#, r#"{"version":"1.0","api""#);
        let deep =
            valid().to_string().replace(r#"{"api""#, &format!(r#"{{"x":{}0,"api""#, "[".repeat(100_000)));
        let list = Value::Array(valid().as_object().unwrap().values().cloned().collect()).to_string();
        for text in ["", "null", "[]", "\"\"", "{", &list, &twice, &deep, &format!("{}x", valid())] {
            assert!(matches!(SharedInfo::parse(text), Err(SharedInfoError::Json(_))), "{text:.100}");
        }
    }
}
