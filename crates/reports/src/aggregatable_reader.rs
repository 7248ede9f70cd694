//! Reading an aggregatable report of either kind, without opening it.
//!
//! The payload is bound to the bytes of the shared info, which are therefore kept as they came. Unknown
//! members are ignored; a known one that stands twice is an error.

use ascribe_headers::SuitableOrigin;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Deserialize;
use serde_json::Value;

use crate::{BodyError, DebugKeys, SharedInfo, json, received};

/// An aggregatable attribution or debug report as received; debug copies are read in the same way.
#[derive(Clone, Debug, PartialEq)]
pub struct ReceivedAggregatableReport {
    /// `shared_info`, read; its `api` tells which kind of report this is.
    pub shared_info: SharedInfo,
    /// `shared_info`, to the byte.
    pub shared_info_text: Box<str>,
    /// `aggregation_coordinator_origin`: whose key opens the payload.
    pub coordinator: SuitableOrigin,
    /// `key_id`.
    pub key_id: Box<str>,
    /// `payload`, sealed.
    pub payload: Vec<u8>,
    /// `debug_cleartext_payload`.
    pub debug_cleartext_payload: Option<Vec<u8>>,
    /// `trigger_context_id`.
    pub trigger_context_id: Option<Box<str>>,
    /// `source_debug_key` and `trigger_debug_key`.
    pub debug_keys: DebugKeys,
}

/// The longest ID of a key.
const MAX_KEY_ID_BYTES: usize = 128;

impl ReceivedAggregatableReport {
    /// Reads a body, which has exactly one payload.
    ///
    /// # Errors
    /// When it is not a JSON object, a member is missing or invalid, or the shared info is.
    pub fn parse(body: &[u8]) -> Result<Self, BodyError> {
        let members: Received = json::parse_object(body)?;
        let text = received::present(members.shared_info.as_ref(), "shared_info")?;
        let text = received::string(text, "shared_info")?;
        let shared_info = SharedInfo::parse(text)?;

        const COORDINATOR: &str = "aggregation_coordinator_origin";
        let coordinator = received::present(members.aggregation_coordinator_origin.as_ref(), COORDINATOR)?;
        let coordinator = received::string(coordinator, COORDINATOR)?;
        let coordinator = SuitableOrigin::parse(coordinator).map_err(|_| BodyError::Invalid(COORDINATOR))?;

        const PAYLOADS: &str = "aggregation_service_payloads";
        let payloads = received::present(members.aggregation_service_payloads.as_ref(), PAYLOADS)?;
        let [entry] = payloads.as_array().map(Vec::as_slice).unwrap_or_default() else {
            return Err(BodyError::Invalid(PAYLOADS));
        };
        let key_id = received::string(received::present(entry.get("key_id"), "key_id")?, "key_id")?;
        if key_id.len() > MAX_KEY_ID_BYTES {
            return Err(BodyError::Invalid("key_id"));
        }
        let clear = entry.get("debug_cleartext_payload");
        let context_id = members.trigger_context_id.as_ref();
        Ok(Self {
            shared_info,
            shared_info_text: text.into(),
            coordinator,
            key_id: key_id.into(),
            payload: bytes(received::present(entry.get("payload"), "payload")?, "payload")?,
            debug_cleartext_payload: clear
                .map(|value| bytes(value, "debug_cleartext_payload"))
                .transpose()?,
            trigger_context_id: context_id
                .map(|value| received::string(value, "trigger_context_id").map(Into::into))
                .transpose()?,
            debug_keys: received::debug_keys(
                members.source_debug_key.as_ref(),
                members.trigger_debug_key.as_ref(),
            )?,
        })
    }
}

#[derive(Deserialize)]
struct Received {
    aggregation_coordinator_origin: Option<Value>,
    aggregation_service_payloads: Option<Value>,
    shared_info: Option<Value>,
    source_debug_key: Option<Value>,
    trigger_context_id: Option<Value>,
    trigger_debug_key: Option<Value>,
}

fn bytes(value: &Value, key: &'static str) -> Result<Vec<u8>, BodyError> {
    BASE64_STANDARD.decode(received::string(value, key)?).map_err(|_| BodyError::Invalid(key))
}

#[cfg(test)]
mod tests {
    use ascribe_headers::{Coordinators, FilteringIdMaxBytes, Site};
    use serde_json::json;

