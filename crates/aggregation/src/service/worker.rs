//! A worker: claims jobs, and takes each to an end that the queue is told.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, mpsc::channel},
    thread,
    time::{Duration, Instant},
};

use super::{
    Inner,
    attempt::{Ended, execute, exhausted, failed, result},
    keeper::{Interruption, Keeper},
    queue::{Queue, QueuedJob},
};
use crate::{Ledger, Progress, ReturnCode};

/// A worker, with its own connections.
pub(super) struct Worker {
    pub(super) inner: Arc<Inner>,
    /// What its claims are known by: no other worker's, whenever and wherever.
    pub(super) name: String,
    pub(super) ledger: Box<dyn Ledger>,
    pub(super) queue: Queue,
}

/// How often the queue is asked while nobody said that there is something in it.
const POLL: Duration = Duration::from_secs(1);
/// How long to wait for a database that fails.
const DATABASE_PAUSE: Duration = Duration::from_secs(2);
/// The longest wait between attempts.
const MAX_PAUSE_SECONDS: u64 = 300;

impl Worker {
    /// Works until the service ends.
    pub(super) fn run(mut self) {
        while !self.inner.stop.is_set() {
            match self.queue.claim(&self.name, self.inner.config.lease) {
                Ok(Some(job)) => self.attempt(&job),
                Ok(None) => self.inner.stop.wait(POLL),
                Err(error) => {
                    tracing::error!(%error, "the queue cannot be asked");
                    self.inner.stop.wait(DATABASE_PAUSE);
                }
            }
        }
    }

    fn attempt(&mut self, job: &QueuedJob) {
        tracing::info!(job = job.id, attempt = job.attempts, "a job begins");
        let (inner, started) = (self.inner.clone(), Instant::now());
        inner.metrics.running.inc();
        let progress = Progress::default();
        let (ended, interruption) = thread::scope(|scope| {
            let (is_running, ends) = channel::<()>();
            let keeper = Keeper { inner: &inner, name: &self.name, job, progress: &progress, started };
            let queue = &mut self.queue;
            let keeper = scope.spawn(move || keeper.keep(queue, &ends));
            let ended = catch_unwind(AssertUnwindSafe(|| execute(&inner, &mut *self.ledger, job, &progress)));
            drop(is_running);
            (ended, keeper.join().unwrap_or(None))
        });
        inner.metrics.running.dec();
        inner.metrics.attempt_seconds.observe(started.elapsed().as_secs_f64());
        inner.metrics.reports.inc_by(progress.reports());
        let ended = match ended {
            Ok(Ok(ended)) => ended,
            Ok(Err(error)) => failed(ReturnCode::PrivacyBudgetError, error.to_string()),
            Err(_) => failed(ReturnCode::InternalError, "the job panicked"),
        };
        match (ended, interruption) {
            (Ended::Finished { result, buckets }, _) => self.finish(job, &result, buckets, &progress),
            (Ended::Failed { .. }, Some(Interruption::Lost)) => {
                tracing::warn!(job = job.id, "the claim was lost");
                self.interrupted("lost");
            }
            (Ended::Failed { .. }, Some(Interruption::Stop)) => {
                tracing::info!(job = job.id, "the job is handed back");
                self.interrupted("stop");
                self.release(job, Duration::ZERO, true);
            }
            (Ended::Failed { .. }, Some(Interruption::Timeout)) => {
                self.interrupted("timeout");
                let seconds = inner.config.timeout.as_secs();
                self.retry(job, ReturnCode::InternalError, &format!("it took longer than {seconds} s"));
            }
            (Ended::Failed { code, message }, None) => {
                self.interrupted("failure");
                self.retry(job, code, &message);
            }
        }
    }

    /// Lets the job be tried again, later each time, or ends it if this was the last attempt.
    fn retry(&mut self, job: &QueuedJob, code: ReturnCode, message: &str) {
        tracing::warn!(job = job.id, attempt = job.attempts, %code, message, "an attempt failed");
        if job.attempts < self.inner.config.attempts {
            let pause = 1u64.checked_shl(u32::try_from(job.attempts).unwrap_or(u32::MAX)).unwrap_or(u64::MAX);
            return self.release(job, Duration::from_secs(pause.min(MAX_PAUSE_SECONDS)), false);
        }
        match code {
            // It is paid for: what it is called must not look as if nothing had happened.
            ReturnCode::ResultWriteError => {
                let result = result(code, Some(message.to_owned()));
                self.finish(job, &result, None, &Progress::default());
            }
            code => {
                let result = exhausted(job.attempts, &format!("the last time {code}: {message}"));
                self.finish(job, &result, None, &Progress::default());
            }
        }
    }

    /// Tells the queue. What it cannot be told is found in the ledger by whoever claims the job next.
    fn finish(
        &mut self,
        job: &QueuedJob,
        result: &serde_json::Value,
        buckets: Option<i64>,
        progress: &Progress,
    ) {
        let code = result["return_code"].as_str().unwrap_or_default().to_owned();
        let reports = i64::try_from(progress.reports()).unwrap_or(i64::MAX);
        match self.queue.finish(&job.id, &self.name, &result.to_string(), buckets, reports) {
            Ok(true) => {
                tracing::info!(job = job.id, code, "a job ended");
                self.inner.metrics.jobs.get_or_create(&[("return_code", code)]).inc();
            }
            Ok(false) => {
                tracing::warn!(job = job.id, code, "a job ended whose claim was lost");
                self.interrupted("lost");
            }
            Err(error) => tracing::error!(job = job.id, %error, "the end of a job was not noted"),
        }
    }

    fn release(&mut self, job: &QueuedJob, after: Duration, uncounted: bool) {
        if let Err(error) = self.queue.release(&job.id, &self.name, after, uncounted) {
            tracing::error!(job = job.id, %error, "a job was not handed back: its lease will run out");
        }
    }

    fn interrupted(&self, reason: &'static str) {
        self.inner.metrics.interrupted.get_or_create(&[("reason", reason)]).inc();
    }
}
