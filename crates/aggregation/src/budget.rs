//! The privacy budget: what was aggregated once is not aggregated again.
//!
//! A [`Ledger`] knows which [`BudgetUnit`]s are used up, and by which job. The rule that the rest of this
//! crate is built around:
//!
//! 1. A job computes its whole output, noise included, and hands it over as [`PreparedOutput`]. Nobody can
//!    read it yet: it is in memory, or in a staged file under a key that is in memory only.
//! 2. **One transaction** of the ledger uses up the units and stores the output: its bytes, or the key of
//!    the staged file. Either both happen, or neither.
//! 3. [`publish`] puts the stored bytes in place. It can be interrupted and repeated: the bytes are the
//!    same every time, and noise is never drawn again.
//!
//! If the process dies before 2, nothing has happened: the job can be run again. If it dies after 2,
//! [`recover`] publishes what was stored. No state is left in which a summary can be read while its budget is
//! not spent, and none in which the budget is spent and the summary is lost.

mod ledger;
mod postgres;
mod postgres_connection;
mod publish;
mod shared_id;
mod sqlite;
mod staging;

pub use ledger::{
    CommitError, CommittedJob, Exhausted, JobCommit, Ledger, LedgerError, Spending, Spent, StoredBody,
    StoredFile, StoredOutput, Usage,
};
pub use postgres::PostgresLedger;
pub(crate) use postgres_connection::PostgresConnection;
pub(crate) use publish::put;
pub use publish::{PublishError, Recovered, publish, recover};
pub use shared_id::{BudgetGroup, BudgetUnit};
pub use sqlite::SqliteLedger;
pub(crate) use sqlite::configure;
pub(crate) use staging::Stage;
pub use staging::{PreparedOutput, StagingError};

/// Opens the ledger of a path or URL: `postgresql://` and `postgres://` are PostgreSQL, anything else a file of
/// SQLite, which is made if it is not there.
///
/// # Errors
/// When it is none, of a later release, or cannot be reached.
pub fn open_ledger(place: &str) -> Result<Box<dyn Ledger>, LedgerError> {
    if is_postgres(place) {
        return Ok(Box::new(PostgresLedger::open(place)?));
    }
    Ok(Box::new(SqliteLedger::open(std::path::Path::new(place))?))
}

/// Whether a ledger's place is the URL of PostgreSQL.
pub(crate) fn is_postgres(place: &str) -> bool {
    ["postgresql://", "postgres://"].iter().any(|scheme| place.starts_with(scheme))
}
