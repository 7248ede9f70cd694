//! Reports that a real browser made, and batches of a peer, byte for byte.
//!
//! They are third-party data, read in place: the environment variable `ASCRIBE_SHARED` names the folder
//! that holds `goldens/`; without it these tests say so and pass.
#![expect(clippy::disallowed_methods, reason = "tests read files")]

use std::{
    collections::BTreeMap,
    env, fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use ascribe_headers::{Coordinators, FilteringIdMaxBytes, Site, SuitableOrigin};
use ascribe_reports::{
    AggregatableDebugReport, AggregatableReport, Api, Contribution, DebugKeys, Payload, SealedPayload,
    SharedInfo,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;

fn goldens() -> Option<PathBuf> {
    match env::var("ASCRIBE_SHARED") {
        Ok(shared) => Some(Path::new(&shared).join("goldens")),
        Err(_) => {
            // The test runner would keep what `eprintln` says to itself.
            writeln!(io::stderr(), "skipped: ASCRIBE_SHARED names no folder of shared data")
                .expect("stderr is open");
            None
        }
    }
}

/// A report as it was sent, and its payload in clear.
struct Golden {
    name: String,
    body: Value,
    shared_info: String,
    plaintext: Vec<u8>,
}

fn read_json(path: &Path) -> Value {
    let text = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn base64(value: &Value) -> Vec<u8> {
    BASE64_STANDARD.decode(value.as_str().expect("base64 is text")).expect("base64")
}

fn read_goldens(folder: &Path, expected_len: usize) -> Vec<Golden> {
    let mut found: Vec<_> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| !path.to_string_lossy().contains("cleartext"))
        .collect();
    found.sort();
    assert_eq!(found.len(), expected_len, "{}", folder.display());
    let read = |path: &PathBuf| {
        let body = read_json(path);
        let cleartexts = path.to_string_lossy().replace(".json", "_cleartext_payloads.json");
        Golden {
            name: path.file_name().expect("a file").to_string_lossy().into_owned(),
            shared_info: body["shared_info"].as_str().expect("text").to_owned(),
            body,
            plaintext: base64(&read_json(Path::new(&cleartexts))[0]),
        }
    };
    found.iter().map(read).collect()
}

impl Golden {
    fn info(&self) -> SharedInfo {
        SharedInfo::parse(&self.shared_info).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    fn destination(&self) -> Site {
        Site::parse(&self.info().attribution_destination.expect("there is one")).expect("a site")
    }

    /// Without the null ones at the end, which writing adds again.
    fn contributions(&self) -> Box<[Contribution]> {
        let mut all = Payload::parse(&self.plaintext).expect(&self.name).contributions;
        while all.last() == Some(&Contribution::NULL) {
            all.pop();
        }
        all.into()
    }

    fn sealed(&self) -> SealedPayload {
        let entry = &self.body["aggregation_service_payloads"][0];
        SealedPayload {
            key_id: entry["key_id"].as_str().expect("text").into(),
            ciphertext: base64(&entry["payload"]),
        }
    }

    fn debug_key(&self, key: &str) -> Option<u64> {
        self.body.get(key).map(|value| value.as_str().expect("text").parse().expect("a number"))
    }

    fn check(&self, shared_info: &str, plaintext: &[u8], body: &str) {
        assert_eq!(shared_info, self.shared_info, "{}", self.name);
        assert_eq!(self.info().to_string(), self.shared_info, "{}", self.name);
        assert_eq!(plaintext, self.plaintext, "{}", self.name);
        // The files are indented, so that whole bodies are compared by value.
        assert_eq!(serde_json::from_str::<Value>(body).expect("JSON"), self.body, "{}", self.name);
    }
}

fn coordinator(golden: &Golden) -> ascribe_headers::Coordinator {
    let origin = golden.body["aggregation_coordinator_origin"].as_str().expect("text");
    let origin = SuitableOrigin::parse(origin).expect("a suitable origin");
    Coordinators::chromium().find(&origin).expect("one of Chromium's").clone()
}

#[test]
fn aggregatable_reports_are_those_of_a_browser() {
    let Some(folder) = goldens() else { return };
    for golden in read_goldens(&folder.join("aggregatable_report"), 7) {
        let info = golden.info();
        assert_eq!(info.api, Api::AttributionReporting);
        let report = AggregatableReport {
            report_id: info.report_id,
            reporting_origin: info.reporting_origin,
            destination: golden.destination(),
            report_time: info.scheduled_report_time,
            source_registration_time: info.source_registration_time,
            contributions: golden.contributions(),
            coordinator: coordinator(&golden),
            trigger_context_id: golden
                .body
                .get("trigger_context_id")
                .map(|id| id.as_str().expect("text").into()),
            filtering_id_max_bytes: FilteringIdMaxBytes::DEFAULT,
            debug_keys: DebugKeys {
                source: golden.debug_key("source_debug_key"),
                trigger: golden.debug_key("trigger_debug_key"),
            },
        };
        assert_eq!(report.is_debug_mode(), info.debug_mode);
        let sealed = golden.sealed();
        assert_eq!(sealed.ciphertext.len(), golden.plaintext.len() + 48, "{}", golden.name);
        golden.check(&report.shared_info(), &report.plaintext_payload(), &report.body(&sealed));
    }
}

#[test]
fn aggregatable_debug_reports_are_those_of_a_browser() {
    let Some(folder) = goldens() else { return };
    for golden in read_goldens(&folder.join("aggregatable_debug_report"), 2) {
        let info = golden.info();
        assert_eq!(info.api, Api::AttributionReportingDebug);
        let report = AggregatableDebugReport {
            report_id: info.report_id,
            reporting_origin: info.reporting_origin,
            destination: golden.destination(),
            report_time: info.scheduled_report_time,
            contributions: golden.contributions(),
            coordinator: coordinator(&golden),
        };
        let sealed = golden.sealed();
        assert_eq!(sealed.ciphertext.len(), golden.plaintext.len() + 48, "{}", golden.name);
        golden.check(&report.shared_info(), &report.plaintext_payload(), &report.body(&sealed));
    }
}

/// As much of Avro's container files as an uncompressed batch needs.
struct Avro<'a>(&'a [u8]);

impl<'a> Avro<'a> {
    fn long(&mut self) -> i64 {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = *self.take(1) else { unreachable!("one byte was taken") };
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        (value >> 1) as i64 ^ -((value & 1) as i64)
    }

    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len);
        self.0 = rest;
        taken
    }

    fn bytes(&mut self) -> &'a [u8] {
        let len = usize::try_from(self.long()).expect("a length");
        self.take(len)
    }

    fn text(&mut self) -> &'a str {
        str::from_utf8(self.bytes()).expect("text")
    }

    /// Payloads and shared infos.
    fn batch(mut self) -> Vec<(&'a [u8], &'a str)> {
        assert_eq!(self.take(4), b"Obj\x01");
        loop {
            let entries = self.long();
            assert!(entries >= 0, "a plain map");
            for _ in 0..entries {
                let (key, value) = (self.text(), self.bytes());
                assert!(key != "avro.codec" || value == b"null", "uncompressed");
            }
            if entries == 0 {
                break;
            }
        }
        let sync = self.take(16);
        let mut records = vec![];
        while !self.0.is_empty() {
            let len = self.long();
            let _bytes = self.long();
            for _ in 0..len {
                let payload = self.bytes();
                assert_eq!(self.text(), "no_key");
                records.push((payload, self.text()));
            }
            assert_eq!(self.take(16), sync);
        }
        records
    }
}

