//! `cargo bench -p ascribe-agent --features host --bench journal`: what it costs to remember.
//!
//! The disk is where temporary files are; set `TMPDIR` for another.

#[path = "../../engine/benches/common/mod.rs"]
mod common;

use std::cell::RefCell;

use ascribe_agent::Journal;
use ascribe_engine::{Change, Engine};
use ascribe_reports::Time;
use common::{draws, engine, source};
use divan::{Bencher, counter::ItemsCount};
use tempfile::TempDir;

fn main() {
    divan::main();
}

/// A profile in which sources are stored; the directory goes with the value.
fn profile(stored: &Engine) -> (TempDir, Journal) {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut journal, _) = Journal::open(dir.path()).expect("a journal");
    journal.compact(stored.state()).expect("room");
    (dir, journal)
}

/// The changes of one registered source.
fn changes() -> Vec<Change> {
    let now = Time::from_millis(1_700_000_000_000);
    engine(0).register_source(source(0, "reporter", "shop"), now, &mut draws()).changes
}

/// After which SIGKILL loses nothing.
#[divan::bench(args = [100, 10_000])]
fn append_a_source(bencher: Bencher<'_, '_>, stored: u64) {
    let (_dir, journal) = profile(&engine(stored));
    let (journal, changes) = (RefCell::new(journal), changes());
    bencher
        .counter(ItemsCount::new(1u32))
        .bench_local(|| journal.borrow_mut().append(&changes).expect("room"));
}

/// After which a power cut loses nothing.
#[divan::bench]
fn append_a_source_and_sync(bencher: Bencher<'_, '_>) {
    let (_dir, journal) = profile(&engine(100));
    let (journal, changes) = (RefCell::new(journal), changes());
    bencher.counter(ItemsCount::new(1u32)).bench_local(|| {
        let mut journal = journal.borrow_mut();
        journal.append(&changes).expect("room");
        journal.sync().expect("a disk");
    });
}

/// From the file to the engine.
#[divan::bench(args = [1_000, 10_000])]
fn open_and_replay(bencher: Bencher<'_, '_>, stored: u64) {
    let engine = engine(stored);
    let (dir, journal) = profile(&engine);
    drop(journal);
    bencher.counter(ItemsCount::new(stored)).bench_local(|| {
        let (_journal, changes) = Journal::open(dir.path()).expect("a journal");
        Engine::replay(engine.config().clone(), &changes)
    });
}

/// A snapshot in place of the changes.
#[divan::bench(args = [1_000, 10_000])]
fn compact(bencher: Bencher<'_, '_>, stored: u64) {
    let engine = engine(stored);
    let (_dir, journal) = profile(&engine);
    let journal = RefCell::new(journal);
    let compact = || journal.borrow_mut().compact(engine.state()).expect("room");
    bencher.counter(ItemsCount::new(stored)).bench_local(compact);
}

/// After a deletion by the user.
#[divan::bench(args = [100, 1_000, 10_000])]
fn erase(bencher: Bencher<'_, '_>, stored: u64) {
    let engine = engine(stored);
    let (_dir, journal) = profile(&engine);
    let journal = RefCell::new(journal);
    let erase = || journal.borrow_mut().erase(engine.state(), |_| false).expect("room");
    bencher.counter(ItemsCount::new(stored)).bench_local(erase);
}
