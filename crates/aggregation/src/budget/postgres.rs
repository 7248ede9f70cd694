//! A ledger in PostgreSQL, for several machines that share one budget.
//!
//! Jobs that spend at the same time wait for each other: a lock of the whole ledger is held for as long as one
//! transaction takes. A connection that was lost is made anew by the next method. Staged files are on the
//! machine that made them: outputs are recovered there.

use ascribe_reports::Time;
use tokio_postgres::{Row, Transaction};
use zeroize::Zeroizing;

use super::{
    BudgetGroup, BudgetUnit, CommitError, CommittedJob, Exhausted, JobCommit, Ledger, LedgerError, Spending,
    Spent, StoredOutput, Usage,
    ledger::{StoredFile, hex, missing},
    postgres_connection::PostgresConnection,
    staging::PreparedBody,
};

/// A ledger in a PostgreSQL database that several machines can use.
///
/// The connection is not encrypted: it belongs on a socket, or on a network that is.
#[derive(Debug)]
pub struct PostgresLedger(PostgresConnection);

/// Any number, the same for all: who holds this lock spends alone.
const LOCK: i64 = 0x6173_6372_6962_6502;

const MIGRATIONS: [&str; 2] = [BUDGET, QUEUE];

/// As in SQLite, in a schema of its own.
const BUDGET: &str = "
    CREATE TABLE ascribe_budget.job (
        id TEXT PRIMARY KEY,
        request BYTEA NOT NULL,
        committed_at BIGINT NOT NULL,
        published_at BIGINT,
        result TEXT NOT NULL,
        files TEXT NOT NULL,
        body BYTEA,
        staged_path TEXT,
        staged_key BYTEA
    );
    CREATE INDEX unpublished_job ON ascribe_budget.job (committed_at) WHERE published_at IS NULL;
    CREATE TABLE ascribe_budget.spent (
        shared_id BYTEA NOT NULL,
        hour BIGINT NOT NULL,
        job_id TEXT NOT NULL REFERENCES ascribe_budget.job (id),
        budget_group TEXT NOT NULL,
        filtering_id TEXT NOT NULL,
        share BIGINT NOT NULL,
        whole BIGINT NOT NULL,
        PRIMARY KEY (shared_id, hour, job_id)
    );
    CREATE INDEX spent_by_job ON ascribe_budget.spent (job_id);
";

const QUEUE: &str = "
    CREATE TABLE ascribe_budget.queued_job (
        id TEXT PRIMARY KEY,
        request TEXT NOT NULL,
        received_at BIGINT NOT NULL,
        updated_at BIGINT NOT NULL,
        started_at BIGINT,
        finished_at BIGINT,
        attempts BIGINT NOT NULL,
        claimable_at BIGINT NOT NULL,
        worker TEXT,
        reports_read BIGINT NOT NULL,
        result TEXT,
        buckets BIGINT
    );
    CREATE INDEX queued_job_waiting ON ascribe_budget.queued_job (claimable_at) WHERE finished_at IS NULL;
    CREATE INDEX queued_job_received ON ascribe_budget.queued_job (received_at);
    CREATE INDEX queued_job_finished ON ascribe_budget.queued_job (finished_at);
";

const JOB_COLUMNS: &str = "id, request, committed_at, published_at, result, files,
    (SELECT count(*) FROM ascribe_budget.spent WHERE job_id = job.id)";

impl PostgresLedger {
    /// Connects to the database of a URL (`postgresql://user@host/database`), and makes the tables that are
    /// not there.
    ///
    /// # Errors
    /// When it cannot be reached, or was written by a later release.
    pub fn open(url: &str) -> Result<Self, LedgerError> {
        let mut ledger = Self(PostgresConnection::new(url)?);
        ledger.transact(async |transaction| {
            let version = "CREATE SCHEMA IF NOT EXISTS ascribe_budget;
                           CREATE TABLE IF NOT EXISTS ascribe_budget.version (version BIGINT NOT NULL)";
            transaction.batch_execute(version).await?;
            let version = transaction.query_opt("SELECT version FROM ascribe_budget.version", &[]).await?;
            let version = version.map_or(Ok(0), |row| row.try_get(0))?;
            for migration in missing(&MIGRATIONS, version)? {
                transaction.batch_execute(migration).await?;
            }
            let known = MIGRATIONS.len();
            let noted = format!(
                "DELETE FROM ascribe_budget.version; INSERT INTO ascribe_budget.version VALUES ({known})"
            );
            Ok::<_, LedgerError>(transaction.batch_execute(&noted).await?)
        })?;
        Ok(ledger)
    }

