//! Batches on a server that speaks S3, by the program as it is.
//!
//! `scripts/interop-venv.sh collector` installs the server (moto) and prints the interpreter that the environment
//! variable `ASCRIBE_COLLECTOR_PYTHON` is to name; without it the test says so and passes.

mod common;

use std::{
    env,
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use ascribe_collector::{NewReport, ReportBody, Store, StoreLocation};
use ascribe_reports::{Endpoint, ReceivedAggregatableReport, Time};
use common::ascribe;

/// A running server.
struct S3 {
    process: Child,
    address: String,
}

impl S3 {
    fn start() -> Option<Self> {
        let Ok(python) = env::var("ASCRIBE_COLLECTOR_PYTHON") else {
            // The test runner would keep what `eprintln` says to itself.
            let message =
                "skipped: ASCRIBE_COLLECTOR_PYTHON names no Python with moto; see scripts/interop-venv.sh";
            writeln!(io::stderr(), "{message}").expect("stderr is open");
            return None;
        };
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new(python)
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("ASCRIBE_COLLECTOR_PYTHON is an interpreter");
        let s3 = Self { process, address: format!("127.0.0.1:{port}") };
        for _ in 0..300 {
            if TcpStream::connect(&s3.address).is_ok() {
                return Some(s3);
            }
            thread::sleep(Duration::from_millis(100));
        }
        panic!("the server does not listen");
    }

    /// The body of the answer to a request, which must succeed.
    fn ask(&self, method: &str, path: &str) -> Vec<u8> {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: AWS key:unchecked\r\ncontent-length: 0\r\n\
             connection: close\r\n\r\n",
            self.address
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{path}: {}", String::from_utf8_lossy(&answer));
        let body = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        answer.split_off(body)
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn report(n: u32) -> NewReport {
    let info = format!(
        r#"{{\"api\":\"attribution-reporting\",\"attribution_destination\":\"https://shop.example\",\"report_id\":\"{n:08x}-0000-4000-8000-000000000000\",\"reporting_origin\":\"https://ads.example\",\"scheduled_report_time\":\"1700006400\",\"version\":\"1.0\"}}"#
    );
    let body = format!(
        r#"{{"aggregation_coordinator_origin":"https://coordinator.example","aggregation_service_payloads":[{{"key_id":"k","payload":"AAEC"}}],"shared_info":"{info}"}}"#
    );
    NewReport {
        endpoint: Endpoint::Aggregatable,
        received_at: Time::from_secs(1_700_006_410),
        body: ReportBody::Aggregatable(ReceivedAggregatableReport::parse(body.as_bytes()).unwrap()),
    }
}

#[test]
fn batches_are_put_on_a_server_that_speaks_s3() {
    let Some(s3) = S3::start() else { return };
    s3.ask("PUT", "/reports");
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("reports.db");
    let reports: Vec<_> = (0..5).map(report).collect();
    Store::open(&StoreLocation::File(store.clone())).unwrap().insert(&reports).unwrap();
    let batch = |endpoint: &str| {
        ascribe(&[
            "collector",
            "batch",
            "--store",
            store.to_str().unwrap(),
            "--to",
            "s3://reports/of/ads",
            "--json",
        ])
        .env("AWS_ENDPOINT", endpoint)
        .env("AWS_ALLOW_HTTP", "true")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "key")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .output()
        .unwrap()
    };
    let written = batch(&format!("http://{}", s3.address));
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    let written: serde_json::Value = serde_json::from_slice(&written.stdout).unwrap();
    assert_eq!(written[0]["reports"], 5);
    let place = "/reports/of/ads/attribution-reporting/shop.example/2023-11-15T00Z/batch-1";
    let manifest: serde_json::Value =
        serde_json::from_slice(&s3.ask("GET", &format!("{place}/manifest.json"))).unwrap();
    assert_eq!((&manifest["reports"], &manifest["files"][0]), (&5.into(), &"reports-00000.avro".into()));
    let avro = s3.ask("GET", &format!("{place}/reports-00000.avro"));
    assert!(avro.starts_with(b"Obj\x01"));
    // Done is done.
    let again = batch(&format!("http://{}", s3.address));
    assert_eq!(again.stdout.trim_ascii(), b"[]");
}
