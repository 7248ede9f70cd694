//! The privacy budget: what was aggregated once is refused, and what was paid for is always delivered.

mod common;

use std::{collections::BTreeSet, fs};

use ascribe_aggregation::{Ledger, Location, ReturnCode, Storage, TestSwitches, explain, publish, recover};
use ascribe_reports::Time;
use common::{NOW, Report, World, assert_code};
use serde_json::Value;

fn world() -> World {
    let world = World::new();
    let reports = [
        Report::new(1, &[(1, 5, 0), (2, 1, 7)]),
        Report::new(2, &[(1, 6, 0)]).with("scheduled_report_time", "1699990000"),
    ];
    world.batch("1.avro", &reports.map(|report| report.sealed()));
    world.domain([1, 2]);
    world
}

#[test]
fn a_batch_that_is_queried_twice_is_refused_with_what_was_used_and_when() {
    let mut world = world();
    let first = world.run(|_| {});
    assert_code(&first, ReturnCode::Success);
    assert_eq!(first.counts.units_spent, 2);
    let summary = world.summary();

    let later = Time::from_secs(NOW.as_secs() + 60);
    let second = world.run(|job| job.now = later);
    assert_code(&second, ReturnCode::PrivacyBudgetExhausted);
    assert_eq!(world.summary(), summary, "the first summary is as it was");
    let used: Vec<_> = second.exhausted.iter().map(|unit| (unit.job_id.as_str(), unit.at)).collect();
    assert_eq!(used, [("job-1", NOW), ("job-1", NOW)]);
    assert!(second.result.return_message.contains("by job job-1 at 2023-11-14T22:13:20Z"), "{second:?}");

    let file = world.path("out/privacy_budget_exhausted_debugging_information_2023-11-14T22:14:20Z.json");
    let info: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let entries = &info["privacy_budget_exhausted_info"]["aggregatable_input_budget_consumption_info"];
    assert_eq!(entries.as_array().unwrap().len(), 2);
    let id = &entries[0]["aggregateable_input_budget_id"];
    assert_eq!(id["filtering_id"], 0);
    assert_eq!(id["relevant_shared_info"]["attribution_destination"], "https://shop.test");
    assert_eq!(entries[0]["used_at"], "2023-11-14T22:13:20Z");
}

#[test]
fn one_report_of_a_used_hour_spoils_a_batch_and_nothing_is_spent() {
    let mut world = world();
    assert_code(&world.run(|_| {}), ReturnCode::Success);
    let other_hour = Report::new(3, &[(1, 1, 0)]).with("scheduled_report_time", "1699980000");
    world.batch("1.avro", &[other_hour.sealed(), Report::new(4, &[]).sealed()]);
    let refused = world.run(|_| {});
    assert_code(&refused, ReturnCode::PrivacyBudgetExhausted);
    assert_eq!(refused.exhausted.len(), 1);
    world.batch("1.avro", &[other_hour.sealed()]);
    assert_code(&world.run(|_| {}), ReturnCode::Success);
}

#[test]
fn each_filtering_id_has_its_own_budget() {
    let mut world = world();
    let with = |world: &mut World, ids: &[u64]| {
        world.run(|job| job.parameters.filtering_ids = BTreeSet::from_iter(ids.iter().copied()))
    };
    assert_code(&with(&mut world, &[0]), ReturnCode::Success);
    assert_code(&with(&mut world, &[7]), ReturnCode::Success);
    assert_code(&with(&mut world, &[7, 8]), ReturnCode::PrivacyBudgetExhausted);
    let last = with(&mut world, &[8, 9]);
    assert_code(&last, ReturnCode::Success);
    assert_eq!(last.counts.units_spent, 4);
}

#[test]
fn debug_runs_and_tests_spend_nothing() {
    let mut world = world();
    let reports = [1, 2].map(|id| Report::new(id, &[(1, 5, 0)]).with("debug_mode", "enabled"));
    world.batch("1.avro", &reports.each_ref().map(Report::sealed));
    for _ in 0..2 {
        let outcome = world.run(|job| job.parameters.debug_run = true);
        assert_code(&outcome, ReturnCode::Success);
        assert_eq!(outcome.counts.units_spent, 0);
    }
    assert_eq!(world.ledger.jobs(10).unwrap(), []);
    assert_code(&world.run(|_| {}), ReturnCode::Success);
    let outcome = world.run(|job| job.parameters.debug_run = true);
    assert_code(&outcome, ReturnCode::DebugSuccessWithPrivacyBudgetExhausted);

    world.batch("1.avro", &reports.map(|report| report.clear()));
    for _ in 0..2 {
        assert_code(&world.run_test(TestSwitches::default(), |_| {}), ReturnCode::Success);
    }
}

