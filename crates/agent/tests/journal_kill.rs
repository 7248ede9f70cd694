//! SIGKILL at any moment: what was acknowledged is there, and nothing is there by half.
//!
//! The test starts itself again as a process that registers, sends, compacts and erases, and says after each
//! step that it is stored; which it does in the same way each time, so that the state after any number of steps
//! is known here.
#![cfg(unix)]
#![expect(clippy::disallowed_methods, reason = "the test starts and kills a process, and reads its files")]
#![expect(clippy::print_stdout, reason = "how the process says what it has stored")]

mod common;

use std::{
    env, fs,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Command, Stdio},
    thread,
};

use ascribe_agent::Journal;
use ascribe_engine::{ClearRange, Config, Engine, NewSource, NewTrigger, SystemDraws};
use ascribe_headers::{SourceRegistration, SourceType, TriggerRegistration};
use ascribe_reports::Time;
use common::{at, origin};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const CYCLES: u64 = 20;

/// Where the process that is killed has its profile, and which step is its first.
const PROFILE: &str = "ASCRIBE_TEST_JOURNAL_PROFILE";
const FIRST_STEP: &str = "ASCRIBE_TEST_JOURNAL_FIRST_STEP";

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_there_by_half() {
    if let Some(profile) = env::var_os(PROFILE) {
        let first = env::var(FIRST_STEP).expect("set together").parse().expect("a number");
        run(Path::new(&profile), first);
    }
    let dir = tempfile::tempdir().expect("a directory");
    let mut expected = Engine::new(Config::default());
    let mut done = 0;
    let mut unacknowledged = 0;
    for cycle in 0..CYCLES {
        let acknowledged = run_and_kill(dir.path(), done, cycle);
        assert!(acknowledged > done, "cycle {cycle} got nowhere");
        (done..acknowledged).for_each(|n| drop(step(&mut expected, n)));

        let (_journal, changes) = Journal::open(dir.path()).expect("the lock died with the process");
        let engine = Engine::replay(Config::default(), &changes);
        done = acknowledged;
        if engine.state() != expected.state() {
            // A step that was stored when its process could no longer say so.
            drop(step(&mut expected, done));
            assert!(engine.state() == expected.state(), "cycle {cycle}: neither {done} steps nor one more");
            done += 1;
            unacknowledged += 1;
        }
        let files = fs::read_dir(dir.path()).expect("a directory");
        let bytes: Vec<u8> =
            files.flat_map(|entry| fs::read(entry.expect("a file").path()).expect("readable")).collect();
        let erased = bytes.windows(7).any(|window| window == b"secret-");
        let stored = expected.state().sources().iter().any(|s| s.source.reporting_origin == origin("secret"));
        assert_eq!(erased, stored || left_by(done), "cycle {cycle}, after {done} steps");
    }
    println!("{done} steps, {unacknowledged} of {CYCLES} processes ended between storing and saying so");
}

/// Whether the last erasure was before the last secret: one that is removed otherwise is there until the next.
fn left_by(done: u64) -> bool {
    (0..done).rev().find_map(|n| match n % 16 {
        3 => Some(true),
        11 => Some(false),
        _ => None,
    }) == Some(true)
}

/// Starts a process at a step and kills it; gives the number of steps that were acknowledged.
fn run_and_kill(profile: &Path, first: u64, seed: u64) -> u64 {
    let mut child = Command::new(env::current_exe().expect("a test has a path"))
        .args(["--exact", "nothing_acknowledged_is_lost_and_nothing_is_there_by_half", "--nocapture"])
        .env(PROFILE, profile)
        .env(FIRST_STEP, first.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process");
    let mut output = BufReader::new(child.stdout.take().expect("piped"));
    let mut said = String::new();
    while !said.contains("stored") && output.read_line(&mut said).expect("text") > 0 {}
    // Compactions and erasures wait for the disk and would take nearly every kill: most come sooner.
    let longest = [300, 1000, 20_000][seed as usize % 3];
    let moment = ChaCha8Rng::seed_from_u64(seed).random_range(0..longest);
    thread::sleep(std::time::Duration::from_micros(moment));
    child.kill().expect("SIGKILL");
    child.wait().expect("it ended");
    output.read_to_string(&mut said).expect("text");
    // The last line may have been cut.
    let whole = said.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let mut steps = whole.lines().filter_map(|line| line.rsplit_once("stored ")?.1.parse::<u64>().ok());
    steps.next_back().map_or(first, |last| last + 1)
}

/// The process that is killed.
fn run(profile: &Path, first: u64) -> ! {
    let (mut journal, changes) = Journal::open(profile).expect("a journal");
    let mut engine = Engine::replay(Config::default(), &changes);
    for n in first.. {
        let changes = step(&mut engine, n);
        match n % 16 {
            11 => journal.erase(engine.state(), |_| false).expect("room"),
            _ => journal.append(&changes).expect("room"),
        }
        if n % 16 == 6 {
            journal.compact(engine.state()).expect("room");
        }
        println!("stored {n}");
    }
    unreachable!("it is killed before")
}

/// Step `n`: always the same.
fn step(engine: &mut Engine, n: u64) -> Vec<ascribe_engine::Change> {
    let mut draws = SystemDraws(ChaCha8Rng::seed_from_u64(n));
    let now = at(1_700_000_000 + n as i64 * 3600);
    match n % 16 {
        3 => engine.register_source(source(engine, "secret", n), now, &mut draws).changes,
        11 => {
            let everything = ClearRange { from: Time::MIN, to: Time::MAX, rate_limits: true };
            engine.clear(|reporter| *reporter == origin("secret"), everything).changes
        }
        2 | 5 | 8 | 14 => {
            let header = br#"{"event_trigger_data": [{}], "aggregatable_values": {"k": 5}}"#;
            let parsed = TriggerRegistration::parse(header, &engine.config().vendor);
            let trigger = NewTrigger {
                registration: parsed.value.expect("a valid trigger"),
                destination: origin("shop").site().clone(),
                reporting_origin: origin("ads"),
                cookie_based_debug_allowed: false,
                fenced: false,
            };
            engine.register_trigger(&trigger, now, &mut draws).changes
        }
        9 | 15 => {
            let first = engine.due(Time::MAX).next().map(|stored| stored.report.key());
            first.map(|key| engine.report_sent(key).changes).unwrap_or_default()
        }
        _ => engine.register_source(source(engine, "ads", n), now, &mut draws).changes,
    }
}

fn source(engine: &Engine, reporter: &str, n: u64) -> NewSource {
    let header = format!(
        r#"{{"destination": "https://shop.example", "source_event_id": "{n}", "aggregation_keys": {{"k": "0x1"}},
             "filter_data": {{"campaign": ["{reporter}-{n}"]}}}}"#
    );
    let parsed =
        SourceRegistration::parse(header.as_bytes(), SourceType::Navigation, &engine.config().vendor);
    NewSource {
        registration: parsed.value.expect("a valid source"),
        source_type: SourceType::Navigation,
        source_origin: origin("news"),
        reporting_origin: origin(reporter),
        cookie_based_debug_allowed: false,
        fenced: false,
    }
}
