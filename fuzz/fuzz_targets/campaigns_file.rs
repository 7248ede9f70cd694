//! `cargo +nightly fuzz run campaigns_file`: any bytes as a campaigns file.
#![no_main]

#[allow(dead_code)]
#[path = "../../crates/collector/tests/fuzzing/mod.rs"]
mod fuzzing;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzing::campaigns_file(bytes));
