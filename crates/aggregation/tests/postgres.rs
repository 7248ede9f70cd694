//! The ledger in PostgreSQL: a server of its own for each test, if there is one to be started.

mod common;

use std::{fs, thread};

use ascribe_aggregation::{
    Job, Keyring, Ledger, LedgerError, Location, Outcome, PostgresLedger, Progress, Protection, ReturnCode,
    Storage, explain, open_ledger, recover, run,
};
use common::{NOW, Report, World, assert_code, job, key, postgres::Server};

fn world() -> World {
    let world = World::new();
    let reports =
        [Report::new(1, &[(1, 5, 0)]), Report::new(2, &[]).with("scheduled_report_time", "1699990000")];
    world.batch("1.avro", &reports.map(|report| report.sealed()));
    world.domain([1, 2]);
    world
}

fn run_with(world: &World, ledger: &mut dyn Ledger, id: &str, change: impl FnOnce(&mut Job<'_>)) -> Outcome {
    let protection = Protection::Full { keys: Keyring::new([key()]), ledger, staging: world.path("staging") };
    let mut job = job(world.directory.path(), id.to_owned(), protection);
    change(&mut job);
    run(job, &Storage::default(), &Progress::default())
}

#[test]
fn a_ledger_in_postgresql_does_what_one_in_sqlite_does() {
    let Some(server) = Server::start() else { return };
    let world = world();
    let mut ledger = open_ledger(&server.url()).unwrap();
    let first = run_with(&world, &mut *ledger, "one", |_| {});
    assert_code(&first, ReturnCode::Success);
    assert_eq!(first.counts.units_spent, 2);

    let second = run_with(&world, &mut *ledger, "two", |_| {});
    assert_code(&second, ReturnCode::PrivacyBudgetExhausted);
    assert!(second.exhausted.iter().all(|unit| unit.job_id == "one" && unit.at == NOW));
    assert_eq!(second.exhausted.len(), 2);
    let other_ids =
        run_with(&world, &mut *ledger, "three", |job| job.parameters.filtering_ids = [7, u64::MAX].into());
    assert_code(&other_ids, ReturnCode::Success);
    // The ID of a job that spent: refused, and nothing more is spent.
    let same_id = run_with(&world, &mut *ledger, "one", |job| job.parameters.filtering_ids = [9].into());
    assert_code(&same_id, ReturnCode::PrivacyBudgetError);

    let jobs = ledger.jobs(10).unwrap();
    let jobs: Vec<_> = jobs.iter().map(|job| (job.id.as_str(), job.units, job.published_at)).collect();
    assert_eq!(jobs, [("one", 2, Some(NOW)), ("three", 4, Some(NOW))]);
    let spent = ledger.spent(Some("three"), 10).unwrap();
    assert_eq!(spent.iter().filter(|unit| unit.filtering_id == u64::MAX).count(), 2);
    assert_eq!(ledger.spent(None, 5).unwrap().len(), 5);
    let input = [Location::Path(world.path("batches"))];
    let explained = explain(&Storage::default(), &input, &[0, 9].into(), &mut *ledger).unwrap();
    let used: Vec<_> = explained.units.iter().map(|unit| unit.used.is_some()).collect();
    assert_eq!(used, [true, false, true, false]);
}

#[test]
fn what_was_paid_for_is_published_later_however_large() {
    let Some(server) = Server::start() else { return };
    for (id, buckets) in [("small", 10), ("large", 230_000)] {
        let world = world();
        world.domain(0..buckets);
        let mut ledger = PostgresLedger::open(&server.url()).unwrap();
        fs::write(world.path("blocked"), "a file where a directory should be").unwrap();
        let output = world.path("blocked/summary.csv");
        let outcome = run_with(&world, &mut ledger, id, |job| {
            job.output.location = Location::Path(output.clone());
            job.parameters.filtering_ids = [buckets as u64].into();
        });
        assert_code(&outcome, ReturnCode::ResultWriteError);
        fs::remove_file(world.path("blocked")).unwrap();
        // Another process, later.
        let mut ledger = PostgresLedger::open(&server.url()).unwrap();
        let recovered = recover(&mut ledger, &Storage::default(), &world.path("staging"), NOW).unwrap();
        assert_eq!(recovered[0].job.id, id);
        assert_eq!(fs::read_to_string(&output).unwrap().lines().count() as u128, buckets + 1);
        assert!(ledger.unpublished().unwrap().is_empty());
    }
}

#[test]
fn of_machines_that_spend_at_once_one_wins() {
    let Some(server) = Server::start() else { return };
    let url = server.url();
    let codes: Vec<_> = thread::scope(|scope| {
        let tries: Vec<_> = (0..4)
            .map(|index| {
                let url = &url;
                scope.spawn(move || {
                    let mut ledger = PostgresLedger::open(url).unwrap();
                    run_with(&world(), &mut ledger, &index.to_string(), |_| {}).result.return_code
                })
            })
            .collect();
        tries.into_iter().map(|job| job.join().unwrap()).collect()
    });
    assert_eq!(codes.iter().filter(|code| **code == ReturnCode::Success).count(), 1, "{codes:?}");
    assert_eq!(
        codes.iter().filter(|code| **code == ReturnCode::PrivacyBudgetExhausted).count(),
        3,
        "{codes:?}"
    );
}

#[test]
fn a_server_that_went_away_fails_a_job_without_output_and_is_found_again() {
    let Some(server) = Server::start() else { return };
    let world = world();
    let mut ledger = PostgresLedger::open(&server.url()).unwrap();
    server.control("stop");
    assert_code(&run_with(&world, &mut ledger, "one", |_| {}), ReturnCode::PrivacyBudgetError);
    assert!(!world.path("out").exists());
    server.control("start");
    assert_code(&run_with(&world, &mut ledger, "one", |_| {}), ReturnCode::Success);
}

#[test]
fn a_ledger_of_a_later_release_is_left_alone() {
    let Some(server) = Server::start() else { return };
    PostgresLedger::open(&server.url()).unwrap();
    let update = "UPDATE ascribe_budget.version SET version = 9";
    server.query(update);
    assert!(matches!(PostgresLedger::open(&server.url()), Err(LedgerError::Newer(9))));
    assert!(matches!(open_ledger("postgresql:///?nonsense=1"), Err(LedgerError::Postgres(_))));
}

#[test]
fn a_ledger_of_an_earlier_release_keeps_what_it_knows() {
    let Some(server) = Server::start() else { return };
    let mut ledger = PostgresLedger::open(&server.url()).unwrap();
    assert_code(&run_with(&world(), &mut ledger, "one", |_| {}), ReturnCode::Success);
    server.query("DROP TABLE ascribe_budget.queued_job; UPDATE ascribe_budget.version SET version = 1");
    let mut ledger = PostgresLedger::open(&server.url()).unwrap();
    assert_eq!(ledger.job("one").unwrap().unwrap().units, 2);
    assert!(ledger.job("two").unwrap().is_none());
    server.query("SELECT id FROM ascribe_budget.queued_job");
}
