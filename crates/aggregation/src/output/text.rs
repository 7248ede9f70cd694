//! JSON and CSV.

use std::io::Write;

use serde::{Serialize, ser::SerializeSeq, ser::Serializer};

use super::{DebugFact, Encoded, Fact, bucket_bytes};

#[derive(Serialize)]
struct JsonFact<'a> {
    bucket: String,
    metric: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    unprotected: Option<&'a str>,
}

#[derive(Serialize)]
struct JsonDebugFact<'a> {
    bucket: String,
    unnoised_metric: i64,
    noise: i64,
    annotations: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unprotected: Option<&'a str>,
}

pub(super) fn summary_json(facts: impl Iterator<Item = Fact>, unprotected: Option<&str>) -> Encoded {
    json(facts.map(|fact| JsonFact { bucket: latin_1(fact.bucket), metric: fact.metric, unprotected }))
}

pub(super) fn debug_json(facts: impl Iterator<Item = DebugFact>, unprotected: Option<&str>) -> Encoded {
    json(facts.map(|fact| JsonDebugFact {
        bucket: latin_1(fact.bucket),
        unnoised_metric: fact.unnoised_metric,
        noise: fact.noise,
        annotations: fact.annotations().collect(),
        unprotected,
    }))
}

fn json(records: impl Iterator<Item = impl Serialize>) -> Encoded {
    let mut out = Vec::new();
    let mut serializer = serde_json::Serializer::pretty(&mut out);
    let mut list = serializer.serialize_seq(None)?;
    for record in records {
        list.serialize_element(&record)?;
    }
    list.end()?;
    out.push(b'\n');
    Ok(out)
}

/// Each byte as the character with its number.
fn latin_1(bucket: u128) -> String {
    bucket_bytes(&bucket).into_iter().map(char::from).collect()
}

pub(super) fn summary_csv(facts: impl Iterator<Item = Fact>, unprotected: Option<&str>) -> Encoded {
    let mut out = csv_start("bucket,metric", unprotected)?;
    for Fact { bucket, metric } in facts {
        writeln!(out, "{bucket:#x},{metric}")?;
    }
    Ok(out)
}

pub(super) fn debug_csv(facts: impl Iterator<Item = DebugFact>, unprotected: Option<&str>) -> Encoded {
    let mut out = csv_start("bucket,unnoised_metric,noise,annotations", unprotected)?;
    for fact in facts {
        let annotations: Vec<_> = fact.annotations().collect();
        let DebugFact { bucket, unnoised_metric, noise, .. } = fact;
        writeln!(out, "{bucket:#x},{unnoised_metric},{noise},{}", annotations.join("|"))?;
    }
    Ok(out)
}

fn csv_start(header: &str, unprotected: Option<&str>) -> Encoded {
    let mut out = Vec::new();
    if let Some(what) = unprotected {
        writeln!(out, "# unprotected: {what}")?;
    }
    writeln!(out, "{header}")?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: [Fact; 2] = [Fact { bucket: 0x6b31, metric: -5 }, Fact { bucket: 0, metric: 1 << 40 }];
    const DEBUG: DebugFact =
        DebugFact { bucket: 0xff, unnoised_metric: 7, noise: -9, in_reports: true, in_domain: true };

    #[test]
    fn csv_has_hexadecimal_buckets() {
        let text = |csv: Encoded| String::from_utf8(csv.unwrap()).unwrap();
        assert_eq!(
            text(summary_csv(FACTS.into_iter(), None)),
            "bucket,metric\n0x6b31,-5\n0x0,1099511627776\n"
        );
        assert_eq!(
            text(debug_csv([DEBUG].into_iter(), Some("no-noise"))),
            "# unprotected: no-noise\nbucket,unnoised_metric,noise,annotations\n0xff,7,-9,in_reports|in_domain\n"
        );
    }

    #[test]
    fn json_has_a_character_for_each_byte() {
        let value = |json: Encoded| serde_json::from_slice::<serde_json::Value>(&json.unwrap()).unwrap();
        assert_eq!(
            value(summary_json(FACTS.into_iter(), None)),
            serde_json::json!([{"bucket": "k1", "metric": -5}, {"bucket": "", "metric": 1_u64 << 40}])
        );
        assert_eq!(
            value(debug_json([DEBUG].into_iter(), Some("no-noise"))),
            serde_json::json!([{"bucket": "\u{ff}", "unnoised_metric": 7, "noise": -9,
                "annotations": ["in_reports", "in_domain"], "unprotected": "no-noise"}])
        );
        assert_eq!(value(summary_json([].into_iter(), None)), serde_json::json!([]));
    }
}
