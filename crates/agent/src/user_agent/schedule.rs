//! When reports go: as the clock runs, as it is advanced, or now.

use std::time::Duration as StdDuration;

use ascribe_reports::{Duration, Time};

use super::{UserAgent, core::Core};
use crate::JournalError;

/// A suspended or adjusted system clock is noticed after this long.
const LONGEST_SLEEP: StdDuration = StdDuration::from_secs(60);
const PAUSE_AFTER_FAILURE: StdDuration = StdDuration::from_secs(60);

impl UserAgent {
    /// Sends reports when they are due, until [`shutdown`](Self::shutdown). Debug reports go without it.
    ///
    /// When the journal fails, it tries again a minute later.
    pub async fn run(&self) {
        while !self.0.lock().stopped {
            let woken = self.0.wake.notified();
            let next = {
                let _schedule = self.0.schedule.lock().await;
                let mut core = self.0.lock();
                let wait = match core.failure.take().map_or(Ok(()), Err).and_then(|()| core.step()) {
                    Ok(()) => Some(core.next_wait()),
                    Err(error) => {
                        tracing::warn!(%error, "reports wait for the journal");
                        None
                    }
                };
                self.0.send_waiting(&mut core);
                wait
            };
            let _ = match next {
                Some(wait) => tokio::time::timeout(wait, woken).await,
                // Whatever happens: what cannot be noted as sent would be sent over and over.
                None => tokio::time::timeout(PAUSE_AFTER_FAILURE, self.0.stop.notified()).await,
            };
        }
    }

    /// Lets time pass. It goes from one due moment to the next: reports, retries, and triggers that waited long
    /// enough; at each, everything that leaves is waited for. In the end it is as much later, also when the
    /// profile is opened again.
    ///
    /// # Errors
    /// When the journal fails: time has gone as far as it could be kept.
    pub async fn advance(&self, by: Duration) -> Result<Time, JournalError> {
        let _schedule = self.0.schedule.lock().await;
        let target = self.now() + by;
        loop {
            self.0.until_idle().await;
            let mut core = self.0.lock();
            core.check()?;
            let now = core.time.now();
            let Some(next) = core.next_step().filter(|next| *next <= target) else {
                core.advance_to(target)?;
                self.0.wake.notify_one();
                return Ok(core.time.now());
            };
            if next > now {
                core.advance_to(next)?;
            }
            core.step()?;
            self.0.send_waiting(&mut core);
        }
    }

    /// Sends all stored reports, however early it is, and waits until they and the debug reports are out.
    /// What fails is tried again as always.
    ///
    /// # Errors
    /// When the journal fails.
    pub async fn send_pending_now(&self) -> Result<(), JournalError> {
        let _schedule = self.0.schedule.lock().await;
        self.0.until_idle().await;
        {
            let mut guard = self.0.lock();
            let core = &mut *guard;
            core.check()?;
            let all = core.courier.take_all(core.agent.engine(), &mut core.draws);
            core.queue_stored(all);
            self.0.send_waiting(core);
        }
        self.0.until_idle().await;
        self.0.lock().check()
    }

    /// Waits until nothing is on its way: debug reports, above all, which leave by themselves.
    pub async fn idle(&self) {
        self.0.until_idle().await;
    }

    /// Sends nothing more. What is on its way is abandoned and, if it is stored, sent again when the profile is
    /// opened next, under the same ID. Without it, a profile stays in use until what is on its way is answered.
    ///
    /// A profile in a directory can be opened again then; what would have to be stored is
    /// [`JournalError::Closed`].
    pub async fn shutdown(&self) {
        self.0.lock().stopped = true;
        self.0.wake.notify_one();
        self.0.stop.notify_one();
        let mut tasks = std::mem::take(&mut *self.0.tasks());
        tasks.shutdown().await;
        let mut core = self.0.lock();
        // Tasks that ended before they began have not said so.
        core.workers = 0;
        self.0.idle.notify_waiters();
        if let Err(error) = core.close() {
            tracing::warn!(%error, "the clock could not be kept");
        }
    }
}

impl Core {
    /// The failure of the journal that kept reports from leaving, once.
    fn check(&mut self) -> Result<(), JournalError> {
        if self.closed {
            return Err(JournalError::Closed);
        }
        self.failure.take().map_or(Ok(()), Err)
    }

    /// How long there is nothing to do.
    fn next_wait(&mut self) -> StdDuration {
        let next = self.next_step();
        next.and_then(|next| self.time.wait_until(next)).unwrap_or(LONGEST_SLEEP).min(LONGEST_SLEEP)
    }
}
