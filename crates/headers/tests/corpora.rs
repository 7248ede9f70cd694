//! Replays the fuzz corpora, and what fuzzing has found.

mod fuzzing;

use std::{fs, path::Path};

#[expect(clippy::disallowed_methods, reason = "the corpora are files")]
fn replay(target: &str, run: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut count = 0;
    for entry in fs::read_dir(&corpus).expect("the corpus is part of the repository") {
        run(&fs::read(entry.expect("a readable folder").path()).expect("a readable file"));
        count += 1;
    }
    assert!(count >= 5, "{count} files in {}", corpus.display());
}

#[test]
fn source_headers() {
    replay("source_header", fuzzing::source_header);
}

#[test]
fn trigger_headers() {
    replay("trigger_header", fuzzing::trigger_header);
}

#[test]
fn structured_field_headers() {
    replay("sf_headers", fuzzing::sf_headers);
}
