//! Reading an event-level report, whoever sent it.
//!
//! Anybody can send one: that it is well-formed says nothing of whether it is true. Unknown members are
//! ignored; a known one that stands twice is an error.

use ascribe_headers::{Destinations, Site, SourceType};
use serde::Deserialize;
use serde_json::Value;

use crate::{BodyError, DebugKeys, ReportId, Time, json, received};

/// An event-level report as received; its debug copy is read in the same way.
#[derive(Clone, Debug, PartialEq)]
pub struct ReceivedEventLevelReport {
    /// `report_id`.
    pub report_id: ReportId,
    /// `attribution_destination`: all destinations of the source.
    pub destinations: Destinations,
    /// `source_event_id`.
    pub source_event_id: u64,
    /// `source_type`.
    pub source_type: SourceType,
    /// `trigger_data`.
    pub trigger_data: u64,
    /// `randomized_trigger_rate`: 0 to 1.
    pub randomized_trigger_rate: f64,
    /// `scheduled_report_time`.
    pub report_time: Time,
    /// `source_debug_key` and `trigger_debug_key`.
    pub debug_keys: DebugKeys,
}

impl ReceivedEventLevelReport {
    /// Reads a body.
    ///
    /// Integers are strings of decimal digits; a report ID is a UUID of any version, in its hyphenated form;
    /// destinations are 1 to 3 sites, each serialized as a site is.
    ///
    /// # Errors
    /// When it is not a JSON object, or a member is missing or invalid.
    pub fn parse(body: &[u8]) -> Result<Self, BodyError> {
        let members: Received = json::parse_object(body)?;
        let need = received::present;
        Ok(Self {
            report_id: {
                let value = need(members.report_id.as_ref(), "report_id")?;
                received::report_id(value, "report_id")?
            },
            destinations: {
                let key = "attribution_destination";
                destinations(need(members.attribution_destination.as_ref(), key)?, key)?
            },
            source_event_id: {
                let value = need(members.source_event_id.as_ref(), "source_event_id")?;
                received::integer(value, "source_event_id")?
            },
            source_type: {
                let value = need(members.source_type.as_ref(), "source_type")?;
                let types = [SourceType::Event, SourceType::Navigation];
                let known = types.into_iter().find(|known| value.as_str() == Some(known.as_str()));
                known.ok_or(BodyError::Invalid("source_type"))?
            },
            trigger_data: {
                let value = need(members.trigger_data.as_ref(), "trigger_data")?;
                received::integer(value, "trigger_data")?
            },
            randomized_trigger_rate: {
                let key = "randomized_trigger_rate";
                let rate = need(members.randomized_trigger_rate.as_ref(), key)?.as_f64();
                rate.filter(|rate| (0.0..=1.0).contains(rate)).ok_or(BodyError::Invalid(key))?
            },
            report_time: {
                let key = "scheduled_report_time";
                received::time(need(members.scheduled_report_time.as_ref(), key)?, key)?
            },
            debug_keys: received::debug_keys(
                members.source_debug_key.as_ref(),
                members.trigger_debug_key.as_ref(),
            )?,
        })
    }
}

#[derive(Deserialize)]
struct Received {
    attribution_destination: Option<Value>,
    randomized_trigger_rate: Option<Value>,
    report_id: Option<Value>,
    scheduled_report_time: Option<Value>,
    source_debug_key: Option<Value>,
    source_event_id: Option<Value>,
    source_type: Option<Value>,
    trigger_data: Option<Value>,
    trigger_debug_key: Option<Value>,
}

/// A site, or a list of some.
fn destinations(value: &Value, key: &'static str) -> Result<Destinations, BodyError> {
    let items = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    let site = |value: &Value| {
        let text = value.as_str()?;
        Site::parse(text).ok().filter(|site| site.as_str() == text)
    };
    let sites = items.iter().map(site).collect::<Option<Vec<_>>>();
    sites.and_then(Destinations::new).ok_or(BodyError::Invalid(key))
}

#[cfg(test)]
mod tests {
    use ascribe_headers::SuitableOrigin;
    use serde_json::json;

    use super::*;
    use crate::EventLevelReport;

