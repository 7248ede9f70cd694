//! What people read: counts over time, reports that wait, batches, and reports by what they say.
//!
//! Lists go from the latest back, a page at a time; the number of the last row leads to the next page.

use std::fmt::Write;

use ascribe_headers::SourceType;
use ascribe_reports::{Endpoint, Time};

use super::{
    Store, StoreError,
    batching::{BATCH_COLUMNS, Batch, batch},
    bytes,
    cell::Cell,
    counting::source_type,
    integer, real,
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

/// Which reports are asked for. The default is all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportFilter {
    /// Received at this time or later.
    pub from: Option<Time>,
    /// Received before this time.
    pub until: Option<Time>,
    /// The campaign's number.
    pub campaign: Option<u64>,
    /// A destination site, among others.
    pub destination: Option<String>,
    /// The source event ID.
    pub source_event_id: Option<u64>,
}

/// Which things that verbose debug reports told are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerboseFilter {
    /// What is known of all reports.
    pub report: ReportFilter,
    /// Of this type.
    pub data_type: Option<String>,
}

/// Which part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageOf {
    /// Rows with a number below this one.
    pub before: Option<i64>,
    /// As many at most.
    pub limit: u32,
}

/// An event-level report.
#[derive(Clone, Debug, PartialEq)]
pub struct EventReport {
    /// Its number.
    pub seq: i64,
    /// When it was received.
    pub received_at: Time,
    /// `scheduled_report_time`.
    pub scheduled_at: Time,
    /// `report_id`, 16 bytes.
    pub report_id: Vec<u8>,
    /// Whether it is a debug copy, which is not counted.
    pub is_debug_copy: bool,
    /// The campaign's number, or `None` if its source event ID was made up.
    pub campaign: Option<u64>,
    /// The destination sites, with a space between.
    pub destinations: String,
    /// `source_event_id`.
    pub source_event_id: u64,
    /// `source_type`.
    pub source_type: SourceType,
    /// `trigger_data`.
    pub trigger_data: u64,
    /// `randomized_trigger_rate`.
    pub rate: f64,
    /// `source_debug_key`.
    pub source_debug_key: Option<u64>,
    /// `trigger_debug_key`.
    pub trigger_debug_key: Option<u64>,
}

/// One thing that a verbose debug report told.
#[derive(Clone, Debug, PartialEq)]
pub struct VerboseReport {
    /// Its number.
    pub seq: i64,
    /// When it was received.
    pub received_at: Time,
    /// Its type.
    pub data_type: String,
    /// Its body, in JSON.
    pub body: String,
    /// The campaign's number, if it names a source event ID with a right tag.
    pub campaign: Option<u64>,
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

    /// The latest event-level reports of a filter, debug copies among them.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn event_reports(
        &mut self,
        filter: &ReportFilter,
        page: PageOf,
    ) -> Result<Vec<EventReport>, StoreError> {
        let mut conditions = Conditions::default();
        conditions.report(filter);
        let rows = conditions.run(
            self,
            "SELECT seq, received_at, scheduled_at, report_id, endpoint, campaign, destinations, source_event_id,
                source_type, trigger_data, rate, source_debug_key, trigger_debug_key FROM event_reports",
            page,
        )?;
        let unsigned =
            |row: &[Cell], column: usize| row.get(column).and_then(Cell::integer).map(|n| n as u64);
        let report = |row: &Vec<Cell>| {
            Ok(EventReport {
                seq: integer(row, 0)?,
                received_at: Time::from_millis(integer(row, 1)?),
                scheduled_at: Time::from_secs(integer(row, 2)?),
                report_id: bytes(row, 3)?,
                is_debug_copy: integer(row, 4)? == endpoint_number(Endpoint::EventLevelDebugCopy),
                campaign: unsigned(row, 5),
                destinations: text(row, 6)?,
                source_event_id: integer(row, 7)? as u64,
                source_type: source_type(integer(row, 8)?)?,
                trigger_data: integer(row, 9)? as u64,
                rate: real(row, 10)?,
                source_debug_key: unsigned(row, 11),
                trigger_debug_key: unsigned(row, 12),
            })
        };
        rows.iter().map(report).collect()
    }

    /// The latest things of a filter that verbose debug reports told.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn verbose(
        &mut self,
        filter: &VerboseFilter,
        page: PageOf,
    ) -> Result<Vec<VerboseReport>, StoreError> {
        let mut conditions = Conditions::default();
        conditions.report(&filter.report);
        conditions.add_if("type = ", filter.data_type.as_deref());
        let rows = conditions.run(
            self,
            "SELECT seq, received_at, type, body, campaign FROM verbose_reports",
            page,
        )?;
        let report = |row: &Vec<Cell>| {
            Ok(VerboseReport {
                seq: integer(row, 0)?,
                received_at: Time::from_millis(integer(row, 1)?),
                data_type: text(row, 2)?,
                body: text(row, 3)?,
                campaign: row.get(4).and_then(Cell::integer).map(|number| number as u64),
            })
        };
        rows.iter().map(report).collect()
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

/// What rows must be like, and the parameters of that.
#[derive(Default)]
struct Conditions {
    sql: String,
    parameters: Vec<Cell>,
}

impl Conditions {
    /// A condition that ends with a parameter, if there is a value for it.
    fn add_if(&mut self, condition: &str, value: Option<impl Into<Cell>>) {
        let Some(value) = value else { return };
        self.parameters.push(value.into());
        let joint = if self.sql.is_empty() { "WHERE" } else { "AND" };
        // Writing to memory does not fail.
        let _ = write!(self.sql, " {joint} {condition}${}", self.parameters.len());
    }

    fn report(&mut self, filter: &ReportFilter) {
        self.add_if("received_at >= ", filter.from.map(Time::as_millis));
        self.add_if("received_at < ", filter.until.map(Time::as_millis));
        self.add_if("campaign = ", filter.campaign);
        self.add_if("source_event_id = ", filter.source_event_id);
        if let Some(destination) = &filter.destination {
            // One of up to three, with spaces between. `^` is no character of a site.
            let literal: String = destination
                .chars()
                .flat_map(|c| matches!(c, '%' | '_' | '^').then_some('^').into_iter().chain([c]))
                .collect();
            self.add_if("' ' || destinations || ' ' LIKE ", Some(format!("% {literal} %").as_str()));
            self.sql.push_str(" ESCAPE '^'");
        }
    }

    /// Runs a query with them, from the latest row back.
    fn run(mut self, store: &mut Store, select: &str, page: PageOf) -> Result<Vec<Vec<Cell>>, StoreError> {
        self.add_if("seq < ", Some(page.before.unwrap_or(i64::MAX)));
        self.parameters.push(i64::from(page.limit).into());
        let sql = format!("{select}{} ORDER BY seq DESC LIMIT ${}", self.sql, self.parameters.len());
        store.0.query(&sql, &self.parameters)
    }
}
