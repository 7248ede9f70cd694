//! The queue of jobs, in the ledger's database: it outlives the processes that work on it.
//!
//! ```text
//! received ── claim ──> in progress ── finish ──> finished ── forget ──> gone
//!     ^                      |
//!     └── retry, hand back, or the lease runs out
//! ```
//!
//! A claim is a lease: whoever holds it renews it, and a job whose lease ran out is anybody's. That a job ran
//! twice at once, because its first worker stood still for longer than the lease, costs work and nothing else:
//! the ledger takes one of them. Invariants: only who holds the claim changes a job (`worker`); what is
//! finished does not change.

mod database;

use std::time::Duration;

use ascribe_reports::Time;

use self::database::{Database, Value};
use crate::LedgerError;

/// A connection to the queue.
#[derive(Debug)]
pub(super) struct Queue(Database);

/// A job as the queue knows it. Times are the database's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct QueuedJob {
    pub(super) id: String,
    /// The request, as JSON.
    pub(super) request: String,
    pub(super) received_at: Time,
    pub(super) updated_at: Time,
    /// When the latest attempt began.
    pub(super) started_at: Option<Time>,
    pub(super) finished_at: Option<Time>,
    /// How often it was tried, this time included.
    pub(super) attempts: i64,
    /// How many reports the latest attempt has read.
    pub(super) reports_read: i64,
    /// `result_info`, as JSON.
    pub(super) result: Option<String>,
    /// How many buckets the summary has; `None` if there is no summary.
    pub(super) buckets: Option<i64>,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inserted {
    Queued,
    /// There is or was a job with this ID: in the queue, or in the ledger.
    Duplicate,
    /// As many jobs wait as may.
    Full,
}

/// How many jobs have which status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct QueueCounts {
    pub(super) received: i64,
    pub(super) in_progress: i64,
    pub(super) finished: i64,
}

const COLUMNS: &str = "id, request, received_at, updated_at, started_at, finished_at, attempts,
                       reports_read, result, buckets";

impl Queue {
    /// Opens the queue beside a ledger that is there.
    pub(super) fn open(ledger: &str) -> Result<Self, LedgerError> {
        Ok(Self(Database::open(ledger)?))
    }

    /// Puts a job at the end, if its ID is new and fewer than `max` jobs wait.
    pub(super) fn insert(&mut self, id: &str, request: &str, max: i64) -> Result<Inserted, LedgerError> {
        let sql = "INSERT INTO queued_job
                       (id, request, received_at, updated_at, attempts, claimable_at, reports_read)
                   SELECT $1, $2, {now}, {now}, 0, {now}, 0
                   WHERE (SELECT count(*) FROM queued_job WHERE finished_at IS NULL) < $3
                       AND NOT EXISTS (SELECT 1 FROM job WHERE job.id = $1)
                   ON CONFLICT DO NOTHING RETURNING id";
        if !self.0.run(sql, &[id.into(), request.into(), max.into()])?.is_empty() {
            return Ok(Inserted::Queued);
        }
        let sql = "SELECT 1 FROM queued_job WHERE id = $1 UNION SELECT 1 FROM job WHERE id = $1";
        let is_known = !self.0.run(&sql.replace("SELECT 1", "SELECT id"), &[id.into()])?.is_empty();
        Ok(if is_known { Inserted::Duplicate } else { Inserted::Full })
    }

    pub(super) fn get(&mut self, id: &str) -> Result<Option<QueuedJob>, LedgerError> {
        let rows = self.0.run(&format!("SELECT {COLUMNS} FROM queued_job WHERE id = $1"), &[id.into()])?;
        rows.iter().map(|row| QueuedJob::from_row(row)).next().transpose()
    }

    /// The newest jobs.
    pub(super) fn list(&mut self, limit: i64) -> Result<Vec<QueuedJob>, LedgerError> {
        let sql = format!("SELECT {COLUMNS} FROM queued_job ORDER BY received_at DESC, id LIMIT $1");
        self.0.run(&sql, &[limit.into()])?.iter().map(|row| QueuedJob::from_row(row)).collect()
    }

    pub(super) fn counts(&mut self) -> Result<QueueCounts, LedgerError> {
        // Sums of integers have a type of their own in PostgreSQL; counts have not.
        let sql = "SELECT count(CASE WHEN finished_at IS NULL AND started_at IS NULL THEN 1 END),
                          count(CASE WHEN finished_at IS NULL AND started_at IS NOT NULL THEN 1 END),
                          count(finished_at) FROM queued_job";
        let rows = self.0.run(sql, &[])?;
        let count = |column: usize| rows.first()?.get(column)?.integer();
        Ok(QueueCounts {
            received: count(0).unwrap_or_default(),
            in_progress: count(1).unwrap_or_default(),
            finished: count(2).unwrap_or_default(),
        })
    }

