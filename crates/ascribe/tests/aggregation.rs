//! `ascribe aggregation`: configurations are checked, and what is wrong with one keeps it from serving.

mod common;

use std::fs;

use common::run;

const CONFIG: &str = "keys = \"keys\"\nledger = \"budget.sqlite\"\ntokens = [\"token\"]\n\n[buckets]\nreports = \"s3://reports\"\n";

#[test]
fn a_configuration_is_checked_and_its_problems_have_places() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("aggregation.toml");
    fs::write(&file, CONFIG).unwrap();
    let file = file.to_str().unwrap();
    let check = run(&["aggregation", "check", file]);
    assert_eq!(check.code, Some(0), "{check:?}");
    assert!(
        check.stdout.contains("clients on 127.0.0.1:8100")
            && check.stdout.contains("bucket reports: s3://reports")
    );
    let json = run(&["aggregation", "check", file, "--json"]).json();
    assert_eq!(json["buckets"]["reports"], "s3://reports");

    fs::write(file, CONFIG.replace("tokens", "token")).unwrap();
    let check = run(&["aggregation", "check", file]);
    assert_eq!(check.code, Some(1));
    assert!(check.stdout.contains("aggregation.toml: line 3, column 1: unknown field `token`"), "{check:?}");
    assert_eq!(run(&["aggregation", "serve", file]).code, Some(2));
}

#[test]
fn a_service_without_keys_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("aggregation.toml");
    let any = "listen = \"127.0.0.1:0\"\noperations = \"127.0.0.1:0\"\n";
    fs::write(&file, format!("{any}{CONFIG}")).unwrap();
    let serve = run(&["aggregation", "serve", file.to_str().unwrap()]);
    assert_eq!((serve.code, serve.stdout.as_str()), (Some(2), ""));
    assert!(serve.stderr.contains("keys"), "{serve:?}");
}
