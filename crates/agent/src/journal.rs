//! The journal: what a profile remembers, in one SQLite file.
//!
//! Here is what is stored and when it is deleted; [`file`] has how SQLite treats the files, [`schema`] the
//! tables and their versions.

mod error;
mod file;
mod schema;

use std::path::Path;

use ascribe_engine::{Change, PendingReport, State};
use ascribe_reports::Time;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use serde::{Serialize, de::DeserializeOwned};

pub use error::JournalError;
use file::Profile;

/// What a profile remembers, in one SQLite file.
///
/// Everything that the engine changes is appended here before anything leaves; [`open`](Self::open) gives the
/// changes back, and the engine that [replays](ascribe_engine::Engine::replay) them is the engine that there
/// was. So a report that is sent after a crash is the same report, under the same ID: the ID was drawn when the
/// report was stored.
///
/// **What survives what.** [`append`](Self::append) is one transaction: after it, the end of this process at any
/// moment (SIGKILL too) loses nothing, and a transaction is there whole or not at all. A power cut may lose the
/// latest transactions, never a part of one, back to the last [`sync`](Self::sync). A host syncs before reports
/// leave: then nothing that was told to anybody is forgotten, and no budget is spent twice.
///
/// **How long it is.** A snapshot of the state takes the place of the changes when these are longer than the
/// last snapshot ([`wants_compaction`](Self::wants_compaction)). Each compaction writes at most about as much
/// as the one before and what was appended since, so that appending costs the same on average, however much
/// is stored; and the journal is never much longer than two snapshots.
///
/// **What is deleted.** After [`erase`](Self::erase), no byte of what the user cleared is in any file of the
/// profile. What goes in the ordinary course (reports that were sent, sources that expired) leaves at the next
/// [`compact`](Self::compact), which a host calls when it is wanted and when it shuts down. The blocks that a
/// file system or a disk keeps of files that became shorter are out of reach.
#[derive(Debug)]
pub struct Journal {
    db: Connection,
    /// None for what is in memory only.
    profile: Option<Profile>,
    size: Size,
    /// Whether a power cut would lose something.
    unsynced: bool,
}

/// In bytes of JSON.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    snapshot: usize,
    changes: usize,
}

/// A report that was given up and is kept for a look at it.
#[derive(Clone, Debug, PartialEq)]
pub struct Undeliverable {
    /// The report.
    pub report: PendingReport,
    /// What went wrong at last.
    pub why: String,
    /// When it was given up.
    pub at: Time,
}

/// Fewer bytes of changes are not worth a compaction.
const WORTH_COMPACTING: usize = 256 * 1024;

impl Journal {
    /// At most this many undeliverable reports are kept; the newest.
    pub const MAX_UNDELIVERABLE: usize = 1000;

    /// Opens the journal of a profile, a directory that is created when there is none, and gives what was
    /// stored, in order.
    ///
    /// # Errors
    /// [`JournalError::InUse`] when the profile is open, here or in another process, until that has ended;
    /// [`JournalError::Newer`], [`JournalError::NotAJournal`] and [`JournalError::Corrupt`] when the file
    /// cannot be read; then nothing was changed.
    pub fn open(profile_dir: &Path) -> Result<(Self, Vec<Change>), JournalError> {
        Self::open_with(profile_dir, schema::MIGRATIONS)
    }

    fn open_with(profile_dir: &Path, migrations: &[&str]) -> Result<(Self, Vec<Change>), JournalError> {
        let profile = Profile::open(profile_dir)?;
        let path = profile.journal().to_owned();
        let db = file::connect(&path, migrations)?;
        profile.sync_directory()?;
        let mut journal = Self { db, profile: Some(profile), size: Size::default(), unsynced: false };
        // What a deletion left in the write-ahead log, when the process ended in the middle of it, goes now.
        journal.empty_log()?;
        let changes = journal.changes()?;
        Ok((journal, changes))
    }

