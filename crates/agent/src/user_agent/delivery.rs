//! Delivery: reports leave, and what became of them is stored.
//!
//! Spec: "attempt to deliver a report". Tasks, a bounded number of them, take one report after the other. A
//! stored report is deleted only after its server answered: when the process ends in between, it is sent
//! again, under the same ID; only its payload is sealed anew.

use std::sync::Arc;

use ascribe_engine::{DebugReport, ReportKey};
use ascribe_reports::Time;
use rand_chacha::ChaCha20Rng;

use super::{
    AttemptError, Event, Report, SendOutcome, SentReport, Shared,
    core::{Core, Job},
};
use crate::{DeliveryError, Failed, JournalError};

/// How many reports are on their way at once.
const MAX_WORKERS: usize = 32;

/// A report to send now, and what it takes.
struct Attempt {
    report: Report,
    number: u32,
    rng: ChaCha20Rng,
}

impl Shared {
    /// Starts tasks for what waits to be sent.
    pub(super) fn send_waiting(self: &Arc<Self>, core: &mut Core) {
        if core.stopped {
            return;
        }
        let mut tasks = self.tasks();
        while tasks.try_join_next().is_some() {}
        for _ in 0..core.jobs.len().min(MAX_WORKERS - core.workers) {
            core.workers += 1;
            tasks.spawn_on(self.clone().work(), &self.runtime);
        }
    }

    async fn work(self: Arc<Self>) {
        let mut counted = Counted { shared: &self, ended: false };
        while let Some(job) = self.next_job() {
            match job {
                Job::Stored(key) => self.deliver_stored(key).await,
                Job::Debug(report, due) => self.deliver_debug(report, due).await,
            }
        }
        counted.ended = true;
    }

    fn next_job(&self) -> Option<Job> {
        self.lock().next_job()
    }

    /// Waits until nothing is on its way.
    pub(super) async fn until_idle(&self) {
        loop {
            let idle = self.idle.notified();
            if self.lock().workers == 0 {
                return;
            }
            idle.await;
        }
    }

    async fn deliver_stored(&self, key: ReportKey) {
        let Some(attempt) = self.begin_stored(key) else { return };
        let Attempt { report, number, mut rng } = attempt;
        let (body, outcome) = self.attempt(&report, &mut rng).await;
        let mut core = self.lock();
        if let Err(error) = settle(&mut core, key, report, number, body, outcome, self.keep_undeliverable) {
            core.failure.get_or_insert(error);
        }
        drop(core);
        self.wake.notify_one();
    }

    /// None when the report is not to be sent now: it was cleared, or cannot be stored as sent.
    fn begin_stored(&self, key: ReportKey) -> Option<Attempt> {
        let mut core = self.lock();
        let ready = core.catch_up().and_then(|()| core.sync());
        if let Err(error) = ready {
            core.courier.put_back(key);
            core.tell(Event::JournalFailed(error.to_string()));
            core.failure.get_or_insert(error);
            return None;
        }
        let stored = core.agent.engine().state().report(key).cloned();
        match stored {
            Some(stored) if !core.courier.is_offline() => Some(Attempt {
                report: Report::Stored(stored.report),
                number: stored.failures + 1,
                rng: core.draws.for_sealing(),
            }),
            _ => {
                core.courier.put_back(key);
                None
            }
        }
    }

    async fn deliver_debug(&self, report: DebugReport, due: Time) {
        let report = Report::Debug(report);
        let (mut rng, ready, deletions) = {
            let mut core = self.lock();
            let ready = if core.courier.is_offline() {
                Err(DeliveryError::Disconnected.into())
            } else {
                // It tells of a registration, and perhaps of a budget, that must not be forgotten.
                core.sync().map_err(|error| AttemptError::NotStored(error.to_string()))
            };
            (core.draws.for_sealing(), ready, core.deletions)
        };
        let (body, outcome) = match ready {
            Ok(()) => self.attempt(&report, &mut rng).await,
            Err(error) => (None, Err(error)),
        };
        let outcome = match outcome {
            Ok(status) => SendOutcome::Answered(status),
            Err(error) => SendOutcome::Dropped { error, kept: false },
        };
        let mut core = self.lock();
        if core.deletions == deletions {
            let time = core.time.now();
            core.log_sent(SentReport { time, due, report, attempt: 1, body, outcome });
        }
    }

