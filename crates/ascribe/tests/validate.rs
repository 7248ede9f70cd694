//! `ascribe validate`: what is said about a header, and where.

mod common;

use common::{run, run_with_input};
use serde_json::json;

const SOURCE: &str = "Attribution-Reporting-Register-Source";

#[test]
fn a_valid_source_is_spelled_out() {
    let run = run_with_input(&["validate", "register-source"], br#"{"destination": "https://shop.test"}"#);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stdout.contains("\n  \"trigger_data\": [0, 1, 2, 3, 4, 5, 6, 7],\n"), "{}", run.stdout);
    assert!(run.stdout.contains("note: information gain: 11.46 bits"), "{}", run.stdout);
    assert!(run.stdout.ends_with(&format!("{SOURCE}: valid, 0 errors, 0 warnings\n")), "{}", run.stdout);
}

#[test]
fn a_problem_is_shown_in_its_line() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let text = "{\n\t\"destination\": \"https://shop.test\",\n\t\"priority\": 7\n}\n";
    std::fs::write(file.path(), text).expect("written");
    let path = file.path().to_str().expect("UTF-8");
    let run = run(&["validate", "register-source", path]);
    assert_eq!(run.code, Some(1));
    let expected = format!(
        r#"error: $["priority"]: must be a string
 --> {path}:3:14
  |
3 |     "priority": 7
  |                 ^

{SOURCE}: not valid, 1 error, 0 warnings
"#
    );
    assert_eq!(run.stdout, expected);
}

