//! A worker: claims jobs, and runs each to an end that the queue is told.
//!
//! Whatever happens to the process, a job ends once and spends once. Before an attempt runs the plan, the
//! ledger is asked whether an earlier one has spent: then its output is published, and nothing is computed. An
//! attempt that fails asks again, for another process may have spent meanwhile.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    Inner, now,
    queue::{Queue, QueuedJob},
    request::CreateJob,
    summary::{self, summary_place},
};
use crate::{
    CommittedJob, ErrorCounts, Job, Keyring, Ledger, LedgerError, Progress, Protection, ResultInfo,
    ReturnCode, publish, run, shared_info::iso_8601,
};

/// A worker, with its own connections.
pub(super) struct Worker {
    pub(super) inner: Arc<Inner>,
    /// What its claims are known by: no other worker's, whenever and wherever.
    pub(super) name: String,
    pub(super) ledger: Box<dyn Ledger>,
    pub(super) queue: Queue,
}

/// How an attempt ended.
enum Ended {
    /// With a result for good.
    Finished { result: serde_json::Value, buckets: Option<i64> },
    /// So that it is worth another attempt.
    Failed { code: ReturnCode, message: String },
}

/// Why an attempt was asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Interruption {
    /// The service ends.
    Stop,
    /// It took too long.
    Timeout,
    /// The claim was lost: somebody else does it.
    Lost,
}

/// How often the queue is asked while nobody said that there is something in it.
const POLL: Duration = Duration::from_secs(1);
/// How long to wait for a database that fails.
const DATABASE_PAUSE: Duration = Duration::from_secs(2);
/// How often a running attempt is looked after, and how often its progress is noted.
const TICK: Duration = Duration::from_millis(100);
const PROGRESS_EVERY: Duration = Duration::from_secs(1);
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

/// Looks after an attempt while it runs.
struct Keeper<'a> {
    inner: &'a Inner,
    name: &'a str,
    job: &'a QueuedJob,
    progress: &'a Progress,
    started: Instant,
}

impl Keeper<'_> {
    /// Renews the claim and notes the progress until the attempt has ended; says why, if it had to be told to.
    fn keep(&self, queue: &mut Queue, ends: &Receiver<()>) -> Option<Interruption> {
        let config = &self.inner.config;
        let (mut renewed, mut noted, mut interruption) = (Instant::now(), 0, None);
        while let Err(RecvTimeoutError::Timeout) = ends.recv_timeout(TICK) {
            if interruption.is_none() {
                interruption = self.reason_to_end();
            }
            let reports = i64::try_from(self.progress.reports()).unwrap_or(i64::MAX);
            let is_news = reports != noted && renewed.elapsed() >= PROGRESS_EVERY;
            if is_news || renewed.elapsed() >= config.lease / 3 {
                match queue.renew(&self.job.id, self.name, config.lease, reports) {
                    Ok(true) => (renewed, noted) = (Instant::now(), reports),
                    Ok(false) => interruption = Some(Interruption::Lost),
                    Err(error) => tracing::error!(job = self.job.id, %error, "a claim was not renewed"),
                }
            }
            if renewed.elapsed() >= config.lease {
                interruption = Some(Interruption::Lost);
            }
            if interruption.is_some() {
                self.progress.cancel();
            }
        }
        interruption
    }

    fn reason_to_end(&self) -> Option<Interruption> {
        if self.inner.stop.is_set() {
            return Some(Interruption::Stop);
        }
        (self.started.elapsed() >= self.inner.config.timeout).then_some(Interruption::Timeout)
    }
}

