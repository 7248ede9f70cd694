//! Every input that the fuzz targets of this crate have kept, run again.
#![expect(clippy::disallowed_methods, reason = "tests read files")]

mod properties;

use std::{fs, path::Path};

fn replay(target: &str, property: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut inputs = 0;
    for entry in fs::read_dir(&corpus).unwrap_or_else(|error| panic!("{}: {error}", corpus.display())) {
        let path = entry.expect("an entry").path();
        property(&fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
        inputs += 1;
    }
    assert!(inputs > 0, "{} is empty", corpus.display());
}

#[test]
fn payloads() {
    replay("payload", properties::payload::payload);
}

#[test]
fn shared_infos() {
    replay("shared_info", properties::shared_info::shared_info);
}

#[test]
fn key_sets() {
    replay("key_set", properties::key_set::key_set);
}
