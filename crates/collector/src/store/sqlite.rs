//! The store in one SQLite file: write-ahead log, each transaction on the disk before it is acknowledged.

use std::path::Path;

use rusqlite::{Connection, params_from_iter};

use super::{
    cell::Cell,
    database::{Database, StoreError},
    tables::{Dialect, Table, migrations},
};

pub(crate) struct Sqlite(Connection);

impl Sqlite {
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(std::time::Duration::from_secs(30))?;
        connection.set_prepared_statement_cache_capacity(64);
        // FULL: without it, a commit could still be lost with the power.
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536; PRAGMA foreign_keys = ON;",
        )?;
        let mut database = Self(connection);
        database.migrate()?;
        Ok(database)
    }

    fn migrate(&mut self) -> Result<(), StoreError> {
        self.begin(true)?;
        let migrated = self.migrate_within();
        if migrated.is_err() {
            self.rollback();
        }
        migrated
    }

    fn migrate_within(&mut self) -> Result<(), StoreError> {
        let migrations = migrations(Dialect::Sqlite);
        let known = migrations.len() as i64;
        let found: i64 = self.0.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        let done = usize::try_from(found).ok().filter(|_| found <= known);
        let done = done.ok_or(StoreError::Newer { found, known })?;
        for migration in &migrations[done..] {
            self.0.execute_batch(migration)?;
        }
        self.0.execute_batch(&format!("PRAGMA user_version = {known}"))?;
        self.commit()
    }
}

impl Database for Sqlite {
    fn begin(&mut self, _alone: bool) -> Result<(), StoreError> {
        // There is one writer at a time in any case; waiting for its end is better than failing in the middle.
        Ok(self.0.execute_batch("BEGIN IMMEDIATE")?)
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        Ok(self.0.execute_batch("COMMIT")?)
    }

    fn rollback(&mut self) {
        if !self.0.is_autocommit() {
            // It fails only where SQLite has rolled back by itself.
            let _ = self.0.execute_batch("ROLLBACK");
        }
    }

    fn execute(&mut self, sql: &str, parameters: &[Cell]) -> Result<u64, StoreError> {
        Ok(self.0.prepare_cached(sql)?.execute(params_from_iter(parameters))? as u64)
    }

    fn query(&mut self, sql: &str, parameters: &[Cell]) -> Result<Vec<Vec<Cell>>, StoreError> {
        let mut statement = self.0.prepare_cached(sql)?;
        let columns = statement.column_count();
        let rows = statement.query_map(params_from_iter(parameters), |row| {
            (0..columns).map(|column| row.get(column)).collect::<rusqlite::Result<Vec<Cell>>>()
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn insert(&mut self, table: &Table, rows: &[Vec<Cell>]) -> Result<Vec<bool>, StoreError> {
        let names: Vec<_> = table.columns.iter().map(|(name, _)| *name).collect();
        let places = vec!["?"; names.len()].join(", ");
        let (name, names) = (table.name, names.join(", "));
        let sql = format!("INSERT INTO {name} ({names}) VALUES ({places}) ON CONFLICT DO NOTHING");
        let mut statement = self.0.prepare_cached(&sql)?;
        rows.iter().map(|row| Ok(statement.execute(params_from_iter(row))? == 1)).collect()
    }
}
