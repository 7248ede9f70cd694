//! A ledger in an SQLite file.

use std::{path::Path, time::Duration};

use ascribe_reports::Time;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};
use zeroize::Zeroizing;

use super::{
    BudgetGroup, BudgetUnit, CommitError, CommittedJob, Exhausted, JobCommit, Ledger, LedgerError, Spending,
    Spent, StoredOutput, Usage,
    ledger::{StoredFile, hex, missing},
    staging::PreparedBody,
};

/// A ledger in a file that several processes on one machine can use.
#[derive(Debug)]
pub struct SqliteLedger(Connection);

/// What makes a database that of this release: the first for a new one, the rest for one of an earlier release.
/// Times are milliseconds since the epoch. `hour` is seconds, as shared info has it.
const MIGRATIONS: [&str; 2] = [BUDGET, QUEUE];

const BUDGET: &str = "
    CREATE TABLE job (
        id TEXT PRIMARY KEY,
        request BLOB NOT NULL,
        committed_at INTEGER NOT NULL,
        published_at INTEGER,
        result TEXT NOT NULL,
        files TEXT NOT NULL,
        body BLOB,
        staged_path TEXT,
        staged_key BLOB
    ) STRICT;
    CREATE INDEX unpublished_job ON job (committed_at) WHERE published_at IS NULL;
    CREATE TABLE spent (
        shared_id BLOB NOT NULL,
        hour INTEGER NOT NULL,
        job_id TEXT NOT NULL REFERENCES job (id),
        budget_group TEXT NOT NULL,
        filtering_id TEXT NOT NULL,
        share INTEGER NOT NULL,
        whole INTEGER NOT NULL,
        PRIMARY KEY (shared_id, hour, job_id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX spent_by_job ON spent (job_id);
";

/// What the job API was asked for: see `service::queue`.
const QUEUE: &str = "
    CREATE TABLE queued_job (
        id TEXT PRIMARY KEY,
        request TEXT NOT NULL,
        received_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        started_at INTEGER,
        finished_at INTEGER,
        attempts INTEGER NOT NULL,
        claimable_at INTEGER NOT NULL,
        worker TEXT,
        reports_read INTEGER NOT NULL,
        result TEXT,
        buckets INTEGER
    ) STRICT;
    CREATE INDEX queued_job_waiting ON queued_job (claimable_at) WHERE finished_at IS NULL;
    CREATE INDEX queued_job_received ON queued_job (received_at);
    CREATE INDEX queued_job_finished ON queued_job (finished_at);
";

const JOB_COLUMNS: &str = "id, request, committed_at, published_at, result, files,
    (SELECT count(*) FROM spent WHERE job_id = job.id)";

impl SqliteLedger {
    /// Opens the ledger of a file, which is made if it is not there.
    ///
    /// # Errors
    /// When it is none, of a later release, or cannot be opened.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        Self::new(Connection::open(path)?)
    }

    /// A ledger that is forgotten: for tests.
    ///
    /// # Errors
    /// When SQLite fails.
    pub fn in_memory() -> Result<Self, LedgerError> {
        Self::new(Connection::open_in_memory()?)
    }

    fn new(mut connection: Connection) -> Result<Self, LedgerError> {
        configure(&connection)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let version = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        for migration in missing(&MIGRATIONS, version)? {
            transaction.execute_batch(migration)?;
        }
        transaction.pragma_update(None, "user_version", MIGRATIONS.len() as i64)?;
        transaction.commit()?;
        Ok(Self(connection))
    }
}

impl Ledger for SqliteLedger {
    fn commit(&mut self, job: &JobCommit<'_>) -> Result<(), CommitError> {
        let transaction = begin(&mut self.0)?;
        let exhausted = find_exhausted(&transaction, job.spendings, job.usage)?;
        if !exhausted.is_empty() {
            return Err(CommitError::Exhausted(exhausted));
        }
        insert(&transaction, job).map_err(LedgerError::from)?;
        transaction.commit().map_err(LedgerError::from)?;
        Ok(())
    }

    fn exhausted(&mut self, spendings: &[Spending], usage: Usage) -> Result<Vec<Exhausted>, LedgerError> {
        find_exhausted(&self.0.transaction()?, spendings, usage)
    }

    fn unpublished(&mut self) -> Result<Vec<CommittedJob>, LedgerError> {
        select_jobs(&self.0, "WHERE published_at IS NULL ORDER BY committed_at", usize::MAX)
    }

    fn output(&mut self, job_id: &str) -> Result<Option<StoredOutput>, LedgerError> {
        let sql =
            "SELECT files, body, staged_path, staged_key FROM job WHERE id = ? AND published_at IS NULL";
        let row = self.0.query_row(sql, [job_id], |row| {
            let key: Option<Vec<u8>> = row.get(3)?;
            Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?, key.map(Zeroizing::new)))
        });
        let Some((files, body, path, key)) = row.optional()? else { return Ok(None) };
        StoredOutput::from_columns(&files, body, path, key).map(Some)
    }

    fn mark_published(&mut self, job_id: &str, at: Time) -> Result<(), LedgerError> {
        self.0.execute(
            "UPDATE job SET published_at = ?, body = NULL, staged_path = NULL, staged_key = NULL
             WHERE id = ? AND published_at IS NULL",
            params![at.as_millis(), job_id],
        )?;
        Ok(())
    }

    fn jobs(&mut self, limit: usize) -> Result<Vec<CommittedJob>, LedgerError> {
        select_jobs(&self.0, "ORDER BY committed_at DESC, id", limit)
    }

    fn job(&mut self, job_id: &str) -> Result<Option<CommittedJob>, LedgerError> {
        let sql = format!("SELECT {JOB_COLUMNS} FROM job WHERE id = ?");
        self.0.query_row(&sql, [job_id], |row| Ok(read_job(row))).optional()?.transpose()
    }

    fn spent(&mut self, job_id: Option<&str>, limit: usize) -> Result<Vec<Spent>, LedgerError> {
        let mut statement = self.0.prepare(
            "SELECT shared_id, budget_group, filtering_id, job_id, committed_at
             FROM spent JOIN job ON job.id = job_id WHERE ?1 IS NULL OR job_id = ?1
             ORDER BY committed_at DESC, hour DESC, shared_id LIMIT ?2",
        )?;
        let rows = statement.query_map(params![job_id, limit_of(limit)], |row| {
            let columns: (Vec<u8>, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok((columns, row.get(3)?, row.get::<_, i64>(4)?))
        })?;
        rows.map(|row| {
            let ((shared_id, group, filtering_id), job_id, at) = row?;
            Ok(Spent {
                shared_id: hex(&shared_id),
                group: BudgetGroup::from_json(&group)?,
                filtering_id: filtering_id.parse().map_err(|_| LedgerError::Damaged("a filtering ID"))?,
                job_id,
                spent_at: at.div_euclid(1000),
            })
        })
        .collect()
    }
}

