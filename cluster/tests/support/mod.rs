//! A cluster of real processes, and reports to sum on it.
#![allow(dead_code, unused_imports, reason = "each test program uses a part")]

#[path = "../../../crates/aggregation/tests/common/mod.rs"]
mod common;

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use ascribe_aggregation::{
    Job, JobParameters, KeyFile, Keyring, Location, Outcome, OutputFormat, OutputPlace, Progress, Protection,
    Record, Reporter, SqliteLedger, Storage, run,
};
use ascribe_reports::Time;
pub(crate) use common::{Report, body, key, write_avro};
use parquet::{
    data_type::ByteArrayType,
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::parser::parse_message_type,
};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) const ORIGIN: &str = common::ORIGIN;

/// A directory with keys, batches, a domain and work directories.
pub(crate) struct World(TempDir);

impl World {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        for name in ["keys", "batches"] {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        KeyFile::write(&key(), &directory.path().join("keys/key-1.json")).unwrap();
        Self(directory)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn domain(&self, buckets: impl IntoIterator<Item = u128>) {
        let text: String = buckets.into_iter().map(|bucket| format!("{bucket:#x}\n")).collect();
        fs::write(self.path("domain.txt"), text).unwrap();
    }

    pub(crate) fn avro(&self, name: &str, records: &[Record]) {
        write_avro(&self.path("batches").join(name), records, apache_avro::Codec::Null);
    }

    /// So many files of so many reports with 20 contributions of 1 to the buckets 0 to 19.
    pub(crate) fn many(&self, files: u128, reports: u128) {
        let contributions: Vec<_> = (0..20).map(|bucket| (bucket, 1, 0)).collect();
        for file in 0..files {
            let ids = file * reports..(file + 1) * reports;
            let records: Vec<_> = ids.map(|id| report(id, &contributions).sealed()).collect();
            self.avro(&format!("{file}.avro"), &records);
        }
        self.domain(0..20);
    }

    pub(crate) fn scheduler(&self, more: &[&str]) -> Process {
        let bind = ["scheduler", "--bind", "127.0.0.1:0", "--executor-timeout", "8"];
        Process::start(&bind.iter().chain(more).copied().collect::<Vec<_>>())
    }

    pub(crate) fn executor(&self, scheduler: &Process, work_dir: &str, more: &[&str]) -> Process {
        let (keys, work_dir) = (self.text("keys"), self.text(work_dir));
        let scheduler = scheduler.address.to_string();
        let args = ["executor", "--keys", &keys, "--work-dir", &work_dir, "--scheduler", &scheduler];
        Process::start(&args.iter().chain(more).copied().collect::<Vec<_>>())
    }

    pub(crate) fn aggregate(&self, scheduler: &Process, more: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .args(["aggregate", "--json", "--partitions", "4", "--attribution-report-to", ORIGIN])
            .args(["--scheduler", &scheduler.address.to_string()])
            .args(["--input", &self.text("batches"), "--domain", &self.text("domain.txt")])
            .args(["--output", &self.text("out/summary.csv"), "--ledger", &self.text("cluster.sqlite")])
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// The same job on this machine alone, as a debug run.
    pub(crate) fn debug_run_here(&self, filtering_ids: &[u64]) -> Outcome {
        let mut parameters = JobParameters::new(Reporter::Origin(ORIGIN.to_owned()));
        parameters.debug_run = true;
        parameters.error_threshold = 100.0;
        parameters.filtering_ids = filtering_ids.iter().copied().collect();
        let mut ledger = SqliteLedger::in_memory().unwrap();
        let job = Job {
            id: "here".to_owned(),
            parameters,
            input: vec![Location::Path(self.path("batches"))],
            domain: Some(Location::Path(self.path("domain.txt"))),
            output: OutputPlace {
                location: Location::Path(self.path("here/summary.csv")),
                format: OutputFormat::Csv,
                always_numbered: false,
            },
            protection: Protection::Full {
                keys: Keyring::new([key()]),
                ledger: &mut ledger,
                staging: self.path("staging"),
            },
            now: Time::from_secs(now()),
            threads: 2,
        };
        run(job, &Storage::default(), &Progress::default())
    }

    /// The buckets of a debug run with their sums, and where they are from.
    pub(crate) fn debug_sums(&self, file: &str) -> Vec<(String, i64, String)> {
        let text = fs::read_to_string(self.path(file)).expect("there is a debug output");
        let rows = text.lines().skip(1);
        rows.map(|row| {
            let fields: Vec<_> = row.split(',').collect();
            (fields[0].to_owned(), fields[1].parse().unwrap(), fields[3].to_owned())
        })
        .collect()
    }

    /// What executors have in their work directories.
    pub(crate) fn between_stages(&self, work_dirs: &[&str]) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for work_dir in work_dirs {
            files(&self.path(work_dir), &mut found);
        }
        found
    }

    #[track_caller]
    pub(crate) fn assert_removed(&self, work_dirs: &[&str]) {
        wait_for("files between stages to be removed", || self.between_stages(work_dirs).is_empty());
    }
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_ascribe-cluster");

/// A scheduler or executor, which ends with the test.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Process {
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut child =
            Command::new(PROGRAM).args(args).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").expect("it listens").parse().unwrap();
        Self { child, address }
    }

    /// Kills it, as a crash would.
    pub(crate) fn kill(mut self) -> SocketAddr {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.address
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command that fails before it does anything: its code and what it says.
pub(crate) fn refused(args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(PROGRAM).args(args).stdin(Stdio::null()).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}

/// A report of now, in debug mode.
pub(crate) fn report(id: u128, contributions: &[(u128, u32, u64)]) -> Report {
    Report::new(id, contributions)
        .with("scheduled_report_time", (now() / 86_400 * 86_400).to_string())
        .with("debug_mode", "enabled")
}

pub(crate) fn write_parquet(path: &Path, records: &[Record]) {
    let schema = parse_message_type(
        "message report { required binary payload; required binary key_id (UTF8);
         required binary shared_info (UTF8); }",
    );
    let file = fs::File::create(path).unwrap();
    let properties = Arc::new(WriterProperties::builder().build());
    let mut writer = SerializedFileWriter::new(file, Arc::new(schema.unwrap()), properties).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let columns: [fn(&Record) -> Vec<u8>; 3] = [
        |record| record.payload.clone(),
        |record| record.key_id.clone().into_bytes(),
        |record| record.shared_info.clone().into_bytes(),
    ];
    for values in columns {
        let values: Vec<_> = records.iter().map(|record| values(record).into()).collect();
        let mut column = group.next_column().unwrap().expect("three columns");
        column.typed::<ByteArrayType>().write_batch(&values, None, None).unwrap();
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
}

#[track_caller]
pub(crate) fn result(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

#[track_caller]
pub(crate) fn assert_succeeded(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    result(output)
}

/// Waits for something that must happen before long.
#[track_caller]
pub(crate) fn wait_for(what: &str, mut happened: impl FnMut() -> bool) {
    let started = Instant::now();
    while !happened() {
        assert!(started.elapsed() < Duration::from_secs(60), "waited for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        match path.is_dir() {
            true => files(&path, found),
            false if entry.file_name() != ".ascribe-cluster" => found.push(path),
            false => {}
        }
    }
}
