//! What goes on beside an attempt: its claim is renewed, its progress noted, and it is told to end when it must.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

use super::{
    Inner,
    queue::{Queue, QueuedJob},
};
use crate::Progress;

/// Why an attempt was asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interruption {
    /// The service ends.
    Stop,
    /// It took too long.
    Timeout,
    /// The claim was lost: somebody else does it.
    Lost,
}

/// How often a running attempt is looked after, and how often its progress is noted.
const TICK: Duration = Duration::from_millis(100);
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// Looks after an attempt while it runs.
pub(super) struct Keeper<'a> {
    pub(super) inner: &'a Inner,
    pub(super) name: &'a str,
    pub(super) job: &'a QueuedJob,
    pub(super) progress: &'a Progress,
    pub(super) started: Instant,
}

impl Keeper<'_> {
    /// Renews the claim and notes the progress until the attempt has ended; says why, if it had to be told to.
    pub(super) fn keep(&self, queue: &mut Queue, ends: &Receiver<()>) -> Option<Interruption> {
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
