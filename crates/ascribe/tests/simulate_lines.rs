//! `ascribe simulate` with JSON Lines: many users, in parallel, from files and from standard input.

mod common;

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use common::{Run, ascribe, click, purchase, run, run_with_input};
use serde_json::{Value, json};

fn of(user: &str, mut entry: Value) -> Value {
    entry["user"] = user.into();
    entry
}

fn lines(entries: impl IntoIterator<Item = Value>) -> String {
    entries.into_iter().map(|entry| format!("{entry}\n")).collect()
}

/// A click and a purchase of each user.
fn grouped(users: usize) -> String {
    let user = |n: usize| {
        let name = format!("u{n}");
        [of(&name, click(0)), of(&name, purchase(1000, &(n % 8).to_string()))]
    };
    lines((0..users).flat_map(user))
}

/// All clicks before all purchases.
fn interleaved(users: usize) -> String {
    let grouped = grouped(users);
    let clicks = grouped.lines().step_by(2);
    clicks.chain(grouped.lines().skip(1).step_by(2)).map(|line| format!("{line}\n")).collect()
}

fn simulate(options: &[&str], input: &str) -> Run {
    run_with_input(&[&["simulate"], options, &["-"]].concat(), input.as_bytes())
}

/// Of each report its user and its trigger data.
fn reports(run: &Run) -> Vec<(String, String)> {
    assert_eq!(run.code, Some(0), "{run:?}");
    let text = |value: &Value| value.as_str().unwrap_or("none").to_owned();
    let report = |line: &str| {
        let report: Value = serde_json::from_str(line).expect("each line is JSON");
        (text(&report["user"]), text(&report["payload"]["trigger_data"]))
    };
    run.stdout.lines().map(report).collect()
}

fn error(run: &Run) -> &str {
    assert_eq!(run.code, Some(2), "{run:?}");
    run.stderr.strip_prefix("error: <stdin>: ").unwrap_or_else(|| panic!("{run:?}")).trim_end()
}

#[test]
fn each_report_names_its_user() {
    let run = simulate(&["--no-noise"], &grouped(2));
    let expected = json!({
        "user": "u1",
        "report_time": "172800000",
        "report_url": "https://ads.test/.well-known/attribution-reporting/report-event-attribution",
        "payload": {
            "attribution_destination": "https://shop.test",
            "randomized_trigger_rate": 0.0024263,
            "scheduled_report_time": "172800",
            "source_event_id": "1",
            "source_type": "navigation",
            "trigger_data": "1",
        },
    });
    let last: Value = serde_json::from_str(run.stdout.lines().last().expect("two")).expect("JSON");
    assert_eq!(last, expected);
    assert_eq!(reports(&run).len(), 2);
    assert!(run.stderr.starts_with("2 users, 4 responses, 2 reports in "), "{}", run.stderr);
}

#[test]
fn a_user_need_not_have_a_name() {
    let nameless = [click(0), purchase(1000, "3"), of("b", click(0)), of("b", purchase(1000, "4"))];
    let run = simulate(&["--no-noise"], &lines(nameless.clone()));
    let expected = [("none".to_owned(), "3".to_owned()), ("b".to_owned(), "4".to_owned())];
    assert_eq!(reports(&run), expected);

    // No name, an empty one and null are the same, and none of them is printed: not even while others follow.
    let [mut a, mut b, ..] = nameless;
    a["user"] = Value::Null;
    b["user"] = "".into();
    let later = purchase(200_000_000, "5");
    for options in [&["--no-noise"][..], &["--no-noise", "--interleaved"]] {
        let run = simulate(options, &lines([a.clone(), b.clone(), later.clone()]));
        let users: Vec<_> = reports(&run).into_iter().map(|(user, _)| user).collect();
        assert_eq!(users, ["none", "none"], "{options:?}");
    }
}

#[test]
fn files_are_told_by_their_names_or_by_an_option() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, options) in [("a.jsonl", &[][..]), ("a.ndjson", &[]), ("a.log", &["--lines"])] {
        let file = folder.path().join(name);
        std::fs::write(&file, grouped(1)).expect("a file");
        let file = file.to_str().expect("UTF-8");
        let run = run(&[&["simulate", "--no-noise", file], options].concat());
        assert_eq!(reports(&run), [("u0".to_owned(), "0".to_owned())], "{name}");
    }
}

