//! `ascribe browser`: what it prints on start, what it offers, and how it ends.

mod common;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
};

use common::{ascribe, run};
use serde_json::Value;

/// A browser that ends with the test.
struct Running {
    process: Child,
    started: Value,
}

impl Running {
    fn start(args: &[&str]) -> Self {
        let args: Vec<_> = ["browser", "--headless", "--json"].iter().chain(args).copied().collect();
        let path = std::env::var_os("PATH").expect("a PATH");
        let mut command = ascribe(&args);
        command.env("PATH", path).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("runs");
        let mut line = String::new();
        let mut stdout = BufReader::new(process.stdout.take().expect("piped"));
        stdout.read_line(&mut line).expect("read");
        let started = serde_json::from_str(&line).unwrap_or_else(|error| {
            let mut stderr = String::new();
            let _ = process.kill();
            let _ = process.stderr.take().expect("piped").read_to_string(&mut stderr);
            panic!("{error}: {line}{stderr}")
        });
        Self { process, started }
    }

    fn text(&self, name: &str) -> &str {
        self.started[name].as_str().unwrap_or_else(|| panic!("no {name}: {}", self.started))
    }

    /// A request to the control endpoint.
    fn ask(&self, method: &str, of: &str, body: &str) -> Value {
        let endpoint = self.text("endpoint").strip_prefix("http://").expect("plain HTTP");
        let (host, path) = endpoint.split_once('/').expect("a path");
        let token = self.text("token");
        let mut stream = TcpStream::connect(host).expect("connected");
        write!(
            stream,
            "{method} /{path}{of} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nContent-Type: \
             application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
        .expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answered");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    /// Ends it as Ctrl-C does; its exit code, and what it said.
    fn interrupt(mut self) -> (Option<i32>, String) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().expect("kill runs").success());
        let mut stderr = String::new();
        self.process.stderr.take().expect("piped").read_to_string(&mut stderr).expect("read");
        (self.process.wait().expect("ended").code(), stderr)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn one_line_says_where_it_can_be_watched_and_steered() {
    let browser = Running::start(&[]);
    let page = browser.text("internals");
    assert!(page.starts_with("http://127.0.0.1:") && page.ends_with(browser.text("token")), "{page}");
    let state = browser.ask("GET", "state", "");
    assert_eq!(state["test"]["available"], false);
    assert_eq!(state["clock"]["runs"], true);
    let refused = browser.ask("POST", "local-testing-mode", r#"{"enabled": true}"#);
    assert_eq!(refused["error"], "not in test mode");
    let advanced = browser.ask("POST", "advance", r#"{"by": "30d"}"#);
    assert_eq!(advanced["sent"], 0);
    let ahead = browser.ask("GET", "state", "")["clock"]["ahead"].as_i64().expect("a number");
    assert!((29 * 86_400_000..=31 * 86_400_000).contains(&ahead), "{ahead}");
    let profile = std::path::PathBuf::from(browser.text("profile"));
    assert!(profile.exists());
    assert_eq!(browser.interrupt(), (Some(0), String::new()));
    assert!(!profile.exists(), "it was temporary");
}

#[test]
fn a_port_for_other_programs_is_warned_about() {
    let browser = Running::start(&["--port", "0", "--test-mode", "--no-noise"]);
    let devtools = browser.text("devtools");
    assert!(devtools.starts_with("http://127.0.0.1:") && !devtools.ends_with(":0"), "{devtools}");
    let host = devtools.strip_prefix("http://").expect("plain HTTP");
    assert!(TcpStream::connect(host).is_ok(), "it listens");
    let test = &browser.ask("GET", "state", "")["test"];
    assert_eq!((&test["available"], &test["noise"]), (&true.into(), &false.into()));
    let (code, warnings) = browser.interrupt();
    assert_eq!(code, Some(0));
    assert!(warnings.contains("full control") && warnings.contains("there is no noise"), "{warnings}");
}

#[test]
fn a_profile_keeps_its_clock() {
    let directory = tempfile::tempdir().expect("a directory");
    let profile = directory.path().join("profile");
    let profile = profile.to_str().expect("UTF-8");
    let browser = Running::start(&["--profile", profile]);
    browser.ask("POST", "advance", r#"{"by": "2d"}"#);
    assert_eq!(browser.interrupt().0, Some(0));
    let browser = Running::start(&["--profile", profile]);
    let ahead = browser.ask("GET", "state", "")["clock"]["ahead"].as_i64().expect("a number");
    assert!(ahead > 86_400_000, "{ahead}");
}

#[test]
fn what_takes_privacy_away_needs_test_mode() {
    for option in [&["--no-noise"][..], &["--no-delay"], &["--seed", "1"]] {
        let args: Vec<_> = ["browser"].iter().chain(option).copied().collect();
        let run = run(&args);
        assert_eq!(run.code, Some(2), "{option:?}");
        assert!(run.stderr.contains("--test-mode"), "{}", run.stderr);
    }
}

#[test]
fn without_a_chromium_it_says_how_to_get_one() {
    let missing = run(&["browser"]);
    assert_eq!(missing.code, Some(2));
    assert!(missing.stderr.contains("apt-get install chromium"), "{}", missing.stderr);
    let other = run(&["browser", "--chromium", "/nowhere/chromium"]);
    assert_eq!(other.code, Some(2));
    assert!(other.stderr.contains("/nowhere/chromium"), "{}", other.stderr);
    for (option, value) in [("--host-map", "MAP"), ("--proxy", "ftp://x"), ("--coordinator", "http://x.test")]
    {
        assert_eq!(run(&["browser", option, value]).code, Some(2), "{option}");
    }
}
