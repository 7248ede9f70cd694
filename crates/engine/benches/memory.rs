//! `cargo bench -p ascribe-engine --bench memory`: what a stored source takes, indexes included.
//!
//! The table's `max alloc` is for all of the 10,000 sources.
#![expect(clippy::print_stdout, reason = "a program that tells a figure")]

mod common;

use common::engine;
use divan::AllocProfiler;

#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

fn main() {
    println!("10,000 stored sources with two filter keys and two aggregation keys: see `max alloc` / 10,000");
    divan::main();
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn ten_thousand_sources() -> ascribe_engine::Engine {
    engine(10_000)
}
