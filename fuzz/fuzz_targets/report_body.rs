//! `cargo +nightly fuzz run report_body`: any bytes as the body of a report.
#![no_main]

#[allow(dead_code)]
#[path = "../../crates/collector/tests/fuzzing/mod.rs"]
mod fuzzing;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzing::report_body(bytes));
