//! Reading a verbose debug report: a list of what happened, of types that may be new.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{BodyError, json::Object};

/// A verbose debug report as received.
#[derive(Clone, Debug, PartialEq)]
pub struct ReceivedVerboseDebugReport {
    /// What is told; never empty.
    pub data: Vec<ReceivedVerboseDebugData>,
}

/// One thing that is told.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ReceivedVerboseDebugData {
    /// `type`: 1 to 100 bytes; not only the known names.
    #[serde(rename = "type")]
    pub data_type: Box<str>,
    /// `body`: any object.
    pub body: Map<String, Value>,
}

/// No name of a type is longer.
const MAX_TYPE_BYTES: usize = 100;

impl ReceivedVerboseDebugReport {
    /// Reads a body.
    ///
    /// # Errors
    /// When it is not a list of at least one object, each with a type and a body.
    pub fn parse(body: &[u8]) -> Result<Self, BodyError> {
        let data: Vec<Object<ReceivedVerboseDebugData>> = serde_json::from_slice(body)?;
        let data: Vec<_> = data.into_iter().map(|Object(data)| data).collect();
        if data.is_empty() {
            return Err(BodyError::Missing("type"));
        }
        match data.iter().all(|data| (1..=MAX_TYPE_BYTES).contains(&data.data_type.len())) {
            true => Ok(Self { data }),
            false => Err(BodyError::Invalid("type")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_types_and_bodies_is_read() {
        let body = br#"[{"body":{"limit":6,"source_event_id":"1"},"type":"source-success","later":0},{"type":"new","body":{}}]"#;
        let read = ReceivedVerboseDebugReport::parse(body).unwrap();
        let types: Vec<_> = read.data.iter().map(|data| &*data.data_type).collect();
        assert_eq!(types, ["source-success", "new"]);
        assert_eq!(read.data[0].body["source_event_id"], "1");
    }

    #[test]
    fn anything_else_is_none() {
        for body in [
            "",
            "{}",
            "[]",
            "[[]]",
            "[{}]",
            r#"[{"type":"a"}]"#,
            r#"[{"type":"a","body":[]}]"#,
            r#"[{"type":"","body":{}}]"#,
            r#"[["a",{}]]"#,
        ] {
            assert!(ReceivedVerboseDebugReport::parse(body.as_bytes()).is_err(), "{body}");
        }
        let of_length = |length: usize| format!(r#"[{{"type":"{}","body":{{}}}}]"#, "t".repeat(length));
        assert!(ReceivedVerboseDebugReport::parse(of_length(100).as_bytes()).is_ok());
        assert!(ReceivedVerboseDebugReport::parse(of_length(101).as_bytes()).is_err());
    }
}
