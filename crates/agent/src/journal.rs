//! The journal: what a profile remembers, in one SQLite file.
//!
//! Here is what is stored and when it is deleted; [`file`] has how SQLite treats the files, [`schema`] the
//! tables and their versions.

mod error;
mod file;
mod schema;
#[cfg(test)]
mod tests;
mod undeliverable;

use std::path::Path;

use ascribe_engine::{Change, State};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};
use serde::{Serialize, de::DeserializeOwned};

pub use error::JournalError;
use file::Profile;
pub use undeliverable::Undeliverable;

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

/// Fewer bytes of changes are not worth a compaction.
const WORTH_COMPACTING: usize = 256 * 1024;

impl Journal {
    /// Opens the journal of a profile, a directory that is created when there is none, and gives what was
    /// stored, in order.
    ///
    /// # Errors
    /// [`JournalError::InUse`] when the profile is open, here or in another process, until that has ended;
    /// [`JournalError::Newer`], [`JournalError::NotAJournal`] and [`JournalError::Corrupt`] when the file
    /// cannot be read; what it says was not changed then.
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

    /// Whether it survives the process.
    pub(crate) fn is_on_disk(&self) -> bool {
        self.profile.is_some()
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
        if self.profile.is_none() {
            return Ok(());
        }
        self.empty_log()?;
        self.db.execute_batch("VACUUM").map_err(self.failed())?;
        self.empty_log()?;
        // SQLite does not sync a log that it has emptied: after a power cut, it could be the old one.
        self.unsynced = true;
        self.sync()
    }

    /// Lets all that writes fail, or no longer.
    #[cfg(test)]
    pub(crate) fn fail(&self, fail: bool) {
        self.db.pragma_update(None, "query_only", fail).expect("a setting of SQLite");
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
