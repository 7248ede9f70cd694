//! From batches to sums: read → open → check → filter → sum, on all cores.
//!
//! One reader hands batches of rows to workers through a bounded queue, so that memory does not grow with the
//! input. Reading is cheap beside opening: the reader mostly waits, and files are fetched ahead of it. Which of
//! several reports with one ID counts is decided batch by batch, in the order of the input: a worker that has
//! opened a batch waits for those before it, which other workers are about to finish.

use std::{
    collections::{BTreeSet, HashSet},
    fs::File,
    ops::ControlFlow,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use crate::{
    Blob, BudgetGroup, ErrorCounter, ErrorCounts, InputError, OpenedReport, Opener, Record, Rejected,
    Storage, StorageError,
    in_order::{InOrder, Turn},
    input::{PayloadColumn, Row, Unreadable, read_reports},
    sum::{Contributed, SeenReports, Sums, Totals},
};

/// How far a run is. Shared with whoever shows it.
#[derive(Debug, Default)]
pub struct Progress {
    reports: AtomicU64,
    bytes_read: AtomicU64,
    bytes: AtomicU64,
    is_cancelled: AtomicBool,
}

impl Progress {
    /// Asks the run to end: before it has spent, it does so soon; after that, it publishes what it paid for.
    pub fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether the run was asked to end.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::Relaxed)
    }

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

/// What the reports come to.
#[derive(Debug)]
pub(crate) struct Collected {
    pub(crate) totals: Totals,
    pub(crate) groups: BTreeSet<BudgetGroup>,
    pub(crate) errors: ErrorCounts,
    /// All rows, those left out and duplicates included.
    pub(crate) reports: u64,
    /// Reports whose ID another one had: they are not counted again.
    pub(crate) duplicates: u64,
    /// Whether the run ended early, as there were too many errors.
    pub(crate) has_too_many_errors: bool,
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
/// How many files are fetched at the same time.
const FETCHERS: usize = 4;

/// What threads tell each other.
struct Shared<'a> {
    collection: &'a Collection<'a>,
    is_over: AtomicBool,
    errors: AtomicU64,
    failure: Mutex<Option<CollectError>>,
    sums: Sums,
    seen: InOrder<SeenReports>,
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
            is_over: AtomicBool::new(false),
            errors: AtomicU64::new(0),
            failure: Mutex::new(None),
            sums: Sums::new(),
            seen: InOrder::new(SeenReports::new()),
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
            has_too_many_errors: self.max_errors.is_some_and(|max| all.errors.reports() > max),
        })
    }
}

impl Shared<'_> {
    fn run_threads(&self) -> Result<Vec<Counted>, CollectError> {
        let workers = self.collection.threads.max(1);
        let (sender, receiver) = sync_channel(2 * workers);
        let receiver = Mutex::new(receiver);
        thread::scope(|scope| {
            let fetched: Vec<_> = (0..FETCHERS.min(self.collection.blobs.len()))
                .map(|first| {
                    let (sender, fetched) = sync_channel(0);
                    scope.spawn(move || self.fetch(first, &sender));
                    fetched
                })
                .collect();
            scope.spawn(move || self.read(&fetched, &sender));
            let workers: Vec<_> = (0..workers).map(|_| scope.spawn(|| self.work(&receiver))).collect();
            let counted = workers.into_iter().map(|worker| worker.join().map_err(|_| CollectError::Panicked));
            let counted: Vec<_> = counted.collect();
            // Readers must not wait for workers that are no more.
            self.end();
            receiver.lock().unwrap_or_else(PoisonError::into_inner).try_iter().for_each(drop);
            counted.into_iter().collect()
        })
    }

    /// Opens every so manieth file, from the `first` on, one ahead of the reader: those of object stores are
    /// copied here first.
    fn fetch(&self, first: usize, sender: &SyncSender<Result<File, StorageError>>) {
        for blob in self.collection.blobs.iter().skip(first).step_by(FETCHERS) {
            if self.is_over() || sender.send(self.collection.storage.open(blob)).is_err() {
                return;
            }
        }
    }

    /// Reads the files in their order.
    fn read(&self, fetched: &[Receiver<Result<File, StorageError>>], sender: &SyncSender<Batch>) {
        let mut batch = Batch::default();
        for (index, blob) in self.collection.blobs.iter().enumerate() {
            let mut sink = |row: Row| {
                batch.push(row);
                if batch.is_full() { self.hand_over(&mut batch, sender) } else { ControlFlow::Continue(()) }
            };
            // A fetcher that ends early was told to.
            let Ok(file) = fetched[index % FETCHERS].recv() else { return };
            let file = file.map_err(InputError::from);
            let read = file.and_then(|file| read_reports(file, blob, self.collection.column, &mut sink));
            if let Err(error) = read {
                self.fail(CollectError::Input(error));
            }
            self.collection.progress.bytes_read.fetch_add(blob.len, Ordering::Relaxed);
            if self.is_over() {
                return;
            }
        }
        let _ = self.hand_over(&mut batch, sender);
    }

    fn hand_over(&self, batch: &mut Batch, sender: &SyncSender<Batch>) -> ControlFlow<()> {
        let next = Batch { number: batch.number + 1, ..Batch::default() };
        if self.is_over() || sender.send(std::mem::replace(batch, next)).is_err() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    /// Opens and adds batches, until there are no more.
    fn work(&self, receiver: &Mutex<Receiver<Batch>>) -> Counted {
        let mut counted = Counted::default();
        let mut contributed = Contributed::default();
        loop {
            let received = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(batch) = received else { return counted };
            let turn = self.seen.turn(batch.number);
            // After the end, the queue is emptied, so that the reader can end.
            if self.is_over() {
                continue;
            }
            self.add(batch.rows, turn, &mut counted, &mut contributed);
        }
    }

    fn add(
        &self,
        rows: Vec<Row>,
        turn: Turn<'_, SeenReports>,
        counted: &mut Counted,
        contributed: &mut Contributed,
    ) {
        let len = rows.len() as u64;
        let errors_before = counted.errors.reports();
        let mut records: Vec<Record> = Vec::with_capacity(rows.len());
        for row in rows {
            match row {
                Ok(record) => records.push(record),
                Err(Unreadable) => counted.errors.add(ErrorCounter::ReportParsingError.into()),
            }
        }
        let mut reports = Vec::with_capacity(records.len());
        for opened in self.collection.opener.open(&records) {
            match opened {
                Ok(report) => reports.push(report),
                Err(Rejected::LeftOut(errors)) => counted.errors.add(errors),
                Err(Rejected::UnsupportedVersion(version)) => {
                    return self.fail(CollectError::UnsupportedVersion(version));
                }
            }
        }
        let opened = reports.len();
        turn.take(|seen| reports.retain(|report| seen.insert(report.checked.report_id)));
        counted.duplicates += (opened - reports.len()) as u64;
        for report in reports {
            self.accept(report, counted, contributed);
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
        let OpenedReport { checked, contributions } = report;
        if !counted.groups.contains(&checked.group) {
            counted.groups.insert(checked.group);
        }
        for contribution in contributions {
            let is_null = contribution.key.0 == 0 && contribution.value == 0;
            if !is_null && self.collection.filtering_ids.contains(&contribution.filtering_id) {
                self.sums.contribute(contribution.key.0, contribution.value, contributed);
            }
        }
    }

    fn fail(&self, error: CollectError) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.end();
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed) || self.collection.progress.is_cancelled()
    }

    fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// Rows, with their place in the input.
#[derive(Default)]
struct Batch {
    number: u64,
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
