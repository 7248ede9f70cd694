//! Replays the fuzz corpora.

mod fuzzing;

use std::{fs, path::Path};

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
fn report_bodies() {
    replay("report_body", fuzzing::report_body);
}

#[test]
fn tag_queries() {
    replay("tag_query", fuzzing::tag_query);
}

#[test]
fn campaigns_files() {
    replay("campaigns_file", fuzzing::campaigns_file);
}
