//! The journal of a profile: what comes back, and what it says when it cannot.
#![expect(clippy::disallowed_methods, reason = "the test damages the files")]

mod common;

use std::{fs, path::Path};

use ascribe_agent::{Agent, Journal, JournalError};
use ascribe_engine::{Change, Config, Engine, PendingReport};
use common::{Dice, agent, at, source, trigger};
use rusqlite::Connection;

fn open(dir: &Path) -> (Journal, Vec<Change>) {
    Journal::open(dir).expect("a journal that opens")
}

fn refused(dir: &Path) -> JournalError {
    Journal::open(dir).expect_err("it cannot be opened")
}

fn file(dir: &Path) -> std::path::PathBuf {
    dir.join("ascribe.sqlite3")
}

fn tempdir() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

/// A source and its event-level report, each as one step.
fn steps() -> (Agent, [Vec<Change>; 2]) {
    let (mut agent, mut dice) = (agent(), Dice::default());
    let steps = [source(&mut agent, 1, 0, &mut dice).changes, trigger(&mut agent, 2, 60, &mut dice).changes];
    (agent, steps)
}

/// Fills a profile with those steps.
fn filled(dir: &Path) -> Vec<Change> {
    let (_, steps) = steps();
    let (mut journal, _) = open(dir);
    steps.iter().for_each(|step| journal.append(step).expect("room"));
    steps.concat()
}

fn report() -> PendingReport {
    let (agent, _) = steps();
    let stored = agent.engine().state().reports().next().expect("a report");
    stored.report.clone()
}

#[test]
fn what_was_appended_comes_back_in_order() {
    let dir = tempdir();
    let profile = dir.path().join("a/profile");
    let (agent, steps) = steps();
    let state = agent.engine().state();
    let (mut journal, changes) = open(&profile);
    assert!(changes.is_empty());
    for step in &steps {
        journal.append(step).expect("room");
        journal.sync().expect("a disk");
        journal.sync().expect("nothing to do");
    }
    journal.append(&[]).expect("nothing to do");
    drop(journal);
    let (mut journal, changes) = open(&profile);
    assert_eq!(changes, steps.concat());
    assert_eq!(Engine::replay(Config::default(), &changes).state(), state);

    journal.compact(state).expect("room");
    drop(journal);
    let (mut journal, changes) = open(&profile);
    assert_eq!(changes, state.snapshot());
    journal.append(&steps[0]).expect("room");
    journal.erase(state, |_| true).expect("room");
    assert_eq!(journal.changes().expect("readable"), changes);
}

#[test]
fn changes_come_after_their_snapshot() {
    let dir = tempdir();
    let (mut agent, mut dice) = (agent(), Dice::default());
    let (mut journal, _) = open(dir.path());
    let mut expected = Vec::new();
    for n in 0..10 {
        let changes = source(&mut agent, n, n as i64, &mut dice).changes;
        journal.append(&changes).expect("room");
        expected.extend(changes);
        if n % 4 == 3 {
            journal.compact(agent.engine().state()).expect("room");
            expected = agent.engine().state().snapshot();
        }
    }
    drop(journal);
    assert_eq!(open(dir.path()).1, expected);
}

#[test]
fn compaction_is_wanted_when_the_changes_outgrow_the_snapshot() {
    let dir = tempdir();
    let (mut agent, mut dice) = (agent(), Dice::default());
    let (mut journal, _) = open(dir.path());
    let mut compactions = Vec::new();
    let mut appended = 0;
    for n in 0..1500 {
        let changes = source(&mut agent, n, n as i64, &mut dice).changes;
        appended += changes.iter().map(|c| serde_json::to_string(c).expect("JSON").len()).sum::<usize>();
        journal.append(&changes).expect("room");
        if journal.wants_compaction() {
            compactions.push(appended);
            journal.compact(agent.engine().state()).expect("room");
            assert!(!journal.wants_compaction());
        }
    }
    assert!(compactions.len() >= 2, "{compactions:?}");
    assert!(compactions[0] > 256 * 1024 && compactions[0] < 260 * 1024, "{compactions:?}");
    assert!(compactions.windows(2).all(|pair| pair[1] > pair[0] * 3 / 2), "ever rarer: {compactions:?}");
    // The sizes are known again when it is opened again.
    let wanted = journal.wants_compaction();
    drop(journal);
    let (mut journal, changes) = open(dir.path());
    assert_eq!(journal.wants_compaction(), wanted);
    journal.append(&changes).expect("room");
    assert!(journal.wants_compaction());
    drop(journal);
    assert!(open(dir.path()).0.wants_compaction());
}

