//! What can only be seen or provoked from inside.
#![expect(clippy::disallowed_methods, reason = "a test reads the files")]

use ascribe_engine::{Config, Engine, ReportKey};
use ascribe_headers::{Site, SuitableOrigin};
use ascribe_reports::Time;

use super::*;

const NEXT: &str = "ALTER TABLE settings ADD COLUMN origin TEXT; UPDATE settings SET value = value || '!';";

#[test]
fn older_files_get_what_is_missing_and_keep_what_they_have() {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut journal, _) = Journal::open(dir.path()).expect("a new journal");
    journal.set_setting("a", "b").expect("room");
    let change = Change::NextIds { source: 1, report: 2 };
    journal.append(std::slice::from_ref(&change)).expect("room");
    drop(journal);

    let migrations = [schema::MIGRATIONS, &[NEXT]].concat();
    for _ in 0..2 {
        let (journal, changes) = Journal::open_with(dir.path(), &migrations).expect("an older journal");
        assert_eq!(changes.as_slice(), std::slice::from_ref(&change));
        assert_eq!(journal.setting("a").expect("readable").as_deref(), Some("b!"), "once");
    }
    let error = Journal::open(dir.path()).expect_err("it is newer now");
    let known = schema::MIGRATIONS.len() as u32;
    assert!(matches!(error, JournalError::Newer { version, .. } if version == known + 1), "{error:?}");
}

/// How many numbered changes there is room for in a journal that may not grow.
fn fill(journal: &mut Journal) -> u64 {
    let pages: i64 = journal.db.query_row("PRAGMA page_count", [], |row| row.get(0)).expect("a number");
    journal.db.query_row(&format!("PRAGMA max_page_count = {}", pages + 3), [], |_| Ok(())).expect("set");
    for n in 0.. {
        let change = Change::ReportRemoved(ReportKey(n));
        match journal.append(&[change.clone(), change]) {
            Ok(()) => {}
            Err(JournalError::Sqlite { source, .. }) if source.to_string().contains("full") => return n,
            Err(error) => panic!("{error:?}"),
        }
    }
    unreachable!("there is an end to it")
}

#[test]
fn a_full_disk_is_an_error_and_loses_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut journal, _) = Journal::open(dir.path()).expect("a new journal");
    let fitting = fill(&mut journal);
    assert!(fitting > 10, "{fitting}");
    let expected: Vec<_> = (0..fitting).flat_map(|n| [n, n]).collect();
    let stored = |changes: Vec<Change>| -> Vec<u64> {
        let key = |change| match change {
            Change::ReportRemoved(key) => key.0,
            other => panic!("{other:?}"),
        };
        changes.into_iter().map(key).collect()
    };
    assert_eq!(stored(journal.changes().expect("readable")), expected);
    drop(journal);
    assert_eq!(stored(Journal::open(dir.path()).expect("a journal").1), expected);
}

#[test]
fn a_compaction_without_room_leaves_the_changes() {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut journal, _) = Journal::open(dir.path()).expect("a new journal");
    fill(&mut journal);
    let changes = journal.changes().expect("readable");
    let many = (0..1000).map(|n| Change::DebugBudgetSpent {
        context_site: Site::parse(&format!("https://site{n}.example")).expect("a site"),
        reporting_origin: SuitableOrigin::parse("https://ads.example").expect("an origin"),
        time: Time::from_millis(n),
        budget: 1,
        source: None,
    });
    let engine = Engine::replay(Config::default(), &many.collect::<Vec<_>>());
    journal.compact(engine.state()).expect_err("there is no room");
    assert_eq!(journal.changes().expect("readable"), changes);
    journal.erase(engine.state(), |_| true).expect_err("there is no room");
    drop(journal);
    assert_eq!(Journal::open(dir.path()).expect("a journal").1, changes);
}

/// What a process leaves that was killed after the deletion was stored and before the log was empty.
#[test]
fn an_erasure_that_was_interrupted_is_finished_when_the_profile_is_opened() {
    let (dir, copy) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let (mut journal, _) = Journal::open(dir.path()).expect("a new journal");
    let change = Change::AttributionForgotten(ReportKey(412_444_888_111_012));
    journal.append(&[change]).expect("room");
    journal.replace(&State::default(), |_| Ok(())).expect("room");
    for name in ["ascribe.sqlite3", "ascribe.sqlite3-wal"] {
        std::fs::copy(dir.path().join(name), copy.path().join(name)).expect("room");
    }
    let says_it = || {
        std::fs::read_dir(copy.path()).expect("a directory").any(|entry| {
            let bytes = std::fs::read(entry.expect("a file").path()).expect("readable");
            bytes.windows(15).any(|window| window == b"412444888111012")
        })
    };
    assert!(says_it());
    let (_journal, changes) = Journal::open(copy.path()).expect("the journal of a killed process");
    assert_eq!(changes, State::default().snapshot());
    assert!(!says_it());
}

#[test]
fn a_migration_that_fails_leaves_the_file_as_it_was() {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut journal, _) = Journal::open(dir.path()).expect("a new journal");
    journal.set_setting("a", "b").expect("room");
    drop(journal);
    let migrations = [schema::MIGRATIONS, &[NEXT, "UPDATE nothing SET a = 1"]].concat();
    Journal::open_with(dir.path(), &migrations).expect_err("there is no such table");
    let (journal, _) = Journal::open(dir.path()).expect("still version 1");
    assert_eq!(journal.setting("a").expect("readable").as_deref(), Some("b"));
}
