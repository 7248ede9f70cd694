//! Keeps `docs/case-format.md` true: its example plays, and its parameters and defaults are those of the code.

use std::{fs, path::Path};

use ascribe_simulation::{Case, Noise, Setup, apply_api_config, compare, run_case};
use serde_json::{Map, Value};

fn document() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/case-format.md");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_example_leads_to_its_reports() {
    let document = document();
    let (_, example) = document.split_once("```json\n").expect("the first example is a case");
    let (example, _) = example.split_once("```").expect("the example ends");
    let case: Case<'_> = serde_json::from_str(example).expect("the example is a case");
    let mut setup = Setup::default();
    apply_api_config(&mut setup, &case.api_config).expect("its parameters are known");
    let run = run_case(&case, &setup, Noise::Recorded).expect("it can be played");
    let expected = case.output.expect("it has reports").reports;
    assert_eq!(compare(&expected, &run.reports), None);
}

#[test]
fn parameters_have_the_defaults_that_are_told() {
    let document = document();
    let (_, tables) = document.split_once("## `api_config`").expect("there is a section of parameters");
    let mut told = 0;
    for line in tables.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = line.trim_matches(['|', ' ']).split(" | ").collect();
        let [name, _unit, default] = *cells else { continue };
        let Ok(value) = serde_json::from_str::<Value>(default.trim_matches('`')) else { continue };
        let mut setup = Setup::default();
        let overrides = Map::from_iter([(name.trim_matches('`').to_owned(), value)]);
        apply_api_config(&mut setup, &overrides).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(setup, Setup::default(), "{name} is not {default}");
        told += 1;
    }
    assert_eq!(told, 31, "parameters with defaults that can be written");
}

#[test]
fn every_parameter_is_told() {
    let document = document();
    let code = include_str!("../src/api_config.rs");
    let strings = code.split('"').skip(1).step_by(2);
    let names = strings.filter(|s| s.contains('_') && s.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
    for name in names {
        assert!(document.contains(&format!("`{name}")), "{name} is not in the document");
    }
}

#[test]
fn unknown_parameters_are_errors() {
    for name in ["max_sources", "need_something", ""] {
        let overrides = Map::from_iter([(name.to_owned(), Value::Bool(true))]);
        assert!(apply_api_config(&mut Setup::default(), &overrides).is_err(), "{name:?}");
    }
}

#[test]
fn what_a_test_takes_away_is_taken_away() {
    let json = r#"{"input": {"registrations": [
        {"timestamp": "0",
         "registration_request": {"context_origin": "https://news.test", "Attribution-Reporting-Eligible": "navigation-source"},
         "responses": [{
            "url": "https://ads.test", "randomized_response": [],
            "response": {"Attribution-Reporting-Register-Source": {"destination": "https://shop.test"}}}]},
        {"timestamp": "1000",
         "registration_request": {"context_origin": "https://shop.test"},
         "responses": [{
            "url": "https://ads.test",
            "response": {"Attribution-Reporting-Register-Trigger": {"event_trigger_data": [{}]}}}]}
    ]}}"#;
    let case: Case<'_> = serde_json::from_str(json).expect("a case");
    let times = |no_noise: bool, no_delay: bool| {
        let mut setup = Setup::default();
        let switches = [("no_noise".to_owned(), no_noise.into()), ("no_delay".to_owned(), no_delay.into())];
        apply_api_config(&mut setup, &Map::from_iter(switches)).expect("known");
        let run = run_case(&case, &setup, Noise::Recorded).expect("it can be played");
        run.reports.iter().map(|report| report["report_time"].clone()).collect::<Vec<_>>()
    };
    assert!(times(false, false).is_empty() && times(false, true).is_empty(), "noised, to no report");
    assert_eq!(times(true, false), ["172800000"]);
    assert_eq!(times(true, true), ["1000"]);
}
