//! From a sealed report to the summary on the dashboard: a collector and an aggregation service, two processes.
#![cfg(unix)]

mod common;

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Stdio},
    time::{Duration, Instant, SystemTime},
};

use ascribe_aggregation::KeyFile;
use base64::{Engine, prelude::BASE64_STANDARD};
use common::{ascribe, run};
use rand::SeedableRng;
use serde_json::{Value, json};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../collector/examples/campaigns.toml");
const TOKEN: &str = "0123456789abcdef0123456789abcdef";
/// Campaign spring, country fr, measure revenue, conversion purchase, category 5.
const BUCKET: u32 = 1 << 16 | 3 << 12 | 2 << 10 | 1 << 4 | 5;

/// A process that is killed when the test ends, however it does.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a server, and reads the line that says where it is.
fn serve(args: &[&str]) -> (Running, String) {
    let server = ascribe(args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut server = Running(server);
    let mut line = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (server, line)
}

/// The addresses in a line, in their order.
fn addresses(line: &str) -> Vec<&str> {
    let words = line.split(|c: char| c.is_whitespace() || c == ',');
    words
        .map(|word| word.trim_start_matches("http://"))
        .filter(|word| word.starts_with("127.0.0.1:"))
        .collect()
}

/// Asks with the token: status line and body.
fn ask(address: &str, method: &str, path: &str, kind: &str, body: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {TOKEN}\r\nconnection: close\r\n\
         content-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

fn secret(path: &Path) {
    fs::write(path, TOKEN).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// A report as a browser sends it, which was due two hours ago.
fn report(key: &KeyFile, id: u32) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let shared_info = json!({
        "api": "attribution-reporting",
        "attribution_destination": "https://shop.example",
        "report_id": format!("01234567-89ab-4def-8123-00000000000{id}"),
        "reporting_origin": "https://ads.example",
        "scheduled_report_time": (now - 7200).to_string(),
        "version": "1.0",
    })
    .to_string();
    let mut payload = b"\xa2\x64data\x81\xa3\x62id\x41\x01\x65value\x44".to_vec();
    payload.extend(24_576_u32.to_be_bytes());
    payload.extend(b"\x66bucket\x50");
    payload.extend(u128::from(BUCKET).to_be_bytes());
    payload.extend(b"\x69operation\x69histogram");
    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(id.into());
    let sealed = key.public().seal(&shared_info, &payload, &mut rng).unwrap();
    json!({
        "aggregation_coordinator_origin": "https://publickeyservice.msmt.aws.privacysandboxservices.com",
        "aggregation_service_payloads": [{"key_id": "key-1", "payload": BASE64_STANDARD.encode(&sealed.ciphertext)}],
        "shared_info": shared_info,
    })
    .to_string()
}

#[test]
fn a_batch_that_is_aggregated_on_the_dashboard_is_shown_there_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let key = KeyFile::new("key-1", [7; 32].into(), "2026-01-01T00:00:00Z").unwrap();
    fs::create_dir(path("keys")).unwrap();
    key.write(Path::new(&path("keys/key-1.json"))).unwrap();
    secret(Path::new(&path("token")));
    fs::create_dir(path("data")).unwrap();
    fs::write(path("data/domain.txt"), format!("{BUCKET}\n1\n")).unwrap();
    let any = "127.0.0.1:0";
    let service = "listen = \"127.0.0.1:0\"\noperations = \"127.0.0.1:0\"\nkeys = \"keys\"\nledger = \"ledger.sqlite\"\n\
                   tokens = [\"token\"]\n[buckets]\ndata = \"data\"\n";
    fs::write(path("aggregation.toml"), service).unwrap();
    let (_service, line) = serve(&["aggregation", "serve", &path("aggregation.toml")]);
    let service = *addresses(&line).first().unwrap_or_else(|| panic!("{line}"));

    let campaigns = fs::read_to_string(EXAMPLE).unwrap();
    let with_service = format!("[aggregation]\nservice = \"http://{service}\"\ntoken_file = \"token\"\n");
    let campaigns = campaigns.replace("[aggregation]\n", &with_service);
    fs::write(path("campaigns.toml"), campaigns + "[dashboard]\ntoken_file = \"token\"\n").unwrap();
    let (file, store) = (path("campaigns.toml"), path("reports.db"));
    let (_collector, line) =
        serve(&["collector", "serve", &file, "--store", &store, "--listen", any, "--operations", any]);
    let found = addresses(&line);
    let (public, dashboard) = (found[0], found[1]);

    for id in 0..3 {
        let intake = "/.well-known/attribution-reporting/report-aggregate-attribution";
        let (status, _) = ask(public, "POST", intake, "application/json", &report(&key, id));
        assert_eq!(status, "HTTP/1.1 200 OK");
    }
    let batch =
        run(&["collector", "batch", "--store", &store, "--to", &path("data"), "--wait", "0", "--json"]);
    assert_eq!(batch.json()[0]["reports"], 3, "{batch:?}");

    // The form is prefilled with everything but the buckets' names and the domain.
    let (_, form) = ask(dashboard, "GET", "/dashboard/jobs/new?batch=1", "text/plain", "");
    let value = |name: &str| {
        let (_, rest) =
            form.split_once(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("{name}: {form}"));
        rest.split('"').next().unwrap().to_owned()
    };
    let fields = ["batch", "job_request_id", "input_prefix", "output_prefix", "epsilon", "filtering_ids"];
    let mut wanted: Vec<String> =
        fields.iter().map(|name| format!("{name}={}", value(name).replace(',', "%2C"))).collect();
    wanted
        .push("input_bucket=data&output_bucket=data&domain_bucket=data&domain_prefix=domain.txt".to_owned());
    let form_type = "application/x-www-form-urlencoded";
    let (status, answer) = ask(dashboard, "POST", "/dashboard/jobs", form_type, &wanted.join("&"));
    assert_eq!(status, "HTTP/1.1 303 See Other", "{answer}");

    let summary = format!("/dashboard/job?id={}&format=json", value("job_request_id"));
    let begun = Instant::now();
    let summary = loop {
        let (status, answer) = ask(dashboard, "GET", &summary, "text/plain", "");
        if status == "HTTP/1.1 200 OK" {
            break serde_json::from_str::<Value>(&answer).unwrap();
        }
        let (_, jobs) = ask(dashboard, "GET", "/dashboard/jobs?format=json", "text/plain", "");
        assert!(begun.elapsed() < Duration::from_secs(60), "{status} {answer} {jobs}");
        std::thread::sleep(Duration::from_millis(100));
    };
    let rows = summary["summary"].as_array().unwrap();
    let bucket = Value::from(BUCKET.to_string());
    let row = rows.iter().find(|row| row["bucket"] == bucket).unwrap_or_else(|| panic!("{summary}"));
    assert_eq!(row["meaning"], "spring · country fr · purchase · category 5");
    assert_eq!(row["measure"], "revenue");
    // Three times 250, with noise whose 95 % interval is ±200: 10^-13 of all are beyond 2000.
    let worth = row["value"].as_f64().unwrap();
    assert!((worth - 750.0).abs() < 2000.0, "{row}");
    assert!(row["low"].as_f64().unwrap() < worth && worth < row["high"].as_f64().unwrap());
    let (_, jobs) = ask(dashboard, "GET", "/dashboard/jobs?format=json", "text/plain", "");
    let jobs: Value = serde_json::from_str(&jobs).unwrap();
    assert_eq!(jobs["jobs"][0]["return_code"], "SUCCESS", "{jobs}");
}