    /// Takes the job that waits for the longest time, if one does; one whose worker let its lease run out is
    /// waiting, too.
    pub(super) fn claim(&mut self, worker: &str, lease: Duration) -> Result<Option<QueuedJob>, LedgerError> {
        // Of two that want the same job one finds it taken: the conditions are checked again on the locked row.
        let sql = format!(
            "UPDATE queued_job SET worker = $1, claimable_at = {{now}} + $2, attempts = attempts + 1,
                 started_at = {{now}}, updated_at = {{now}}, reports_read = 0
             WHERE finished_at IS NULL AND claimable_at <= {{now}} AND id = (
                 SELECT id FROM queued_job WHERE finished_at IS NULL AND claimable_at <= {{now}}
                 ORDER BY received_at, id LIMIT 1)
             RETURNING {COLUMNS}"
        );
        let rows = self.0.run(&sql, &[worker.into(), millis(lease).into()])?;
        rows.iter().map(|row| QueuedJob::from_row(row)).next().transpose()
    }

    /// Renews a claim, and notes how many reports were read. False if the job is no longer the worker's.
    pub(super) fn renew(
        &mut self,
        id: &str,
        worker: &str,
        lease: Duration,
        reports_read: i64,
    ) -> Result<bool, LedgerError> {
        let sql = "UPDATE queued_job SET claimable_at = {now} + $1, reports_read = $2, updated_at = {now}
                   WHERE id = $3 AND worker = $4 AND finished_at IS NULL RETURNING id";
        let parameters = [millis(lease).into(), reports_read.into(), id.into(), worker.into()];
        Ok(!self.0.run(sql, &parameters)?.is_empty())
    }

    /// Ends a claim without a result: the job can be claimed again after a while. `uncounted` takes the
    /// attempt back: it was the process that ended, not the job that failed.
    pub(super) fn release(
        &mut self,
        id: &str,
        worker: &str,
        after: Duration,
        uncounted: bool,
    ) -> Result<(), LedgerError> {
        let sql = "UPDATE queued_job SET worker = NULL, claimable_at = {now} + $1, attempts = attempts - $2,
                       updated_at = {now}
                   WHERE id = $3 AND worker = $4 AND finished_at IS NULL RETURNING id";
        let parameters = [millis(after).into(), i64::from(uncounted).into(), id.into(), worker.into()];
        self.0.run(sql, &parameters).map(drop)
    }

    /// Ends a job with its result. False if it is no longer the worker's: then somebody else will end it.
    pub(super) fn finish(
        &mut self,
        id: &str,
        worker: &str,
        result: &str,
        buckets: Option<i64>,
        reports_read: i64,
    ) -> Result<bool, LedgerError> {
        let sql = "UPDATE queued_job SET result = $1, buckets = $2, reports_read = $3, worker = NULL,
                       finished_at = {now}, updated_at = {now}
                   WHERE id = $4 AND worker = $5 AND finished_at IS NULL RETURNING id";
        let parameters = [result.into(), buckets.into(), reports_read.into(), id.into(), worker.into()];
        Ok(!self.0.run(sql, &parameters)?.is_empty())
    }

    /// Removes jobs that finished longer ago: how many. The ledger still knows those that spent.
    pub(super) fn forget(&mut self, age: Duration) -> Result<usize, LedgerError> {
        let sql = "DELETE FROM queued_job WHERE finished_at <= {now} - $1 RETURNING id";
        Ok(self.0.run(sql, &[millis(age).into()])?.len())
    }
}

impl QueuedJob {
    fn from_row(row: &[Value]) -> Result<Self, LedgerError> {
        const DAMAGED: LedgerError = LedgerError::Damaged("a queued job");
        let text = |column: usize| row.get(column).and_then(Value::text);
        let integer = |column: usize| row.get(column).and_then(Value::integer);
        let time = |column: usize| integer(column).map(Time::from_millis);
        Ok(Self {
            id: text(0).ok_or(DAMAGED)?.to_owned(),
            request: text(1).ok_or(DAMAGED)?.to_owned(),
            received_at: time(2).ok_or(DAMAGED)?,
            updated_at: time(3).ok_or(DAMAGED)?,
            started_at: time(4),
            finished_at: time(5),
            attempts: integer(6).ok_or(DAMAGED)?,
            reports_read: integer(7).ok_or(DAMAGED)?,
            result: text(8).map(str::to_owned),
            buckets: integer(9),
        })
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SqliteLedger;

    const LEASE: Duration = Duration::from_secs(60);

    fn queue() -> (tempfile::TempDir, Queue) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ledger.sqlite");
        SqliteLedger::open(&path).unwrap();
        let queue = Queue::open(path.to_str().unwrap()).unwrap();
        (directory, queue)
    }

