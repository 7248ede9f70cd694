//! Killing a job at random points: the budget and the output agree every time.
//!
//! The process under test is this test program, run again with `ASCRIBE_CRASH_DIRECTORY` set: it runs one job
//! in that directory. `ASCRIBE_CRASH_CYCLES` says how often, 5 by default.

mod common;

use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Instant,
};

use ascribe_aggregation::{
    Keyring, Ledger, Progress, Protection, ReturnCode, SqliteLedger, Storage, recover, run,
};
use common::{NOW, Report, World, job, key};
use rand::{RngExt, SeedableRng};

const DIRECTORY: &str = "ASCRIBE_CRASH_DIRECTORY";
/// Enough that the output is staged.
const BUCKETS: u128 = 300_000;

/// Does nothing, unless it is the process that is to be killed.
#[test]
fn run_one_job() {
    let Some(directory) = env::var_os(DIRECTORY) else { return };
    let directory = Path::new(&directory);
    let mut ledger = SqliteLedger::open(&directory.join("ledger.sqlite")).unwrap();
    let staging = directory.join("staging");
    let protection = Protection::Full { keys: Keyring::new([key()]), ledger: &mut ledger, staging };
    let outcome =
        run(job(directory, "job".to_owned(), protection), &Storage::default(), &Progress::default());
    assert_eq!(outcome.result.return_code, ReturnCode::Success);
}

fn world() -> World {
    let world = World::new();
    let reports: Vec<_> = (0..500).map(|id| Report::new(id, &[(1, 5, 0)]).sealed()).collect();
    world.batch("1.avro", &reports);
    world.domain(0..BUCKETS);
    world
}

fn start(world: &World) -> std::process::Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "run_one_job"])
        .env(DIRECTORY, world.directory.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn a_job_that_is_killed_leaves_budget_and_output_in_agreement() {
    if env::var_os(DIRECTORY).is_some() {
        return;
    }
    let cycles = env::var("ASCRIBE_CRASH_CYCLES").map_or(5, |cycles| cycles.parse().unwrap());
    // How long a job takes here.
    let started = Instant::now();
    assert!(start(&world()).wait().unwrap().success());
    let whole = started.elapsed();

    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(u64::from(std::process::id()));
    let (mut unspent, mut interrupted, mut finished) = (0, 0, 0);
    for _ in 0..cycles {
        let world = world();
        let mut child = start(&world);
        thread::sleep(whole.mul_f64(rng.random_range(0.0..1.1)));
        // SIGKILL, or nothing if it has ended.
        let _ = child.kill();
        child.wait().unwrap();
        match check(&world) {
            State::Unspent => {
                unspent += 1;
                if unspent == 1 {
                    assert!(start(&world).wait().unwrap().success(), "it can be run again");
                    assert!(matches!(check(&world), State::Finished));
                }
            }
            State::Interrupted => interrupted += 1,
            State::Finished => finished += 1,
        }
    }
    common::tell(&format!(
        "killed {cycles} times: {unspent} unspent, {interrupted} spent and unpublished, {finished} finished"
    ));
}

enum State {
    Unspent,
    Interrupted,
    Finished,
}

fn check(world: &World) -> State {
    let mut ledger = SqliteLedger::open(&world.path("ledger.sqlite")).unwrap();
    let output = world.path("out/summary.csv");
    let jobs = ledger.jobs(10).unwrap();
    let Some(job) = jobs.first() else {
        assert!(!output.exists(), "an output that was not paid for");
        assert!(is_unreadable(&world.path("staging")));
        return State::Unspent;
    };
    assert_eq!(job.units, 1);
    let was_published = job.published_at.is_some();
    let before = fs::read(&output).ok();
    assert!(before.is_some() || !was_published, "an output that was lost");
    for recovered in recover(&mut ledger, &Storage::default(), &world.path("staging"), NOW).unwrap() {
        recovered.published.unwrap();
    }
    let after = fs::read(&output).expect("what was paid for is there");
    assert_eq!(after.iter().filter(|byte| **byte == b'\n').count() as u128, BUCKETS + 1, "all of it");
    assert!(before.is_none_or(|before| before == after), "noise was drawn again");
    assert!(ledger.unpublished().unwrap().is_empty());
    if was_published { State::Finished } else { State::Interrupted }
}

/// Whatever is staged shows nothing of what every line of the output has.
fn is_unreadable(staging: &Path) -> bool {
    let Ok(entries) = fs::read_dir(staging) else { return true };
    entries.flatten().all(|entry| {
        let bytes = fs::read(entry.path()).unwrap();
        !bytes.windows(6).any(|window| window == b"bucket" || window == b"\n0x1f,")
    })
}