    fn report() -> EventLevelReport {
        EventLevelReport {
            report_id: ReportId::from_u128(0x0123_4567_89ab_4def_8123_4567_89ab_cdef),
            reporting_origin: SuitableOrigin::parse("https://report.test").unwrap(),
            destinations: Destinations::new(
                ["https://a.test", "https://b.test"].map(|s| Site::parse(s).unwrap()),
            )
            .unwrap(),
            source_event_id: u64::MAX,
            source_type: SourceType::Event,
            trigger_data: 7,
            randomized_trigger_rate: 0.000_002_5,
            report_time: Time::from_secs(1_700_000_000),
            debug_keys: DebugKeys { source: Some(1), trigger: Some(u64::MAX) },
        }
    }

    fn with(key: &str, value: impl Into<Option<Value>>) -> Result<ReceivedEventLevelReport, String> {
        let mut body = report().body_map();
        match value.into() {
            Some(value) => body.insert(key.to_owned(), value),
            None => body.remove(key),
        };
        let body = Value::Object(body).to_string();
        ReceivedEventLevelReport::parse(body.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_was_sent_is_read() {
        let sent = report();
        let read = ReceivedEventLevelReport::parse(sent.body().as_bytes()).unwrap();
        assert_eq!(
            read,
            ReceivedEventLevelReport {
                report_id: sent.report_id,
                destinations: sent.destinations,
                source_event_id: u64::MAX,
                source_type: SourceType::Event,
                trigger_data: 7,
                randomized_trigger_rate: 0.000_002_5,
                report_time: sent.report_time,
                debug_keys: sent.debug_keys,
            }
        );
    }

    #[test]
    fn members_are_required_but_for_debug_keys_and_others_are_ignored() {
        for key in report().body_map().keys() {
            match key.as_str() {
                "source_debug_key" | "trigger_debug_key" => assert!(with(key, None).is_ok()),
                _ => assert_eq!(with(key, None).unwrap_err(), format!("`{key}` is missing")),
            }
        }
        assert!(with("later", json!({"a": [1]})).is_ok());
    }

    #[test]
    fn members_hold_what_they_must() {
        for (key, value) in [
            ("attribution_destination", json!([])),
            ("attribution_destination", json!("https://www.a.test")),
            ("attribution_destination", json!("http://a.test")),
            (
                "attribution_destination",
                json!(["https://a.test", "https://b.test", "https://c.test", "https://d.test"]),
            ),
            ("attribution_destination", json!([["https://a.test"]])),
            ("randomized_trigger_rate", json!(1.000_000_1)),
            ("randomized_trigger_rate", json!(-0.1)),
            ("randomized_trigger_rate", json!("0.5")),
            ("report_id", json!("0123456789ab4def8123456789abcdef")),
            ("scheduled_report_time", json!("soon")),
            ("source_debug_key", json!(1)),
            ("source_event_id", json!("18446744073709551616")),
            ("source_event_id", json!("+1")),
            ("source_event_id", json!("")),
            ("source_event_id", json!(1)),
            ("source_type", json!("Event")),
            ("trigger_data", json!("-1")),
            ("trigger_debug_key", json!("x")),
        ] {
            assert_eq!(with(key, value.clone()).unwrap_err(), format!("`{key}` is invalid"), "{value}");
        }
        for (key, value) in [
            ("attribution_destination", json!("https://a.test")),
            ("attribution_destination", json!(["https://a.test", "https://b.test", "https://c.test"])),
            ("randomized_trigger_rate", json!(0)),
            ("randomized_trigger_rate", json!(1)),
            ("trigger_data", json!("18446744073709551615")),
        ] {
            assert!(with(key, value.clone()).is_ok(), "{key}: {value}");
        }
    }

    #[test]
    fn what_is_no_object_is_no_report() {
        for body in ["", "[]", "null", "{", "{}x", r#"{"report_id":"a","report_id":"b"}"#] {
            assert!(
                matches!(ReceivedEventLevelReport::parse(body.as_bytes()), Err(BodyError::Json(_))),
                "{body}"
            );
        }
        assert!(matches!(ReceivedEventLevelReport::parse(b"\xff"), Err(BodyError::Json(_))));
    }
}
