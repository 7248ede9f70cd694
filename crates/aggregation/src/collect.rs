//! From batches to sums: read → open → check → filter → sum, on all cores.
//!
//! Readers hand batches of rows to workers through a bounded queue, so that memory does not grow with the
//! input. Reading is cheap beside opening: a reader mostly waits.

use std::{
    collections::{BTreeSet, HashSet},
    ops::ControlFlow,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use crate::{
    Blob, BudgetGroup, Checks, ErrorCounter, ErrorCounts, Failure, InputError, OpenedReport, Opener, Record,
    Rejected, Storage,
    input::{PayloadColumn, Row, Unreadable, read_reports},
    sum::{Contributed, SeenReports, Sums, Totals},
};

/// How far a run is. Shared with whoever shows it.
#[derive(Debug, Default)]
pub struct Progress {
    reports: AtomicU64,
    bytes_read: AtomicU64,
    bytes: AtomicU64,
}

impl Progress {
    /// How many reports were opened, or left out.
    #[must_use]
    pub fn reports(&self) -> u64 {
        self.reports.load(Ordering::Relaxed)
    }

    /// The share of the input that was read, from 0 to 1: of files, as a whole one is counted at its end.
    #[must_use]
    pub fn share_read(&self) -> f64 {
        match self.bytes.load(Ordering::Relaxed) {
            0 => 0.0,
            bytes => self.bytes_read.load(Ordering::Relaxed) as f64 / bytes as f64,
        }
    }
}

/// What is asked of the reports.
#[derive(Debug)]
pub(crate) struct Collection<'a> {
    pub(crate) storage: &'a Storage,
    pub(crate) blobs: &'a [Blob],
    pub(crate) column: PayloadColumn,
    pub(crate) opener: &'a Opener,
    pub(crate) filtering_ids: &'a BTreeSet<u64>,
    /// More errors than this end the run early.
    pub(crate) max_errors: Option<u64>,
    pub(crate) threads: usize,
    pub(crate) progress: &'a Progress,
}

/// The reports of a job, for whoever opens and sums them.
#[derive(Clone, Debug)]
pub struct Reports<'a> {
    /// The files that they are in, each once.
    pub blobs: &'a [Blob],
    /// What they must pass.
    pub checks: Checks,
    /// Contributions with others are left out.
    pub filtering_ids: &'a BTreeSet<u64>,
}

/// Opens and sums the reports of a job, on other machines than the one that draws the noise.
pub trait Collector {
    /// Does it.
    ///
    /// # Errors
    /// When it cannot be done: the job ends with that, and spends nothing.
    fn collect(&mut self, reports: &Reports<'_>) -> Result<Collected, Failure>;
}

/// What the reports come to.
#[derive(Debug, Default)]
pub struct Collected {
    /// The sums by bucket.
    pub totals: Totals,
    /// The groups of all reports that were counted.
    pub groups: BTreeSet<BudgetGroup>,
    /// Reports that were left out.
    pub errors: ErrorCounts,
    /// All rows, those left out and duplicates included.
    pub reports: u64,
    /// Reports whose ID another one had: they are not counted again.
    pub duplicates: u64,
}

/// Why there are no sums.
#[derive(Debug)]
pub(crate) enum CollectError {
    Input(InputError),
    /// A report has this version, which is of a format that is yet to come.
    UnsupportedVersion(String),
    /// A thread panicked: a bug.
    Panicked,
}

/// Rows that are handed over at once: at most so many, and so many bytes of payload.
const BATCH_ROWS: usize = 512;
const BATCH_BYTES: usize = 4 << 20;

/// What threads tell each other.
struct Shared<'a> {
    collection: &'a Collection<'a>,
    next_blob: AtomicUsize,
    is_over: AtomicBool,
    errors: AtomicU64,
    failure: Mutex<Option<CollectError>>,
    sums: Sums,
    seen: SeenReports,
}

/// What a worker counted.
#[derive(Default)]
struct Counted {
    groups: HashSet<BudgetGroup>,
    errors: ErrorCounts,
    reports: u64,
    duplicates: u64,
}

impl Collection<'_> {
    pub(crate) fn run(&self) -> Result<Collected, CollectError> {
        self.progress.bytes.store(self.blobs.iter().map(|blob| blob.len).sum(), Ordering::Relaxed);
        let shared = Shared {
            collection: self,
            next_blob: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
            errors: AtomicU64::new(0),
            failure: Mutex::new(None),
            sums: Sums::new(),
            seen: SeenReports::new(),
        };
        let counted = shared.run_threads();
        if let Some(failure) = shared.failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(failure);
        }
        let mut all = Counted::default();
        for counted in counted? {
            all.groups.extend(counted.groups);
            all.errors.merge(&counted.errors);
            all.reports += counted.reports;
            all.duplicates += counted.duplicates;
        }
        Ok(Collected {
            totals: shared.sums.finish(),
            groups: all.groups.into_iter().collect(),
            errors: all.errors,
            reports: all.reports,
            duplicates: all.duplicates,
        })
    }
}

