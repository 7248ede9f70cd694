//! Stage 1: files to sealed reports, with the readers and limits of `ascribe aggregate`.

use std::{ops::ControlFlow, sync::Arc};

use ascribe_aggregation::{
    Blob, Failure, InputError, Location, Record, ReturnCode, Storage, read_sealed_reports,
};
use datafusion::{
    arrow::array::{ArrayRef, AsArray, BinaryBuilder, RecordBatch, StringBuilder, UInt64Builder},
    arrow::datatypes::UInt64Type,
    common::{DataFusionError, Result},
    execution::SendableRecordBatchStream,
};
use futures::StreamExt;
use tokio::sync::mpsc::Sender;

use super::SEALED;
use crate::entry::Entry;

/// Rows of a batch: at most so many, and about so many bytes.
const BATCH_ROWS: usize = 1024;
const BATCH_BYTES: usize = 4 << 20;

pub(super) async fn read(
    mut files: SendableRecordBatchStream,
    output: Sender<Result<RecordBatch>>,
) -> Result<()> {
    while let Some(files) = files.next().await {
        let blobs = blobs(&files?)?;
        let output = output.clone();
        // Object stores are read with a runtime of their own, which may not be dropped on this one.
        let read = tokio::task::spawn_blocking(move || read_blobs(&blobs, &output));
        read.await.map_err(|error| DataFusionError::External(error.into()))??;
    }
    Ok(())
}

fn blobs(files: &RecordBatch) -> Result<Vec<Blob>> {
    let [locations, lens] = files.columns() else {
        return Err(DataFusionError::Plan("files have a name and a length".to_owned()));
    };
    let (Some(locations), Some(lens)) =
        (locations.as_string_opt::<i32>(), lens.as_primitive_opt::<UInt64Type>())
    else {
        return Err(DataFusionError::Plan("files have a name and a length".to_owned()));
    };
    (0..files.num_rows())
        .map(|row| {
            let location = Location::parse(locations.value(row));
            let location = location.map_err(|error| DataFusionError::External(error.into()))?;
            Ok(Blob { location, len: lens.value(row) })
        })
        .collect()
}

fn read_blobs(blobs: &[Blob], output: &Sender<Result<RecordBatch>>) -> Result<()> {
    let storage = Storage::default();
    let mut batch = Batch::default();
    for blob in blobs {
        let mut send_error = None;
        let read = read_sealed_reports(&storage, blob, &mut |record| {
            batch.push(record.as_ref());
            if batch.is_full()
                && let Err(error) = batch.send(output)
            {
                send_error = Some(error);
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        if let Some(error) = send_error {
            return Err(error);
        }
        // Reading it again would not help: it is told, and the job ends with it.
        if let Err(error) = read {
            batch.push_failure(&unreadable(error));
        }
    }
    batch.send(output)
}

fn unreadable(error: InputError) -> Entry {
    let Failure { code, message } = error.into();
    Entry::Unreadable { is_denied: code == ReturnCode::PermissionError, message }
}

#[derive(Default)]
struct Batch {
    shards: UInt64Builder,
    payloads: BinaryBuilder,
    key_ids: StringBuilder,
    shared_infos: StringBuilder,
    failures: BinaryBuilder,
    rows: usize,
    bytes: usize,
    /// Rows without a report ID go anywhere: they are all counted.
    next_shard: u64,
}

impl Batch {
    fn push(&mut self, record: Option<&Record>) {
        // Rows beyond the limits are rejected for their length alone: so much of them is enough.
        const ENOUGH: usize = Record::MAX_PAYLOAD_BYTES + 1;
        let shard =
            record.and_then(Record::report_id).map_or_else(|| self.any_shard(), |id| id.as_u128() as u64);
        self.shards.append_value(shard);
        self.payloads.append_option(record.map(|record| &record.payload[..record.payload.len().min(ENOUGH)]));
        self.key_ids.append_option(record.map(|record| &record.key_id));
        self.shared_infos.append_option(record.map(|record| &record.shared_info));
        self.failures.append_null();
        self.rows += 1;
        self.bytes += record.map_or(0, |record| record.payload.len() + record.shared_info.len());
    }

    fn push_failure(&mut self, failure: &Entry) {
        let shard = self.any_shard();
        self.shards.append_value(shard);
        self.payloads.append_null();
        self.key_ids.append_null();
        self.shared_infos.append_null();
        self.failures.append_value(failure.encode());
        self.rows += 1;
    }

    fn any_shard(&mut self) -> u64 {
        self.next_shard += 1;
        self.next_shard
    }

    fn is_full(&self) -> bool {
        self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES
    }

    /// Hands over what there is. Fails if nobody takes it any more.
    fn send(&mut self, output: &Sender<Result<RecordBatch>>) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.shards.finish()),
            Arc::new(self.payloads.finish()),
            Arc::new(self.key_ids.finish()),
            Arc::new(self.shared_infos.finish()),
            Arc::new(self.failures.finish()),
        ];
        (self.rows, self.bytes) = (0, 0);
        let batch = RecordBatch::try_new(SEALED.clone(), columns)?;
        let taken = output.blocking_send(Ok(batch));
        taken.map_err(|_| DataFusionError::Execution("the task was given up".to_owned()))
    }
}
