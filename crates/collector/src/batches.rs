//! Aggregatable reports, put together into files for an aggregation service, each in exactly one batch.
//!
//! 1. Reports are assigned to batches, in one transaction of the store.
//! 2. The files of a batch are written under names that its number determines; at last, a manifest.
//! 3. The batch is marked as written.
//!
//! Who dies in between, or works at the same time on the same store, leaves a batch that is assigned and not
//! marked: it is written again, with the same contents under the same names. A batch without a manifest is not
//! whole.

mod avro;
mod parquet;
pub(crate) mod place;

use object_store::{ObjectStoreExt, PutPayload, path::Path};
use serde::Serialize;

use crate::{
    clock::Clock,
    store::{Batch, BatchPlan, BatchedReport, Store, StoreError},
};

pub use avro::REPORTS_SCHEMA;
pub use place::BatchPlace;

/// Makes batches.
///
/// It blocks, and belongs to a thread.
#[derive(Debug)]
pub struct Batcher {
    place: BatchPlace,
    options: BatchOptions,
    clock: Clock,
}

/// How batches are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchOptions {
    /// Which reports are put together, and when.
    pub plan: BatchPlan,
    /// How many reports go into one file at most; at least 1.
    pub reports_per_file: u32,
    /// Whether each file is also written in Parquet, for analysis.
    pub parquet: bool,
}

/// Why batches were not made. What was assigned stays so, and is written the next time.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// The store of reports.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The place for batches.
    #[error("writing a batch: {0}")]
    Place(#[from] object_store::Error),
    /// Avro.
    #[error("writing Avro: {0}")]
    Avro(#[from] Box<apache_avro::Error>),
    /// Parquet.
    #[error("writing Parquet: {0}")]
    Parquet(#[from] ::parquet::errors::ParquetError),
    /// Reports of the batch are no longer in the store.
    #[error("batch {batch} has {found} reports in the store, of {assigned}")]
    Incomplete {
        /// The batch's number.
        batch: i64,
        /// How many were assigned.
        assigned: u64,
        /// How many are there.
        found: u64,
    },
}

/// What is said of a batch beside its files.
#[derive(Serialize)]
struct Manifest<'a> {
    batch: i64,
    api: &'a str,
    version: &'a str,
    attribution_destination: &'a str,
    aggregation_coordinator_origin: &'a str,
    /// In seconds since the UNIX epoch.
    period_start: i64,
    period_seconds: i64,
    /// Not 0 for reports that came after the period's first batch: their privacy budget may be spent.
    late: i64,
    reports: u64,
    files: Vec<String>,
}

impl Default for BatchOptions {
    /// By the hour, a day after its end; 20,000 reports, some 20 MB, a file.
    fn default() -> Self {
        let plan = BatchPlan { period_hours: 1, wait_seconds: 86_400 };
        Self { plan, reports_per_file: 20_000, parquet: false }
    }
}

impl Batcher {
    /// For these batches in that place.
    #[must_use]
    pub fn new(place: BatchPlace, options: BatchOptions, clock: Clock) -> Self {
        Self { place, options, clock }
    }

    /// Assigns what is to be assigned, and writes all that is not written; the batches that were.
    ///
    /// `runtime` serves the place. Blocks: not to be called from a task.
    ///
    /// # Errors
    /// At the first batch that could not be written.
    pub fn run(&self, store: &mut Store, runtime: &tokio::runtime::Handle) -> Result<Vec<Batch>, BatchError> {
        store.assign_batches(self.options.plan, self.clock.now())?;
        let batches = store.unwritten_batches()?;
        for batch in &batches {
            self.write(batch, store, runtime)?;
            store.batch_written(batch.id, self.clock.now())?;
        }
        Ok(batches)
    }

    /// Writes the files of a batch, then its manifest.
    fn write(
        &self,
        batch: &Batch,
        store: &mut Store,
        runtime: &tokio::runtime::Handle,
    ) -> Result<(), BatchError> {
        let folder = place::folder(batch);
        let per_file = self.options.reports_per_file.max(1);
        let (mut files, mut after, mut found) = (Vec::new(), 0, 0);
        loop {
            let reports = store.batch_reports(batch.id, after, per_file)?;
            let Some(last) = reports.last() else { break };
            (after, found) = (last.seq, found + reports.len() as u64);
            let name = format!("reports-{:05}", files.len());
            self.write_file(batch, &folder, &name, &reports, runtime)?;
            files.push(format!("{name}.avro"));
        }
        if found != batch.reports {
            return Err(BatchError::Incomplete { batch: batch.id, assigned: batch.reports, found });
        }
        let manifest = Manifest {
            batch: batch.id,
            api: &batch.key.api,
            version: &batch.key.version,
            attribution_destination: &batch.key.destination,
            aggregation_coordinator_origin: &batch.key.coordinator,
            period_start: batch.key.period_start,
            period_seconds: batch.key.period_seconds,
            late: batch.late,
            reports: batch.reports,
            files,
        };
        let manifest =
            serde_json::to_vec_pretty(&manifest).expect("texts, numbers and a list of texts are JSON");
        self.put(&folder.join("manifest.json"), manifest, runtime)
    }

    fn write_file(
        &self,
        batch: &Batch,
        folder: &Path,
        name: &str,
        reports: &[BatchedReport],
        runtime: &tokio::runtime::Handle,
    ) -> Result<(), BatchError> {
        // Any bytes do, and these make the file the same each time.
        let mut marker = [0; 16];
        marker[..8].copy_from_slice(&batch.id.to_be_bytes());
        marker[8..].copy_from_slice(&batch.assigned_at.as_millis().to_be_bytes());
        self.put(&folder.clone().join(format!("{name}.avro")), avro::encode(reports, marker)?, runtime)?;
        if self.options.parquet {
            let path = folder.clone().join(format!("{name}.parquet"));
            self.put(&path, parquet::encode(reports)?, runtime)?;
        }
        Ok(())
    }

    fn put(&self, path: &Path, file: Vec<u8>, runtime: &tokio::runtime::Handle) -> Result<(), BatchError> {
        runtime.block_on(self.place.0.put(path, PutPayload::from(file)))?;
        Ok(())
    }
}

impl From<apache_avro::Error> for BatchError {
    fn from(error: apache_avro::Error) -> Self {
        Self::Avro(Box::new(error))
    }
}
