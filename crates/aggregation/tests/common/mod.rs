//! A coordinator with a key, batches of made-up reports, and jobs over them.
#![allow(dead_code, reason = "each test program uses a part")]

pub(crate) mod postgres;

use std::{
    fs,
    path::{Path, PathBuf},
};

use ascribe_aggregation::{
    Job, JobParameters, KeyFile, Keyring, Location, Outcome, OutputFormat, OutputPlace, Progress, Protection,
    Record, Reporter, ReturnCode, SqliteLedger, Storage, TestSwitches, run,
};
use ascribe_reports::Time;
use base64::{Engine, prelude::BASE64_STANDARD};
use minicbor::Encoder;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const NOW: Time = Time::from_secs(1_700_000_000);
pub(crate) const ORIGIN: &str = "https://report.test";

/// A report before it is sealed.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) shared_info: Value,
    /// Bucket, value, filtering ID.
    pub(crate) contributions: Vec<(u128, u32, u64)>,
}

impl Report {
    pub(crate) fn new(id: u128, contributions: &[(u128, u32, u64)]) -> Self {
        let shared_info = json!({
            "api": "attribution-reporting",
            "attribution_destination": "https://shop.test",
            "report_id": uuid::Uuid::from_u128(id).to_string(),
            "reporting_origin": ORIGIN,
            "scheduled_report_time": "1699999000",
            "version": "1.0",
        });
        Self { shared_info, contributions: contributions.to_vec() }
    }

    pub(crate) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.shared_info[key] = value.into();
        self
    }

    pub(crate) fn plaintext(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut cbor = Encoder::new(&mut out);
        cbor.map(2).unwrap().str("data").unwrap().array(self.contributions.len() as u64).unwrap();
        for (bucket, value, id) in &self.contributions {
            cbor.map(3).unwrap();
            cbor.str("id").unwrap().bytes(&id.to_be_bytes()).unwrap();
            cbor.str("value").unwrap().bytes(&value.to_be_bytes()).unwrap();
            cbor.str("bucket").unwrap().bytes(&bucket.to_be_bytes()).unwrap();
        }
        cbor.str("operation").unwrap().str("histogram").unwrap();
        out
    }

    pub(crate) fn sealed(&self) -> Record {
        self.sealed_payload(&self.plaintext())
    }

    pub(crate) fn sealed_payload(&self, plaintext: &[u8]) -> Record {
        let shared_info = self.shared_info.to_string();
        let mut rng = ChaCha20Rng::seed_from_u64(shared_info.len() as u64);
        let sealed = key().public().seal(&shared_info, plaintext, &mut rng).unwrap();
        Record { payload: sealed.ciphertext, key_id: "key-1".to_owned(), shared_info }
    }

    pub(crate) fn clear(&self) -> Record {
        Record {
            payload: self.plaintext(),
            key_id: "none".to_owned(),
            shared_info: self.shared_info.to_string(),
        }
    }
}

pub(crate) fn key() -> KeyFile {
    KeyFile::new("key-1", [7; 32].into(), "2026-01-01T00:00:00Z").unwrap()
}

/// A directory with batches, a domain, a ledger and outputs.
pub(crate) struct World {
    pub(crate) directory: TempDir,
    pub(crate) ledger: SqliteLedger,
    jobs: u32,
}

