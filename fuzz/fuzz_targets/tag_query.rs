//! `cargo +nightly fuzz run tag_query`: any query of a tag.
#![no_main]

#[allow(dead_code)]
#[path = "../../crates/collector/tests/fuzzing/mod.rs"]
mod fuzzing;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzing::tag_query(bytes));
