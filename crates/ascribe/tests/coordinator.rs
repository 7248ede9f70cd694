//! `ascribe coordinator`: keys on disk and what is told of them.

mod common;

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use common::{Run, ascribe, run};

const PASSPHRASE: &str = "nobody guesses this";

fn with_passphrase(args: &[&str]) -> Run {
    ascribe(args).env("ASCRIBE_PASSPHRASE", PASSPHRASE).output().unwrap().into()
}

fn files(directory: &Path) -> Vec<String> {
    let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in &files {
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }
    files.iter().map(|file| fs::read_to_string(file).unwrap()).collect()
}

#[test]
fn keys_are_made_listed_and_rotated_and_no_secret_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    let keys_path = keys.to_str().unwrap();
    let made = run(&["coordinator", "keys", "new", keys_path, "--json"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let secret: serde_json::Value = serde_json::from_str(&files(&keys)[0]).unwrap();
    let secret = secret["private_key"].as_str().unwrap().to_owned();
    let listed = run(&["coordinator", "keys", "list", keys_path, "--json"]);
    assert_eq!(listed.json()["keys"][0]["state"], "published");
    let rotated = run(&["coordinator", "keys", "rotate", keys_path, "--json", "--lead", "1h"]);
    let keys_after = rotated.json()["keys"].clone();
    assert_eq!((&keys_after[0]["done"], &keys_after[0]["state"]), (&"made".into(), &"pending".into()));
    assert_eq!((&keys_after[1]["done"], &keys_after[1]["state"]), (&"ends".into(), &"published".into()));
    assert_eq!(files(&keys).len(), 2);
    for told in [made, listed, rotated] {
        assert!(!told.stdout.contains(&secret) && !told.stderr.contains(&secret));
    }
}

#[test]
fn what_was_encrypted_stays_so_when_it_is_rotated() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    let keys_path = keys.to_str().unwrap();
    let made = with_passphrase(&["coordinator", "keys", "new", keys_path, "--encrypt"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let rotated = with_passphrase(&["coordinator", "keys", "rotate", keys_path]);
    assert_eq!(rotated.code, Some(0), "{rotated:?}");
    let files = files(&keys);
    assert_eq!(files.len(), 2);
    for file in files {
        assert!(file.contains("encrypted_private_key") && !file.contains("\"private_key\""), "{file}");
        assert!(!file.contains(PASSPHRASE));
    }
    // Neither a passphrase nor somebody to ask for it.
    let refused = run(&["coordinator", "keys", "rotate", keys_path]);
    assert_ne!(refused.code, Some(0));
    assert!(refused.stderr.contains("--passphrase-file"), "{refused:?}");
}

#[test]
fn keys_that_others_can_read_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    let keys_path = keys.to_str().unwrap();
    assert_eq!(run(&["coordinator", "keys", "new", keys_path]).code, Some(0));
    let file = fs::read_dir(&keys).unwrap().next().unwrap().unwrap().path();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let refused = run(&["coordinator", "keys", "list", keys_path]);
    assert_ne!(refused.code, Some(0));
    assert!(refused.stderr.contains("0600"), "{refused:?}");
}
