//! One attempt at a job: the plan, unless an earlier attempt has spent.
//!
//! Before the plan runs, the ledger is asked whether an earlier attempt has spent: then its output is published,
//! and nothing is computed. An attempt that fails asks again, for another process may have spent meanwhile.

use super::{
    Inner, now,
    queue::QueuedJob,
    request::CreateJob,
    summary::{self, summary_place},
};
use crate::{
    CommittedJob, ErrorCounts, Job, Keyring, Ledger, LedgerError, Progress, Protection, ResultInfo,
    ReturnCode, publish, run, shared_info::iso_8601,
};

/// How an attempt ended.
pub(super) enum Ended {
    /// With a result for good.
    Finished { result: serde_json::Value, buckets: Option<i64> },
    /// So that it is worth another attempt.
    Failed { code: ReturnCode, message: String },
}

/// Does what a job asks for, unless an earlier attempt has done it.
pub(super) fn execute(
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
        return Ok(finished(
            exhausted(
                queued.attempts - 1,
                "its process ended each time, before it had spent any privacy budget",
            ),
            None,
        ));
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

pub(super) fn failed(code: ReturnCode, message: impl Into<String>) -> Ended {
    Ended::Failed { code, message: message.into() }
}

pub(super) fn exhausted(attempts: i64, why: &str) -> serde_json::Value {
    let message = format!("The job was tried {attempts} times; {why}.");
    result(ReturnCode::RetriesExhausted, Some(message))
}

/// The `result_info` of a job of which nothing was computed.
pub(super) fn result(code: ReturnCode, message: Option<String>) -> serde_json::Value {
    let result = ResultInfo::new(code, message, &ErrorCounts::default(), now());
    serde_json::to_value(&result).expect("texts and numbers are JSON")
}
