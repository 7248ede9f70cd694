//! The store in PostgreSQL, for several collectors that share one.
//!
//! A lost connection is made anew when the next statement comes; what was under way has failed.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use tokio::runtime::Runtime;
use tokio_postgres::{Client, Config, NoTls, Row, Statement, error::SqlState, types::ToSql};

use super::{
    cell::Cell,
    database::{Database, StoreError, missing_migrations, transaction},
    tables::{Dialect, Table},
};

/// One connection, with the thread that waits for it.
pub(crate) struct Postgres {
    runtime: Runtime,
    config: Config,
    connected: Option<Connected>,
    /// Whether queries that take too long are cancelled.
    limited: bool,
}

/// A connection, and the statements that it knows.
struct Connected {
    client: Client,
    statements: HashMap<String, Statement>,
}

/// Any number, the same for all collectors: who holds this lock is alone.
const LOCK: i64 = 0x6173_6372_6962_6501;

impl Postgres {
    pub(crate) fn open(url: &str) -> Result<Self, StoreError> {
        let mut config: Config = url.parse()?;
        config.connect_timeout(Duration::from_secs(10));
        config.application_name("ascribe-collector");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut database = Self { runtime, config, connected: None, limited: false };
        transaction(&mut database, true, Self::migrate)?;
        Ok(database)
    }

    pub(crate) fn limited_to_reading(mut self, patience: Duration) -> Self {
        let options = self.config.get_options().unwrap_or_default();
        let millis = patience.as_millis();
        let options = format!("{options} -c statement_timeout={millis} -c default_transaction_read_only=on");
        self.config.options(options.trim_start());
        Self { connected: None, limited: true, ..self }
    }

    fn migrate(&mut self) -> Result<(), StoreError> {
        self.batch("CREATE TABLE IF NOT EXISTS ascribe_schema (version BIGINT NOT NULL)")?;
        let rows = self.query("SELECT version FROM ascribe_schema", &[])?;
        let found = rows.first().and_then(|row| row.first()).and_then(Cell::integer).unwrap_or(0);
        let (missing, known) = missing_migrations(Dialect::Postgres, found)?;
        for migration in missing {
            self.batch(&migration)?;
        }
        self.batch(&format!("DELETE FROM ascribe_schema; INSERT INTO ascribe_schema VALUES ({known})"))
    }

    /// Runs something with the connection, and drops the connection when it is lost.
    fn with<T>(
        &mut self,
        run: impl AsyncFnOnce(&mut Connected) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, StoreError> {
        let Self { runtime, config, connected, limited } = self;
        let limited = *limited;
        let done = runtime.block_on(async {
            let connected = match connected {
                Some(connected) if !connected.client.is_closed() => connected,
                _ => {
                    let (client, connection) = config.connect(NoTls).await?;
                    // It ends with the client, or with the error that the client tells.
                    tokio::spawn(async move { drop(connection.await) });
                    connected.insert(Connected { client, statements: HashMap::new() })
                }
            };
            run(connected).await
        });
        if done.is_err() && self.connected.as_ref().is_some_and(|connected| connected.client.is_closed()) {
            self.connected = None;
        }
        match done {
            Err(error) if limited && error.code() == Some(&SqlState::QUERY_CANCELED) => {
                Err(StoreError::TooSlow)
            }
            done => Ok(done?),
        }
    }

    fn batch(&mut self, sql: &str) -> Result<(), StoreError> {
        self.with(async |connected| connected.client.batch_execute(sql).await)
    }
}

impl Database for Postgres {
    fn begin(&mut self, alone: bool) -> Result<(), StoreError> {
        self.batch("BEGIN")?;
        if alone {
            self.batch(&format!("SELECT pg_advisory_xact_lock({LOCK})"))?;
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.batch("COMMIT")
    }

    fn rollback(&mut self) {
        // A connection in a state that is not known is worth nothing.
        if self.batch("ROLLBACK").is_err() {
            self.connected = None;
        }
    }

    fn execute(&mut self, sql: &str, parameters: &[Cell]) -> Result<u64, StoreError> {
        self.with(async |connected| {
            let statement = connected.statement(sql).await?;
            connected.client.execute_raw(&statement, parameters).await
        })
    }

    fn query(&mut self, sql: &str, parameters: &[Cell]) -> Result<Vec<Vec<Cell>>, StoreError> {
        self.with(async |connected| {
            let statement = connected.statement(sql).await?;
            let parameters: Vec<_> = parameters.iter().map(|cell| cell as &(dyn ToSql + Sync)).collect();
            cells(&connected.client.query(&statement, &parameters).await?)
        })
    }

    fn insert(&mut self, table: &Table, rows: &[Vec<Cell>]) -> Result<Vec<bool>, StoreError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        // One statement, a list a column.
        let columns: Vec<Vec<&Cell>> =
            (0..table.columns.len()).map(|column| rows.iter().map(|row| &row[column]).collect()).collect();
        let names: Vec<_> = table.columns.iter().map(|(name, _)| *name).collect();
        let lists: Vec<_> =
            table.columns.iter().enumerate().map(|(n, (_, of))| format!("${}::{of}[]", n + 1)).collect();
        let key: Vec<_> = table.key.iter().map(|&column| names[column]).collect();
        let (name, names, lists) = (table.name, names.join(", "), lists.join(", "));
        let returning = if key.is_empty() { "seq".to_owned() } else { key.join(", ") };
        let sql = format!(
            "INSERT INTO {name} ({names}) SELECT * FROM unnest({lists}) ON CONFLICT DO NOTHING RETURNING {returning}"
        );
        let inserted = self.with(async |connected| {
            let statement = connected.statement(&sql).await?;
            let parameters: Vec<_> = columns.iter().map(|list| list as &(dyn ToSql + Sync)).collect();
            cells(&connected.client.query(&statement, &parameters).await?)
        })?;
        if key.is_empty() {
            return Ok(vec![true; rows.len()]);
        }
        // Of several rows with one key, the first is the new one.
        let key_of = |cells: Vec<&Cell>| format!("{cells:?}");
        let mut new: HashSet<_> = inserted.iter().map(|row| key_of(row.iter().collect())).collect();
        Ok(rows
            .iter()
            .map(|row| new.remove(&key_of(table.key.iter().map(|&column| &row[column]).collect())))
            .collect())
    }
}

impl Connected {
    /// A statement, prepared once.
    async fn statement(&mut self, sql: &str) -> Result<Statement, tokio_postgres::Error> {
        if let Some(known) = self.statements.get(sql) {
            return Ok(known.clone());
        }
        let statement = self.client.prepare(sql).await?;
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

fn cells(rows: &[Row]) -> Result<Vec<Vec<Cell>>, tokio_postgres::Error> {
    rows.iter().map(|row| (0..row.len()).map(|column| row.try_get(column)).collect()).collect()
}
