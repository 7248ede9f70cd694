//! The README shows what really happens: `examples/guide/transcript.txt` is run again, and it is what the
//! README holds between its markers. With `ASCRIBE_BLESS=1`, both are written anew instead.

mod common;

use std::{fs, path::PathBuf};

use common::ascribe;

const TRANSCRIPT: &str = "examples/guide/transcript.txt";
const BEGIN: &str = "<!-- transcript:begin -->\n```console\n";
const END: &str = "```\n<!-- transcript:end -->";
const BLESS: &str = "ASCRIBE_BLESS=1 cargo test -p ascribe --test transcript";
/// How commands are written: what a reader types in a fresh clone.
const PROMPT: &str = "$ cargo run --release -- ";

fn at_root(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(at_root(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn blessing() -> bool {
    std::env::var_os("ASCRIBE_BLESS").is_some_and(|value| value == "1")
}

/// The transcript's commands, each with what it prints now.
fn rerun(transcript: &str) -> String {
    let commands: Vec<_> = transcript.lines().filter_map(|line| line.strip_prefix(PROMPT)).collect();
    assert!(!commands.is_empty(), "no line of {TRANSCRIPT} starts with {PROMPT:?}");
    let run = |command: &str| {
        let arguments: Vec<_> = command.split_whitespace().collect();
        let output = ascribe(&arguments).current_dir(at_root("")).output().expect("the binary runs");
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        format!("{PROMPT}{command}\n{}", String::from_utf8(output.stdout).expect("UTF-8"))
    };
    commands.into_iter().map(run).collect()
}

/// Fails at the first line that differs.
fn compare(file: &str, recorded: &str, actual: &str) {
    let lines = |text: &str| text.lines().map(str::to_owned).chain(["(end)".to_owned()]).collect::<Vec<_>>();
    for (recorded, actual) in lines(recorded).iter().zip(&lines(actual)) {
        assert_eq!(recorded, actual, "{file} differs: {BLESS}");
    }
}

/// Before, in and after the markers.
fn parts_of(readme: &str) -> (&str, &str, &str) {
    let parts = readme
        .split_once(BEGIN)
        .and_then(|(before, rest)| rest.split_once(END).map(|(shown, after)| (before, shown, after)));
    parts.unwrap_or_else(|| {
        panic!("README.md has no transcript between {BEGIN:?} and {END:?}: add one, then {BLESS}")
    })
}

#[test]
fn the_readme_shows_what_its_commands_print() {
    let (recorded, readme) = (read(TRANSCRIPT), read("README.md"));
    let actual = rerun(&recorded);
    let (before, shown, after) = parts_of(&readme);
    if blessing() {
        fs::write(at_root(TRANSCRIPT), &actual).expect("the transcript can be written");
        let readme = format!("{before}{BEGIN}{actual}{END}{after}");
        fs::write(at_root("README.md"), readme).expect("the README can be written");
        return;
    }
    compare(TRANSCRIPT, &recorded, &actual);
    compare("README.md", shown, &actual);
}

#[test]
fn the_cases_of_the_guide_lead_to_what_they_say() {
    let output = ascribe(&["simulate", "--check", "examples/guide"]).current_dir(at_root("")).output();
    let output = output.expect("the binary runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
