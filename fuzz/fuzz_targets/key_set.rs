//! Reading sets of keys, public and private.
#![no_main]

#[path = "../../crates/reports/tests/properties/key_set.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| property::key_set(bytes));