    /// Runs something alone, in one transaction, which an error rolls back.
    fn transact<T, E: From<LedgerError>>(
        &mut self,
        run: impl AsyncFnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.0.transact(async |transaction| {
            let lock = "SELECT pg_advisory_xact_lock($1)";
            transaction.query(lock, &[&LOCK]).await.map_err(LedgerError::from)?;
            run(transaction).await
        })
    }
}

impl Ledger for PostgresLedger {
    fn commit(&mut self, job: &JobCommit<'_>) -> Result<(), CommitError> {
        self.transact(async |transaction| {
            let exhausted = find_exhausted(transaction, job.spendings, job.usage).await?;
            if !exhausted.is_empty() {
                return Err(CommitError::Exhausted(exhausted));
            }
            Ok(insert(transaction, job).await.map_err(LedgerError::from)?)
        })
    }

    fn exhausted(&mut self, spendings: &[Spending], usage: Usage) -> Result<Vec<Exhausted>, LedgerError> {
        self.transact(async |transaction| find_exhausted(transaction, spendings, usage).await)
    }

    fn unpublished(&mut self) -> Result<Vec<CommittedJob>, LedgerError> {
        self.transact(async |transaction| {
            select_jobs(transaction, "WHERE published_at IS NULL ORDER BY committed_at", usize::MAX).await
        })
    }

    fn output(&mut self, job_id: &str) -> Result<Option<StoredOutput>, LedgerError> {
        let sql = "SELECT files, body, staged_path, staged_key FROM ascribe_budget.job
                   WHERE id = $1 AND published_at IS NULL";
        let row = self.transact(async |transaction| {
            Ok::<_, LedgerError>(transaction.query_opt(sql, &[&job_id]).await?)
        })?;
        let Some(row) = row else { return Ok(None) };
        let key: Option<Vec<u8>> = row.try_get(3)?;
        StoredOutput::from_columns(row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, key.map(Zeroizing::new))
            .map(Some)
    }

    fn mark_published(&mut self, job_id: &str, at: Time) -> Result<(), LedgerError> {
        let sql = "UPDATE ascribe_budget.job
                   SET published_at = $1, body = NULL, staged_path = NULL, staged_key = NULL
                   WHERE id = $2 AND published_at IS NULL";
        self.transact(async |transaction| {
            transaction.execute(sql, &[&at.as_millis(), &job_id]).await?;
            Ok(())
        })
    }

    fn jobs(&mut self, limit: usize) -> Result<Vec<CommittedJob>, LedgerError> {
        self.transact(async |transaction| {
            select_jobs(transaction, "ORDER BY committed_at DESC, id", limit).await
        })
    }

    fn job(&mut self, job_id: &str) -> Result<Option<CommittedJob>, LedgerError> {
        let sql = format!("SELECT {JOB_COLUMNS} FROM ascribe_budget.job WHERE id = $1");
        let row = self.transact(async |transaction| {
            Ok::<_, LedgerError>(transaction.query_opt(&sql, &[&job_id]).await?)
        })?;
        row.as_ref().map(read_job).transpose()
    }

    fn spent(&mut self, job_id: Option<&str>, limit: usize) -> Result<Vec<Spent>, LedgerError> {
        let sql = "SELECT shared_id, budget_group, filtering_id, job_id, committed_at
                   FROM ascribe_budget.spent JOIN ascribe_budget.job ON job.id = job_id
                   WHERE $1::text IS NULL OR job_id = $1
                   ORDER BY committed_at DESC, hour DESC, shared_id LIMIT $2";
        let limit = limit_of(limit);
        let rows = self.transact(async |transaction| {
            Ok::<_, LedgerError>(transaction.query(sql, &[&job_id, &limit]).await?)
        })?;
        let spent = |row: &Row| {
            Ok(Spent {
                shared_id: hex(row.try_get(0)?),
                group: BudgetGroup::from_json(row.try_get(1)?)?,
                filtering_id: row
                    .try_get::<_, &str>(2)?
                    .parse()
                    .map_err(|_| LedgerError::Damaged("a filtering ID"))?,
                job_id: row.try_get(3)?,
                spent_at: row.try_get::<_, i64>(4)?.div_euclid(1000),
            })
        };
        rows.iter().map(spent).collect()
    }
}

