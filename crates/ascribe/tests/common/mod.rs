//! Running the binary.

#![allow(dead_code, unreachable_pub)] // Each test binary uses its own part.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

/// The binary with an environment that cannot change what it prints.
pub fn ascribe(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ascribe"));
    command.args(args).env_clear();
    command
}

/// What a run left behind.
#[derive(Debug)]
pub struct Run {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

pub fn run(args: &[&str]) -> Run {
    ascribe(args).output().expect("the binary runs").into()
}

pub fn run_with_input(args: &[&str], input: &[u8]) -> Run {
    let mut command = ascribe(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary runs");
    // It may stop reading before the end: that is for the test to find out from what it prints.
    let _ = child.stdin.take().expect("piped").write_all(input);
    child.wait_with_output().expect("the binary ends").into()
}

impl Run {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// An ad that is clicked on `news.test`, `time` milliseconds after the epoch, for `shop.test`.
pub fn click(time: i64) -> Value {
    json!({
        "timestamp": time.to_string(),
        "registration_request": {
            "context_origin": "https://news.test",
            "Attribution-Reporting-Eligible": "navigation-source",
        },
        "responses": [{"url": "https://ads.test/x", "response": {
            "Attribution-Reporting-Register-Source": {"destination": "https://shop.test", "source_event_id": "1"},
        }}],
    })
}

/// A purchase on `shop.test`, told by a plain pixel.
pub fn purchase(time: i64, trigger_data: &str) -> Value {
    json!({
        "timestamp": time.to_string(),
        "registration_request": {"context_origin": "https://shop.test"},
        "responses": [{"url": "https://ads.test/x", "response": {
            "Attribution-Reporting-Register-Trigger": {"event_trigger_data": [{"trigger_data": trigger_data}]},
        }}],
    })
}
