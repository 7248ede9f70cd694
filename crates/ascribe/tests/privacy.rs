//! `ascribe privacy`: numbers, verdicts, remedies.

mod common;

use common::{run, run_with_input};
use serde_json::json;

#[test]
fn the_default_navigation_source() {
    let run = run(&["privacy"]);
    assert_eq!(run.code, Some(0));
    for expected in [
        "3 event-level reports, 8 trigger data, 3 windows and an epsilon of 14",
        "2925",
        "11.4617",
        "at most 11.5 bits",
        "0.24263 %",
        "0.0024263 in reports",
        "About 1 in 412 sources will report fake data: 2.88 reports on average.",
    ] {
        assert!(run.stdout.contains(expected), "{expected} is not in:\n{}", run.stdout);
    }
    assert!(!run.stdout.contains("rejected"));
    assert_eq!(run.stderr, "");
}

#[test]
fn the_default_event_source() {
    let run = run(&["privacy", "--source-type", "event", "--json"]);
    assert_eq!(run.code, Some(0));
    let json = run.json();
    assert_eq!(json["states"], json!({"value": 3, "limit": 4_294_967_295u32, "fits": true}));
    assert_eq!(json["information_gain"]["limit"], 6.5);
    assert_eq!(json["noise"]["randomized_trigger_rate"], 0.0000025);
    assert_eq!(json["scopes"], json!(null));
    assert_eq!(json["fits"], true);
    assert_eq!(json["epsilon_to_fit"], 14.0);
}

#[test]
fn too_much_information_is_rejected_with_an_epsilon_that_fits() {
    let too_much = ["privacy", "--max-reports", "4", "--trigger-data", "5", "--windows", "3"]; // C(19, 4) = 3876
    let run_ = run(&too_much);
    assert_eq!(run_.code, Some(1));
    assert!(run_.stdout.contains("does not fit"), "{}", run_.stdout);
    let json = run(&[&too_much[..], &["--json"]].concat()).json();
    assert_eq!(json["fits"], false);
    assert_eq!(json["states"]["value"], 3876);
    let epsilon = json["epsilon_to_fit"].as_f64().expect("some epsilon fits");
    let short = (epsilon * 1000.0).floor() / 1000.0;
    let advice = format!("an event_level_epsilon of {short} (up to {epsilon} fits)");
    assert!(run_.stdout.contains(&advice), "{advice} is not in:\n{}", run_.stdout);
    // The advice is good: both the exact and the short one fit, and a little more does not.
    let code = |epsilon: f64| run(&[&too_much[..], &["--epsilon", &epsilon.to_string()]].concat()).code;
    assert_eq!(code(epsilon), Some(0));
    assert_eq!(code(short), Some(0));
    assert_eq!(code(epsilon.next_up()), Some(1));
}

#[test]
fn the_last_states_that_fit() {
    // C(w·d + 1, 1): 90 states fit into 6.5 bits, 91 do not; 89 pairs exist only below the 160 of all.
    let states = |trigger_data| {
        let run = run(&[
            "privacy",
            "--source-type",
            "event",
            "--windows",
            "5",
            "--trigger-data",
            trigger_data,
            "--json",
        ]);
        (run.json()["states"]["value"].as_u64(), run.code)
    };
    assert_eq!(states("17"), (Some(86), Some(0)));
    assert_eq!(states("18"), (Some(91), Some(1)));
}

#[test]
fn too_many_states_are_rejected_whatever_epsilon() {
    let run_ = run(&["privacy", "--max-reports", "20", "--trigger-data", "32", "--windows", "5"]);
    assert_eq!(run_.code, Some(1));
    assert!(run_.stdout.contains("at most 4294967295 are allowed"), "{}", run_.stdout);
    let json =
        run(&["privacy", "--max-reports", "8", "--trigger-data", "14", "--windows", "4", "--json"]).json();
    assert_eq!(json["states"]["value"], 4_426_165_368u64);
    assert_eq!(json["states"]["fits"], false);
    assert_eq!(json["epsilon_to_fit"], json!(null));
    let json =
        run(&["privacy", "--max-reports", "11", "--trigger-data", "31", "--windows", "1", "--json"]).json();
    assert_eq!(json["states"]["value"], 4_280_561_376u64);
    assert_eq!(json["fits"], true);
}

