//! What people look at: counts over time, reports that wait, batches.

use ascribe_reports::{Endpoint, Time};

use super::{
    Store, StoreError,
    batching::{BATCH_COLUMNS, Batch, batch},
    cell::Cell,
    integer,
    reports::endpoint_number,
    text,
};

/// How many reports of an endpoint were received within a step of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceivedCount {
    /// Where.
    pub endpoint: Endpoint,
    /// When the step begins.
    pub from: Time,
    /// How many; of verbose debug reports, how many things they told.
    pub count: u64,
}

/// Aggregatable reports that are in no batch, of one destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingReports {
    /// The destination site; empty for reports without one.
    pub destination: String,
    /// The API of their shared info.
    pub api: String,
    /// How many.
    pub count: u64,
    /// The earliest scheduled time.
    pub first_scheduled: Time,
    /// The latest.
    pub last_scheduled: Time,
}

/// A batch, and whether its files are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchOverview {
    /// The batch.
    pub batch: Batch,
    /// When its files were written, if they are.
    pub written_at: Option<Time>,
}

/// Which part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageOf {
    /// Rows with a number below this one.
    pub before: Option<i64>,
    /// As many at most.
    pub limit: u32,
}

/// How often verbose debug reports told a thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerboseType {
    /// Its type.
    pub data_type: String,
    /// How often.
    pub count: u64,
}

/// Of more groups than these, those with the most reports are told: anyone can send any type and destination.
const MAX_GROUPS: i64 = 200;

impl Store {
    /// How many reports were received from one time to another, by endpoint and step.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn received(
        &mut self,
        from: Time,
        until: Time,
        step_millis: i64,
    ) -> Result<Vec<ReceivedCount>, StoreError> {
        let step = step_millis.max(1);
        let parameters = [step.into(), from.as_millis().into(), until.as_millis().into()];
        let verbose = endpoint_number(Endpoint::VerboseDebug);
        let mut counts = Vec::new();
        for (table, endpoint) in [
            ("event_reports", "endpoint".to_owned()),
            ("aggregatable_reports", "endpoint".to_owned()),
            ("verbose_reports", format!("CAST({verbose} AS BIGINT)")),
        ] {
            let rows = self.0.query(
                &format!(
                    "SELECT {endpoint} AS endpoint_number, received_at / $1 AS step, COUNT(*) FROM {table}
                     WHERE received_at >= $2 AND received_at < $3 GROUP BY 1, 2 ORDER BY 2, 1"
                ),
                &parameters,
            )?;
            for row in rows {
                let number = integer(&row, 0)?;
                let endpoint = Endpoint::ALL.into_iter().find(|known| endpoint_number(*known) == number);
                counts.push(ReceivedCount {
                    endpoint: endpoint.ok_or(StoreError::Corrupt("an endpoint that is none"))?,
                    from: Time::from_millis(integer(&row, 1)?.saturating_mul(step)),
                    count: integer(&row, 2)? as u64,
                });
            }
        }
        Ok(counts)
    }

    /// The aggregatable reports that are in no batch, by destination, most reports first; debug copies never
    /// are in one, and are left out.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn waiting(&mut self) -> Result<Vec<WaitingReports>, StoreError> {
        let endpoints = [Endpoint::Aggregatable, Endpoint::AggregatableDebug].map(endpoint_number);
        let rows = self.0.query(
            "SELECT destination, api, COUNT(*), MIN(scheduled_at), MAX(scheduled_at) FROM aggregatable_reports
             WHERE batch IS NULL AND (endpoint = $1 OR endpoint = $2)
             GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT $3",
            &[endpoints[0].into(), endpoints[1].into(), MAX_GROUPS.into()],
        )?;
        let waiting = |row: &Vec<Cell>| {
            Ok(WaitingReports {
                destination: text(row, 0)?,
                api: text(row, 1)?,
                count: integer(row, 2)? as u64,
                first_scheduled: Time::from_secs(integer(row, 3)?),
                last_scheduled: Time::from_secs(integer(row, 4)?),
            })
        };
        rows.iter().map(waiting).collect()
    }

    /// How many aggregatable reports wait for a batch, and how many are in one.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn waiting_and_batched(&mut self) -> Result<(u64, u64), StoreError> {
        let endpoints = [Endpoint::Aggregatable, Endpoint::AggregatableDebug].map(endpoint_number);
        let waiting = self.0.query(
            "SELECT COUNT(*) FROM aggregatable_reports WHERE batch IS NULL AND (endpoint = $1 OR endpoint = $2)",
            &endpoints.map(Cell::from),
        )?;
        // A sum of 64-bit integers is a decimal number to PostgreSQL.
        let batched = self.0.query("SELECT CAST(COALESCE(SUM(reports), 0) AS BIGINT) FROM batches", &[])?;
        let first = |rows: &[Vec<Cell>]| rows.first().map_or(Ok(0), |row| integer(row, 0));
        Ok((first(&waiting)? as u64, first(&batched)? as u64))
    }

    /// The latest batches.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn batches(&mut self, page: PageOf) -> Result<Vec<BatchOverview>, StoreError> {
        let rows = self.0.query(
            &format!(
                "SELECT {BATCH_COLUMNS}, written_at FROM batches WHERE id < $1 ORDER BY id DESC LIMIT $2"
            ),
            &[page.before.unwrap_or(i64::MAX).into(), i64::from(page.limit).into()],
        )?;
        let overview = |row: &Vec<Cell>| {
            let written_at = row.get(10).and_then(Cell::integer).map(Time::from_millis);
            Ok(BatchOverview { batch: batch(row)?, written_at })
        };
        rows.iter().map(overview).collect()
    }

    /// What verbose debug reports told from one time to another, most frequent first.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn verbose_types(&mut self, from: Time, until: Time) -> Result<Vec<VerboseType>, StoreError> {
        let rows = self.0.query(
            "SELECT type, COUNT(*) FROM verbose_reports WHERE received_at >= $1 AND received_at < $2
             GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT $3",
            &[from.as_millis().into(), until.as_millis().into(), MAX_GROUPS.into()],
        )?;
        let of_type =
            |row: &Vec<Cell>| Ok(VerboseType { data_type: text(row, 0)?, count: integer(row, 1)? as u64 });
        rows.iter().map(of_type).collect()
    }
}
