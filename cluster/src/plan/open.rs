//! Stage 2: sealed reports to entries. What is in a report leaves this function only as part of a sum.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    path::PathBuf,
    sync::Arc,
};

use ascribe_aggregation::{ErrorCounter, Keyring, Opener, Payloads, Record, Rejected};
use datafusion::{
    arrow::array::{Array, ArrayRef, AsArray, BinaryArray, Decimal128Array, RecordBatch},
    common::{DataFusionError, Result},
    execution::SendableRecordBatchStream,
};
use futures::StreamExt;
use tokio::sync::mpsc::Sender;

use super::{ENTRIES, Opening};
use crate::entry::Entry;

/// More sums than this are handed on, to be added up in the next stage: about 50 MB.
const MAX_ENTRIES: usize = 1 << 18;

const BATCH_ROWS: usize = 8192;

pub(super) async fn open(
    opening: Opening,
    keys: PathBuf,
    mut sealed: SendableRecordBatchStream,
    output: Sender<Result<RecordBatch>>,
) -> Result<()> {
    let keys = Keyring::read(&keys).map_err(|error| DataFusionError::External(error.into()))?;
    let opener = Opener::new(Payloads::Sealed(keys), opening.checks()?);
    let mut tally = Tally {
        opener,
        filtering_ids: opening.filtering_ids.iter().copied().collect(),
        seen: HashSet::new(),
        entries: HashMap::new(),
    };
    while let Some(sealed) = sealed.next().await {
        tally.add(&sealed?)?;
        if tally.entries.len() >= MAX_ENTRIES {
            hand_over(&mut tally.entries, &output).await?;
        }
    }
    hand_over(&mut tally.entries, &output).await
}

struct Tally {
    opener: Opener,
    filtering_ids: BTreeSet<u64>,
    /// All reports with one of these IDs come here: they were dealt out by them.
    seen: HashSet<u128>,
    entries: HashMap<Entry, i128>,
}

impl Tally {
    fn add(&mut self, sealed: &RecordBatch) -> Result<()> {
        let mut records = Vec::with_capacity(sealed.num_rows());
        for row in rows(sealed)? {
            match row {
                Row::Report(record) => records.push(record),
                Row::Unreadable => self.count(Entry::Errors(ErrorCounter::ReportParsingError.into()), 1),
                Row::Failure(failure) => {
                    self.count(failure, 1);
                    continue;
                }
            }
            self.count(Entry::Rows, 1);
        }
        for opened in self.opener.open(&records) {
            match opened {
                Ok(report) => {
                    if !self.seen.insert(report.checked.report_id.as_u128()) {
                        self.count(Entry::Duplicates, 1);
                        continue;
                    }
                    for (bucket, value) in report.counted(&self.filtering_ids) {
                        *self.entries.entry(Entry::Bucket(bucket)).or_default() += i128::from(value);
                    }
                    self.count(Entry::Group(report.checked.group), 1);
                }
                Err(Rejected::LeftOut(errors)) => self.count(Entry::Errors(errors), 1),
                Err(Rejected::UnsupportedVersion(version)) => {
                    self.count(Entry::UnsupportedVersion(version), 1)
                }
            }
        }
        Ok(())
    }

    fn count(&mut self, entry: Entry, number: i128) {
        *self.entries.entry(entry).or_default() += number;
    }
}

enum Row {
    Report(Record),
    Unreadable,
    Failure(Entry),
}

fn rows(sealed: &RecordBatch) -> Result<Vec<Row>> {
    let wrong = || DataFusionError::Plan("no sealed reports".to_owned());
    let [_, payloads, key_ids, shared_infos, failures] = sealed.columns() else { return Err(wrong()) };
    let (Some(payloads), Some(failures)) = (payloads.as_binary_opt::<i32>(), failures.as_binary_opt::<i32>())
    else {
        return Err(wrong());
    };
    let (Some(key_ids), Some(shared_infos)) =
        (key_ids.as_string_opt::<i32>(), shared_infos.as_string_opt::<i32>())
    else {
        return Err(wrong());
    };
    (0..sealed.num_rows())
        .map(|row| {
            if failures.is_valid(row) {
                return Entry::decode(failures.value(row)).map(Row::Failure).ok_or_else(wrong);
            }
            if payloads.is_null(row) {
                return Ok(Row::Unreadable);
            }
            Ok(Row::Report(Record {
                payload: payloads.value(row).to_owned(),
                key_id: key_ids.value(row).to_owned(),
                shared_info: shared_infos.value(row).to_owned(),
            }))
        })
        .collect()
}

async fn hand_over(entries: &mut HashMap<Entry, i128>, output: &Sender<Result<RecordBatch>>) -> Result<()> {
    let entries: Vec<_> = entries.drain().collect();
    for entries in entries.chunks(BATCH_ROWS) {
        let keys: ArrayRef =
            Arc::new(BinaryArray::from_iter_values(entries.iter().map(|(entry, _)| entry.encode())));
        let values = Decimal128Array::from_iter_values(entries.iter().map(|(_, value)| *value));
        let values: ArrayRef = Arc::new(values.with_precision_and_scale(38, 0)?);
        let batch = RecordBatch::try_new(ENTRIES.clone(), vec![keys, values])?;
        let taken = output.send(Ok(batch)).await;
        taken.map_err(|_| DataFusionError::Execution("the task was given up".to_owned()))?;
    }
    Ok(())
}
