//! Which aggregatable report is in which batch.
//!
//! A batch is assigned in one transaction, which writes the batch and marks its reports. From then on it is
//! fixed: whoever writes its files, however often, writes the same. It is marked when they are written.

use ascribe_reports::{Endpoint, Time};

use super::{Store, StoreError, bytes, cell::Cell, integer, reports::endpoint_number, text};

/// When reports are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchPlan {
    /// How long a batch's period is, in hours of scheduled time: 1 for hours, 24 for days.
    pub period_hours: u32,
    /// For how long after its end late reports are waited for, in seconds.
    pub wait_seconds: u32,
}

/// What all reports of a batch have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchKey {
    /// The destination site; empty for reports without one.
    pub destination: String,
    /// Whose keys open them.
    pub coordinator: String,
    /// The API of their shared info.
    pub api: String,
    /// The version of their shared info.
    pub version: String,
    /// When the period of their scheduled times begins, in seconds since the UNIX epoch.
    pub period_start: i64,
    /// How long the period is, in seconds.
    pub period_seconds: i64,
}

/// A batch that was assigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Its number.
    pub id: i64,
    /// What its reports have in common.
    pub key: BatchKey,
    /// 0, or how many batches of the key there were before: its reports came too late for them. An
    /// aggregation service that keeps privacy budgets has spent them on the first.
    pub late: i64,
    /// How many reports it has.
    pub reports: u64,
    /// When it was assigned.
    pub assigned_at: Time,
}

/// A report of a batch, as an aggregation service takes it, and what analysis needs besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchedReport {
    /// The order within the store.
    pub seq: i64,
    /// `report_id`, 16 bytes.
    pub report_id: Vec<u8>,
    /// When it was received.
    pub received_at: Time,
    /// `scheduled_report_time`, in seconds since the UNIX epoch.
    pub scheduled_at: i64,
    /// `key_id`.
    pub key_id: String,
    /// `payload`, sealed.
    pub payload: Vec<u8>,
    /// `shared_info`, to the byte.
    pub shared_info: String,
}

impl Store {
    /// Assigns all reports whose period has ended, and been waited for, to new batches.
    ///
    /// Debug copies are in no batch: they are the same reports again.
    ///
    /// # Errors
    /// When nothing was assigned.
    pub fn assign_batches(&mut self, plan: BatchPlan, now: Time) -> Result<Vec<Batch>, StoreError> {
        let period = i64::from(plan.period_hours) * 3600;
        // A period's end, and the wait after it, are over for all that was scheduled before this.
        let ended = (now.as_secs() - i64::from(plan.wait_seconds)).div_euclid(period) * period;
        let endpoints = [Endpoint::Aggregatable, Endpoint::AggregatableDebug].map(endpoint_number);
        self.transaction(true, |database| {
            // Euclidean: `%` takes the sign of the dividend.
            let groups = database.query(
                "SELECT destination, coordinator, api, version,
                        scheduled_at - ((scheduled_at % $1) + $1) % $1 AS period_start, COUNT(*)
                 FROM aggregatable_reports
                 WHERE batch IS NULL AND scheduled_at < $2 AND (endpoint = $3 OR endpoint = $4)
                 GROUP BY 1, 2, 3, 4, 5 ORDER BY 5, 1, 2, 3, 4",
                &[period.into(), ended.into(), endpoints[0].into(), endpoints[1].into()],
            )?;
            let mut batches = Vec::with_capacity(groups.len());
            for group in groups {
                let key = BatchKey {
                    destination: text(&group, 0)?,
                    coordinator: text(&group, 1)?,
                    api: text(&group, 2)?,
                    version: text(&group, 3)?,
                    period_start: integer(&group, 4)?,
                    period_seconds: period,
                };
                let reports = integer(&group, 5)?;
                let mut of_key = key_cells(&key);
                let before = database.query(
                    "SELECT COUNT(*) FROM batches WHERE destination = $1 AND coordinator = $2 AND api = $3
                        AND version = $4 AND period_start < $5 AND period_start + period_seconds > $6",
                    &[of_key.clone(), vec![(key.period_start + period).into(), key.period_start.into()]].concat(),
                )?;
                let late = before.first().map_or(Ok(0), |row| integer(row, 0))?;
                let mut parameters = of_key.clone();
                parameters.extend([
                    key.period_start.into(),
                    period.into(),
                    late.into(),
                    reports.into(),
                    now.as_millis().into(),
                ]);
                let inserted = database.query(
                    "INSERT INTO batches (destination, coordinator, api, version, period_start, period_seconds,
                        late, reports, assigned_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id",
                    &parameters,
                )?;
                let id = inserted.first().map_or(Err(StoreError::Corrupt("no batch number")), |row| integer(row, 0))?;
                let mut parameters = vec![id.into()];
                parameters.append(&mut of_key);
                parameters.extend([
                    key.period_start.into(),
                    (key.period_start + period).into(),
                    endpoints[0].into(),
                    endpoints[1].into(),
                ]);
                let marked = database.execute(
                    "UPDATE aggregatable_reports SET batch = $1
                     WHERE destination = $2 AND coordinator = $3 AND api = $4 AND version = $5
                        AND scheduled_at >= $6 AND scheduled_at < $7 AND batch IS NULL
                        AND (endpoint = $8 OR endpoint = $9)",
                    &parameters,
                )?;
                // Between the two statements PostgreSQL may have let more in.
                if marked != reports as u64 {
                    database.execute("UPDATE batches SET reports = $1 WHERE id = $2", &[marked.into(), id.into()])?;
                }
                batches.push(Batch { id, key, late, reports: marked, assigned_at: now });
            }
            Ok(batches)
        })
    }

