//! The writer: one thread that stores what many requests bring, many reports a commit.
//!
//! A commit waits for the disk. While one is under way, the reports of other requests gather; the next commit
//! takes all of them. Each request is answered when its own report is durable, and not before.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::{
    metrics::Metrics,
    store::{NewReport, ServedSource, Store, StoreLocation},
};

/// A handle of the writer.
#[derive(Debug)]
pub(crate) struct Writer {
    queue: Option<mpsc::SyncSender<Waiting>>,
    /// A permit a byte.
    room: Arc<Semaphore>,
    shared: Arc<Shared>,
    thread: Option<thread::JoinHandle<()>>,
}

/// Why a report was not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotStored {
    /// Too much waits already.
    Full,
    /// The store does not take it now.
    Failed,
}

/// A report that waits for its commit.
struct Waiting {
    report: NewReport,
    answer: oneshot::Sender<bool>,
    _room: OwnedSemaphorePermit,
}

#[derive(Debug, Default)]
struct Shared {
    served: Mutex<HashMap<ServedKey, (ServedSource, u64)>>,
    works: AtomicBool,
}

/// Sources that are counted together; the bits of epsilon, for a fraction is no key.
type ServedKey = (u64, bool, u8, u8, u8, u64, i64);

/// As many reports wait at most, whatever their size.
const MAX_WAITING: usize = 65_536;
/// As many go into one commit at most.
const MAX_COMMIT: usize = 2048;
/// How often what was counted is stored when no reports come.
const IDLE: Duration = Duration::from_secs(1);

impl Writer {
    /// Starts the thread, which opens the store when it is first needed, and anew after failures.
    pub(crate) fn start(
        location: StoreLocation,
        queue_bytes: usize,
        metrics: Arc<Metrics>,
    ) -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::sync_channel(MAX_WAITING);
        let shared = Arc::new(Shared::default());
        let mut thread = Thread { location, store: None, shared: shared.clone(), metrics };
        let thread = thread::Builder::new().name("writer".into()).spawn(move || thread.run(&receiver))?;
        let room = Arc::new(Semaphore::new(queue_bytes.min(Semaphore::MAX_PERMITS)));
        Ok(Self { queue: Some(sender), room, shared, thread: Some(thread) })
    }

    /// Stores a report that takes about so many bytes: whether it is new, once it is durable.
    pub(crate) async fn store(&self, report: NewReport, bytes: usize) -> Result<bool, NotStored> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).max(1);
        let room = self.room.clone().try_acquire_many_owned(bytes).map_err(|_| NotStored::Full)?;
        let (answer, stored) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(NotStored::Failed)?;
        queue.try_send(Waiting { report, answer, _room: room }).map_err(|_| NotStored::Full)?;
        stored.await.map_err(|_| NotStored::Failed)
    }

    /// Counts a source that was served. It is stored with the next commit, or within a second: a crash loses
    /// no more.
    pub(crate) fn count(&self, source: ServedSource) {
        let key = (
            source.campaign,
            source.source_type == ascribe_headers::SourceType::Navigation,
            source.max_event_level_reports,
            source.trigger_data,
            source.windows,
            source.epsilon.to_bits(),
            source.day,
        );
        let mut served = self.shared.served.lock().unwrap_or_else(PoisonError::into_inner);
        served.entry(key).or_insert((source, 0)).1 += 1;
    }

    /// Whether the last thing that was asked of the store was done.
    pub(crate) fn works(&self) -> bool {
        self.shared.works.load(Ordering::Relaxed)
    }

    /// Stores what waits, and ends the thread.
    pub(crate) fn close(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // It has told its panic already.
            let _ = thread.join();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

struct Thread {
    location: StoreLocation,
    store: Option<Store>,
    shared: Arc<Shared>,
    metrics: Arc<Metrics>,
}

impl Thread {
    fn run(&mut self, queue: &mpsc::Receiver<Waiting>) {
        self.check();
        loop {
            match queue.recv_timeout(IDLE) {
                Ok(first) => {
                    let mut waiting = vec![first];
                    waiting.extend(queue.try_iter().take(MAX_COMMIT - 1));
                    self.commit(waiting);
                }
                Err(mpsc::RecvTimeoutError::Timeout) => self.check(),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            }
            self.store_counts();
        }
        self.store_counts();
    }

    /// Whether the store answers.
    fn check(&mut self) {
        let works = self.with_store(Store::ping).is_some();
        self.shared.works.store(works, Ordering::Relaxed);
    }

    fn commit(&mut self, waiting: Vec<Waiting>) {
        let started = Instant::now();
        let (reports, answers): (Vec<_>, Vec<_>) =
            waiting.into_iter().map(|waiting| (waiting.report, (waiting.answer, waiting._room))).unzip();
        let new = match self.with_store(|store| store.insert(&reports)) {
            Some(new) => new.into_iter().map(Some).collect(),
            // One report that the store cannot take must not cost the others.
            None if reports.len() > 1 && self.with_store(Store::ping).is_some() => reports
                .iter()
                .map(|report| self.with_store(|store| store.insert(std::slice::from_ref(report))))
                .map(|new| new.and_then(|new| new.first().copied()))
                .collect(),
            None => vec![None; reports.len()],
        };
        self.shared.works.store(new.iter().any(Option::is_some), Ordering::Relaxed);
        self.metrics.commit_seconds.observe(started.elapsed().as_secs_f64());
        self.metrics.commit_reports.observe(reports.len() as f64);
        for ((answer, _), new) in answers.into_iter().zip(new) {
            // Without an answer the request is told that its report was not stored. Nobody may wait any more.
            if let Some(new) = new {
                let _ = answer.send(new);
            }
        }
    }

    fn store_counts(&mut self) {
        let counted = std::mem::take(&mut *self.shared.served.lock().unwrap_or_else(PoisonError::into_inner));
        if counted.is_empty() {
            return;
        }
        let counts: Vec<_> = counted
            .values()
            .map(|(source, count)| ServedSource { count: *count, ..source.clone() })
            .collect();
        if self.with_store(|store| store.add_served(&counts)).is_none() {
            let mut served = self.shared.served.lock().unwrap_or_else(PoisonError::into_inner);
            for (key, (source, count)) in counted {
                served.entry(key).or_insert((source, 0)).1 += count;
            }
        }
    }

    /// Does something with the store. What fails is told in the log, and the store opened anew for the next.
    fn with_store<T>(&mut self, work: impl FnOnce(&mut Store) -> Result<T, crate::StoreError>) -> Option<T> {
        let done = match &mut self.store {
            Some(store) => work(store),
            None => Store::open(&self.location).and_then(|store| work(self.store.insert(store))),
        };
        match done {
            Ok(done) => Some(done),
            Err(error) => {
                tracing::error!(%error, "the store failed");
                self.metrics.commit_failures.inc();
                self.store = None;
                None
            }
        }
    }
}