#[test]
fn an_output_that_cannot_be_written_is_kept_and_published_later_without_new_noise() {
    let mut world = world();
    fs::write(world.path("blocked"), "a file where a directory should be").unwrap();
    let blocked = world.path("blocked/summary.csv");
    let outcome = world.run(|job| job.output.location = Location::Path(blocked.clone()));
    assert_code(&outcome, ReturnCode::ResultWriteError);
    assert!(outcome.result.return_message.contains("budget recover"));
    assert_code(&world.run(|_| {}), ReturnCode::PrivacyBudgetExhausted);

    let storage = Storage::default();
    let staging = world.path("staging");
    let still_blocked = recover(&mut world.ledger, &storage, &staging, NOW).unwrap();
    assert!(still_blocked[0].published.is_err());
    fs::remove_file(world.path("blocked")).unwrap();
    let stored = format!("{:?}", world.ledger.output("job-1").unwrap().unwrap().body);
    let recovered = recover(&mut world.ledger, &storage, &staging, NOW).unwrap();
    assert_eq!(recovered[0].job.id, "job-1");
    assert!(recovered[0].published.is_ok());
    let bytes = fs::read(&blocked).unwrap();
    assert_eq!(stored, format!("Inline({bytes:?})"));
    assert!(recover(&mut world.ledger, &storage, &staging, NOW).unwrap().is_empty());
    publish(&mut world.ledger, &storage, "job-1", NOW).unwrap();
    assert_eq!(fs::read(&blocked).unwrap(), bytes);
}

#[test]
fn a_large_output_is_staged_and_nothing_of_it_is_left_behind() {
    let mut world = world();
    // Some 7 MB of CSV.
    world.domain((0..230_000).map(|bucket| bucket << 64));
    let outcome = world.run(|_| {});
    assert_code(&outcome, ReturnCode::Success);
    assert_eq!(world.summary().len(), 230_000);
    assert_eq!(fs::read_dir(world.path("staging")).unwrap().count(), 0);
    let refused = world.run(|_| {});
    assert_code(&refused, ReturnCode::PrivacyBudgetExhausted);
    assert_eq!(fs::read_dir(world.path("staging")).unwrap().count(), 0, "nor of one that is refused");
}

#[test]
fn a_ledger_that_fails_fails_the_job_before_anything_is_written() {
    let mut world = world();
    let path = world.path("ledger.sqlite");
    // Another program destroys the table.
    let other = rusqlite::Connection::open(path).unwrap();
    other.execute_batch("DROP TABLE spent").unwrap();
    let outcome = world.run(|_| {});
    assert_code(&outcome, ReturnCode::PrivacyBudgetError);
    assert!(!world.path("out").exists());
}

#[test]
fn a_batch_is_explained_without_a_key() {
    let mut world = world();
    assert_code(&world.run(|_| {}), ReturnCode::Success);
    let new_hour = Report::new(9, &[]).with("scheduled_report_time", "1600000000");
    let records = [&new_hour, &new_hour, &new_hour.clone().with("api", "topics")].map(Report::sealed);
    world.batch("2.avro", &records);
    let input = [Location::Path(world.path("batches"))];
    let ids = BTreeSet::from([0, 7]);
    let explained = explain(&Storage::default(), &input, &ids, &mut world.ledger).unwrap();
    let units: Vec<_> = explained
        .units
        .iter()
        .map(|unit| {
            let hour = unit.spending.group.hour().as_secs();
            (hour, unit.spending.filtering_id, unit.reports, unit.used.as_ref().map(|used| used.at))
        })
        .collect();
    assert_eq!(
        units,
        [
            (1_599_998_400, 0, 2, None),
            (1_599_998_400, 7, 2, None),
            (1_699_988_400, 0, 1, Some(NOW)),
            (1_699_988_400, 7, 1, None),
            (1_699_995_600, 0, 1, Some(NOW)),
            (1_699_995_600, 7, 1, None),
        ]
    );
    assert_eq!(explained.errors.reports(), 1);
}

#[test]
fn a_batch_can_be_queried_again_until_its_epsilons_add_up_when_all_queries_say_so() {
    let mut world = world();
    let query = |world: &mut World, epsilon: f64, whole: Option<f64>| {
        let epsilon_of = |number| ascribe_privacy::Epsilon::new(number).unwrap();
        world.run(|job| {
            job.parameters.epsilon = epsilon_of(epsilon);
            job.parameters.requery_budget = whole.map(epsilon_of);
        })
    };
    for (epsilon, whole, expected) in [
        (4.0, Some(10.0), ReturnCode::Success),
        (4.0, Some(10.0), ReturnCode::Success),
        (2.5, Some(10.0), ReturnCode::PrivacyBudgetExhausted),
        (1.0, Some(11.0), ReturnCode::PrivacyBudgetExhausted),
        (1.0, None, ReturnCode::PrivacyBudgetExhausted),
        (2.0, Some(10.0), ReturnCode::Success),
        (0.001, Some(10.0), ReturnCode::PrivacyBudgetExhausted),
        (10.0, Some(9.0), ReturnCode::InvalidJob),
        (10.0, Some(65.0), ReturnCode::InvalidJob),
    ] {
        assert_code(&query(&mut world, epsilon, whole), expected);
    }
}