    /// What was sent, and the status of the answer.
    async fn attempt(
        &self,
        report: &Report,
        rng: &mut ChaCha20Rng,
    ) -> (Option<String>, Result<u16, AttemptError>) {
        let body = match self.seal(report, rng).await {
            Ok(body) => body,
            Err(error) => return (None, Err(error)),
        };
        let answered = self.client.post_json(&report.url(), body.clone().into_bytes()).await;
        tracing::debug!(url = report.url(), ?answered, "report");
        (Some(body), answered.map_err(Into::into))
    }

    async fn seal(&self, report: &Report, rng: &mut ChaCha20Rng) -> Result<String, AttemptError> {
        let keys = match report.coordinator() {
            Some(coordinator) => {
                let now = || self.lock().time.now();
                let tell = |fetched: &Result<_, _>| self.tell_fetched(coordinator, fetched);
                Some(self.keys.get(&self.client, coordinator, now, tell).await?)
            }
            None => None,
        };
        report.body(keys.as_deref(), rng).map_err(|error| AttemptError::Seal(error.to_string()))
    }

    fn tell_fetched(
        &self,
        coordinator: &ascribe_headers::Coordinator,
        fetched: &Result<crate::keys::Fetched, crate::KeysError>,
    ) {
        let mut core = self.lock();
        let (time, coordinator) = (core.time.now(), coordinator.clone());
        core.tell(match fetched {
            Ok(fetched) => {
                let (keys, fresh_until) = (fetched.keys.as_slice().len(), fetched.fresh_until);
                Event::KeysFetched { time, coordinator, keys, fresh_until }
            }
            Err(error) => {
                tracing::warn!(coordinator = %coordinator.origin(), %error, "no keys");
                Event::KeysFailed { time, coordinator, error: error.clone() }
            }
        });
    }
}

/// Makes sure that a task that ends is not waited for, even if it ends in the middle.
struct Counted<'a> {
    shared: &'a Shared,
    /// It found nothing more to do, and is not counted any more.
    ended: bool,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.shared.lock().workers -= 1;
        }
        self.shared.idle.notify_waiters();
    }
}

/// Stores what became of a report.
fn settle(
    core: &mut Core,
    key: ReportKey,
    report: Report,
    attempt: u32,
    body: Option<String>,
    answered: Result<u16, AttemptError>,
    keep_undeliverable: bool,
) -> Result<(), JournalError> {
    let time = core.time.now();
    if let Err(error) = core.catch_up() {
        core.courier.put_back(key);
        return Err(error);
    }
    let Some(stored) = core.agent.engine().state().report(key) else {
        // It was cleared while it was on its way: nothing of it is kept.
        core.courier.put_back(key);
        return Ok(());
    };
    let due = stored.report.report_time();
    let engine = core.agent.engine_mut();
    let (effects, error) = match answered {
        Ok(status) => (core.courier.delivered(engine, key).map(|()| SendOutcome::Answered(status)), None),
        Err(error) => {
            let effects = if error.is_retryable() {
                core.courier.failed(engine, key, time)
            } else {
                core.courier.delivered(engine, key).map(|()| Failed::Dropped)
            };
            let outcome = |failed| match failed {
                Failed::Retry(at) => SendOutcome::Retried { error: error.clone(), at: Some(at) },
                Failed::AwaitsNavigation => SendOutcome::Retried { error: error.clone(), at: None },
                Failed::Dropped => SendOutcome::Dropped { error: error.clone(), kept: false },
            };
            (effects.map(outcome), Some(error))
        }
    };
    let mut outcome = effects.outcome;
    if let (SendOutcome::Dropped { kept, .. }, Some(error), Report::Stored(pending), true) =
        (&mut outcome, error, &report, keep_undeliverable)
    {
        // Kept before it is deleted: it is never nowhere.
        if let Err(error) = core.journal.keep_undeliverable(pending, &error.to_string(), time) {
            return Err(core.go_back(error));
        }
        *kept = true;
    }
    core.store(&effects.changes)?;
    core.log_sent(SentReport { time, due, report, attempt, body, outcome });
    Ok(())
}
