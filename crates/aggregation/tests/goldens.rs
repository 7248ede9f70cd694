//! The aggregation service's own batches and reports, where they are at hand.

mod common;

use std::{collections::BTreeMap, fs};

use ascribe_aggregation::{Location, OutputFormat, OutputPlace, Reporter, ReturnCode, TestSwitches};
use common::{World, assert_code, shared};
use serde_json::Value;

fn by_bucket(json: &Value) -> BTreeMap<String, i64> {
    let entries = json.as_array().expect("a list");
    entries
        .iter()
        .map(|entry| (entry["bucket"].as_str().unwrap().to_owned(), entry["metric"].as_i64().unwrap()))
        .collect()
}

/// Runs a batch as its flags say, and returns the summary.
fn run(set: &str, switches: TestSwitches, debug_run: bool) -> Option<(World, Value)> {
    let folder = shared("the service's batches")?.join("batches").join(set);
    let world = World::new();
    let output = world.path("out/summary.json");
    let outcome = world.run_test(switches, |job| {
        job.parameters.reporter = Reporter::Any;
        job.parameters.debug_run = debug_run;
        job.parameters.epsilon = ascribe_privacy::Epsilon::new(64.0).unwrap();
        job.input = vec![Location::Path(folder.join("batch.avro"))];
        job.domain = Some(Location::Path(folder.join("domain.avro")));
        job.output = OutputPlace {
            location: Location::Path(output.clone()),
            format: OutputFormat::Json,
            always_numbered: false,
        };
    });
    assert_code(&outcome, ReturnCode::Success);
    let summary = serde_json::from_slice(&fs::read(&output).unwrap()).unwrap();
    Some((world, summary))
}

fn expected(set: &str) -> BTreeMap<String, i64> {
    let path = shared("the expected output").unwrap().join("batches").join(set).join("expected_output.json");
    by_bucket(&serde_json::from_slice(&fs::read(path).unwrap()).unwrap())
}

#[test]
fn set_1_without_noise_and_domain_gives_the_expected_output() {
    let switches = TestSwitches { no_noise: true, skip_domain: true };
    if let Some((_world, summary)) = run("set_1", switches, false) {
        assert_eq!(by_bucket(&summary), expected("set_1"));
    }
}

#[test]
fn set_2_has_the_noise_of_epsilon_64_alone() {
    if let Some((_world, summary)) = run("set_2", TestSwitches::default(), false) {
        let metrics: Vec<_> = by_bucket(&summary).into_values().collect();
        assert_eq!(metrics.len(), 10_000);
        let mean_absolute = metrics.iter().map(|metric| metric.abs() as f64).sum::<f64>() / 10_000.0;
        // The scale is 1024, and so is the standard deviation of |x|: six standard errors are 61.
        assert!((mean_absolute - 1024.0).abs() < 65.0, "{mean_absolute}");
    }
}

#[test]
fn set_3_without_noise_gives_the_expected_output() {
    let switches = TestSwitches { no_noise: true, skip_domain: false };
    if let Some((_world, summary)) = run("set_3", switches, false) {
        assert_eq!(by_bucket(&summary), expected("set_3"));
    }
}

#[test]
fn the_debug_batch_shows_what_is_in_the_reports() {
    let switches = TestSwitches { no_noise: false, skip_domain: true };
    if let Some((world, summary)) = run("debug_mode", switches, true) {
        let debug: Value =
            serde_json::from_slice(&fs::read(world.path("out/debug/summary.json")).unwrap()).unwrap();
        let noised = by_bucket(&summary);
        let mut sums = BTreeMap::new();
        for fact in debug.as_array().unwrap() {
            let bucket = fact["bucket"].as_str().unwrap();
            let (unnoised, noise) =
                (fact["unnoised_metric"].as_i64().unwrap(), fact["noise"].as_i64().unwrap());
            assert_eq!(unnoised + noise, noised[bucket], "{bucket}");
            if fact["annotations"].as_array().unwrap().contains(&"in_reports".into()) {
                sums.insert(bucket.to_owned(), unnoised);
            }
        }
        // The sums of its text: the same contributions as those of set 1.
        assert_eq!(sums, expected("set_1"));
    }
}

#[test]
fn reports_that_browsers_sent_are_read_in_clear() {
    let Some(folder) = shared("reports of browsers") else { return };
    // Three of the attribution reports have no clear payload, and no debug report has one. The others are copies
    // of one report.
    for (kind, errors, duplicates, summary) in
        [("aggregatable_report", 3, 3, vec![(1, 2)]), ("aggregatable_debug_report", 2, 0, vec![])]
    {
        let world = World::new();
        for entry in fs::read_dir(folder.join(kind)).unwrap() {
            let path = entry.unwrap().path();
            if !path.to_str().unwrap().contains("cleartext") {
                fs::copy(&path, world.path("batches").join(path.file_name().unwrap())).unwrap();
            }
        }
        let switches = TestSwitches { no_noise: true, skip_domain: true };
        let outcome = world.run_test(switches, |job| {
            job.parameters.reporter = Reporter::Any;
            job.parameters.error_threshold = 100.0;
            job.domain = None;
            // The copies differ in their contributions: with one thread, the first by name counts.
            job.threads = 1;
        });
        assert_code(&outcome, ReturnCode::SuccessWithErrors);
        assert_eq!(common::errors(&outcome)[0], ("REPORT_PARSING_ERROR", errors), "{kind}");
        assert_eq!(outcome.counts.duplicates, duplicates, "{kind}");
        assert_eq!(world.summary(), summary, "{kind}");
    }
}