/// How connections to the file behave, here and in the queue of jobs.
pub(crate) fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(60))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A commit is on the disk when it returns; what is deleted is overwritten.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "secure_delete", "ON")?;
    connection.pragma_update(None, "foreign_keys", "ON")
}

/// A transaction that no other writes beside: what is read in it stays so until it commits.
fn begin(connection: &mut Connection) -> Result<Transaction<'_>, LedgerError> {
    Ok(connection.transaction_with_behavior(TransactionBehavior::Immediate)?)
}

fn find_exhausted(
    transaction: &Transaction<'_>,
    spendings: &[Spending],
    usage: Usage,
) -> Result<Vec<Exhausted>, LedgerError> {
    let mut statement = transaction.prepare(
        "SELECT job_id, committed_at, share, whole FROM spent JOIN job ON job.id = job_id
         WHERE shared_id = ? AND hour = ? ORDER BY committed_at",
    )?;
    let mut exhausted = Vec::new();
    for spending in spendings {
        let BudgetUnit { shared_id, hour } = spending.unit();
        let rows = statement.query_map(params![shared_id, hour], |row| {
            let earlier = Usage { share: row.get(2)?, whole: row.get(3)? };
            Ok((earlier, (row.get(0)?, row.get(1)?)))
        })?;
        let (earlier, mut jobs): (Vec<_>, Vec<_>) =
            rows.collect::<rusqlite::Result<Vec<_>>>()?.into_iter().unzip();
        if let Some((job_id, at)) = jobs.pop().filter(|_| !usage.fits(&earlier)) {
            exhausted.push(Exhausted { spending: spending.clone(), job_id, at: Time::from_millis(at) });
        }
    }
    Ok(exhausted)
}

