//! `cargo +nightly fuzz run trigger_header`: any bytes as a trigger registration.
#![no_main]

#[allow(dead_code)]
#[path = "../../crates/headers/tests/fuzzing/mod.rs"]
mod fuzzing;

libfuzzer_sys::fuzz_target!(|header: &[u8]| fuzzing::trigger_header(header));