/// Units as columns: of shared IDs, and of hours.
fn columns(spendings: &[Spending]) -> (Vec<Vec<u8>>, Vec<i64>) {
    let units = spendings.iter().map(Spending::unit);
    units.map(|BudgetUnit { shared_id, hour }| (shared_id.to_vec(), hour)).unzip()
}

async fn find_exhausted(
    transaction: &Transaction<'_>,
    spendings: &[Spending],
    usage: Usage,
) -> Result<Vec<Exhausted>, LedgerError> {
    let sql = "SELECT asked.index, job_id, committed_at, share, whole
               FROM unnest($1::bytea[], $2::bigint[]) WITH ORDINALITY AS asked (shared_id, hour, index)
               JOIN ascribe_budget.spent USING (shared_id, hour) JOIN ascribe_budget.job ON job.id = job_id
               ORDER BY asked.index, committed_at";
    let (shared_ids, hours) = columns(spendings);
    let rows = transaction.query(sql, &[&shared_ids, &hours]).await?;
    let mut exhausted = Vec::new();
    for uses in rows.chunk_by(|a, b| a.get::<_, i64>(0) == b.get::<_, i64>(0)) {
        let earlier = uses.iter().map(|row| Ok(Usage { share: row.try_get(3)?, whole: row.try_get(4)? }));
        let earlier = earlier.collect::<Result<Vec<_>, tokio_postgres::Error>>()?;
        let Some(last) = uses.last().filter(|_| !usage.fits(&earlier)) else { continue };
        let index: i64 = last.try_get(0)?;
        let spending = usize::try_from(index - 1).ok().and_then(|index| spendings.get(index));
        exhausted.push(Exhausted {
            spending: spending.ok_or(LedgerError::Damaged("an answer without a question"))?.clone(),
            job_id: last.try_get(1)?,
            at: Time::from_millis(last.try_get(2)?),
        });
    }
    Ok(exhausted)
}

async fn insert(transaction: &Transaction<'_>, job: &JobCommit<'_>) -> Result<(), tokio_postgres::Error> {
    let (body, path, key) = match &job.output.body {
        PreparedBody::Inline(bytes) => (Some(bytes.as_slice()), None, None),
        PreparedBody::Staged { path, key } => (None, Some(path.as_str()), Some(key.as_slice())),
    };
    let files = StoredFile::list_to_json(&job.output.files);
    let sql = "INSERT INTO ascribe_budget.job
               (id, request, committed_at, result, files, body, staged_path, staged_key)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let (request, at) = (job.request.as_slice(), job.at.as_millis());
    transaction.execute(sql, &[&job.id, &request, &at, &job.result, &files, &body, &path, &key]).await?;
    let sql = "INSERT INTO ascribe_budget.spent (shared_id, hour, budget_group, filtering_id, job_id, share, whole)
               SELECT asked.*, $5, $6, $7 FROM unnest($1::bytea[], $2::bigint[], $3::text[], $4::text[]) AS asked";
    let (shared_ids, hours) = columns(job.spendings);
    let Usage { share, whole } = job.usage;
    let groups: Vec<String> = job.spendings.iter().map(|spending| spending.group.to_json()).collect();
    let ids: Vec<String> = job.spendings.iter().map(|spending| spending.filtering_id.to_string()).collect();
    transaction.execute(sql, &[&shared_ids, &hours, &groups, &ids, &job.id, &share, &whole]).await?;
    Ok(())
}

async fn select_jobs(
    transaction: &Transaction<'_>,
    rest: &str,
    limit: usize,
) -> Result<Vec<CommittedJob>, LedgerError> {
    let sql = format!("SELECT {JOB_COLUMNS} FROM ascribe_budget.job {rest} LIMIT $1");
    let rows = transaction.query(&sql, &[&limit_of(limit)]).await?;
    rows.iter().map(read_job).collect()
}

fn read_job(row: &Row) -> Result<CommittedJob, LedgerError> {
    let request: &[u8] = row.try_get(1)?;
    let published_at: Option<i64> = row.try_get(3)?;
    Ok(CommittedJob {
        id: row.try_get(0)?,
        request: request.try_into().map_err(|_| LedgerError::Damaged("the hash of a request"))?,
        committed_at: Time::from_millis(row.try_get(2)?),
        published_at: published_at.map(Time::from_millis),
        result: row.try_get(4)?,
        units: row.try_get::<_, i64>(6)?.unsigned_abs(),
        files: StoredFile::names_from_json(row.try_get(5)?)?,
    })
}

fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
