//! The tables of a journal, and how older files get them.

use rusqlite::{Connection, TransactionBehavior};

/// Each makes the next version of the format; the version of a file is how many of them it has had. They are
/// never edited, only added to.
pub(super) const MIGRATIONS: &[&str] = &[
    // 1. The state is the snapshot's changes and then the others, each in order of their IDs, as JSON.
    "CREATE TABLE snapshot (id INTEGER PRIMARY KEY, change TEXT NOT NULL) STRICT;
     CREATE TABLE changes (id INTEGER PRIMARY KEY, change TEXT NOT NULL) STRICT;
     CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
     CREATE TABLE undeliverable (
         id INTEGER PRIMARY KEY,
         report_id TEXT NOT NULL UNIQUE,
         report TEXT NOT NULL,
         why TEXT NOT NULL,
         at INTEGER NOT NULL
     ) STRICT;",
];

/// "ascr": marks a file of SQLite as a journal.
const APPLICATION_ID: i32 = 0x6173_6372;

/// What a file is.
pub(super) enum Format {
    /// A journal of this version; 0 when it is empty.
    Journal(u32),
    /// The file of another program.
    Foreign,
}

/// What a file is; nothing is written.
pub(super) fn format(db: &Connection) -> rusqlite::Result<Format> {
    let number = |pragma| db.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0));
    let tables: u32 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let version = u32::try_from(number("user_version")?);
    Ok(match (number("application_id")?, version, tables) {
        (APPLICATION_ID, Ok(version), _) => Format::Journal(version),
        (0, Ok(0), 0) => Format::Journal(0),
        _ => Format::Foreign,
    })
}

/// Brings a file of an older version to the newest, whole or not at all.
pub(super) fn migrate(db: &mut Connection, version: u32, migrations: &[&str]) -> rusqlite::Result<()> {
    let done = usize::try_from(version).unwrap_or(usize::MAX);
    let Some(missing) = migrations.get(done..).filter(|missing| !missing.is_empty()) else { return Ok(()) };
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for migration in missing {
        tx.execute_batch(migration)?;
    }
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    tx.pragma_update(None, "user_version", migrations.len() as i64)?;
    tx.commit()
}