    fn claimed(queue: &mut Queue, worker: &str, lease: Duration) -> Option<String> {
        queue.claim(worker, lease).unwrap().map(|job| job.id)
    }

    #[test]
    fn jobs_are_claimed_once_and_in_their_order() {
        let (_directory, mut queue) = queue();
        for id in ["b", "a", "c"] {
            assert_eq!(queue.insert(id, "{}", 10).unwrap(), Inserted::Queued);
            std::thread::sleep(Duration::from_millis(2));
        }
        let all: Vec<_> = std::iter::from_fn(|| claimed(&mut queue, "w", LEASE)).collect();
        assert_eq!(all, ["b", "a", "c"]);
        let newest: Vec<_> = queue.list(2).unwrap().into_iter().map(|job| job.id).collect();
        assert_eq!(newest, ["c", "a"]);
    }

    #[test]
    fn an_id_is_taken_once_and_the_queue_has_an_end() {
        let (_directory, mut queue) = queue();
        assert_eq!(queue.insert("a", "{}", 1).unwrap(), Inserted::Queued);
        assert_eq!(queue.insert("a", "{}", 1).unwrap(), Inserted::Duplicate);
        assert_eq!(queue.insert("b", "{}", 1).unwrap(), Inserted::Full);
        queue.claim("w", LEASE).unwrap().unwrap();
        assert_eq!(queue.insert("b", "{}", 1).unwrap(), Inserted::Full, "work in progress counts");
        assert!(queue.finish("a", "w", "{}", None, 1).unwrap());
        assert_eq!(queue.insert("a", "{}", 1).unwrap(), Inserted::Duplicate, "finished ones are known");
        assert_eq!(queue.insert("b", "{}", 1).unwrap(), Inserted::Queued);
    }

    #[test]
    fn a_lease_that_ran_out_gives_the_job_to_another_worker() {
        let (_directory, mut queue) = queue();
        queue.insert("a", "{}", 1).unwrap();
        assert!(claimed(&mut queue, "first", Duration::ZERO).is_some());
        let job = queue.claim("second", LEASE).unwrap().unwrap();
        assert_eq!(job.attempts, 2);
        assert!(!queue.renew("a", "first", LEASE, 1).unwrap());
        assert!(!queue.finish("a", "first", "{}", None, 1).unwrap(), "it is the second's");
        queue.release("a", "first", Duration::ZERO, false).unwrap();
        assert!(queue.renew("a", "second", LEASE, 7).unwrap());
        assert_eq!(claimed(&mut queue, "third", LEASE), None);
        assert!(queue.finish("a", "second", "{\"x\":1}", Some(3), 9).unwrap());
        let job = queue.get("a").unwrap().unwrap();
        assert_eq!((job.reports_read, job.buckets, job.result.as_deref()), (9, Some(3), Some("{\"x\":1}")));
        assert!(job.finished_at.is_some());
    }

    #[test]
    fn what_is_handed_back_was_no_attempt_and_what_failed_waits() {
        let (_directory, mut queue) = queue();
        queue.insert("a", "{}", 1).unwrap();
        queue.claim("w", LEASE).unwrap().unwrap();
        queue.release("a", "w", Duration::ZERO, true).unwrap();
        assert_eq!(queue.get("a").unwrap().unwrap().attempts, 0);
        assert_eq!(queue.claim("w", LEASE).unwrap().unwrap().attempts, 1);
        queue.release("a", "w", LEASE, false).unwrap();
        assert_eq!(claimed(&mut queue, "w", LEASE), None);
        assert_eq!(queue.counts().unwrap(), QueueCounts { received: 0, in_progress: 1, finished: 0 });
    }

    #[test]
    fn finished_jobs_are_forgotten_after_their_time() {
        let (_directory, mut queue) = queue();
        for id in ["a", "b"] {
            queue.insert(id, "{}", 2).unwrap();
        }
        queue.claim("w", LEASE).unwrap().unwrap();
        queue.finish("a", "w", "{}", None, 0).unwrap();
        assert_eq!(queue.forget(LEASE).unwrap(), 0);
        assert_eq!(queue.forget(Duration::ZERO).unwrap(), 1);
        assert!(queue.get("a").unwrap().is_none() && queue.get("b").unwrap().is_some());
    }
}
