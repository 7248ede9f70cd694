//! Ascribe and Chromium are killed at random moments: no report is lost, and none comes under two IDs.
//!
//! Ten kills of those that the example `faults` makes hundreds of.

#![allow(clippy::print_stdout, reason = "the process that is killed talks to its parent")]

#[path = "../examples/faults/run/mod.rs"]
mod run;

use tokio::process::Command;

const CYCLES: u32 = 10;
/// The example finds others.
const SEED: u64 = 20_300_101;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_stored_is_reported_once_whoever_is_killed() {
    if run::is_child() {
        return;
    }
    let this = std::env::current_exe().expect("the test program");
    let command = || {
        let mut command = Command::new(&this);
        command.args(["--exact", "the_process_that_is_killed", "--nocapture"]);
        command
    };
    let summary = run::run(CYCLES, SEED, command, |_, _| {}).await.expect("it runs");
    assert!(summary.failures.is_empty(), "{summary}");
    assert!(summary.reports > 0, "{summary}");
}

/// Does nothing unless it is started by the test above: then it browses until it is killed.
#[tokio::test(flavor = "multi_thread")]
async fn the_process_that_is_killed() {
    if run::is_child() {
        run::child().await.expect("it browses");
    }
}
