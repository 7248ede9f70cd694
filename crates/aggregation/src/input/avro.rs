//! Avro: `AggregatableReport` and `AggregationBucket`, compressed in any way that Avro has.
//!
//! Files that have more fields are read, too: fields are told by their names.

use std::{fmt, io::Read};

use apache_avro::{Reader, util::max_allocation_bytes};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor},
};

use super::{MAX_BLOCK_BYTES, Problem, Row, Sink, bucket};
use crate::{Record, output::Fact};

/// The fields of a record that are known by their names; the name of the record itself says nothing.
#[derive(Default)]
struct Fields {
    payload: Option<Vec<u8>>,
    key_id: Option<String>,
    shared_info: Option<String>,
    bucket: Option<Vec<u8>>,
    metric: Option<i64>,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Name {
    Payload,
    KeyId,
    SharedInfo,
    Bucket,
    Metric,
    #[serde(other)]
    Other,
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self::default())
    }
}

impl<'de> Visitor<'de> for Fields {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut fields: A) -> Result<Self, A::Error> {
        while let Some(name) = fields.next_key()? {
            match name {
                Name::Payload => self.payload = Some(fields.next_value::<Bytes>()?.0),
                Name::KeyId => self.key_id = Some(fields.next_value()?),
                Name::SharedInfo => self.shared_info = Some(fields.next_value()?),
                Name::Bucket => self.bucket = Some(fields.next_value::<Bytes>()?.0),
                Name::Metric => {
                    if let Metric::Long(metric) = fields.next_value()? {
                        self.metric = Some(metric);
                    }
                }
                Name::Other => {
                    fields.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(self)
    }
}

/// Only summaries have it: whatever else is called so, is ignored.
#[derive(Deserialize)]
#[serde(untagged)]
enum Metric {
    Long(i64),
    Other(IgnoredAny),
}

struct Bytes(Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        apache_avro::serde::bytes::deserialize(deserializer).map(Self)
    }
}

pub(super) fn read_reports(file: impl Read, sink: Sink<'_, Row>) -> Result<(), Problem> {
    for record in records::<Fields>(file)? {
        let Fields { payload: Some(payload), key_id: Some(key_id), shared_info: Some(shared_info), .. } =
            record?
        else {
            return Err("a record without payload, key_id and shared_info".into());
        };
        if sink(Ok(Record { payload, key_id, shared_info })).is_break() {
            break;
        }
    }
    Ok(())
}

pub(super) fn read_domain(file: impl Read, sink: Sink<'_, u128>) -> Result<(), Problem> {
    for record in records::<Fields>(file)? {
        let bytes = record?.bucket.ok_or("a record without bucket")?;
        if sink(bucket(&bytes)?).is_break() {
            break;
        }
    }
    Ok(())
}

pub(super) fn read_summary(file: impl Read, sink: Sink<'_, Fact>) -> Result<(), Problem> {
    for record in records::<Fields>(file)? {
        let Fields { bucket: Some(bytes), metric: Some(metric), .. } = record? else {
            return Err("a record without bucket and metric".into());
        };
        if sink(Fact { bucket: bucket(&bytes)?, metric }).is_break() {
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