#[test]
fn a_configuration_is_for_all_users() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("config.json");
    std::fs::write(&config, r#"{"max_event_level_reports_per_destination": 0}"#).expect("a file");
    let run = simulate(&["--no-noise", "--config", config.to_str().expect("UTF-8")], &grouped(3));
    assert_eq!(reports(&run), []);
    assert!(run.stderr.starts_with("3 users, 6 responses, 0 reports in "), "{}", run.stderr);
}

#[test]
fn the_number_of_jobs_does_not_change_the_output() {
    // More than one batch for each job.
    let input = grouped(2000);
    let one = simulate(&["--seed", "7", "--jobs", "1"], &input);
    let four = simulate(&["--seed", "7", "--jobs", "4"], &input);
    assert!(reports(&one).len() > 1900, "noise is rare");
    assert!(one.stdout == four.stdout, "they differ");

    let other = simulate(&["--seed", "8", "--jobs", "4"], &input);
    assert!(one.stdout != other.stdout, "another seed is other noise");
    let none = reports(&simulate(&["--no-noise"], &input));
    let names: Vec<_> = (0..2000).map(|n| (format!("u{n}"), (n % 8).to_string())).collect();
    assert!(none == names, "without noise, each purchase is told, in the order of the input");
}

#[test]
fn interleaved_lines_lead_to_the_same_reports() {
    let mut expected: Vec<String> =
        simulate(&["--seed", "7"], &grouped(500)).stdout.lines().map(str::to_owned).collect();
    expected.sort();
    for jobs in ["1", "4"] {
        let run = simulate(&["--seed", "7", "--interleaved", "--jobs", jobs], &interleaved(500));
        let mut actual: Vec<_> = run.stdout.lines().collect();
        actual.sort_unstable();
        assert!(actual == expected, "{jobs} jobs: {} reports, not {}", actual.len(), expected.len());
        assert!(run.stderr.contains("500 users, 1000 responses"), "{}", run.stderr);
    }
}

#[test]
fn users_who_are_not_together_are_an_error() {
    let run = simulate(&["--no-noise"], &interleaved(2));
    let message = "line 3: user \"u0\" was here before, with another user's lines in between: ";
    assert!(error(&run).starts_with(message), "{}", run.stderr);
    assert_eq!(run.stdout, "");

    let far_apart = grouped(1500) + &grouped(1);
    let run = simulate(&["--no-noise"], &far_apart);
    assert!(error(&run).starts_with("line 3001: user \"u0\" was here before"), "{}", run.stderr);
}

