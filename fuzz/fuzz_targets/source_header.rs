//! `cargo +nightly fuzz run source_header`: any bytes as a source registration.
#![no_main]

#[allow(dead_code)]
#[path = "../../crates/headers/tests/fuzzing/mod.rs"]
mod fuzzing;

libfuzzer_sys::fuzz_target!(|header: &[u8]| fuzzing::source_header(header));
