//! The files of a profile: whom they belong to, and how SQLite treats them.
#![expect(clippy::disallowed_methods, reason = "the host's half of the crate has a disk")]

#[cfg(unix)]
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags};

use super::{
    JournalError,
    schema::{self, Format},
};

/// In place of a path, in messages.
pub(super) const IN_MEMORY: &str = "memory";

/// A profile's directory, and the right to write in it.
#[derive(Debug)]
pub(super) struct Profile {
    journal: PathBuf,
    /// The lock is the operating system's: it ends with the process, however that ends.
    _lock: File,
}

impl Profile {
    /// Makes the directory, for its owner alone, and takes the lock.
    pub(super) fn open(dir: &Path) -> Result<Self, JournalError> {
        if !dir.is_dir() {
            make_private_dir(dir).map_err(JournalError::io(dir))?;
        }
        let lock_path = dir.join("ascribe.lock");
        let lock = private_file(&lock_path).map_err(JournalError::io(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(JournalError::InUse { path: dir.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(JournalError::io(&lock_path)(error)),
        }
        let journal = dir.join("ascribe.sqlite3");
        // Before SQLite makes it: its log gets the permissions of the file.
        private_file(&journal).map_err(JournalError::io(&journal))?;
        Ok(Self { journal, _lock: lock })
    }

    /// The file of SQLite.
    pub(super) fn journal(&self) -> &Path {
        &self.journal
    }

    /// Makes new files survive a power cut.
    pub(super) fn sync_directory(&self) -> Result<(), JournalError> {
        #[cfg(unix)]
        if let Some(dir) = self.journal.parent() {
            File::open(dir).and_then(|dir| dir.sync_all()).map_err(JournalError::io(dir))?;
        }
        Ok(())
    }

    /// Makes the write-ahead log survive a power cut. What is no longer in it, SQLite has synced itself.
    pub(super) fn sync(&self) -> Result<(), JournalError> {
        let mut log = self.journal.clone().into_os_string();
        log.push("-wal");
        let log = PathBuf::from(log);
        File::open(&log).and_then(|file| file.sync_all()).map_err(JournalError::io(&log))
    }
}

fn make_private_dir(dir: &Path) -> std::io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    builder.mode(0o700);
    builder.recursive(true).create(dir)
}

/// Opens or makes a file that nobody else may read.
fn private_file(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    options.mode(0o600);
    let file = options.read(true).write(true).create(true).truncate(false).open(path)?;
    #[cfg(unix)]
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    Ok(file)
}

/// Connects to a journal, which is empty or of a version that the migrations know.
pub(super) fn connect(path: &Path, migrations: &[&str]) -> Result<Connection, JournalError> {
    let failed = JournalError::of(path);
    let mut db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(&failed)?;
    // Who has it open keeps it open: waiting is no use.
    db.busy_timeout(std::time::Duration::ZERO).map_err(&failed)?;
    db.execute_batch(SAFETY).map_err(&failed)?;
    let version = match schema::format(&db).map_err(&failed)? {
        Format::Journal(version) => version,
        Format::Foreign => return Err(JournalError::NotAJournal { path: path.to_owned() }),
    };
    let known = migrations.len() as u32;
    if version > known {
        return Err(JournalError::Newer { path: path.to_owned(), version, known });
    }
    db.execute_batch(DURABILITY).map_err(&failed)?;
    schema::migrate(&mut db, version, migrations).map_err(&failed)?;
    Ok(db)
}

/// Without a file.
pub(super) fn in_memory() -> rusqlite::Result<Connection> {
    let mut db = Connection::open_in_memory()?;
    schema::migrate(&mut db, 0, schema::MIGRATIONS)?;
    Ok(db)
}

/// No other process reads while this one is there, so that nothing keeps the log from being emptied, and no
/// shared-memory file is needed. What is deleted is overwritten with zeros. What is sorted or copied stays in
/// memory, not in a temporary directory. The schema of a foreign file runs nothing.
const SAFETY: &str = "
    PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA secure_delete = ON;
    PRAGMA temp_store = MEMORY;
    PRAGMA trusted_schema = OFF;
    PRAGMA cell_size_check = ON;";

/// With a write-ahead log, a transaction that is only written, and not synced, already survives the end of the
/// process, and a power cut leaves whole transactions. Syncing each would make every registration wait for
/// the disk, a hundred times for a page with a hundred pixels; [`Profile::sync`] does it when it matters.
const DURABILITY: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;";
