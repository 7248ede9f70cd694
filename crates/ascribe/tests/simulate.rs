//! `ascribe simulate`: cases and folders of them. JSON Lines are in `simulate_lines.rs`.

mod common;

use std::{fs, path::Path};

use common::{Run, click, purchase, run};
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

/// A click at 0, a purchase a second later, and the report at the end of the first window, after two days.
fn case(trigger_data: &str) -> Value {
    json!({
        "description": "a click and a purchase",
        "input": {"registrations": [click(0), purchase(1000, "3")]},
        "output": {"reports": [{
            "report_time": "172800000",
            "report_url": "https://ads.test/.well-known/attribution-reporting/report-event-attribution",
            "payload": {
                "attribution_destination": "https://shop.test",
                "randomized_trigger_rate": 0.0024263,
                "scheduled_report_time": "172800",
                "source_event_id": "1",
                "source_type": "navigation",
                "trigger_data": trigger_data,
            },
        }]},
    })
}

fn folder(files: &[(&str, Value)]) -> TempDir {
    let folder = tempdir().expect("a folder");
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("it has one")).expect("a folder in it");
        fs::write(path, content.to_string()).expect("a file");
    }
    folder
}

/// `ascribe simulate`, with each `@` that begins an argument standing for the folder.
fn simulate(folder: &TempDir, arguments: &[&str]) -> Run {
    let place = |argument: &&str| match argument.strip_prefix('@') {
        Some(rest) => path(folder.path(), rest),
        None => (*argument).to_owned(),
    };
    let arguments: Vec<_> = arguments.iter().map(place).collect();
    let arguments: Vec<_> = ["simulate"].into_iter().chain(arguments.iter().map(String::as_str)).collect();
    run(&arguments)
}

fn path(folder: &Path, file: &str) -> String {
    folder.join(file).to_str().expect("UTF-8").to_owned()
}

fn reports(run: &Run) -> usize {
    assert_eq!(run.code, Some(0), "{run:?}");
    run.json()["reports"].as_array().expect("a list").len()
}

