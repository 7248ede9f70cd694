//! Avro, of the schemas that readers of the aggregation service's output have.

use std::sync::LazyLock;

use apache_avro::{Schema, Writer};
use serde::Serialize;

use super::{DebugFact, Encoded, Fact, UNPROTECTED, bucket_bytes};

static SUMMARY: LazyLock<Schema> = LazyLock::new(|| {
    parse(
        r#"{"type": "record", "name": "AggregatedFact", "fields": [
            {"name": "bucket", "type": "bytes"},
            {"name": "metric", "type": "long"}]}"#,
    )
});

static DEBUG: LazyLock<Schema> = LazyLock::new(|| {
    parse(
        r#"{"type": "record", "name": "DebugAggregatedFact", "fields": [
            {"name": "bucket", "type": "bytes"},
            {"name": "unnoised_metric", "type": "long"},
            {"name": "noise", "type": "long"},
            {"name": "annotations", "type": {"type": "array", "items":
                {"type": "enum", "name": "bucket_tags", "symbols": ["in_domain", "in_reports"]}}}]}"#,
    )
});

fn parse(schema: &str) -> Schema {
    Schema::parse_str(schema).expect("a constant that is a schema")
}

#[derive(Serialize)]
struct AggregatedFact {
    #[serde(with = "apache_avro::serde::bytes")]
    bucket: Vec<u8>,
    metric: i64,
}

#[derive(Serialize)]
struct DebugAggregatedFact {
    #[serde(with = "apache_avro::serde::bytes")]
    bucket: Vec<u8>,
    unnoised_metric: i64,
    noise: i64,
    annotations: Vec<Annotation>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Annotation {
    InDomain,
    InReports,
}

pub(super) fn summary(facts: impl Iterator<Item = Fact>, unprotected: Option<&str>) -> Encoded {
    let records =
        facts.map(|fact| AggregatedFact { bucket: bucket_bytes(&fact.bucket), metric: fact.metric });
    write(&SUMMARY, records, unprotected)
}

pub(super) fn debug(facts: impl Iterator<Item = DebugFact>, unprotected: Option<&str>) -> Encoded {
    let records = facts.map(|fact| DebugAggregatedFact {
        bucket: bucket_bytes(&fact.bucket),
        unnoised_metric: fact.unnoised_metric,
        noise: fact.noise,
        annotations: [(fact.in_reports, Annotation::InReports), (fact.in_domain, Annotation::InDomain)]
            .into_iter()
            .filter_map(|(is_so, annotation)| is_so.then_some(annotation))
            .collect(),
    });
    write(&DEBUG, records, unprotected)
}

fn write(
    schema: &Schema,
    records: impl Iterator<Item = impl Serialize>,
    unprotected: Option<&str>,
) -> Encoded {
    let mut writer = Writer::new(schema, Vec::new())?;
    if let Some(what) = unprotected {
        writer.add_user_metadata(UNPROTECTED.to_owned(), what)?;
    }
    for record in records {
        writer.append_ser(record)?;
    }
    Ok(writer.into_inner()?)
}
