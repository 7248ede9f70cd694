//! `cargo +nightly fuzz run sf_headers`: any bytes as each of the structured fields.
#![no_main]

#[allow(dead_code)]
#[path = "../../crates/headers/tests/fuzzing/mod.rs"]
mod fuzzing;

libfuzzer_sys::fuzz_target!(|header: &[u8]| fuzzing::sf_headers(header));