    /// The batches that are assigned, and not known to be written.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn unwritten_batches(&mut self) -> Result<Vec<Batch>, StoreError> {
        let sql = format!("SELECT {BATCH_COLUMNS} FROM batches WHERE written_at IS NULL ORDER BY id");
        self.0.query(&sql, &[])?.iter().map(|row| batch(row)).collect()
    }

    /// Up to `limit` reports of a batch, after one with the number `after`, in the order of their numbers.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn batch_reports(
        &mut self,
        batch: i64,
        after: i64,
        limit: u32,
    ) -> Result<Vec<BatchedReport>, StoreError> {
        let rows = self.0.query(
            "SELECT seq, report_id, received_at, scheduled_at, key_id, payload, shared_info
             FROM aggregatable_reports WHERE batch = $1 AND seq > $2 ORDER BY seq LIMIT $3",
            &[batch.into(), after.into(), i64::from(limit).into()],
        )?;
        let report = |row: &Vec<Cell>| {
            Ok(BatchedReport {
                seq: integer(row, 0)?,
                report_id: bytes(row, 1)?,
                received_at: Time::from_millis(integer(row, 2)?),
                scheduled_at: integer(row, 3)?,
                key_id: text(row, 4)?,
                payload: bytes(row, 5)?,
                shared_info: text(row, 6)?,
            })
        };
        rows.iter().map(report).collect()
    }

    /// Notes that all files of a batch are written.
    ///
    /// # Errors
    /// When it was not noted: they are then written again, the same.
    pub fn batch_written(&mut self, batch: i64, now: Time) -> Result<(), StoreError> {
        self.transaction(false, |database| {
            let sql = "UPDATE batches SET written_at = $1 WHERE id = $2";
            database.execute(sql, &[now.as_millis().into(), batch.into()]).map(drop)
        })
    }
}

fn key_cells(key: &BatchKey) -> Vec<Cell> {
    [&key.destination, &key.coordinator, &key.api, &key.version].map(|text| text.as_str().into()).into()
}

/// What [`batch`] reads, in its order.
pub(super) const BATCH_COLUMNS: &str =
    "id, destination, coordinator, api, version, period_start, period_seconds, late, reports, assigned_at";

pub(super) fn batch(row: &[Cell]) -> Result<Batch, StoreError> {
    Ok(Batch {
        id: integer(row, 0)?,
        key: BatchKey {
            destination: text(row, 1)?,
            coordinator: text(row, 2)?,
            api: text(row, 3)?,
            version: text(row, 4)?,
            period_start: integer(row, 5)?,
            period_seconds: integer(row, 6)?,
        },
        late: integer(row, 7)?,
        reports: integer(row, 8)? as u64,
        assigned_at: Time::from_millis(integer(row, 9)?),
    })
}
