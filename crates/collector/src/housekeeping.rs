//! What is done while reports come: batches made, and old reports deleted.

use std::{
    sync::mpsc,
    thread::{self, JoinHandle},
    time::Duration,
};

use ascribe_reports::{Duration as ReportDuration, Time};

use crate::{
    batches::Batcher,
    clock::Clock,
    store::{Store, StoreError, StoreLocation},
};

/// What is to be done.
#[derive(Debug)]
pub struct Chores {
    /// How often, in real time.
    pub every: Duration,
    /// Makes batches, if any are to be made.
    pub batcher: Option<Batcher>,
    /// After how many days reports are deleted, if ever.
    ///
    /// A report that is deleted is forgotten: sent again, it is new. User agents send again within an hour of
    /// being online, and may have been offline for long.
    pub keep_days: Option<u32>,
    /// What time it is for reports.
    pub clock: Clock,
}

/// A thread with a connection of its own, that does the chores until it is dropped.
#[derive(Debug)]
pub struct Housekeeping {
    end: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Housekeeping {
    /// Starts the thread. `runtime` serves the place for batches.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(
        chores: Chores,
        store: StoreLocation,
        runtime: tokio::runtime::Handle,
    ) -> std::io::Result<Self> {
        let (end, ended) = mpsc::channel();
        let work = move || {
            while let Err(mpsc::RecvTimeoutError::Timeout) = ended.recv_timeout(chores.every) {
                // A connection lasts for one turn: there is nothing to repair.
                if let Err(error) =
                    Store::open(&store).and_then(|mut store| chores.once(&mut store, &runtime))
                {
                    tracing::error!(%error, "chores were not done");
                }
            }
        };
        let thread = thread::Builder::new().name("housekeeping".into()).spawn(work)?;
        Ok(Self { end: Some(end), thread: Some(thread) })
    }
}

impl Chores {
    fn once(&self, store: &mut Store, runtime: &tokio::runtime::Handle) -> Result<(), StoreError> {
        if let Some(batcher) = &self.batcher {
            match batcher.run(store, runtime) {
                Ok(batches) => {
                    for batch in batches {
                        tracing::info!(
                            batch = batch.id,
                            reports = batch.reports,
                            late = batch.late,
                            "a batch was written"
                        );
                    }
                }
                // It is taken up again in the next turn; old reports are deleted all the same.
                Err(error) => tracing::error!(%error, "a batch was not written"),
            }
        }
        if let Some(days) = self.keep_days {
            let before: Time = self.clock.now() - ReportDuration::from_days(days.into());
            let deleted = store.delete_before(before)?;
            if deleted > 0 {
                tracing::info!(deleted, days, "old reports were deleted");
            }
        }
        Ok(())
    }
}

impl Drop for Housekeeping {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            // It has told its panic already.
            let _ = thread.join();
        }
    }
}
