//! The store in one SQLite file: write-ahead log, each transaction on the disk before it is acknowledged.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, ErrorCode, params_from_iter};

use super::{
    cell::Cell,
    database::{Database, StoreError, missing_migrations, transaction},
    tables::{Dialect, Table},
};

pub(crate) struct Sqlite {
    connection: Connection,
    /// How long a query may take, if not as long as it likes.
    patience: Option<Duration>,
}

/// Another connection's lock is waited for so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// The time is looked at every so many steps of SQLite's virtual machine: some 100 µs.
const STEPS: std::ffi::c_int = 10_000;

impl Sqlite {
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let start = Instant::now();
        loop {
            match Self::open_once(path) {
                // Opening meets locks of connections that open or close beside it, for which SQLite does not wait.
                Err(StoreError::Sqlite(error))
                    if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                        && start.elapsed() < PATIENCE =>
                {
                    thread::sleep(Duration::from_millis(10));
                }
                opened => return opened,
            }
        }
    }

    fn open_once(path: &Path) -> Result<Self, StoreError> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(PATIENCE)?;
        connection.set_prepared_statement_cache_capacity(64);
        // FULL: without it, a commit could still be lost with the power.
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536; PRAGMA foreign_keys = ON;",
        )?;
        let mut database = Self { connection, patience: None };
        transaction(&mut database, true, Self::migrate)?;
        Ok(database)
    }

    pub(crate) fn limited_to_reading(self, patience: Duration) -> Result<Self, StoreError> {
        self.connection.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -8192")?;
        Ok(Self { patience: Some(patience), ..self })
    }

    fn migrate(&mut self) -> Result<(), StoreError> {
        let found: i64 = self.connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        let (missing, known) = missing_migrations(Dialect::Sqlite, found)?;
        for migration in missing {
            self.connection.execute_batch(&migration)?;
        }
        Ok(self.connection.execute_batch(&format!("PRAGMA user_version = {known}"))?)
    }
}

impl Database for Sqlite {
    fn begin(&mut self, _alone: bool) -> Result<(), StoreError> {
        // There is one writer at a time in any case; waiting for its end is better than failing in the middle.
        Ok(self.connection.execute_batch("BEGIN IMMEDIATE")?)
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        Ok(self.connection.execute_batch("COMMIT")?)
    }

    fn rollback(&mut self) {
        if !self.connection.is_autocommit() {
            // It fails only where SQLite has rolled back by itself.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }

    fn execute(&mut self, sql: &str, parameters: &[Cell]) -> Result<u64, StoreError> {
        Ok(self.connection.prepare_cached(sql)?.execute(params_from_iter(parameters))? as u64)
    }

    fn query(&mut self, sql: &str, parameters: &[Cell]) -> Result<Vec<Vec<Cell>>, StoreError> {
        if let Some(patience) = self.patience {
            let start = Instant::now();
            self.connection.progress_handler(STEPS, Some(move || start.elapsed() > patience))?;
        }
        let mut statement = self.connection.prepare_cached(sql)?;
        let columns = statement.column_count();
        let rows = statement.query_map(params_from_iter(parameters), |row| {
            (0..columns).map(|column| row.get(column)).collect::<rusqlite::Result<Vec<Cell>>>()
        })?;
        match rows.collect::<rusqlite::Result<_>>() {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
                Err(StoreError::TooSlow)
            }
            rows => Ok(rows?),
        }
    }

    fn insert(&mut self, table: &Table, rows: &[Vec<Cell>]) -> Result<Vec<bool>, StoreError> {
        let names: Vec<_> = table.columns.iter().map(|(name, _)| *name).collect();
        let places = vec!["?"; names.len()].join(", ");
        let (name, names) = (table.name, names.join(", "));
        let sql = format!("INSERT INTO {name} ({names}) VALUES ({places}) ON CONFLICT DO NOTHING");
        let mut statement = self.connection.prepare_cached(&sql)?;
        rows.iter().map(|row| Ok(statement.execute(params_from_iter(row))? == 1)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tables::migrations;

    #[test]
    fn a_store_of_the_first_schema_is_brought_up_to_date_with_what_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reports.db");
        let old = Connection::open(&path).unwrap();
        old.execute_batch(&migrations(Dialect::Sqlite)[0]).unwrap();
        old.execute_batch(
            "INSERT INTO verbose_reports (received_at, type, body) VALUES (7, 'source-noised', '{}'); PRAGMA user_version = 1;",
        )
        .unwrap();
        drop(old);
        for _ in 0..2 {
            let mut store = Sqlite::open(&path).unwrap();
            let rows = store
                .query("SELECT type, campaign, destinations, source_event_id FROM verbose_reports", &[])
                .unwrap();
            assert_eq!(
                rows,
                [[Cell::Text("source-noised".into()), Cell::Null, Cell::Text("".into()), Cell::Null]]
            );
            let version = store.query("PRAGMA user_version", &[]).unwrap();
            assert_eq!(version, [[Cell::Integer(migrations(Dialect::Sqlite).len() as i64)]]);
        }
    }
}
