//! Reading what jobs published, for `getSummary`.

use std::ops::ControlFlow;

use serde_json::{Value, json};

use crate::{
    Blob, InputError, Location, OutputFormat, OutputPlace, Storage, StorageError, input::read_summary,
};

/// Where a job's summary goes: files that the aggregation service would name so.
pub(super) fn summary_place(location: Location) -> OutputPlace {
    OutputPlace { location, format: OutputFormat::Avro, always_numbered: true }
}

/// The first buckets of a summary of `total`, in the order of the domain's, which is that of their numbers.
pub(super) fn first_buckets(
    storage: &Storage,
    place: &OutputPlace,
    total: usize,
    limit: usize,
) -> Result<Value, InputError> {
    let mut buckets = Vec::new();
    for (location, _) in place.shards(total) {
        if buckets.len() == limit {
            break;
        }
        read_summary(storage, &blob(location), &mut |fact| {
            if buckets.len() == limit {
                return ControlFlow::Break(());
            }
            buckets.push(json!({"bucket": fact.bucket.to_string(), "metric": fact.metric}));
            ControlFlow::Continue(())
        })?;
    }
    Ok(json!({"buckets": buckets, "total": total}))
}

/// How many buckets files hold: those of a job whose process died before it could say.
pub(super) fn count(storage: &Storage, files: &[String]) -> Result<usize, InputError> {
    let mut count = 0;
    for file in files {
        let location = Location::parse(file).map_err(|error| InputError::Invalid {
            location: Location::Path(file.into()).into(),
            problem: error.to_string(),
        })?;
        read_summary(storage, &blob(location), &mut |_| {
            count += 1;
            ControlFlow::Continue(())
        })?;
    }
    Ok(count)
}

/// A file of this service's own: how long it is, is of no interest.
fn blob(location: Location) -> Blob {
    Blob { location, len: 0 }
}

/// Whether a summary is not there, rather than out of reach.
pub(super) fn is_gone(error: &InputError) -> bool {
    use crate::StorageErrorKind::NotFound;
    matches!(error, InputError::Storage(StorageError { kind: NotFound, .. }))
}
