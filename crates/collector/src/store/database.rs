//! What a database must do for the store: the same statements, in SQLite and in PostgreSQL.
//!
//! Statements use what both understand, with parameters `$1`, `$2`, … that first appear in this order: SQLite
//! numbers them by their appearance.

use super::{
    cell::Cell,
    tables::{Dialect, Table, migrations},
};

/// A connection.
pub(crate) trait Database: Send {
    /// Begins a transaction; with `alone`, no other one that is alone runs beside it.
    fn begin(&mut self, alone: bool) -> Result<(), StoreError>;

    /// Makes the transaction durable.
    fn commit(&mut self) -> Result<(), StoreError>;

    /// Undoes the transaction, as far as there is one. What fails here failed before.
    fn rollback(&mut self);

    /// Runs a statement; how many rows it changed.
    fn execute(&mut self, sql: &str, parameters: &[Cell]) -> Result<u64, StoreError>;

    /// Runs a query.
    fn query(&mut self, sql: &str, parameters: &[Cell]) -> Result<Vec<Vec<Cell>>, StoreError>;

    /// Inserts rows, each once: whether each is new.
    fn insert(&mut self, table: &Table, rows: &[Vec<Cell>]) -> Result<Vec<bool>, StoreError>;
}

/// All of `work` is done, durably, or nothing.
pub(crate) fn transaction<D: Database + ?Sized, T>(
    database: &mut D,
    alone: bool,
    work: impl FnOnce(&mut D) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let done =
        database.begin(alone).and_then(|()| work(database)).and_then(|done| database.commit().map(|()| done));
    if done.is_err() {
        database.rollback();
    }
    done
}

/// The migrations that a database has not had, and the version that it has after them.
///
/// # Errors
/// When the version that it has is unknown.
pub(crate) fn missing_migrations(
    dialect: Dialect,
    found: i64,
) -> Result<(impl Iterator<Item = String>, i64), StoreError> {
    let migrations = migrations(dialect);
    let known = migrations.len() as i64;
    let done = usize::try_from(found).ok().filter(|_| found <= known);
    let done = done.ok_or(StoreError::Newer { found, known })?;
    Ok((migrations.into_iter().skip(done), known))
}

/// Why the store did not do what it was asked to; nothing of it was done then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// SQLite says so.
    #[error("SQLite: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// PostgreSQL says so, or cannot be reached.
    #[error("PostgreSQL: {}", tell(.0))]
    Postgres(#[from] tokio_postgres::Error),
    /// No runtime for the connection.
    #[error("cannot start: {0}")]
    Io(#[from] std::io::Error),
    /// It was written by a later version.
    #[error("the database has schema {found}, and this is version {known}: use a newer collector")]
    Newer {
        /// The schema's version.
        found: i64,
        /// The latest that is known.
        known: i64,
    },
    /// A query took longer than it may.
    #[error("the database took too long to answer")]
    TooSlow,
    /// PostgreSQL has better ways than ours.
    #[error("a PostgreSQL database is copied by its own programs, such as pg_dump")]
    NoBackup,
    /// A row does not hold what it must.
    #[error("the database holds what no collector wrote: {0}")]
    Corrupt(&'static str),
}

/// What PostgreSQL's server says, which the error alone does not.
fn tell(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(said) => format!("{error}: {}", said.message()),
        None => error.to_string(),
    }
}