    /// A journal that ends with the process: changes are not kept at all, settings and undeliverable reports
    /// in memory.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn in_memory() -> Result<Self, JournalError> {
        let db = file::in_memory().map_err(JournalError::of(file::IN_MEMORY.as_ref()))?;
        Ok(Self { db, profile: None, size: Size::default(), unsynced: false })
    }

    /// All that is stored, in order: for a host that could not append and starts again from here.
    ///
    /// # Errors
    /// [`JournalError::Corrupt`] names the row; no changes are given then.
    pub fn changes(&mut self) -> Result<Vec<Change>, JournalError> {
        let mut changes = Vec::new();
        self.size.snapshot = self.read("snapshot", &mut changes)?;
        self.size.changes = self.read("changes", &mut changes)?;
        Ok(changes)
    }

    /// Appends the rows of a table, and gives their size.
    fn read(&self, table: &'static str, changes: &mut Vec<Change>) -> Result<usize, JournalError> {
        let mut size = 0;
        self.each_row(&format!("SELECT id, change FROM {table} ORDER BY id"), table, |row| {
            let text = row.get_ref(1)?.as_str()?;
            size += text.len();
            changes.push(from_json(text)?);
            Ok(())
        })?;
        Ok(size)
    }

    /// Stores changes, all or none of them; they survive the end of the process from then on.
    ///
    /// # Errors
    /// When they could not be stored: nothing may be sent then, and the engine that made them is ahead of the
    /// journal.
    pub fn append(&mut self, changes: &[Change]) -> Result<(), JournalError> {
        if self.profile.is_none() || changes.is_empty() {
            return Ok(());
        }
        let size = self.transact(|tx| insert(tx, "changes", changes))?;
        self.size.changes += size;
        Ok(())
    }

    /// Makes what was appended survive a power cut; costs nothing when nothing was.
    ///
    /// # Errors
    /// When the disk says so.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        if let Some(profile) = self.profile.as_ref().filter(|_| self.unsynced) {
            profile.sync()?;
            self.unsynced = false;
        }
        Ok(())
    }

    /// Whether the changes have become longer than the snapshot before them.
    #[must_use]
    pub fn wants_compaction(&self) -> bool {
        self.size.changes > self.size.snapshot.max(WORTH_COMPACTING)
    }

    /// Stores a snapshot in place of all changes: it must be of the state that they lead to. Whatever they
    /// told that the state no longer knows leaves the disk.
    ///
    /// # Errors
    /// When it could not be stored: the changes are still there then.
    pub fn compact(&mut self, state: &State) -> Result<(), JournalError> {
        self.replace(state, |_| Ok(()))?;
        self.empty_log()
    }

    /// Deletes, physically, what a state no longer knows, and the undeliverable reports that are to be
    /// forgotten too: after the user, or a site by `Clear-Site-Data`, has cleared something, in place of
    /// [`append`](Self::append). When it returns, no file of the profile has a byte of it, and it is gone for
    /// good, whatever happens to process or power. Settings stay.
    ///
    /// # Errors
    /// When something could not be deleted. What was cleared may still be stored then.
    pub fn erase(
        &mut self,
        state: &State,
        mut forgets: impl FnMut(&Undeliverable) -> bool,
    ) -> Result<(), JournalError> {
        let forgotten: Vec<i64> = self
            .undeliverable_rows()?
            .into_iter()
            .filter(|(_, kept)| forgets(kept))
            .map(|(id, _)| id)
            .collect();
        self.replace(state, |tx| {
            let mut delete = tx.prepare_cached("DELETE FROM undeliverable WHERE id = ?1")?;
            forgotten.iter().try_for_each(|id| delete.execute([id]).map(|_| ()))
        })?;
        if self.profile.is_some() {
            self.empty_log()?;
            self.db.execute_batch("VACUUM").map_err(self.failed())?;
            self.empty_log()?;
        }
        Ok(())
    }

    /// The snapshot in place of the changes, and something else, in one transaction.
    fn replace(
        &mut self,
        state: &State,
        also: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), JournalError> {
        let snapshot = if self.profile.is_some() { state.snapshot() } else { Vec::new() };
        let size = self.transact(|tx| {
            tx.execute("DELETE FROM changes", [])?;
            tx.execute("DELETE FROM snapshot", [])?;
            also(tx)?;
            insert(tx, "snapshot", &snapshot)
        })?;
        self.size = Size { snapshot: size, changes: 0 };
        Ok(())
    }

    /// Moves the write-ahead log into the file, and makes it empty.
    fn empty_log(&mut self) -> Result<(), JournalError> {
        if self.profile.is_some() {
            let busy = self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
            if busy.map_err(self.failed())? {
                return Err(JournalError::InUse { path: self.path().to_owned() });
            }
            self.unsynced = false;
        }
        Ok(())
    }

    /// A setting that was stored.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn setting(&self, name: &str) -> Result<Option<String>, JournalError> {
        let select = "SELECT value FROM settings WHERE name = ?1";
        self.db.query_row(select, [name], |row| row.get(0)).optional().map_err(self.failed())
    }

    /// Stores a setting in place of what it was.
    ///
    /// # Errors
    /// When it could not be stored.
    pub fn set_setting(&mut self, name: &str, value: &str) -> Result<(), JournalError> {
        self.transact(|tx| tx.execute("INSERT OR REPLACE INTO settings VALUES (?1, ?2)", [name, value]))?;
        Ok(())
    }

    /// Keeps a report that is given up; keeping it again changes nothing but why and when. The oldest of more
    /// than [`MAX_UNDELIVERABLE`](Self::MAX_UNDELIVERABLE) are dropped.
    ///
    /// # Errors
    /// When it could not be stored.
    pub fn keep_undeliverable(
        &mut self,
        report: &PendingReport,
        why: &str,
        at: Time,
    ) -> Result<(), JournalError> {
        let report_id = match report {
            PendingReport::Event(event) => event.report.report_id,
            PendingReport::Aggregatable(aggregatable) => aggregatable.report.report_id,
        };
        self.transact(|tx| {
            tx.execute(
                "INSERT OR REPLACE INTO undeliverable (report_id, report, why, at) VALUES (?1, ?2, ?3, ?4)",
                params![report_id.to_string(), to_json(report), why, at.as_millis()],
            )?;
            let newest_too_many = "SELECT id FROM undeliverable ORDER BY id DESC LIMIT 1 OFFSET ?1";
            let older = format!("DELETE FROM undeliverable WHERE id <= ({newest_too_many})");
            tx.execute(&older, [Self::MAX_UNDELIVERABLE as i64])
        })?;
        Ok(())
    }

    /// The reports that were given up, oldest first.
    ///
    /// # Errors
    /// [`JournalError::Corrupt`] names the row.
    pub fn undeliverable(&self) -> Result<Vec<Undeliverable>, JournalError> {
        Ok(self.undeliverable_rows()?.into_iter().map(|(_, kept)| kept).collect())
    }

    fn undeliverable_rows(&self) -> Result<Vec<(i64, Undeliverable)>, JournalError> {
        let mut rows = Vec::new();
        let select = "SELECT id, report, why, at FROM undeliverable ORDER BY id";
        self.each_row(select, "undeliverable", |row| {
            let report = from_json(row.get_ref(1)?.as_str()?)?;
            let kept = Undeliverable { report, why: row.get(2)?, at: Time::from_millis(row.get(3)?) };
            rows.push((row.get(0)?, kept));
            Ok(())
        })?;
        Ok(rows)
    }

    /// Reads the rows of a table; the first column is the ID.
    fn each_row(
        &self,
        select: &str,
        table: &'static str,
        mut read: impl FnMut(&rusqlite::Row<'_>) -> Result<(), BadRow>,
    ) -> Result<(), JournalError> {
        let mut select = self.db.prepare(select).map_err(self.failed())?;
        let mut rows = select.query([]).map_err(self.failed())?;
        while let Some(row) = rows.next().map_err(self.failed())? {
            read(row).map_err(|BadRow(why)| {
                let id: i64 = row.get(0).unwrap_or_default();
                JournalError::Corrupt {
                    path: self.path().to_owned(),
                    what: format!("row {id} of {table}: {why}"),
                }
            })?;
        }
        Ok(())
    }

    fn transact<T>(
        &mut self,
        write: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, JournalError> {
        let Self { db, profile, .. } = self;
        let all = || {
            let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let written = write(&tx)?;
            tx.commit()?;
            Ok(written)
        };
        let written = all().map_err(JournalError::of(path_of(profile.as_ref())))?;
        self.unsynced = true;
        Ok(written)
    }

    fn path(&self) -> &Path {
        path_of(self.profile.as_ref())
    }

    fn failed(&self) -> impl Fn(rusqlite::Error) -> JournalError {
        JournalError::of(self.path())
    }
}

fn path_of(profile: Option<&Profile>) -> &Path {
    profile.map_or(file::IN_MEMORY.as_ref(), Profile::journal)
}

/// Inserts changes into a table, and gives their size.
fn insert(tx: &Transaction<'_>, table: &str, changes: &[Change]) -> rusqlite::Result<usize> {
    let mut insert = tx.prepare_cached(&format!("INSERT INTO {table} (change) VALUES (?1)"))?;
    let mut size = 0;
    for change in changes {
        let text = to_json(change);
        size += text.len();
        insert.execute([text])?;
    }
    Ok(size)
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("all keys are strings, and writing to memory does not fail")
}

fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, BadRow> {
    serde_json::from_str(text).map_err(|why| BadRow(why.to_string()))
}

/// What is wrong with a row.
struct BadRow(String);

impl From<rusqlite::Error> for BadRow {
    fn from(error: rusqlite::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<rusqlite::types::FromSqlError> for BadRow {
    fn from(error: rusqlite::types::FromSqlError) -> Self {
        Self(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "a test reads the files")]

    use super::*;

    const NEXT: &str =
        "ALTER TABLE settings ADD COLUMN origin TEXT; UPDATE settings SET value = value || '!';";

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
            let change = Change::ReportRemoved(ascribe_engine::ReportKey(n));
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
            context_site: ascribe_headers::Site::parse(&format!("https://site{n}.example")).expect("a site"),
            reporting_origin: ascribe_headers::SuitableOrigin::parse("https://ads.example")
                .expect("an origin"),
            time: Time::from_millis(n),
            budget: 1,
            source: None,
        });
        let engine =
            ascribe_engine::Engine::replay(ascribe_engine::Config::default(), &many.collect::<Vec<_>>());
        journal.compact(engine.state()).expect_err("there is no room");
        assert_eq!(journal.changes().expect("readable"), changes);
        journal.erase(engine.state(), |_| true).expect_err("there is no room");
        drop(journal);
        assert_eq!(Journal::open(dir.path()).expect("a journal").1, changes);
    }

    /// What a process leaves that was killed after the deletion was stored and before the log was empty.
    #[test]
    fn an_erasure_that_was_interrupted_is_finished_when_the_profile_is_opened() {
        let (dir, copy) =
            (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let (mut journal, _) = Journal::open(dir.path()).expect("a new journal");
        let change = Change::AttributionForgotten(ascribe_engine::ReportKey(412_444_888_111_012));
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
}
