//! What happens to a job when a process of the cluster is killed.

mod support;

use std::{fs, process::Stdio};

use support::{Process, World, assert_succeeded, wait_for};

/// Enough that a process can be killed meanwhile.
const FILES: u128 = 8;
const REPORTS: u128 = 1500;

fn work_of_the_first_stage(world: &World, work_dir: &str) -> bool {
    world.between_stages(&[work_dir]).iter().any(|path| fs::metadata(path).is_ok_and(|file| file.len() > 0))
}

#[test]
fn an_executor_that_is_killed_is_replaced_and_no_report_counts_twice() {
    let world = World::new();
    world.many(FILES, REPORTS);
    let scheduler = world.scheduler(&[]);
    let victim = world.executor(&scheduler, "victim", &["--tasks", "1"]);
    let _other = world.executor(&scheduler, "other", &["--tasks", "1"]);
    let mut job = world.aggregate(&scheduler, &["--debug-run"]).spawn().unwrap();
    wait_for("an output of the victim", || work_of_the_first_stage(&world, "victim"));
    assert!(job.try_wait().unwrap().is_none(), "the job is under way");
    victim.kill();
    let told = assert_succeeded(&job.wait_with_output().unwrap());
    assert_eq!(told["counts"]["reports"], (FILES * REPORTS) as u64);
    assert_eq!(told["counts"]["duplicates"], 0);
    let sums: Vec<_> = world.debug_sums("out/debug/summary.csv").into_iter().map(|(_, sum, _)| sum).collect();
    assert_eq!(sums, [(FILES * REPORTS) as i64; 20]);
    world.assert_removed(&["other"]);

    // What was killed could remove nothing: its successor does.
    assert!(!world.between_stages(&["victim"]).is_empty());
    let _successor = world.executor(&scheduler, "victim", &["--tasks", "1"]);
    assert!(world.between_stages(&["victim"]).is_empty());
}

#[test]
fn a_job_whose_scheduler_is_killed_fails_clearly_spends_nothing_and_can_run_again() {
    let world = World::new();
    world.many(FILES, REPORTS);
    let scheduler = world.scheduler(&[]);
    let _executor = world.executor(&scheduler, "work", &["--tasks", "1"]);
    let job = world.aggregate(&scheduler, &[]).stdin(Stdio::null()).spawn().unwrap();
    wait_for("an output", || work_of_the_first_stage(&world, "work"));
    let address = scheduler.kill();
    let output = job.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("the scheduler is lost") && told.contains("can be run again"), "{told}");
    assert!(!world.path("out").exists());

    // The executor finds the new scheduler, which does not know the old job.
    let scheduler = Process::start(&["scheduler", "--bind", &address.to_string(), "--executor-timeout", "8"]);
    world.assert_removed(&["work"]);
    let told = assert_succeeded(&world.aggregate(&scheduler, &[]).output().unwrap());
    assert_eq!(told["counts"]["units_spent"], 1);
    assert_eq!(told["counts"]["reports"], (FILES * REPORTS) as u64);
    world.assert_removed(&["work"]);
}
