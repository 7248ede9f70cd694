//! `ascribe demo`: the same story with a Chromium and without one, to its end.

mod common;

use std::process::Command;

use common::{Run, ascribe};
use serde_json::{Value, json};

const WAYS: [&[&str]; 2] = [&["--headless"], &["--no-browser"]];

fn demo(args: &[&str]) -> Run {
    let mut command: Command = ascribe(&[&["demo"], args].concat());
    // Chromium and certutil are found as anywhere else.
    for variable in ["PATH", "HOME", "TMPDIR"] {
        if let Some(value) = std::env::var_os(variable) {
            command.env(variable, value);
        }
    }
    command.output().expect("the binary runs").into()
}

fn events<'a>(story: &'a Value, kind: &str) -> Vec<&'a Value> {
    story["events"].as_array().unwrap().iter().filter(|event| event["event"] == kind).collect()
}

#[test]
fn four_purchases_lead_to_eight_reports_and_a_summary() {
    for way in WAYS {
        let run = demo(&[way, &["--json"]].concat());
        assert_eq!(run.code, Some(0), "{run:?}");
        let story = run.json();
        assert_eq!(story["complete"], true);
        let reports = events(&story, "report");
        assert_eq!(reports.len(), 8, "{reports:?}");
        assert!(reports.iter().all(|report| report["arrived"] == true));
        let ended_in =
            |path: &str| reports.iter().filter(|r| r["url"].as_str().unwrap().ends_with(path)).count();
        assert_eq!((ended_in("report-event-attribution"), ended_in("report-aggregate-attribution")), (4, 4));
        let rows = events(&story, "summary");
        assert!(rows.iter().any(|row| row["true"].as_f64().unwrap() > 0.0), "{rows:?}");
        for row in rows {
            let (low, high) = (row["interval_95"][0].as_f64(), row["interval_95"][1].as_f64());
            let noised = row["noised"].as_f64();
            assert!(low < noised && noised < high, "{row}");
        }
    }
}

/// All but the noise, which nothing can fix: it is drawn by the aggregation service.
#[test]
fn chromium_and_played_requests_tell_the_same() {
    let [browser, played] = WAYS.map(|way| {
        let mut story = demo(&[way, &["--json", "--seed", "7"]].concat()).json();
        for event in story["events"].as_array_mut().unwrap() {
            for noised in ["noised", "interval_95"] {
                event.as_object_mut().unwrap().remove(noised);
            }
        }
        story
    });
    assert_eq!(browser, played);
    assert_ne!(browser["events"], json!([]));
}

/// But for the noise, which is in the third column of numbers.
#[test]
fn the_readme_tells_the_story() {
    let masked = |story: &str| -> Vec<String> {
        let mask = |line: &str| match line.split_once("noised") {
            Some((before, after)) => {
                format!("{before}noised {}", after.split_once('±').map_or(after, |(_, margin)| margin))
            }
            None => line.to_owned(),
        };
        story.lines().map(mask).collect()
    };
    let readme = include_str!("../../../README.md");
    let (_, rest) = readme.split_once("<!-- demo:begin -->\n```console\n").expect("a block in the README");
    let (command, rest) = rest.split_once('\n').expect("a command");
    assert_eq!(command, "$ cargo run --release -- demo");
    let (shown, _) = rest.split_once("```\n<!-- demo:end -->").expect("an end");
    for way in WAYS {
        let run = demo(way);
        assert_eq!(run.code, Some(0), "{run:?}");
        assert_eq!(masked(&run.stdout), masked(shown), "{way:?}");
    }
}