#[test]
fn batches_of_a_peer_are_read() {
    let Some(folder) = goldens() else { return };
    for name in ["debug_mode", "set_1", "set_2", "set_3"] {
        let folder = folder.join("batches").join(name);
        let batch = fs::read(folder.join("batch.avro")).expect(name);
        let mut sums = BTreeMap::<String, u64>::new();
        for (payload, shared_info) in Avro(&batch).batch() {
            let info =
                SharedInfo::parse(shared_info).unwrap_or_else(|error| panic!("{shared_info}: {error}"));
            assert_eq!((info.version.major, info.version.minor), (0, 1), "{shared_info}");
            let payload = Payload::parse(payload).unwrap_or_else(|error| panic!("{payload:x?}: {error}"));
            for contribution in payload.contributions {
                let key = contribution.key.0.to_be_bytes();
                let key =
                    str::from_utf8(&key).expect("keys are ASCII here").trim_start_matches('\0').to_owned();
                *sums.entry(key).or_default() += u64::from(contribution.value);
            }
        }
        // What the batch was made from: a report a line, `key:value` pairs in it.
        let text = fs::read_to_string(folder.join("text_batch_data.txt")).expect(name);
        let mut expected = BTreeMap::<String, u64>::new();
        for pair in text.split([',', '\n']).map(str::trim).filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once(':').expect(pair);
            *expected.entry(key.to_owned()).or_default() += value.parse::<u64>().expect(pair);
        }
        assert!(!expected.is_empty(), "{name}");
        assert_eq!(sums, expected, "{name}");
    }
}
