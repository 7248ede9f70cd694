//! Reports by what they say, from the latest back, a page at a time: the number of the last row leads to the next.

use std::fmt::Write;

use ascribe_headers::SourceType;
use ascribe_reports::{Endpoint, Time};

use super::{
    PageOf, Store, StoreError, bytes, cell::Cell, counting::source_type, integer, real,
    reports::endpoint_number, text,
};

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

impl Store {
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
