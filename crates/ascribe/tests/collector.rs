//! `ascribe collector`: files checked, tags printed, and a collector that serves until it is told to end.

mod common;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
};

use common::{ascribe, run};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../collector/examples/campaigns.toml");

#[test]
fn a_right_file_passes_the_check() {
    let check = run(&["collector", "check", EXAMPLE]);
    assert_eq!((check.code, check.stderr.as_str()), (Some(0), ""));
    assert!(
        check.stdout.contains("spring                   navigation         2925    11.462      11.5"),
        "{}",
        check.stdout
    );
    let json = run(&["collector", "check", EXAMPLE, "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&json["campaigns"][0]["states"], &json["tag_bits"]), (&2925.into(), &24.into()));
}

#[test]
fn a_wrong_file_fails_the_check_with_its_places() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("campaigns.toml");
    let text = std::fs::read_to_string(EXAMPLE).unwrap();
    std::fs::write(&file, text.replace("\"30d\"", "\"soon\"")).unwrap();
    let check = run(&["collector", "check", file.to_str().unwrap()]);
    assert_eq!(check.code, Some(1));
    assert!(
        check.stdout.contains("campaigns.toml: line 51, column 10: campaigns.spring.expiry"),
        "{}",
        check.stdout
    );
    assert_eq!(run(&["collector", "check", "nowhere.toml"]).code, Some(2));
}

#[test]
fn tags_are_printed_and_previewed() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("tags.html");
    let tags = run(&["collector", "tags", EXAMPLE, "--preview", page.to_str().unwrap()]);
    assert_eq!(tags.code, Some(0));
    assert!(tags.stdout.contains(r#"<img src="https://ads.example/source/spring.gif?"#), "{}", tags.stdout);
    assert!(std::fs::read_to_string(page).unwrap().starts_with("<!doctype html>"));
}

/// What a server answers to a request.
fn ask(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[cfg(unix)]
#[test]
fn it_serves_until_it_is_told_to_end_and_what_it_took_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (file, store) = (path("campaigns.toml"), path("reports.db"));
    std::fs::copy(EXAMPLE, &file).unwrap();
    let any = "127.0.0.1:0";
    let mut serving =
        ascribe(&["collector", "serve", &file, "--store", &store, "--listen", any, "--operations", any])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
    let mut line = String::new();
    BufReader::new(serving.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let (public, operations) = line
        .trim()
        .strip_prefix("serving on ")
        .and_then(|rest| rest.split_once(", operations on "))
        .unwrap_or_else(|| panic!("{line}"));
    let body = r#"[{"type":"source-success","body":{}}]"#;
    let report = format!(
        "POST /.well-known/attribution-reporting/debug/verbose HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    assert!(ask(public, &report).starts_with("HTTP/1.1 200"));
    let source = "GET /source/spring.gif HTTP/1.0\r\nattribution-reporting-eligible: event-source\r\n\r\n";
    let mut stream = TcpStream::connect(public).unwrap();
    stream.write_all(source.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(String::from_utf8_lossy(&answer).contains("attribution-reporting-register-source: {"));
    let metrics = ask(operations, "GET /metrics HTTP/1.0\r\n\r\n");
    assert!(metrics.contains(r#"reports_total{endpoint="verbose_debug",outcome="new"} 1"#), "{metrics}");
    assert!(ask(public, "GET /metrics HTTP/1.0\r\n\r\n").starts_with("HTTP/1.0 404"), "not for the world");

    let killed = Command::new("kill").args(["-TERM", &serving.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(serving.wait().unwrap().code(), Some(0));
    assert!(Path::new(&path("campaigns.secret")).exists());
    let backup = run(&["collector", "backup", "--store", &store, &path("copy.db")]);
    assert_eq!((backup.code, backup.stderr.as_str()), (Some(0), ""));
    let estimates = run(&["collector", "estimates", "--store", &path("copy.db"), "--json"]);
    let estimates: serde_json::Value = serde_json::from_str(&estimates.stdout).unwrap();
    assert_eq!(estimates["estimates"][0]["sources"], 1);
    let batches = run(&["collector", "batch", "--store", &store, "--to", &path("batches"), "--json"]);
    assert_eq!((batches.code, batches.stdout.trim()), (Some(0), "[]"));
}