#[test]
fn a_long_line_is_cut_around_the_problem() {
    let keys: Vec<String> = (0..20).map(|i| format!(r#""campaign{i}": "0x{i}""#)).collect();
    let text = format!(
        r#"{{"destination": "https://shop.test", "aggregation_keys": {{{}}}, "debug_key": true, "filter_data": {{"product": ["1234", "1235"]}}}}"#,
        keys.join(", ")
    );
    let run = run_with_input(&["validate", "register-source"], text.as_bytes());
    assert_eq!(run.code, Some(0), "an invalid debug key is dropped: {run:?}");
    let lines: Vec<&str> = run.stdout.lines().collect();
    let line = lines.iter().position(|line| line.starts_with("1 | …")).expect("a cut line");
    assert!(lines[line].contains(r#""debug_key": true"#) && lines[line].ends_with('…'), "{}", lines[line]);
    assert!(lines[line].chars().count() <= 96);
    let column = lines[line + 1].find('^').expect("a caret");
    let marked: String = lines[line].chars().skip(column).take(4).collect();
    assert_eq!(marked, "true");
    assert!(lines[line + 1].ends_with(" ^^^^"));
}

#[test]
fn json_has_paths_as_lists() {
    let text = br#"{"destination": "https://shop.test", "filter_data": {"a": ["b", 3]}, "x": 1}"#;
    let run = run_with_input(&["validate", "register-source", "--json"], text);
    assert_eq!(run.code, Some(1));
    let expected = json!({
        "errors": [{"path": ["filter_data", "a", 1], "msg": "must be a string"}],
        "warnings": [{"path": ["x"], "msg": "unknown field"}],
        "notes": [],
        "effective": null,
    });
    assert_eq!(run.json(), expected);
}

#[test]
fn effective_json_is_json_and_effective_fields_are_text() {
    let trigger = run_with_input(&["validate", "register-trigger", "--json"], br#"{"debug_key": "5"}"#);
    assert_eq!(trigger.code, Some(0));
    assert_eq!(trigger.json()["effective"]["debug_key"], "5");
    let info =
        run_with_input(&["validate", "info", "--json"], b"report-header-errors, preferred-platform=web\n");
    assert_eq!(info.code, Some(0), "{info:?}");
    assert!(info.json()["effective"].is_string(), "{info:?}");
}

#[test]
fn headers_are_known_by_any_name() {
    for name in ["info", "INFO", "attribution-reporting-info", "Attribution-Reporting-Info"] {
        let run = run_with_input(&["validate", name], b"preferred-platform=os");
        assert_eq!(run.code, Some(0), "{name}");
    }
    let unknown = run(&["validate", "register-click"]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.stderr.contains("register-source"), "lists what is known: {}", unknown.stderr);
}

#[test]
fn every_header_can_be_valid_and_not() {
    for (header, valid, invalid) in [
        ("register-source", r#"{"destination": "https://shop.test"}"#, "{}"),
        ("register-trigger", "{}", "[]"),
        ("register-os-source", r#""https://a.test/x""#, "x"),
        ("register-os-trigger", r#""https://a.test/x";debug-reporting"#, "(1"),
        ("info", "preferred-platform=web", "preferred-platform=3"),
        ("eligible", "navigation-source", "navigation-source, trigger"),
        ("support", "web, os", "web os"),
    ] {
        let run = |text: &str| run_with_input(&["validate", header], text.as_bytes());
        assert_eq!(run(valid).code, Some(0), "{header}: {:?}", run(valid));
        assert_eq!(run(invalid).code, Some(1), "{header}: {:?}", run(invalid));
    }
}

#[test]
fn the_source_type_decides() {
    let text = br#"{"destination": "https://shop.test", "expiry": 129600}"#;
    let expiry = |source_type: &str| {
        let run =
            run_with_input(&["validate", "register-source", "--source-type", source_type, "--json"], text);
        run.json()["effective"]["expiry"].as_u64()
    };
    assert_eq!(expiry("navigation"), Some(129_600));
    assert_eq!(expiry("event"), Some(172_800), "whole days");
    let pointless = run_with_input(&["validate", "info", "--source-type", "event"], b"");
    assert_eq!(pointless.code, Some(2));
    assert!(pointless.stderr.contains("--source-type is for register-source only"), "{}", pointless.stderr);
}

#[test]
fn a_source_that_discloses_too_much_is_not_valid() {
    let text = br#"{"destination": "https://shop.test", "max_event_level_reports": 4}"#;
    let run = run_with_input(&["validate", "register-source", "--json"], text);
    assert_eq!(run.code, Some(1));
    assert_eq!(run.json()["errors"][0]["path"], json!([]));
    assert_eq!(run.json()["effective"]["max_event_level_reports"], 4, "it is spelled out all the same");
}

#[test]
fn warnings_fail_only_if_asked_to() {
    let text = br#"{"destination": "https://shop.test", "expiry": 1}"#;
    assert_eq!(run_with_input(&["validate", "register-source"], text).code, Some(0));
    assert_eq!(run_with_input(&["validate", "register-source", "--fail-on-warnings"], text).code, Some(1));
    let fine = br#"{"destination": "https://shop.test"}"#;
    assert_eq!(run_with_input(&["validate", "register-source", "--fail-on-warnings"], fine).code, Some(0));
}

#[test]
fn only_so_many_problems_are_printed() {
    let fields = |n: usize| {
        let fields: Vec<_> = (0..n).map(|i| format!(r#""field{i}": 0"#)).collect();
        let text = format!(r#"{{"destination": "https://shop.test", {}}}"#, fields.join(", "));
        run_with_input(&["validate", "register-source"], text.as_bytes()).stdout
    };
    assert!(!fields(50).contains("more, which --json prints"));
    let cut = fields(51);
    assert!(cut.contains("warning: and 1 more, which --json prints"), "{cut}");
    assert!(!cut.contains("$[\"field50\"]"), "{cut}");
}

#[test]
fn a_terminal_is_not_obeyed() {
    let text =
        "{\"destination\": \"https://shop.test\", \"\u{9b}31m\": \"\u{1b}]0;x\u{7}\", \"\u{202e}\": 1}";
    let run = run_with_input(&["validate", "register-source"], text.as_bytes());
    assert!(run.stdout.contains("not JSON"), "control characters are not allowed in strings");
    assert!(!run.stdout.contains(['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}']), "{:?}", run.stdout);
    let fields = "{\"destination\": \"https://shop.test\", \"\u{9b}31m\": 1, \"\u{202e}\": 1}";
    let run = run_with_input(&["validate", "register-source"], fields.as_bytes());
    assert!(run.stdout.contains("2 warnings"), "{}", run.stdout);
    assert!(!run.stdout.contains(['\u{9b}', '\u{202e}']), "{:?}", run.stdout);
}

#[test]
fn a_header_that_is_too_long_is_said_to_be() {
    let run = run_with_input(&["validate", "register-source"], &vec![b' '; (1 << 20) + 1]);
    assert_eq!(run.code, Some(1), "only spaces, which do not count: {}", run.stdout);
    assert!(run.stdout.contains("not JSON"), "{}", run.stdout);
    let mut long = br#"{"x": ""#.to_vec();
    long.resize(1 << 20, b'x');
    long.extend(b"\"}");
    let run = run_with_input(&["validate", "register-source"], &long);
    assert_eq!(run.code, Some(1));
    assert!(run.stdout.contains("1048578 bytes, at most 1048576"), "{}", run.stdout);
}

#[test]
fn what_cannot_be_read_is_said() {
    let run = run(&["validate", "register-source", "/nonexistent/source.json"]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.starts_with("error: reading /nonexistent/source.json: "), "{}", run.stderr);
    let endless = run_with_input(&["validate", "register-source"], &vec![b'x'; (16 << 20) + 1]);
    assert_eq!(endless.code, Some(2));
    assert!(endless.stderr.contains("longer than 16777216 bytes"), "{}", endless.stderr);
}