    use super::*;
    use crate::{AggregatableReport, Api, ReportId, SealedPayload, Time};

    fn sent() -> (AggregatableReport, String) {
        let report = AggregatableReport {
            report_id: ReportId::from_u128(0x0123_4567_89ab_4def_8123_4567_89ab_cdef),
            reporting_origin: SuitableOrigin::parse("https://report.test").unwrap(),
            destination: Site::parse("https://d.test").unwrap(),
            report_time: Time::from_secs(1_700_000_000),
            source_registration_time: None,
            contributions: [].into(),
            coordinator: Coordinators::chromium().default_coordinator().clone(),
            trigger_context_id: Some("order 1".into()),
            filtering_id_max_bytes: FilteringIdMaxBytes::DEFAULT,
            debug_keys: DebugKeys { source: Some(1), trigger: Some(2) },
        };
        let body = report.body(&SealedPayload { key_id: "k".into(), ciphertext: vec![0, 1, 2] });
        (report, body)
    }

    fn with(change: impl FnOnce(&mut Value)) -> Result<ReceivedAggregatableReport, String> {
        let mut body: Value = serde_json::from_str(&sent().1).unwrap();
        change(&mut body);
        ReceivedAggregatableReport::parse(body.to_string().as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_was_sent_is_read_and_the_shared_info_kept_to_the_byte() {
        let (report, body) = sent();
        let read = ReceivedAggregatableReport::parse(body.as_bytes()).unwrap();
        assert_eq!(*read.shared_info_text, report.shared_info());
        assert_eq!(read.shared_info.api, Api::AttributionReporting);
        assert_eq!((read.key_id.as_ref(), read.payload.as_slice()), ("k", &[0, 1, 2][..]));
        assert_eq!(read.debug_cleartext_payload, Some(report.plaintext_payload()));
        assert_eq!(read.trigger_context_id.as_deref(), Some("order 1"));
        assert_eq!(read.debug_keys, report.debug_keys);
        assert_eq!(read.coordinator, *report.coordinator.origin());
        // Written by someone who spaces and escapes in another way.
        let text = report.shared_info().replace(":\"", ": \"").replace('/', "\\/");
        let read = with(|body| body["shared_info"] = text.clone().into()).unwrap();
        assert_eq!(*read.shared_info_text, text);
    }

    #[test]
    fn members_are_there_and_hold_what_they_must() {
        let remove = |key: &'static str| with(|body| drop(body.as_object_mut().unwrap().remove(key)));
        for key in ["aggregation_coordinator_origin", "aggregation_service_payloads", "shared_info"] {
            assert_eq!(remove(key).unwrap_err(), format!("`{key}` is missing"));
        }
        for key in ["source_debug_key", "trigger_debug_key", "trigger_context_id"] {
            assert!(remove(key).is_ok(), "{key}");
        }
        let payload = |entry: Value| with(|body| body["aggregation_service_payloads"] = entry);
        for (entry, error) in [
            (json!([]), "`aggregation_service_payloads` is invalid"),
            (json!({}), "`aggregation_service_payloads` is invalid"),
            (json!([{}, {}]), "`aggregation_service_payloads` is invalid"),
            (json!([{}]), "`key_id` is missing"),
            (json!(["x"]), "`key_id` is missing"),
            (json!([{"key_id": "k"}]), "`payload` is missing"),
            (json!([{"key_id": "k", "payload": "AA"}]), "`payload` is invalid"),
            (json!([{"key_id": "k", "payload": "-_-_"}]), "`payload` is invalid"),
            (json!([{"key_id": "k".repeat(129), "payload": ""}]), "`key_id` is invalid"),
            (
                json!([{"key_id": "k", "payload": "", "debug_cleartext_payload": 1}]),
                "`debug_cleartext_payload` is invalid",
            ),
        ] {
            assert_eq!(payload(entry.clone()).unwrap_err(), error, "{entry}");
        }
        assert!(payload(json!([{"key_id": "k".repeat(128), "payload": "AAEC"}])).is_ok());
        assert_eq!(
            with(|body| body["shared_info"] = "{}".into()).unwrap_err(),
            "shared_info: `version` is missing"
        );
        assert_eq!(with(|body| body["shared_info"] = json!({})).unwrap_err(), "`shared_info` is invalid");
    }
}
