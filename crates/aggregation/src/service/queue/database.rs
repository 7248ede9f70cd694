//! The same statements in SQLite and in PostgreSQL.
//!
//! Parameters are `$1`, `$2`, …, and first appear in this order: SQLite numbers them by their appearance.
//! `{now}` is the database's own time in milliseconds since the epoch: machines that share a queue need not
//! agree on theirs.

use std::error::Error;

use bytes::BytesMut;
use rusqlite::{Connection, params_from_iter, types::ValueRef};
use tokio_postgres::{
    Row,
    types::{FromSql, IsNull, ToSql, Type},
};

use crate::{
    LedgerError,
    budget::{PostgresConnection, configure, is_postgres},
};

/// A connection to the database that the ledger is in.
#[derive(Debug)]
pub(super) enum Database {
    Sqlite(Connection),
    Postgres(Box<PostgresConnection>),
}

/// A value of a column or parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Null,
    Integer(i64),
    Text(String),
}

impl Database {
    /// Opens the database of a ledger, which has made the tables.
    pub(super) fn open(ledger: &str) -> Result<Self, LedgerError> {
        if is_postgres(ledger) {
            return Ok(Self::Postgres(Box::new(PostgresConnection::new(ledger)?)));
        }
        let connection = Connection::open(ledger)?;
        configure(&connection)?;
        Ok(Self::Sqlite(connection))
    }

    /// Runs one statement as a transaction of its own; the rows that it returns.
    pub(super) fn run(&mut self, sql: &str, parameters: &[Value]) -> Result<Vec<Vec<Value>>, LedgerError> {
        match self {
            Self::Sqlite(connection) => {
                let sql = sql.replace("{now}", "CAST(unixepoch('subsec') * 1000 AS INTEGER)");
                let mut statement = connection.prepare_cached(&sql)?;
                let columns = statement.column_count();
                let mut rows = statement.query(params_from_iter(parameters))?;
                let mut all = Vec::new();
                while let Some(row) = rows.next()? {
                    let values = (0..columns).map(|column| row.get_ref(column)?.try_into());
                    all.push(values.collect::<Result<Vec<Value>, LedgerError>>()?);
                }
                Ok(all)
            }
            Self::Postgres(connection) => connection.transact(async |transaction| {
                transaction.batch_execute("SET LOCAL search_path TO ascribe_budget").await?;
                let sql = sql.replace("{now}", "(extract(epoch FROM clock_timestamp()) * 1000)::bigint");
                let parameters: Vec<_> =
                    parameters.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
                let rows = transaction.query(&sql, &parameters).await?;
                let values = |row: &Row| (0..row.len()).map(|column| row.try_get(column)).collect();
                Ok(rows.iter().map(values).collect::<Result<_, tokio_postgres::Error>>()?)
            }),
        }
    }
}

impl Value {
    pub(super) fn integer(&self) -> Option<i64> {
        if let Self::Integer(number) = self { Some(*number) } else { None }
    }

    pub(super) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl TryFrom<ValueRef<'_>> for Value {
    type Error = LedgerError;

    fn try_from(value: ValueRef<'_>) -> Result<Self, LedgerError> {
        match value {
            ValueRef::Null => Ok(Self::Null),
            ValueRef::Integer(number) => Ok(Self::Integer(number)),
            ValueRef::Text(text) => Ok(Self::Text(String::from_utf8_lossy(text).into_owned())),
            ValueRef::Real(_) | ValueRef::Blob(_) => Err(LedgerError::Damaged("a queued job")),
        }
    }
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        let value = match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        };
        Ok(rusqlite::types::ToSqlOutput::Borrowed(value))
    }
}

type Failed = Box<dyn Error + Sync + Send>;

impl ToSql for Value {
    fn to_sql(&self, of: &Type, out: &mut BytesMut) -> Result<IsNull, Failed> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Integer(number) => number.to_sql(of, out),
            Self::Text(text) => text.to_sql(of, out),
        }
    }

    fn accepts(of: &Type) -> bool {
        is_integer(of) || is_text(of)
    }

    tokio_postgres::types::to_sql_checked!();
}

impl<'a> FromSql<'a> for Value {
    fn from_sql(of: &Type, bytes: &'a [u8]) -> Result<Self, Failed> {
        if is_integer(of) {
            return i64::from_sql(of, bytes).map(Self::Integer);
        }
        String::from_sql(of, bytes).map(Self::Text)
    }

    fn from_sql_null(_: &Type) -> Result<Self, Failed> {
        Ok(Self::Null)
    }

    fn accepts(of: &Type) -> bool {
        is_integer(of) || is_text(of)
    }
}

fn is_integer(of: &Type) -> bool {
    *of == Type::INT8
}

fn is_text(of: &Type) -> bool {
    *of == Type::TEXT
}
