//! The journal of a profile: what comes back, what never does, and what it says when it cannot.

mod common;

use std::path::Path;

use ascribe_agent::{Journal, JournalError};
use ascribe_engine::{Change, Config, Engine};
use common::Dice;

fn open(dir: &Path) -> (Journal, Vec<Change>) {
    Journal::open(dir).expect("a journal that opens")
}

/// A source and its event-level report, each as one step.
fn steps() -> (Engine, Vec<Vec<Change>>) {
    let (mut agent, mut dice) = (common::agent(), Dice::default());
    let steps = [
        common::source(&mut agent, 1, 0, &mut dice).changes,
        common::trigger(&mut agent, 2, 60, &mut dice).changes,
    ];
    (agent.engine().clone(), steps.into())
}

#[test]
fn what_was_appended_comes_back_in_order() {
    let dir = tempfile::tempdir().expect("a directory");
    let profile = dir.path().join("a/profile");
    let (engine, steps) = steps();
    let (mut journal, changes) = open(&profile);
    assert!(changes.is_empty());
    for step in &steps {
        journal.append(step).expect("room");
        journal.sync().expect("a disk");
    }
    drop(journal);
    let (mut journal, changes) = open(&profile);
    assert_eq!(changes, steps.concat());
    assert_eq!(Engine::replay(Config::default(), &changes).state(), engine.state());

    journal.compact(engine.state()).expect("room");
    drop(journal);
    let (mut journal, changes) = open(&profile);
    assert_eq!(changes, engine.state().snapshot());
    journal.erase(engine.state(), |_| false).expect("room");
    assert_eq!(journal.changes().expect("readable"), changes);
}

#[test]
fn a_profile_is_open_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let (journal, _) = open(dir.path());
    let error = Journal::open(dir.path()).expect_err("it is open");
    assert!(matches!(error, JournalError::InUse { .. }), "{error:?}");
    assert!(error.to_string().contains("in use"), "{error}");
    drop(journal);
    open(dir.path());
}
