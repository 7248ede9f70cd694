//! `cargo +nightly fuzz run engine_ops`: any registrations, deletions and deliveries in any order.
#![no_main]

#[path = "../../crates/engine/tests/properties/mod.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    properties::engine_ops(bytes);
});
