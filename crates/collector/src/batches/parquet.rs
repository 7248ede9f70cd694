//! A batch for analysis: the same reports in Parquet, with what shared info says in columns of their own.

use std::sync::Arc;

use parquet::{
    basic::Compression,
    data_type::{ByteArray, ByteArrayType, Int64Type},
    errors::ParquetError,
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::parser::parse_message_type,
};

use super::BatchError;
use crate::store::BatchedReport;

/// The columns; times are in UTC.
const SCHEMA: &str = "message report {
    REQUIRED BINARY report_id (UTF8);
    REQUIRED INT64 received_at (TIMESTAMP(MILLIS, true));
    REQUIRED INT64 scheduled_report_time (TIMESTAMP(MILLIS, true));
    REQUIRED BINARY key_id (UTF8);
    REQUIRED BINARY shared_info (UTF8);
    REQUIRED BINARY payload;
}";

/// One column of all reports.
enum Column {
    Bytes(Vec<ByteArray>),
    Integers(Vec<i64>),
}

/// The file; the same for the same reports.
pub(super) fn encode(reports: &[BatchedReport]) -> Result<Vec<u8>, BatchError> {
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let properties = Arc::new(WriterProperties::builder().set_compression(Compression::SNAPPY).build());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties)?;
    let bytes = |of: fn(&BatchedReport) -> Vec<u8>| {
        Column::Bytes(reports.iter().map(|report| ByteArray::from(of(report))).collect())
    };
    let columns = [
        bytes(|report| id(&report.report_id).into_bytes()),
        Column::Integers(reports.iter().map(|report| report.received_at.as_millis()).collect()),
        Column::Integers(reports.iter().map(|report| report.scheduled_at.saturating_mul(1000)).collect()),
        bytes(|report| report.key_id.clone().into_bytes()),
        bytes(|report| report.shared_info.clone().into_bytes()),
        bytes(|report| report.payload.clone()),
    ];
    let mut group = writer.next_row_group()?;
    for column in columns {
        let short = || ParquetError::General("the schema has fewer columns than a report".into());
        let mut sink = group.next_column()?.ok_or_else(short)?;
        match column {
            Column::Bytes(values) => sink.typed::<ByteArrayType>().write_batch(&values, None, None)?,
            Column::Integers(values) => sink.typed::<Int64Type>().write_batch(&values, None, None)?,
        };
        sink.close()?;
    }
    group.close()?;
    Ok(writer.into_inner()?)
}

fn id(bytes: &[u8]) -> String {
    uuid::Uuid::from_slice(bytes).unwrap_or_default().to_string()
}
