//! Avro: `AggregatableReport` and `AggregationBucket`, compressed in any way that Avro has.
//!
//! Files that have more fields are read, too: fields are told by their names.

use std::io::Read;

use apache_avro::{Reader, util::max_allocation_bytes};
use serde::{Deserialize, de::DeserializeOwned};

use super::{MAX_BLOCK_BYTES, Problem, Row, Sink, bucket};
use crate::Record;

#[derive(Deserialize)]
struct AggregatableReport {
    #[serde(with = "apache_avro::serde::bytes")]
    payload: Vec<u8>,
    key_id: String,
    shared_info: String,
}

#[derive(Deserialize)]
struct AggregationBucket {
    #[serde(with = "apache_avro::serde::bytes")]
    bucket: Vec<u8>,
}

pub(super) fn read_reports(file: impl Read, sink: Sink<'_, Row>) -> Result<(), Problem> {
    for report in records::<AggregatableReport>(file)? {
        let AggregatableReport { payload, key_id, shared_info } = report?;
        if sink(Ok(Record { payload, key_id, shared_info })).is_break() {
            break;
        }
    }
    Ok(())
}

pub(super) fn read_domain(file: impl Read, sink: Sink<'_, u128>) -> Result<(), Problem> {
    for record in records::<AggregationBucket>(file)? {
        if sink(bucket(&record?.bucket)?).is_break() {
            break;
        }
    }
    Ok(())
}

fn records<T: DeserializeOwned>(
    file: impl Read,
) -> Result<impl Iterator<Item = apache_avro::AvroResult<T>>, Problem> {
    // For the whole process: what a block, a list or a text may claim.
    max_allocation_bytes(MAX_BLOCK_BYTES);
    Ok(Reader::new(file)?.into_deser_iter())
}