#[test]
fn a_case_prints_its_reports() {
    let folder = folder(&[("a.json", case("3"))]);
    let run = simulate(&folder, &["@a.json"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(run.json(), json!({"reports": case("3")["output"]["reports"]}));
    assert_eq!(run.stderr, "");
}

#[test]
fn several_cases_are_told_apart() {
    let folder = folder(&[("a.json", case("3")), ("b.json", case("3"))]);
    let run = simulate(&folder, &["@b.json", "@a.json"]);
    let titles: Vec<_> = run.stdout.lines().filter(|line| line.ends_with("a click and a purchase")).collect();
    assert_eq!(titles.len(), 2, "{run:?}");
    assert!(titles[0].contains("b.json") && titles[1].contains("a.json"), "as they were asked for: {run:?}");
}

#[test]
fn a_folder_is_its_cases_in_the_order_of_their_names() {
    let folder = folder(&[
        ("b.json", case("3")),
        ("a/z.json", case("3")),
        ("a/default_config.json", json!({})),
        ("a/notes.txt", json!("no case")),
    ]);
    let run = simulate(&folder, &["--check", "@"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let lines: Vec<_> = run.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{run:?}");
    assert!(lines[0].starts_with("ok  ") && lines[0].contains("z.json"), "{run:?}");
    assert!(lines[1].starts_with("ok  ") && lines[1].contains("b.json"), "{run:?}");
    assert_eq!(lines[2], "2 passed, 0 failed");
}

#[test]
fn a_failed_check_names_the_fields_that_differ() {
    let folder = folder(&[("a.json", case("2")), ("b.json", case("3"))]);
    let run = simulate(&folder, &["--check", "@"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    for line in
        ["  -   .payload.trigger_data: \"2\"\n  +   .payload.trigger_data: \"3\"\n", "1 passed, 1 failed\n"]
    {
        assert!(run.stdout.contains(line), "{line}: {}", run.stdout);
    }
    assert!(!run.stdout.contains("randomized_trigger_rate"), "nothing that is equal: {}", run.stdout);
}

#[test]
fn a_failed_check_names_reports_that_are_missing_or_too_many() {
    let (mut missing, mut unexpected) = (case("3"), case("3"));
    missing["input"]["registrations"].as_array_mut().expect("a list").pop();
    unexpected["output"]["reports"] = json!([]);
    let folder = folder(&[("m.json", missing), ("u.json", unexpected)]);
    for (file, sign) in [("@m.json", "- missing:    {"), ("@u.json", "+ unexpected: {")] {
        let run = simulate(&folder, &["--check", file]);
        assert_eq!(run.code, Some(1), "{run:?}");
        assert!(run.stdout.contains(sign), "{sign}: {}", run.stdout);
    }
}

#[test]
fn a_broken_case_fails_its_check_and_no_other() {
    let unknown = json!({"output": {"reports": []}});
    let mut unchecked = case("3");
    unchecked.as_object_mut().expect("an object").remove("output");
    let folder = folder(&[("a.json", unknown), ("b.json", unchecked), ("c.json", case("3"))]);
    let run = simulate(&folder, &["--check", "@"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    for line in [
        "a.json\n  missing field `input`",
        "b.json\n  no expected output to check (`output.reports`)\n",
        "1 passed, 2 failed\n",
    ] {
        assert!(run.stdout.contains(line), "{line}: {}", run.stdout);
    }

    let run = simulate(&folder, &["--check", "--json", "@"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    let (json, passed) = (run.json(), |case: &Value| case["passed"].clone());
    let cases = json.as_array().expect("a list");
    assert_eq!(cases.iter().map(passed).collect::<Vec<_>>(), [false, false, true]);
    assert_eq!(cases[1]["error"], "no expected output to check (`output.reports`)");

    let run = simulate(&folder, &["@a.json"]);
    assert_eq!(run.code, Some(2), "without a check, it is an error: {run:?}");
    assert!(run.stderr.starts_with("error: ") && run.stderr.contains("a.json: missing field `input`"));
}

#[test]
fn json_is_one_list_of_cases() {
    let folder = folder(&[("a.json", case("2"))]);
    let file = path(folder.path(), "a.json");
    let expected = &case("2")["output"]["reports"];
    let actual = &case("3")["output"]["reports"];

    let run = simulate(&folder, &["--json", "@a.json"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let plain = json!([{"case": file, "description": "a click and a purchase", "reports": actual}]);
    assert_eq!(run.json(), plain);

    let run = simulate(&folder, &["--json", "--check", "@a.json"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    let case = &run.json()[0];
    assert_eq!(case["passed"], false);
    assert_eq!((&case["missing"], &case["unexpected"]), (expected, actual));

    let run = simulate(&folder, &["--json", "--explain", "@a.json"]);
    let registrations = &run.json()[0]["registrations"];
    assert_eq!(registrations[1]["time"], "1000");
    assert_eq!(registrations[1]["url"], "https://ads.test/x");
    assert_eq!(registrations[1]["outcome"], "trigger: event level attributed, aggregatable not registered");
    assert!(registrations[1]["steps"][0]["check"].is_string(), "{registrations}");
}

#[test]
fn explaining_tells_each_outcome_with_its_reasons() {
    let mut story = case("3");
    let entries = story["input"]["registrations"].as_array_mut().expect("a list");
    let mut ineligible = purchase(2000, "3");
    ineligible["registration_request"]["Attribution-Reporting-Eligible"] = "event-source".into();
    entries.push(ineligible);
    let mut invalid = purchase(3000, "3");
    invalid["responses"][0]["response"]["Attribution-Reporting-Register-Trigger"] = json!({"filters": 1});
    entries.push(invalid);
    let folder = folder(&[("a.json", story)]);
    let run = simulate(&folder, &["--explain", "@a.json"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    for line in [
        "             0 https://ads.test/x source stored: source-success\n",
        "          1000 https://ads.test/x trigger: event level attributed, aggregatable not registered\n",
        "          2000 https://ads.test/x ignored: no registration header that the request makes eligible\n",
        "          3000 https://ads.test/x invalid Attribution-Reporting-Register-Trigger\n",
        "               ! $[\"filters\"]: ",
        "               ✓ ",
    ] {
        assert!(run.stdout.contains(line), "{line}: {}", run.stdout);
    }
}

#[test]
fn a_configuration_is_chromiums_then_a_files_then_the_cases() {
    let none = json!({"max_event_level_reports_per_destination": "0"});
    let mut own = case("3");
    own["api_config"] = json!({"max_event_level_reports_per_destination": 1});
    let folder = folder(&[
        ("plain/a.json", case("3")),
        ("beside/a.json", case("3")),
        ("beside/own.json", own),
        ("beside/default_config.json", none.clone()),
        ("config/empty.json", json!({})),
        ("config/none.json", none),
    ]);
    for (arguments, expected) in [
        (&["@plain/a.json"][..], 1),
        (&["--config", "@config/none.json", "@plain/a.json"], 0),
        (&["@beside/a.json"], 0),
        (&["@beside/own.json"], 1),
        (&["--config", "@config/empty.json", "@beside/a.json"], 1),
    ] {
        assert_eq!(reports(&simulate(&folder, arguments)), expected, "{arguments:?}");
    }
}

#[test]
fn an_unknown_parameter_is_named() {
    let mut typo = case("3");
    typo["api_config"] = json!({"max_sources": 1});
    let folder =
        folder(&[("a.json", typo), ("b.json", case("3")), ("c.json", json!({"max_attributions": 1}))]);
    for (arguments, message) in [
        (&["@a.json"][..], "a.json: api_config.max_sources: a parameter that is not known\n"),
        (&["--config", "@c.json", "@b.json"], "c.json: api_config.max_attributions: a parameter that is not"),
        (&["--config", "@none.json", "@b.json"], "none.json: No such file"),
    ] {
        let run = simulate(&folder, arguments);
        assert_eq!((run.code, &*run.stdout), (Some(2), ""), "{run:?}");
        assert!(run.stderr.contains(message), "{message}: {}", run.stderr);
    }
}

#[test]
fn an_entry_that_cannot_be_played_is_named() {
    let mut story = case("3");
    story["input"]["registrations"] = json!([purchase(1000, "3"), click(0)]);
    let folder = folder(&[("a.json", story)]);
    let run = simulate(&folder, &["@a.json"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    let message =
        "a.json: input.registrations[1]: timestamp 0 is before 1000, the time of an entry before it\n";
    assert!(run.stderr.ends_with(message), "{}", run.stderr);
}

#[test]
fn where_there_is_no_case_is_an_error() {
    let folder = folder(&[("empty/notes.txt", json!(1))]);
    for (arguments, message) in [
        (&["@none.json"][..], "none.json: No such file"),
        (&["--check", "@none.json"], "none.json: No such file"),
        (&["@empty"], "empty: a case is a .json file"),
        (&["@empty/notes.txt"], "notes.txt: invalid type: integer `1`"),
    ] {
        let run = simulate(&folder, arguments);
        assert_eq!((run.code, &*run.stdout), (Some(2), ""), "{arguments:?}: {run:?}");
        assert!(run.stderr.contains(message), "{message}: {}", run.stderr);
    }
}

#[test]
fn cases_have_the_noise_that_they_record_unless_a_seed_is_given() {
    let (mut hidden, mut all_noise) = (case("3"), case("3"));
    hidden["input"]["registrations"][0]["responses"][0]["randomized_response"] = json!([]);
    let response = &mut all_noise["input"]["registrations"][0]["responses"][0]["response"];
    response["Attribution-Reporting-Register-Source"]["event_level_epsilon"] = 0.into();
    let folder = folder(&[("hidden.json", hidden), ("noise.json", all_noise)]);
    assert_eq!(reports(&simulate(&folder, &["@hidden.json"])), 0, "it says that noise hides the purchase");
    assert_eq!(
        reports(&simulate(&folder, &["--seed", "7", "@hidden.json"])),
        0,
        "a seed does not change that"
    );

    let seeded = |seed: u32| simulate(&folder, &["--seed", &seed.to_string(), "@noise.json"]).json();
    let drawn: Vec<_> = (0..4).map(seeded).collect();
    assert_eq!(drawn, (0..4).map(seeded).collect::<Vec<_>>(), "the same seed, the same reports");
    assert!(drawn.iter().any(|other| *other != drawn[0]), "another seed, other reports: {drawn:?}");
    let truth = simulate(&folder, &["@noise.json"]).json();
    assert_eq!(truth["reports"][0]["payload"]["trigger_data"], "3");
}

#[test]
fn options_of_json_lines_are_refused() {
    let folder = folder(&[("a.json", case("3"))]);
    for option in [&["--jobs", "2"][..], &["--interleaved"]] {
        let run = simulate(&folder, &[option, &["@a.json"]].concat());
        assert_eq!(run.code, Some(2), "{run:?}");
        assert_eq!(run.stderr, "error: --jobs and --interleaved are for JSON Lines\n");
    }
    assert_eq!(simulate(&folder, &["--seed", "1", "--no-noise", "@a.json"]).code, Some(2));
}
