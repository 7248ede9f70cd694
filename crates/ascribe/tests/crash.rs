//! Killing `ascribe aggregation serve` at random points of a job: the budget and the output agree every time, and
//! the job ends.
//!
//! `ASCRIBE_CRASH_CYCLES` says how often, 5 by default.
#![cfg(unix)]

mod common;

use std::{
    env, fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use ascribe_aggregation::{KeyFile, Ledger, SqliteLedger};
use base64::{Engine, prelude::BASE64_STANDARD};
use common::ascribe;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;
use serde_json::{Value, json};
use tempfile::TempDir;

const TOKEN: &str = "a-token-that-nobody-else-knows";
/// Enough that the output is staged.
const BUCKETS: u32 = 300_000;

/// A directory with all that a server needs, and a batch.
fn world() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    fs::create_dir(path("keys")).unwrap();
    let key = KeyFile::new("key-1", [7; 32].into(), "2026-01-01T00:00:00Z").unwrap();
    key.write(&path("keys/key-1.json")).unwrap();
    fs::write(path("token"), TOKEN).unwrap();
    fs::set_permissions(path("token"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let config = "listen = \"127.0.0.1:0\"\noperations = \"127.0.0.1:0\"\nkeys = \"keys\"\nledger = \"ledger.sqlite\"\n\
                  tokens = [\"token\"]\n[buckets]\ndata = \".\"\n[jobs]\nlease_seconds = 1\nattempts = 100\n";
    fs::write(path("aggregation.toml"), config).unwrap();
    let domain: String = (0..BUCKETS).map(|bucket| format!("{bucket}\n")).collect();
    fs::write(path("domain.txt"), domain).unwrap();
    let scheduled = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() - 3600;
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let bodies = (0..500).map(|id| {
        let shared_info = json!({
            "api": "attribution-reporting",
            "attribution_destination": "https://shop.test",
            "report_id": format!("01234567-89ab-4def-8123-{id:012}"),
            "reporting_origin": "https://r.ads.test",
            "scheduled_report_time": scheduled.to_string(),
            "version": "1.0",
        })
        .to_string();
        let payload = b"\xa2\x64data\x81\xa2\x66bucket\x41\x05\x65value\x41\x07\x69operation\x69histogram";
        let sealed = key.public().seal(&shared_info, payload, &mut rng).unwrap();
        json!({"shared_info": shared_info, "aggregation_service_payloads": [{
            "key_id": "key-1", "payload": BASE64_STANDARD.encode(&sealed.ciphertext),
        }]})
    });
    fs::write(path("batch.json"), Value::Array(bodies.collect()).to_string()).unwrap();
    directory
}

/// A server that is killed when dropped.
struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn start(directory: &Path) -> Self {
        let config = directory.join("aggregation.toml");
        let mut process = ascribe(&["aggregation", "serve", config.to_str().unwrap()])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address =
            line.strip_prefix("serving on ").and_then(|rest| rest.split_once(',')).expect("it serves").0;
        Self { process, address: address.to_owned() }
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let request = format!(
            "{method} /v1alpha/{path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\nauthorization: Bearer {TOKEN}\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
        (head[9..12].parse().unwrap(), serde_json::from_str(body).unwrap())
    }

    fn create(&self) {
        let body = json!({
            "job_request_id": "day-1",
            "input_data_blob_prefix": "batch.json",
            "input_data_bucket_name": "data",
            "output_data_blob_prefix": "out/summary.avro",
            "output_data_bucket_name": "data",
            "job_parameters": {
                "output_domain_blob_prefix": "domain.txt",
                "output_domain_bucket_name": "data",
                "reporting_site": "https://ads.test",
            },
        });
        assert_eq!(self.ask("POST", "createJob", &body.to_string()), (202, json!({})));
    }

    fn finished(&self) -> Value {
        for _ in 0..600 {
            let (status, job) = self.ask("GET", "getJob?job_request_id=day-1", "");
            assert_eq!(status, 200);
            if job["job_status"] == "FINISHED" {
                return job;
            }
            thread::sleep(Duration::from_millis(100));
        }
        panic!("the job does not end");
    }

    /// SIGKILL.
    fn kill(&mut self) {
        let _ = self.process.kill();
        self.process.wait().unwrap();
    }

    #[must_use]
    fn terminate(mut self) -> Option<i32> {
        let id = self.process.id().to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        self.process.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

#[test]
fn a_server_that_is_killed_in_a_job_ends_it_once_after_it_is_started_again() {
    let cycles = env::var("ASCRIBE_CRASH_CYCLES").map_or(5, |cycles| cycles.parse().unwrap());
    // How long a job takes here.
    let directory = world();
    let server = Server::start(directory.path());
    let started = Instant::now();
    server.create();
    assert_eq!(server.finished()["result_info"]["return_code"], "SUCCESS");
    let whole = started.elapsed();
    assert_eq!(server.terminate(), Some(0));

    let mut rng = ChaCha20Rng::seed_from_u64(u64::from(std::process::id()));
    let (mut unspent, mut unpublished, mut published) = (0, 0, 0);
    for _ in 0..cycles {
        let directory = world();
        let mut server = Server::start(directory.path());
        server.create();
        thread::sleep(whole.mul_f64(rng.random_range(0.0..1.2)));
        server.kill();
        let before = check(directory.path());
        match before {
            State::Unspent => unspent += 1,
            State::Unpublished => unpublished += 1,
            State::Published(_) => published += 1,
        }
        let server = Server::start(directory.path());
        let job = server.finished();
        assert_eq!(job["result_info"]["return_code"], "SUCCESS", "{job}");
        let (status, summary) = server.ask("GET", "getSummary?job_request_id=day-1&limit=1", "");
        assert_eq!((status, &summary["total"]), (200, &json!(BUCKETS)));
        assert_eq!(server.terminate(), Some(0));
        let State::Published(after) = check(directory.path()) else { panic!("the output is not there") };
        if let State::Published(before) = before {
            assert!(before == after, "noise was drawn again");
        }
    }
    writeln!(
        std::io::stderr(),
        "killed {cycles} times: {unspent} unspent, {unpublished} spent and unpublished, {published} published"
    )
    .unwrap();
}

#[test]
fn a_server_that_is_killed_between_spending_and_publishing_publishes_after_it_is_started_again() {
    let directory = world();
    fs::write(directory.path().join("out"), "a file where a directory should be").unwrap();
    let mut server = Server::start(directory.path());
    server.create();
    let mut ledger = SqliteLedger::open(&directory.path().join("ledger.sqlite")).unwrap();
    while ledger.unpublished().unwrap().is_empty() {
        thread::sleep(Duration::from_millis(10));
    }
    server.kill();
    assert!(matches!(check(directory.path()), State::Unpublished));
    fs::remove_file(directory.path().join("out")).unwrap();
    let server = Server::start(directory.path());
    assert_eq!(server.finished()["result_info"]["return_code"], "SUCCESS");
    let (_, summary) = server.ask("GET", "getSummary?job_request_id=day-1&limit=1", "");
    assert_eq!(summary["total"], BUCKETS);
    assert!(matches!(check(directory.path()), State::Published(_)));
}

enum State {
    Unspent,
    Unpublished,
    Published(Vec<u8>),
}

/// What the ledger and the output say, which must agree.
fn check(directory: &Path) -> State {
    let mut ledger = SqliteLedger::open(&directory.join("ledger.sqlite")).unwrap();
    let output = fs::read(directory.join("out/summary-1-of-1.avro")).ok();
    let jobs = ledger.jobs(10).unwrap();
    assert!(jobs.len() <= 1, "budget was spent twice");
    let Some(job) = jobs.first() else {
        assert!(output.is_none(), "an output that was not paid for");
        return State::Unspent;
    };
    assert_eq!(job.units, 1);
    if job.published_at.is_none() {
        return State::Unpublished;
    }
    State::Published(output.expect("an output that was paid for is there"))
}