#[test]
fn a_profile_is_open_once() {
    let dir = tempdir();
    let (journal, _) = open(dir.path());
    let error = refused(dir.path());
    assert!(matches!(error, JournalError::InUse { .. }), "{error:?}");
    assert!(error.to_string().contains("in use"), "{error}");
    drop(journal);
    open(dir.path());
}

#[test]
fn a_profile_that_another_program_reads_is_in_use() {
    let dir = tempdir();
    filled(dir.path());
    let reader = Connection::open(file(dir.path())).expect("SQLite");
    reader.execute_batch("BEGIN; SELECT * FROM changes;").expect("a reader");
    let error = refused(dir.path());
    assert!(matches!(error, JournalError::InUse { .. }), "{error:?}");
    drop(reader);
    open(dir.path());
}

#[test]
fn garbage_is_refused_and_left_alone() {
    let dir = tempdir();
    let garbage = b"This is not a database, but somebody's only copy of a letter. ".repeat(100);
    fs::write(file(dir.path()), &garbage).expect("room");
    let error = refused(dir.path());
    assert!(matches!(error, JournalError::NotAJournal { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("ascribe.sqlite3 is not a journal") && text.contains("move it away"), "{text}");
    assert_eq!(fs::read(file(dir.path())).expect("readable"), garbage);
    // The lock does not stay behind.
    assert!(matches!(refused(dir.path()), JournalError::NotAJournal { .. }));
}

#[test]
fn the_database_of_another_program_is_refused_and_left_alone() {
    for foreign in ["CREATE TABLE letters (text)", "PRAGMA application_id = 7", "PRAGMA user_version = 1"] {
        let dir = tempdir();
        let db = Connection::open(file(dir.path())).expect("SQLite");
        db.execute_batch(foreign).expect("room");
        drop(db);
        let before = fs::read(file(dir.path())).expect("readable");
        let error = refused(dir.path());
        assert!(matches!(error, JournalError::NotAJournal { .. }), "{foreign}: {error:?}");
        assert_eq!(fs::read(file(dir.path())).expect("readable"), before, "{foreign}");
    }
}

#[test]
fn an_empty_file_is_a_new_journal() {
    let dir = tempdir();
    fs::write(file(dir.path()), b"").expect("room");
    assert!(open(dir.path()).1.is_empty());
}

#[test]
fn a_newer_format_is_refused_with_its_version() {
    let dir = tempdir();
    filled(dir.path());
    let db = Connection::open(file(dir.path())).expect("SQLite");
    db.execute_batch("PRAGMA user_version = 2").expect("room");
    drop(db);
    let error = refused(dir.path());
    assert!(matches!(error, JournalError::Newer { version: 2, known: 1, .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("newer Ascribe") && text.contains("version 2"), "{text}");
}

#[test]
fn a_damaged_row_is_named_and_nothing_is_given() {
    let dir = tempdir();
    let whole = filled(dir.path());
    for (damage, table) in [
        (
            "UPDATE changes SET change = replace(change, 'https://news', 'http://news') WHERE id = 1",
            "changes",
        ),
        ("UPDATE changes SET change = '{' WHERE id = 1", "changes"),
        ("UPDATE changes SET change = CAST(x'ff22' AS TEXT) WHERE id = 1", "changes"),
        ("INSERT INTO snapshot VALUES (1, '{\"Nonsense\":1}')", "snapshot"),
    ] {
        let db = Connection::open(file(dir.path())).expect("SQLite");
        let intact: String =
            db.query_row("SELECT change FROM changes WHERE id = 1", [], |row| row.get(0)).expect("a row");
        db.execute_batch(damage).expect("room");
        drop(db);
        let error = refused(dir.path());
        assert!(matches!(error, JournalError::Corrupt { .. }), "{damage}: {error:?}");
        assert!(error.to_string().contains(&format!("row 1 of {table}")), "{damage}: {error}");
        let db = Connection::open(file(dir.path())).expect("SQLite");
        db.execute("UPDATE changes SET change = ?1 WHERE id = 1", [intact]).expect("room");
        db.execute("DELETE FROM snapshot", []).expect("room");
    }
    assert_eq!(open(dir.path()).1, whole);
}

#[test]
fn a_damaged_page_is_noticed() {
    let dir = tempdir();
    filled(dir.path());
    let mut bytes = fs::read(file(dir.path())).expect("readable");
    bytes.truncate(bytes.len() / 2 / 4096 * 4096);
    fs::write(file(dir.path()), bytes).expect("room");
    let error = refused(dir.path());
    assert!(matches!(error, JournalError::Corrupt { .. }), "{error:?}");
    assert!(error.to_string().contains("is damaged"), "{error}");
}

#[cfg(unix)]
#[test]
fn nobody_else_can_read_a_profile() {
    use std::os::unix::fs::PermissionsExt;

    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    let dir = tempdir();
    let profile = dir.path().join("profile");
    let (mut journal, _) = open(&profile);
    let (_, steps) = steps();
    journal.append(&steps[0]).expect("room");
    assert_eq!(mode(&profile), 0o700);
    let files: Vec<_> =
        fs::read_dir(&profile).expect("a directory").map(|entry| entry.expect("a file").path()).collect();
    assert_eq!(files.len(), 3, "file, log and lock: {files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{file:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_directory_that_is_none_is_an_error_of_the_system() {
    let dir = tempdir();
    let path = dir.path().join("file");
    fs::write(&path, b"").expect("room");
    let error = refused(&path);
    assert!(matches!(error, JournalError::Io { .. }), "{error:?}");
}

#[test]
fn settings_survive() {
    let dir = tempdir();
    let (mut journal, _) = open(dir.path());
    assert_eq!(journal.setting("clock offset").expect("readable"), None);
    journal.set_setting("clock offset", "1").expect("room");
    journal.set_setting("clock offset", "2592000000").expect("room");
    journal.set_setting("other", "").expect("room");
    journal.erase(agent().engine().state(), |_| true).expect("room");
    drop(journal);
    let (journal, _) = open(dir.path());
    assert_eq!(journal.setting("clock offset").expect("readable").as_deref(), Some("2592000000"));
    assert_eq!(journal.setting("other").expect("readable").as_deref(), Some(""));
}

#[test]
fn undeliverable_reports_are_kept_up_to_a_number() {
    let dir = tempdir();
    let (mut journal, _) = open(dir.path());
    let PendingReport::Event(event) = report() else { panic!("an event-level report") };
    let numbered = |n: u128| {
        let mut event = (*event).clone();
        event.report.report_id = ascribe_reports::ReportId::from_u128(n);
        PendingReport::Event(event.into())
    };
    let max = Journal::MAX_UNDELIVERABLE as u128;
    for n in 0..max {
        journal.keep_undeliverable(&numbered(n), "no route to host", at(n as i64)).expect("room");
    }
    assert_eq!(journal.undeliverable().expect("readable").len(), Journal::MAX_UNDELIVERABLE);
    assert_eq!(journal.undeliverable().expect("readable")[0].report, numbered(0));
    journal.keep_undeliverable(&numbered(max), "timed out", at(7)).expect("room");
    // The same again: a process that ended between keeping a report and removing it.
    journal.keep_undeliverable(&numbered(max), "refused", at(8)).expect("room");
    drop(journal);
    let (journal, _) = open(dir.path());
    let kept = journal.undeliverable().expect("readable");
    assert_eq!(kept.len(), Journal::MAX_UNDELIVERABLE);
    assert_eq!(kept[0].report, numbered(1));
    let last = kept.last().expect("many");
    assert_eq!((&last.report, &*last.why, last.at), (&numbered(max), "refused", at(8)));
}

#[test]
fn a_journal_in_memory_keeps_what_is_not_replayed() {
    let mut journal = Journal::in_memory().expect("memory");
    let (agent, steps) = steps();
    journal.append(&steps[0]).expect("memory");
    journal.sync().expect("nothing to do");
    journal.compact(agent.engine().state()).expect("nothing to do");
    assert!(journal.changes().expect("memory").is_empty());
    assert!(!journal.wants_compaction());
    journal.set_setting("a", "b").expect("memory");
    assert_eq!(journal.setting("a").expect("memory").as_deref(), Some("b"));
    journal.keep_undeliverable(&report(), "refused", at(0)).expect("memory");
    assert_eq!(journal.undeliverable().expect("memory").len(), 1);
    journal.erase(agent.engine().state(), |_| true).expect("memory");
    assert!(journal.undeliverable().expect("memory").is_empty());
}