/// Does what a job asks for, unless an earlier attempt has done it.
fn execute(
    inner: &Inner,
    ledger: &mut dyn Ledger,
    queued: &QueuedJob,
    progress: &Progress,
) -> Result<Ended, LedgerError> {
    let invalid = |message: String| Ok(finished(result(ReturnCode::InvalidJob, Some(message)), None));
    let request = match CreateJob::parse(queued.request.as_bytes()) {
        Ok(request) => request,
        Err(error) => return invalid(error.message),
    };
    // The configuration may have changed since the request was accepted.
    let places = match inner.accept(&request) {
        Ok(places) => places,
        Err(error) => return invalid(error.message),
    };
    let parameters = match request.parameters() {
        Ok(parameters) => parameters,
        Err(error) => return invalid(error.to_string()),
    };
    // Read anew for each job: keys come and go.
    let keys = match Keyring::read(&inner.config.keys) {
        Ok(keys) => keys,
        Err(error) => {
            tracing::error!(%error, "the keys cannot be read");
            return Ok(failed(ReturnCode::InternalError, "the coordinator's keys cannot be read"));
        }
    };
    let committed = ledger.job(&queued.id)?;
    let job = Job {
        id: queued.id.clone(),
        parameters,
        input: places.input,
        domain: places.domain,
        output: summary_place(places.output),
        protection: Protection::Full { keys, ledger: &mut *ledger, staging: inner.config.staging.clone() },
        now: now(),
        threads: inner.threads(),
    };
    let asked = job.request();
    if let Some(committed) = committed {
        drop(job);
        return resume(inner, ledger, &committed, asked);
    }
    if queued.attempts > inner.config.attempts {
        // The process died in each of them, or it would have said what happened.
        return Ok(finished(exhausted(queued.attempts - 1, "its process ended each time"), None));
    }
    let outcome = run(job, &inner.storage, progress);
    let code = outcome.result.return_code;
    if code.is_success() {
        let result = serde_json::to_value(&outcome.result).expect("texts and numbers are JSON");
        return Ok(finished(result, Some(outcome.counts.domain_buckets)));
    }
    if let Some(committed) = ledger.job(&queued.id)? {
        return resume(inner, ledger, &committed, asked);
    }
    if code.is_transient() || code == ReturnCode::ResultWriteError {
        return Ok(failed(code, outcome.result.return_message));
    }
    let result = serde_json::to_value(&outcome.result).expect("texts and numbers are JSON");
    Ok(finished(result, None))
}

/// Publishes what the ledger has of a job that has spent.
fn resume(
    inner: &Inner,
    ledger: &mut dyn Ledger,
    committed: &CommittedJob,
    asked: [u8; 32],
) -> Result<Ended, LedgerError> {
    let CommittedJob { id, request, result: stored, files, .. } = committed;
    if *request != asked {
        let message = "another job with this ID has spent privacy budget".to_owned();
        return Ok(finished(result(ReturnCode::InvalidJob, Some(message)), None));
    }
    if let Err(error) = publish(ledger, &inner.storage, id, now()) {
        let message = format!(
            "{error}. The privacy budget is spent and the output is stored: `ascribe budget recover` publishes it."
        );
        return Ok(failed(ReturnCode::ResultWriteError, message));
    }
    tracing::info!(job = id, "an earlier attempt had spent: its output is published");
    let buckets = summary::count(&inner.storage, files).ok().map(|count| count as u64);
    let result = serde_json::from_str(stored).map_err(|_| LedgerError::Damaged("the result of a job"))?;
    Ok(finished(result, buckets))
}

/// An end for good: now.
fn finished(mut result: serde_json::Value, buckets: Option<u64>) -> Ended {
    result["finished_at"] = iso_8601(now()).into();
    Ended::Finished { result, buckets: buckets.and_then(|count| i64::try_from(count).ok()) }
}

fn failed(code: ReturnCode, message: impl Into<String>) -> Ended {
    Ended::Failed { code, message: message.into() }
}

fn exhausted(attempts: i64, why: &str) -> serde_json::Value {
    let message = format!("The job was tried {attempts} times; {why}. No privacy budget was spent.");
    result(ReturnCode::RetriesExhausted, Some(message))
}

/// The `result_info` of a job of which nothing was computed.
fn result(code: ReturnCode, message: Option<String>) -> serde_json::Value {
    let result = ResultInfo::new(code, message, &ErrorCounts::default(), now());
    serde_json::to_value(&result).expect("texts and numbers are JSON")
}
