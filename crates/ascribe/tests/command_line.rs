//! What every command has in common: help, exit codes, colours, completions, manual pages.

mod common;

use std::process::Stdio;

use common::{ascribe, run};

#[test]
fn help_states_the_exit_codes() {
    let help = run(&["--help"]);
    assert_eq!(help.code, Some(0));
    assert!(help.stdout.contains("Exit codes: 0 if all is well, 1 if a check failed, 2"), "{}", help.stdout);
}

#[test]
fn a_misspelt_command_is_a_usage_error() {
    let run = run(&["privcay"]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("'privacy'"), "suggests what was meant: {}", run.stderr);
    assert_eq!(run.stdout, "");
}

#[test]
fn no_command_is_a_usage_error() {
    assert_eq!(run(&[]).code, Some(2));
}

#[test]
fn colours_are_for_terminals_unless_asked_for() {
    assert!(!run(&["privacy"]).stdout.contains('\x1b'));
    assert!(run(&["privacy", "--color", "always"]).stdout.contains('\x1b'));
    assert!(!run(&["privacy", "--color", "never"]).stdout.contains('\x1b'));
}

#[test]
fn no_color_is_honoured() {
    let forced =
        |name| ascribe(&["privacy"]).env("CLICOLOR_FORCE", "1").env(name, "1").output().expect("runs");
    assert!(forced("OTHER").stdout.contains(&b'\x1b'));
    assert!(!forced("NO_COLOR").stdout.contains(&b'\x1b'));
}

#[test]
fn completions_for_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let run = run(&["completions", shell]);
        assert_eq!(run.code, Some(0), "{shell}");
        assert!(run.stdout.contains("privacy") && run.stdout.contains("max-event-states"), "{shell}");
    }
    assert_eq!(run(&["completions", "cmd"]).code, Some(2));
}

#[test]
fn the_manual_page_is_printed() {
    let run = run(&["man"]);
    assert_eq!(run.code, Some(0));
    assert!(run.stdout.contains(".TH ascribe 1"), "{}", run.stdout);
}

#[test]
fn manual_pages_are_written() {
    let directory = tempfile::tempdir().expect("a directory");
    let out = directory.path().join("share").join("man1");
    let run = run(&["man", "--out", out.to_str().expect("UTF-8")]);
    assert_eq!(run.code, Some(0), "{run:?}");
    for page in ["ascribe.1", "ascribe-privacy.1", "ascribe-man.1", "ascribe-completions.1"] {
        let text = std::fs::read_to_string(out.join(page)).expect(page);
        assert!(text.contains(".TH"), "{page}");
    }
}

#[test]
fn where_writing_fails_is_said() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let path = file.path().to_str().expect("UTF-8");
    let run = run(&["man", "--out", path]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.starts_with(&format!("error: writing manual pages into {path}: ")), "{}", run.stderr);
}

#[test]
fn a_reader_who_leaves_is_no_error() {
    for args in [&["man"][..], &["privacy"], &["privacy", "--json"], &["completions", "zsh"]] {
        let mut command = ascribe(args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("runs");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("ends");
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{args:?}");
    }
}