#[test]
fn scopes_have_a_capacity_of_their_own() {
    let with = |limit, states| run(&["privacy", "--scopes-limit", limit, "--max-event-states", states]);
    assert_eq!(with("2", "73").code, Some(0), "2998 states");
    let rejected = with("2", "74");
    assert_eq!(rejected.code, Some(1), "2999 states");
    assert!(rejected.stdout.contains("a max_event_states of at most 73"), "{}", rejected.stdout);
    assert_eq!(with("1", "4294967295").code, Some(0), "one scope adds nothing");
}

#[test]
fn an_event_source_keeps_to_its_max_event_states() {
    let with = |states| {
        run(&["privacy", "--source-type", "event", "--scopes-limit", "2", "--max-event-states", states])
    };
    assert_eq!(with("3").code, Some(0));
    let rejected = with("2");
    assert_eq!(rejected.code, Some(1));
    assert!(rejected.stdout.contains("announce a max_event_states of 2"), "{}", rejected.stdout);
}

#[test]
fn other_limits_can_be_set() {
    assert_eq!(run(&["privacy", "--max-capacity", "11.4"]).code, Some(1));
    assert_eq!(run(&["privacy", "--max-capacity", "11.47"]).code, Some(0));
    let scopes = ["privacy", "--scopes-limit", "2", "--max-event-states", "74"];
    assert_eq!(run(&[&scopes[..], &["--max-scopes-capacity", "12"]].concat()).code, Some(0));
}

#[test]
fn epsilon_has_a_maximum() {
    assert_eq!(run(&["privacy", "--source-type", "event", "--epsilon", "14"]).code, Some(0));
    let rejected = run(&["privacy", "--source-type", "event", "--epsilon", "14.1"]);
    assert_eq!(rejected.code, Some(1));
    assert!(
        rejected.stdout.contains("event_level_epsilon is 14.1, at most 14 is allowed"),
        "{}",
        rejected.stdout
    );
}

#[test]
fn what_no_registration_can_say_is_a_usage_error() {
    for bad in [
        ["--windows", "0"],
        ["--windows", "6"],
        ["--windows", "3,0"],
        ["--windows", "3,"],
        ["--buckets", "-1"],
        ["--trigger-data", "33"],
        ["--max-reports", "21"],
        ["--epsilon", "-1"],
        ["--epsilon", "inf"],
        ["--epsilon", "NaN"],
        ["--scopes-limit", "3"],
        ["--source-type", "view"],
    ] {
        let run = run(&[&["privacy"], &bad[..]].concat());
        assert_eq!(run.code, Some(2), "{bad:?}");
        assert_eq!(run.stdout, "", "{bad:?}");
        assert!(run.stderr.contains(bad[0].trim_start_matches('-')), "{bad:?}: {}", run.stderr);
    }
}

#[test]
fn a_registration_is_assessed() {
    let registration = br#"{
        "destination": "https://shop.test",
        "trigger_data": [1, 2, 3, 4],
        "trigger_data_matching": "exact",
        "event_report_windows": {"end_times": [86400, 172800]},
        "max_event_level_reports": 2,
        "event_level_epsilon": 7.25,
        "attribution_scopes": {"limit": 3, "max_event_states": 4, "values": ["a"]}
    }"#;
    let run_ = run_with_input(&["privacy", "-", "--json"], registration);
    assert_eq!(run_.code, Some(0), "{run_:?}");
    let json = run_.json();
    assert_eq!(json["max_event_level_reports"], 2);
    assert_eq!(json["trigger_data"], json!(vec![json!({"windows": 2, "buckets": 2}); 4]));
    assert_eq!(json["epsilon"]["value"], 7.25);
    assert_eq!(json["states"]["value"], 45);
    assert_eq!(json["scopes"]["limit"], 3);
    assert_eq!(json["scopes"]["max_event_states"], 4);
    assert_eq!(json["scopes"]["event_states"], json!(null));
    let as_event = run_with_input(&["privacy", "-", "--source-type", "event"], registration);
    assert_eq!(as_event.code, Some(1));
    assert!(as_event.stdout.contains("announce a max_event_states of 4"), "{}", as_event.stdout);
}

