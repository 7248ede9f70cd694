//! Reading plaintext payloads.
#![no_main]

#[path = "../../crates/reports/tests/properties/payload.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| property::payload(bytes));
