//! Reading shared info.
#![no_main]

#[path = "../../crates/reports/tests/properties/shared_info.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| property::shared_info(bytes));
