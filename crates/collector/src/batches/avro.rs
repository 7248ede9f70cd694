//! A batch as an aggregation service takes it: an Avro object container file.

use apache_avro::{Codec, Schema, Writer, types::Value};

use super::BatchError;
use crate::store::BatchedReport;

/// The schema that aggregation services, and their local testing tool, read.
pub const REPORTS_SCHEMA: &str = r#"{
  "type": "record",
  "name": "AggregatableReport",
  "fields": [
    {"name": "payload", "type": "bytes"},
    {"name": "key_id", "type": "string"},
    {"name": "shared_info", "type": "string"}
  ]
}"#;

/// The file; the same for the same reports and `marker`, which separates its blocks.
pub(super) fn encode(reports: &[BatchedReport], marker: [u8; 16]) -> Result<Vec<u8>, BatchError> {
    let schema = Schema::parse_str(REPORTS_SCHEMA)?;
    // Without a codec, which every reader reads: what is sealed does not get smaller.
    let mut writer =
        Writer::builder().schema(&schema).writer(Vec::new()).codec(Codec::Null).marker(marker).build()?;
    for report in reports {
        writer.append_value(Value::Record(vec![
            ("payload".to_owned(), Value::Bytes(report.payload.clone())),
            ("key_id".to_owned(), Value::String(report.key_id.clone())),
            ("shared_info".to_owned(), Value::String(report.shared_info.clone())),
        ]))?;
    }
    Ok(writer.into_inner()?)
}