fn insert(transaction: &Transaction<'_>, job: &JobCommit<'_>) -> rusqlite::Result<()> {
    let (body, path, key) = match &job.output.body {
        PreparedBody::Inline(bytes) => (Some(bytes.as_slice()), None, None),
        PreparedBody::Staged { path, key } => (None, Some(path.as_str()), Some(key.as_slice())),
    };
    let files = StoredFile::list_to_json(&job.output.files);
    transaction.execute(
        "INSERT INTO job (id, request, committed_at, result, files, body, staged_path, staged_key)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        params![job.id, job.request, job.at.as_millis(), job.result, files, body, path, key],
    )?;
    let mut statement = transaction.prepare(
        "INSERT INTO spent (shared_id, hour, job_id, budget_group, filtering_id, share, whole)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )?;
    for spending in job.spendings {
        let BudgetUnit { shared_id, hour } = spending.unit();
        let group = spending.group.to_json();
        // 64 bits without a sign: more than SQLite's integers have.
        let (id, Usage { share, whole }) = (spending.filtering_id.to_string(), job.usage);
        statement.execute(params![shared_id, hour, job.id, group, id, share, whole])?;
    }
    Ok(())
}

fn select_jobs(connection: &Connection, rest: &str, limit: usize) -> Result<Vec<CommittedJob>, LedgerError> {
    let mut statement = connection.prepare(&format!("SELECT {JOB_COLUMNS} FROM job {rest} LIMIT ?"))?;
    let rows = statement.query_map([limit_of(limit)], |row| Ok(read_job(row)))?;
    rows.map(|row| row?).collect()
}

fn read_job(row: &Row<'_>) -> Result<CommittedJob, LedgerError> {
    Ok(CommittedJob {
        id: row.get(0)?,
        request: row.get(1)?,
        committed_at: Time::from_millis(row.get(2)?),
        published_at: row.get::<_, Option<i64>>(3)?.map(Time::from_millis),
        result: row.get(4)?,
        units: row.get::<_, i64>(6)?.unsigned_abs(),
        files: StoredFile::names_from_json(&row.get::<_, String>(5)?)?,
    })
}

fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use ascribe_reports::Api;

    use super::*;
    use crate::{
        SharedInfo,
        budget::{PreparedOutput, ledger::StoredBody},
    };

    fn spending(hour: i64, filtering_id: u64) -> Spending {
        let text = format!(
            r#"{{"version":"1.0","scheduled_report_time":{},"reporting_origin":"https://r.test"}}"#,
            hour * 3600
        );
        let group = BudgetGroup::new(Api::SharedStorage, (1, 0), &SharedInfo::parse(&text).unwrap()).unwrap();
        Spending { group, filtering_id }
    }

    fn output(bytes: &[u8]) -> PreparedOutput {
        let files = vec![StoredFile { location: "s.csv".to_owned(), len: bytes.len() as u64 }];
        PreparedOutput { files, body: PreparedBody::Inline(bytes.to_vec()) }
    }

    fn commit(
        ledger: &mut SqliteLedger,
        id: &str,
        at: i64,
        spendings: &[Spending],
    ) -> Result<(), CommitError> {
        let output = output(id.as_bytes());
        let at = Time::from_secs(at);
        ledger.commit(&JobCommit {
            id,
            request: [1; 32],
            at,
            result: "{}",
            spendings,
            usage: Usage::ALL,
            output: &output,
        })
    }

    #[test]
    fn a_unit_is_used_once_and_the_ledger_tells_when() {
        let mut ledger = SqliteLedger::in_memory().unwrap();
        commit(&mut ledger, "a", 100, &[spending(1, 0), spending(2, 0), spending(1, u64::MAX)]).unwrap();
        let second = [spending(3, 0), spending(2, 0)];
        let Err(CommitError::Exhausted(exhausted)) = commit(&mut ledger, "b", 200, &second) else {
            panic!("must be refused");
        };
        let expected =
            Exhausted { spending: spending(2, 0), job_id: "a".to_owned(), at: Time::from_secs(100) };
        assert_eq!(exhausted, [expected]);
        assert_eq!(ledger.exhausted(&second, Usage::ALL).unwrap(), exhausted);
        // Nothing of the refused job is left.
        assert_eq!(ledger.exhausted(&[spending(3, 0)], Usage::ALL).unwrap(), []);
        assert!(ledger.output("b").unwrap().is_none());
        commit(&mut ledger, "c", 300, &[spending(3, 0), spending(2, 1)]).unwrap();
        let spent = ledger.spent(None, 10).unwrap();
        assert_eq!(
            spent.iter().map(|spent| spent.job_id.as_str()).collect::<Vec<_>>(),
            ["c", "c", "a", "a", "a"]
        );
        assert_eq!(ledger.spent(Some("a"), 10).unwrap().len(), 3);
        assert!(ledger.spent(Some("a"), 10).unwrap().iter().any(|spent| spent.filtering_id == u64::MAX));
    }

    #[test]
    fn an_output_is_stored_until_it_is_published() {
        let mut ledger = SqliteLedger::in_memory().unwrap();
        commit(&mut ledger, "a", 100, &[spending(1, 0)]).unwrap();
        let unpublished = ledger.unpublished().unwrap();
        assert_eq!((unpublished[0].id.as_str(), unpublished[0].units), ("a", 1));
        for _ in 0..2 {
            let stored = ledger.output("a").unwrap().unwrap();
            assert!(matches!(stored.body, StoredBody::Inline(bytes) if bytes == b"a"));
        }
        for at in [200, 300] {
            ledger.mark_published("a", Time::from_secs(at)).unwrap();
        }
        assert!(ledger.output("a").unwrap().is_none() && ledger.unpublished().unwrap().is_empty());
        assert_eq!(ledger.jobs(10).unwrap()[0].published_at, Some(Time::from_secs(200)));
    }

    #[test]
    fn two_jobs_with_one_id_are_refused_without_spending() {
        let mut ledger = SqliteLedger::in_memory().unwrap();
        commit(&mut ledger, "a", 100, &[spending(1, 0)]).unwrap();
        assert!(matches!(commit(&mut ledger, "a", 200, &[spending(2, 0)]), Err(CommitError::Ledger(_))));
        assert_eq!(ledger.exhausted(&[spending(2, 0)], Usage::ALL).unwrap(), []);
    }

    #[test]
    fn of_processes_that_spend_at_once_one_wins() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/ledger.sqlite");
        let wins = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..4)
                .map(|index| {
                    let path = &path;
                    scope.spawn(move || {
                        let mut ledger = SqliteLedger::open(path).unwrap();
                        commit(&mut ledger, &index.to_string(), 100, &[spending(1, 0)]).is_ok()
                    })
                })
                .collect();
            tries.into_iter().map(|try_| try_.join().unwrap()).filter(|won| *won).count()
        });
        assert_eq!(wins, 1);
        assert_eq!(SqliteLedger::open(&path).unwrap().jobs(10).unwrap().len(), 1);
    }

    #[test]
    fn a_ledger_of_a_later_release_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ledger.sqlite");
        SqliteLedger::open(&path).unwrap().0.pragma_update(None, "user_version", 9).unwrap();
        assert!(matches!(SqliteLedger::open(&path), Err(LedgerError::Newer(9))));
    }

    #[test]
    fn a_ledger_of_an_earlier_release_keeps_what_it_knows() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ledger.sqlite");
        let earlier = Connection::open(&path).unwrap();
        earlier.execute_batch(BUDGET).unwrap();
        earlier.pragma_update(None, "user_version", 1).unwrap();
        commit(&mut SqliteLedger(earlier), "a", 100, &[spending(1, 0)]).unwrap();
        let mut ledger = SqliteLedger::open(&path).unwrap();
        assert_eq!(ledger.job("a").unwrap().unwrap().units, 1);
        assert!(ledger.job("b").unwrap().is_none());
        ledger.0.query_row("SELECT count(*) FROM queued_job", [], |row| row.get::<_, i64>(0)).unwrap();
    }
}