#[test]
fn an_error_names_its_line() {
    let before = grouped(1);
    for (line, message) in [
        ("{", "line 4, column 1: EOF while parsing an object"),
        ("  oops", "line 4, column 3: expected value"),
        (r#"{"user": "u0"}"#, "line 4, column 14: missing field `timestamp`"),
        (r#"{"user": "u0", "timestamp": "0", "connection": true}"#, "line 4: timestamp 0 is before 1000, "),
        (r#"{"user": "u0", "timestamp": "2000"}"#, "line 4: an entry has either `registration_r"),
        (
            r#"{"user": 5, "timestamp": "2000", "connection": true}"#,
            "line 4, column 10: invalid type: integer",
        ),
    ] {
        for options in [&["--no-noise"][..], &["--no-noise", "--interleaved"]] {
            let run = simulate(options, &format!("{before}\n{line}\n{}", grouped(1)));
            assert!(error(&run).starts_with(message), "{options:?}: {message}: {}", run.stderr);
            assert_eq!(run.stdout, "", "{options:?}: nobody is played to an end that is none");
        }
    }
}

#[test]
fn the_first_of_several_errors_is_told() {
    let input = format!("{}no\n{}no\n{}", grouped(1000), grouped(5).replace("\"u", "\"v"), grouped(2000));
    for _ in 0..2 {
        let run = simulate(&["--no-noise", "--jobs", "4"], &input);
        assert!(error(&run).starts_with("line 2001, column 2: "), "{}", run.stderr);
    }
}

#[test]
fn a_seed_from_the_operating_system_is_told() {
    let mut clicks = Vec::new();
    for n in 0..50 {
        let mut click = click(0);
        let response = &mut click["responses"][0]["response"];
        response["Attribution-Reporting-Register-Source"]["event_level_epsilon"] = 0.into();
        clicks.push(of(&n.to_string(), click));
    }
    let input = lines(clicks);
    let first = simulate(&[], &input);
    assert!(!reports(&first).is_empty(), "nothing but noise");
    let told = first.stderr.lines().next().and_then(|line| line.strip_prefix("noise from --seed "));
    let seed = told.unwrap_or_else(|| panic!("{}", first.stderr));
    assert_eq!(simulate(&["--seed", seed], &input).stdout, first.stdout);
    assert_ne!(simulate(&[], &input).stdout, first.stdout, "another seed each time");
    assert_eq!(simulate(&["--no-noise"], &input).stdout, "");
}

#[test]
fn no_lines_are_no_users() {
    for input in ["", "\n", " \r\n\t\n"] {
        for options in [&["--no-noise"][..], &["--no-noise", "--interleaved"]] {
            let run = simulate(options, input);
            assert_eq!((run.code, &*run.stdout), (Some(0), ""), "{run:?}");
            assert!(run.stderr.starts_with("0 users, 0 responses, 0 reports in "), "{run:?}");
        }
    }
}

#[test]
fn the_last_line_need_not_end() {
    let run = simulate(&["--no-noise"], grouped(1).replace('\n', "\r\n").trim_end());
    assert_eq!(reports(&run).len(), 1);
}

#[test]
fn a_reader_who_leaves_is_no_error() {
    for options in [&["--no-noise"][..], &["--no-noise", "--interleaved"]] {
        let mut command = ascribe(&[&["simulate"], options, &["-"]].concat());
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        let mut input = child.stdin.take().expect("piped");
        // It stops reading when nobody reads what it writes.
        let writer = std::thread::spawn(move || {
            let _ = input.write_all(grouped(6000).as_bytes());
        });
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        let mut first = String::new();
        output.read_line(&mut first).expect("a report");
        drop(output);
        writer.join().expect("the writer ends");
        let rest = child.wait_with_output().expect("the binary ends");
        assert!(first.starts_with(r#"{"user":"u"#), "{first}");
        assert_eq!((rest.status.code(), rest.stderr), (Some(0), Vec::new()), "{options:?}");
    }
}

#[test]
fn explaining_tells_each_response_on_a_line_of_its_own() {
    let run = simulate(&["--no-noise", "--explain"], &grouped(2));
    assert_eq!(run.code, Some(0), "{run:?}");
    let lines: Vec<Value> =
        run.stdout.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    let explained: Vec<_> = lines.iter().filter(|line| line.get("registration").is_some()).collect();
    assert_eq!((lines.len(), explained.len()), (6, 4), "two reports besides");
    assert_eq!(explained[3]["user"], "u1");
    let purchase = &explained[3]["registration"];
    assert_eq!(
        (&purchase["time"], purchase["outcome"].as_str()),
        (&json!("1000"), Some("trigger: event level attributed, aggregatable not registered"))
    );
    let steps = purchase["steps"].as_array().expect("a list");
    assert!(steps.iter().any(|step| step["check"] == "find matching sources"), "{steps:?}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    for (options, message) in [
        (&["--check", "-"][..], "JSON Lines carry no expected reports to check"),
        (&["-", "a.json"], "JSON Lines are read from one file at a time"),
        (&["--lines", "none.log"], "reading none.log: No such file"),
        (&["--jobs", "0", "-"], "0 is not in 1..=1024"),
        (&["--jobs", "1025", "-"], "1025 is not in 1..=1024"),
        (&["--seed", "1", "--no-noise", "-"], "cannot be used with"),
    ] {
        let run = run_with_input(&[&["simulate"], options].concat(), b"");
        assert_eq!((run.code, &*run.stdout), (Some(2), ""), "{options:?}: {run:?}");
        assert!(run.stderr.contains(message), "{message}: {}", run.stderr);
    }
}