impl Shared<'_> {
    fn run_threads(&self) -> Result<Vec<Counted>, CollectError> {
        let workers = self.collection.threads.max(1);
        let readers = workers.min(self.collection.blobs.len()).max(1);
        let (sender, receiver) = sync_channel(2 * workers);
        let receiver = Mutex::new(receiver);
        thread::scope(|scope| {
            for _ in 0..readers {
                let sender = sender.clone();
                scope.spawn(move || self.read(&sender));
            }
            drop(sender);
            let workers: Vec<_> = (0..workers).map(|_| scope.spawn(|| self.work(&receiver))).collect();
            let counted = workers.into_iter().map(|worker| worker.join().map_err(|_| CollectError::Panicked));
            let counted: Vec<_> = counted.collect();
            // Readers must not wait for workers that are no more.
            self.end();
            receiver.lock().unwrap_or_else(PoisonError::into_inner).try_iter().for_each(drop);
            counted.into_iter().collect()
        })
    }

    /// Reads files, until there are no more.
    fn read(&self, sender: &SyncSender<Vec<Row>>) {
        let mut batch = Batch { rows: Vec::new(), bytes: 0 };
        while let Some(blob) = self.collection.blobs.get(self.next_blob.fetch_add(1, Ordering::Relaxed)) {
            let mut sink = |row: Row| {
                batch.push(row);
                if batch.is_full() { self.hand_over(&mut batch, sender) } else { ControlFlow::Continue(()) }
            };
            let read = read_reports(self.collection.storage, blob, self.collection.column, &mut sink);
            if let Err(error) = read {
                self.fail(CollectError::Input(error));
            }
            self.collection.progress.bytes_read.fetch_add(blob.len, Ordering::Relaxed);
            if self.is_over.load(Ordering::Relaxed) {
                return;
            }
        }
        let _ = self.hand_over(&mut batch, sender);
    }

    fn hand_over(&self, batch: &mut Batch, sender: &SyncSender<Vec<Row>>) -> ControlFlow<()> {
        let rows = std::mem::take(&mut batch.rows);
        batch.bytes = 0;
        if self.is_over.load(Ordering::Relaxed) || sender.send(rows).is_err() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    /// Opens and adds batches, until there are no more.
    fn work(&self, receiver: &Mutex<Receiver<Vec<Row>>>) -> Counted {
        let mut counted = Counted::default();
        let mut contributed = Contributed::default();
        loop {
            let received = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(rows) = received else { return counted };
            // After the end, the queue is emptied, so that readers can end.
            if self.is_over.load(Ordering::Relaxed) {
                continue;
            }
            self.add(rows, &mut counted, &mut contributed);
        }
    }

    fn add(&self, rows: Vec<Row>, counted: &mut Counted, contributed: &mut Contributed) {
        let len = rows.len() as u64;
        let errors_before = counted.errors.reports();
        let mut records: Vec<Record> = Vec::with_capacity(rows.len());
        for row in rows {
            match row {
                Ok(record) => records.push(record),
                Err(Unreadable) => counted.errors.add(ErrorCounter::ReportParsingError.into()),
            }
        }
        for opened in self.collection.opener.open(&records) {
            match opened {
                Ok(report) => self.accept(report, counted, contributed),
                Err(Rejected::LeftOut(errors)) => counted.errors.add(errors),
                Err(Rejected::UnsupportedVersion(version)) => {
                    return self.fail(CollectError::UnsupportedVersion(version));
                }
            }
        }
        self.sums.add(contributed);
        counted.reports += len;
        self.collection.progress.reports.fetch_add(len, Ordering::Relaxed);
        let new_errors = counted.errors.reports() - errors_before;
        let errors = self.errors.fetch_add(new_errors, Ordering::Relaxed) + new_errors;
        if self.collection.max_errors.is_some_and(|max| errors > max) {
            self.end();
        }
    }

    fn accept(&self, report: OpenedReport, counted: &mut Counted, contributed: &mut Contributed) {
        if !self.seen.insert(report.checked.report_id) {
            counted.duplicates += 1;
            return;
        }
        for (bucket, value) in report.counted(self.collection.filtering_ids) {
            self.sums.contribute(bucket, value, contributed);
        }
        if !counted.groups.contains(&report.checked.group) {
            counted.groups.insert(report.checked.group);
        }
    }

    fn fail(&self, error: CollectError) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.end();
    }

    fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

struct Batch {
    rows: Vec<Row>,
    bytes: usize,
}

impl Batch {
    fn push(&mut self, row: Row) {
        self.bytes += row.as_ref().map_or(0, |record| record.payload.len() + record.shared_info.len());
        self.rows.push(row);
    }

    fn is_full(&self) -> bool {
        self.rows.len() >= BATCH_ROWS || self.bytes >= BATCH_BYTES
    }
}