#[test]
fn the_last_digit_of_an_epsilon_counts() {
    let with = |epsilon: f64| {
        let text = format!(
            r#"{{"destination": "https://shop.test", "max_event_level_reports": 4, "event_level_epsilon": {epsilon}}}"#
        );
        run_with_input(&["privacy", "-", "--json"], text.as_bytes())
    };
    let fits = with(14.0).json()["epsilon_to_fit"].as_f64().expect("some epsilon fits");
    assert_eq!(with(fits).code, Some(0));
    assert_eq!(with(fits.next_up()).code, Some(1));
}

#[test]
fn what_is_no_registration_is_an_error_with_its_place() {
    let run_ = run_with_input(&["privacy", "-"], br#"{"destination": "shop.test"}"#);
    assert_eq!(run_.code, Some(2));
    assert!(
        run_.stderr.starts_with("error: <stdin> does not register a source: $[\"destination\"]"),
        "{run_:?}"
    );
    assert!(run_.stderr.contains("`ascribe validate register-source`"), "{run_:?}");
    assert_eq!(run(&["privacy", "x.json", "--windows", "2"]).code, Some(2), "one or the other");
    assert_eq!(run(&["privacy", "/nonexistent.json"]).code, Some(2));
}

#[test]
fn trigger_data_can_differ() {
    let states = |args: &[&str]| {
        let run = run(&[&["privacy", "--json"], args].concat());
        assert_eq!(run.code, Some(0), "{args:?}");
        run.json()["states"]["value"].as_u64()
    };
    // Nothing, one of the first, one of either window of the second, both alike, both unlike, the first and
    // one of the second, the first and two of the second in three ways; all with at most 3 reports.
    assert_eq!(states(&["--windows", "1,2", "--buckets", "1,2"]), Some(2 * (1 + 2 + 3)));
    assert_eq!(states(&["--windows", "1,2", "--buckets", "1,2", "--max-reports", "2"]), Some(9));
    assert_eq!(states(&["--windows", "2", "--buckets", "1,1"]), Some(9), "one number for all");
    assert_eq!(states(&["--windows", "2,2", "--buckets", "1"]), Some(9));
    assert_eq!(states(&["--trigger-data", "2", "--windows", "2", "--buckets", "1"]), Some(9));
    assert_eq!(states(&["--buckets", "3"]), Some(2925), "as many as reports are no limit");
    assert_eq!(states(&["--buckets", "255"]), Some(2925));
    let text = run(&["privacy", "--windows", "1,2", "--buckets", "1,2"]).stdout;
    assert!(text.contains("2 trigger data (1 window and 1 bucket; 2 windows and 2 buckets)"), "{text}");
}

#[test]
fn lists_have_a_number_for_each_trigger_data() {
    for args in [
        &["--trigger-data", "3", "--windows", "1,2"][..],
        &["--windows", "1,2", "--buckets", "1,2,3"],
        &["--trigger-data", "0", "--windows", "1,2"],
    ] {
        let run = run(&[&["privacy"], args].concat());
        assert_eq!(run.code, Some(2), "{args:?}");
        assert!(run.stderr.contains("give one for all of them, or one for each"), "{}", run.stderr);
    }
    let ones = ["1"; 33].join(",");
    let too_many = run(&["privacy", "--windows", &ones]);
    assert_eq!(too_many.code, Some(2));
    assert!(too_many.stderr.contains("33 trigger data, at most 32"), "{}", too_many.stderr);
}