impl World {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("batches")).unwrap();
        let ledger = SqliteLedger::open(&directory.path().join("ledger.sqlite")).unwrap();
        Self { directory, ledger, jobs: 0 }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn batch(&self, name: &str, records: &[Record]) {
        write_avro(&self.path("batches").join(name), records, apache_avro::Codec::Null);
    }

    pub(crate) fn domain(&self, buckets: impl IntoIterator<Item = u128>) {
        let text: String = buckets.into_iter().map(|bucket| format!("{bucket:#x}\n")).collect();
        fs::write(self.path("domain.txt"), text).unwrap();
    }

    /// A job over all batches and the domain, to be changed and run.
    pub(crate) fn run(&mut self, change: impl FnOnce(&mut Job<'_>)) -> Outcome {
        self.jobs += 1;
        let (id, staging) = (format!("job-{}", self.jobs), self.path("staging"));
        let protection = Protection::Full { keys: Keyring::new([key()]), ledger: &mut self.ledger, staging };
        let mut job = job(self.directory.path(), id, protection);
        change(&mut job);
        run(job, &Storage::default(), &Progress::default())
    }

    /// The same without protection: sums as they are.
    pub(crate) fn run_test(&self, switches: TestSwitches, change: impl FnOnce(&mut Job<'_>)) -> Outcome {
        let mut job = job(self.directory.path(), "test".to_owned(), Protection::Test(switches));
        change(&mut job);
        run(job, &Storage::default(), &Progress::default())
    }

    /// The summary that was written as CSV: without its noise, if the job had none.
    pub(crate) fn summary(&self) -> Vec<(u128, i64)> {
        let text = fs::read_to_string(self.path("out/summary.csv")).expect("there is a summary");
        let rows = text.lines().filter(|line| !line.starts_with('#')).skip(1);
        rows.map(|row| {
            let (bucket, metric) = row.split_once(',').unwrap();
            (u128::from_str_radix(&bucket[2..], 16).unwrap(), metric.parse().unwrap())
        })
        .collect()
    }
}

pub(crate) fn job<'a>(directory: &Path, id: String, protection: Protection<'a>) -> Job<'a> {
    Job {
        id,
        parameters: JobParameters::new(Reporter::Origin(ORIGIN.to_owned())),
        input: vec![Location::Path(directory.join("batches"))],
        domain: Some(Location::Path(directory.join("domain.txt"))),
        output: OutputPlace {
            location: Location::Path(directory.join("out/summary.csv")),
            format: OutputFormat::Csv,
            always_numbered: false,
        },
        protection,
        now: NOW,
        threads: 2,
    }
}

pub(crate) fn write_avro(path: &Path, records: &[Record], codec: apache_avro::Codec) {
    use apache_avro::types::Value;
    let schema = apache_avro::Schema::parse_str(
        r#"{"type": "record", "name": "AggregatableReport", "fields": [
            {"name": "payload", "type": "bytes"},
            {"name": "key_id", "type": "string"},
            {"name": "shared_info", "type": "string"}]}"#,
    )
    .unwrap();
    let mut writer = apache_avro::Writer::with_codec(&schema, Vec::new(), codec).unwrap();
    for record in records {
        let fields = [
            ("payload", Value::Bytes(record.payload.clone())),
            ("key_id", Value::String(record.key_id.clone())),
            ("shared_info", Value::String(record.shared_info.clone())),
        ];
        let fields = fields.map(|(name, value)| (name.to_owned(), value));
        writer.append_value(Value::Record(fields.into())).unwrap();
    }
    fs::write(path, writer.into_inner().unwrap()).unwrap();
}

/// The body that a user agent sends.
pub(crate) fn body(report: &Report) -> Value {
    let sealed = report.sealed();
    json!({
        "shared_info": sealed.shared_info,
        "aggregation_coordinator_origin": "https://coordinator.test",
        "aggregation_service_payloads": [{
            "payload": BASE64_STANDARD.encode(&sealed.payload),
            "key_id": sealed.key_id,
            "debug_cleartext_payload": BASE64_STANDARD.encode(report.plaintext()),
        }],
    })
}

pub(crate) fn errors(outcome: &Outcome) -> Vec<(&'static str, u64)> {
    outcome.result.error_summary.error_counts.iter().map(|entry| (entry.category, entry.count)).collect()
}

#[track_caller]
pub(crate) fn assert_code(outcome: &Outcome, code: ReturnCode) {
    assert_eq!(outcome.result.return_code, code, "{outcome:?}");
}

/// Says what a test did not do.
pub(crate) fn tell(what: &str) {
    use std::io::Write;
    writeln!(std::io::stderr(), "{what}").expect("standard error is open");
}

/// The folder of shared test data, if there is one here.
pub(crate) fn shared(what: &str) -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("ASCRIBE_SHARED") else {
        tell(&format!("{what} are not here: ASCRIBE_SHARED is not set"));
        return None;
    };
    Some(Path::new(&folder).join("goldens"))
}
