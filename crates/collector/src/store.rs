//! The store: every report once, which batch it is in, and how many sources were served.
//!
//! [`Store`] is one connection, and blocks: it belongs to a thread, not to a task. Collectors that share a
//! database each have connections of their own.

mod batching;
mod cell;
mod counting;
mod database;
mod postgres;
mod reading;
mod reports;
mod searching;
mod sqlite;
mod tables;

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use self::{
    cell::Cell,
    database::{Database, transaction},
};

pub use batching::{Batch, BatchKey, BatchPlan, BatchedReport};
pub use counting::{EventCount, ServedSource};
pub use database::StoreError;
pub use reading::{BatchOverview, PageOf, ReceivedCount, VerboseType, WaitingReports};
pub use reports::{NewReport, ReportBody};
pub use searching::{EventReport, ReportFilter, VerboseFilter, VerboseReport};

pub(crate) use reports::source_event_id;

/// Where a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreLocation {
    /// A SQLite file, which is created if it is not there.
    File(PathBuf),
    /// The URL of a PostgreSQL database, which must be there: `postgresql://user@host/name`.
    Postgres(String),
}

/// A connection to the store.
pub struct Store(Box<dyn Database>);

impl StoreLocation {
    /// What begins with `postgresql://` or `postgres://` is a URL; all else is a file.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let is_url = ["postgresql://", "postgres://"].iter().any(|scheme| text.starts_with(scheme));
        if is_url { Self::Postgres(text.to_owned()) } else { Self::File(text.into()) }
    }

    /// Copies a SQLite file as it is at one moment, also while a collector writes to it. The copy is not there
    /// before.
    ///
    /// # Errors
    /// When it is a PostgreSQL database, or cannot be read, or the copy written.
    pub fn backup(&self, copy: &Path) -> Result<(), StoreError> {
        let Self::File(path) = self else { return Err(StoreError::NoBackup) };
        let mut store = sqlite::Sqlite::open(path)?;
        let copy = Cell::Text(copy.to_string_lossy().into_owned());
        store.execute("VACUUM INTO $1", &[copy]).map(drop)
    }
}

impl Store {
    /// Connects, and brings the schema up to date.
    ///
    /// # Errors
    /// When it cannot be reached or written, or was written by a later version.
    pub fn open(location: &StoreLocation) -> Result<Self, StoreError> {
        Ok(Self(match location {
            StoreLocation::File(path) => Box::new(sqlite::Sqlite::open(path)?),
            StoreLocation::Postgres(url) => Box::new(postgres::Postgres::open(url)?),
        }))
    }

    /// Connects to read: nothing can be written, and a query that takes longer than `patience` ends with
    /// [`StoreError::TooSlow`].
    ///
    /// # Errors
    /// As [`open`](Self::open), for the schema is brought up to date first.
    pub fn open_to_read(location: &StoreLocation, patience: Duration) -> Result<Self, StoreError> {
        Ok(Self(match location {
            StoreLocation::File(path) => Box::new(sqlite::Sqlite::open(path)?.limited_to_reading(patience)?),
            StoreLocation::Postgres(url) => {
                Box::new(postgres::Postgres::open(url)?.limited_to_reading(patience))
            }
        }))
    }

    /// Whether it answers.
    ///
    /// # Errors
    /// When it does not.
    pub fn ping(&mut self) -> Result<(), StoreError> {
        self.0.query("SELECT COUNT(*) FROM batches WHERE id < 0", &[]).map(drop)
    }

    fn transaction<T>(
        &mut self,
        alone: bool,
        work: impl FnOnce(&mut dyn Database) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        transaction(self.0.as_mut(), alone, |database| work(database))
    }
}

/// Values of a row that no collector can have written otherwise.
fn integer(row: &[Cell], column: usize) -> Result<i64, StoreError> {
    row.get(column).and_then(Cell::integer).ok_or(StoreError::Corrupt("a number is missing"))
}

fn real(row: &[Cell], column: usize) -> Result<f64, StoreError> {
    row.get(column).and_then(Cell::real).ok_or(StoreError::Corrupt("a fraction is missing"))
}

fn text(row: &[Cell], column: usize) -> Result<String, StoreError> {
    row.get(column).and_then(Cell::text).map(str::to_owned).ok_or(StoreError::Corrupt("a text is missing"))
}

fn bytes(row: &[Cell], column: usize) -> Result<Vec<u8>, StoreError> {
    row.get(column).and_then(Cell::bytes).map(<[u8]>::to_vec).ok_or(StoreError::Corrupt("bytes are missing"))
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_postgresql_are_told_from_files() {
        assert_eq!(StoreLocation::parse("reports.db"), StoreLocation::File("reports.db".into()));
        for url in ["postgresql://host/name", "postgres://host/name"] {
            assert_eq!(StoreLocation::parse(url), StoreLocation::Postgres(url.into()));
        }
    }
}
