//! Putting in place what was paid for.

use std::path::Path;

use ascribe_reports::Time;

use super::{
    CommittedJob, Ledger, LedgerError, PreparedOutput, StagingError,
    ledger::{StoredBody, StoredOutput},
    staging::{PreparedBody, StagedChunks, split, sweep},
};
use crate::{Location, Storage, StorageError};

/// Why an output cannot be published. It stays stored: publishing can be repeated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// A file cannot be written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// What was staged cannot be read.
    #[error(transparent)]
    Staging(#[from] StagingError),
    /// The ledger cannot be asked.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A file belongs to where nothing can be.
    #[error("`{0}` is neither a path nor a URL")]
    Location(String),
}

/// Publishes the stored output of a job: each file is put in place whole, over one of an earlier try. Nothing
/// happens if it was published before.
///
/// # Errors
/// When it cannot be read, written, or noted as published.
pub fn publish(
    ledger: &mut dyn Ledger,
    storage: &Storage,
    job_id: &str,
    now: Time,
) -> Result<(), PublishError> {
    let Some(output) = ledger.output(job_id)? else { return Ok(()) };
    match write(storage, &output) {
        Ok(()) => {}
        // Another process may have published it meanwhile, and removed what was staged.
        Err(_) if ledger.output(job_id)?.is_none() => return Ok(()),
        Err(error) => return Err(error),
    }
    ledger.mark_published(job_id, now)?;
    if let StoredBody::Staged { path, .. } = &output.body {
        let _ = std::fs::remove_file(path);
    }
    Ok(())
}

/// The output of a job that was interrupted, and what became of it.
#[derive(Debug)]
pub struct Recovered {
    /// The job.
    pub job: CommittedJob,
    /// Whether its output is in place now.
    pub published: Result<(), PublishError>,
}

/// Publishes all outputs that are stored: those of jobs that were interrupted. One that cannot be published
/// keeps none from being so. Removes what interrupted jobs left in the staging directory.
///
/// # Errors
/// When the ledger cannot be asked.
pub fn recover(
    ledger: &mut dyn Ledger,
    storage: &Storage,
    staging: &Path,
    now: Time,
) -> Result<Vec<Recovered>, LedgerError> {
    let recovered = ledger.unpublished()?.into_iter().map(|job| {
        let published = publish(ledger, storage, &job.id, now);
        Recovered { job, published }
    });
    let recovered: Vec<_> = recovered.collect();
    let mut needed = Vec::new();
    for job in ledger.unpublished()? {
        if let Some(StoredOutput { body: StoredBody::Staged { path, .. }, .. }) = ledger.output(&job.id)? {
            needed.push(path);
        }
    }
    sweep(staging, &needed);
    Ok(recovered)
}

/// Puts in place what no budget is spent for.
pub(crate) fn put(storage: &Storage, output: PreparedOutput) -> Result<(), PublishError> {
    let (body, staged) = match output.body {
        PreparedBody::Inline(bytes) => (StoredBody::Inline(bytes), None),
        PreparedBody::Staged { path, key } => (StoredBody::Staged { path: path.clone(), key }, Some(path)),
    };
    let written = write(storage, &StoredOutput { files: output.files, body });
    if let Some(path) = staged {
        let _ = std::fs::remove_file(path);
    }
    written
}

fn write(storage: &Storage, output: &StoredOutput) -> Result<(), PublishError> {
    let put = |location: &str, bytes: &[u8]| {
        let parsed = Location::parse(location).map_err(|_| PublishError::Location(location.to_owned()))?;
        Ok::<_, PublishError>(storage.put(&parsed, bytes)?)
    };
    match &output.body {
        StoredBody::Inline(bytes) => {
            for (file, bytes) in split(&output.files, bytes.clone()) {
                put(&file.location, &bytes)?;
            }
        }
        StoredBody::Staged { path, key } => {
            let mut chunks = StagedChunks::open(path, key)?;
            for file in &output.files {
                put(&file.location, &chunks.next(file.len)?)?;
            }
        }
    }
    Ok(())
}
