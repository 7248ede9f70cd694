//! Verbose debug reports: what happened to a registration, in clear, for those who may know.
//!
//! Spec: "verbose debug report", "serialize a verbose debug report", "generate a verbose debug report URL".

use std::collections::BTreeMap;

use ascribe_headers::SuitableOrigin;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::{Endpoint, json};

/// Spec: "verbose debug report": the bodies are complete and ready to be sent.
///
/// ```
/// use ascribe_headers::SuitableOrigin;
/// use ascribe_reports::{VerboseDebugData, VerboseDebugReport};
///
/// let report = VerboseDebugReport {
///     reporting_origin: SuitableOrigin::parse("https://report.example")?,
///     data: vec![VerboseDebugData {
///         data_type: "source-success",
///         body: [("source_site".to_owned(), "https://news.example".into())].into_iter().collect(),
///     }],
/// };
/// assert_eq!(report.url(), "https://report.example/.well-known/attribution-reporting/debug/verbose");
/// assert_eq!(report.body(), r#"[{"body":{"source_site":"https://news.example"},"type":"source-success"}]"#);
/// # Ok::<(), ascribe_headers::UnsuitableOrigin>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct VerboseDebugReport {
    /// Whom it is sent to.
    pub reporting_origin: SuitableOrigin,
    /// What is told; never empty.
    pub data: Vec<VerboseDebugData>,
}

/// Spec: "verbose debug data".
#[derive(Clone, Debug, PartialEq)]
pub struct VerboseDebugData {
    /// `type`: the name of a debug data type.
    pub data_type: &'static str,
    /// `body`.
    pub body: Map<String, Value>,
}

impl VerboseDebugReport {
    /// Spec: "generate a verbose debug report URL".
    #[must_use]
    pub fn url(&self) -> String {
        Endpoint::VerboseDebug.url(&self.reporting_origin)
    }

    /// Spec: "serialize a verbose debug report".
    #[must_use]
    pub fn body(&self) -> String {
        json::to_string(&self.as_json())
    }

    /// Appends the [`body`](Self::body) to `out`: for many reports, with one buffer.
    pub fn write_body(&self, out: &mut Vec<u8>) {
        json::write(out, &self.as_json());
    }

    fn as_json(&self) -> Vec<Item<'_>> {
        self.data.iter().map(|data| Item { body: Sorted(&data.body), r#type: data.data_type }).collect()
    }
}

#[derive(Serialize)]
struct Item<'a> {
    body: Sorted<'a>,
    r#type: &'static str,
}

/// A body in alphabetical order, even where another crate has `serde_json` keep the order of insertion.
/// The members of a body hold no objects themselves.
struct Sorted<'a>(&'a Map<String, Value>);

impl Serialize for Sorted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.iter().collect::<BTreeMap<_, _>>().serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_body_is_exact_to_the_byte() {
        let body = |value: Value| value.as_object().unwrap().clone();
        let report = VerboseDebugReport {
            reporting_origin: SuitableOrigin::parse("https://report.test:9443").unwrap(),
            data: vec![
                VerboseDebugData {
                    data_type: "trigger-event-low-priority",
                    body: body(json!({
                        "trigger_data": "1",
                        "randomized_trigger_rate": 0.000_002_5,
                        "attribution_destination": ["https://a.test", "https://b.test"],
                    })),
                },
                VerboseDebugData {
                    data_type: "source-channel-capacity-limit",
                    body: body(json!({"source_event_id": "0", "limit": 6.0})),
                },
                VerboseDebugData {
                    data_type: "header-parsing-error",
                    body: body(json!({"value": "{\"a\": \"\u{2028}é\n<\"}"})),
                },
            ],
        };
        assert_eq!(report.url(), "https://report.test:9443/.well-known/attribution-reporting/debug/verbose");
        let expected = concat!(
            r#"[{"body":{"attribution_destination":["https://a.test","https://b.test"],"#,
            r#""randomized_trigger_rate":0.0000025,"trigger_data":"1"},"type":"trigger-event-low-priority"},"#,
            r#"{"body":{"limit":6,"source_event_id":"0"},"type":"source-channel-capacity-limit"},"#,
            r#"{"body":{"value":"{\"a\": \""#,
            "\u{2028}é",
            r#"\n<\"}"},"type":"header-parsing-error"}]"#,
        );
        assert_eq!(report.body(), expected);
        let mut written = b"[".to_vec();
        report.write_body(&mut written);
        assert_eq!(written, ["[", expected].concat().as_bytes());
    }
}
