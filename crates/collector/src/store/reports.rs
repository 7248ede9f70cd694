//! Reports going in, and out again by age.

use ascribe_headers::SourceType;
use ascribe_reports::{
    Endpoint, ReceivedAggregatableReport, ReceivedEventLevelReport, ReceivedVerboseDebugReport, Time,
};

use super::{
    Store, StoreError,
    cell::Cell,
    tables::{AGGREGATABLE_REPORTS, EVENT_REPORTS, Table, VERBOSE_REPORTS},
};

/// A report that was received, and found well-formed.
#[derive(Clone, Debug, PartialEq)]
pub struct NewReport {
    /// Where.
    pub endpoint: Endpoint,
    /// When.
    pub received_at: Time,
    /// What.
    pub body: ReportBody,
}

/// What a report says.
#[derive(Clone, Debug, PartialEq)]
pub enum ReportBody {
    /// An event-level report or debug copy.
    Event {
        /// As received.
        report: ReceivedEventLevelReport,
        /// The campaign's number, if the source event ID's tag is right; else the report was made up.
        campaign: Option<u64>,
    },
    /// An aggregatable report of either kind, or a debug copy.
    Aggregatable(ReceivedAggregatableReport),
    /// A verbose debug report.
    Verbose {
        /// As received.
        report: ReceivedVerboseDebugReport,
        /// Of each thing that it tells, the campaign's number, if it names a source event ID with a right tag.
        campaigns: Box<[Option<u64>]>,
    },
}

impl Store {
    /// Stores reports in one transaction: whether each of them is new.
    ///
    /// A report is known by its endpoint, report ID and scheduled time, which a sender never changes. Verbose
    /// debug reports have no ID: they are always new.
    ///
    /// # Errors
    /// When none of them was stored.
    pub fn insert(&mut self, reports: &[NewReport]) -> Result<Vec<bool>, StoreError> {
        let (mut events, mut aggregatable, mut verbose) = (Rows::default(), Rows::default(), Vec::new());
        for (index, report) in reports.iter().enumerate() {
            match &report.body {
                ReportBody::Event { report: body, campaign } => {
                    events.push(index, event_row(report, body, *campaign));
                }
                ReportBody::Aggregatable(body) => aggregatable.push(index, aggregatable_row(report, body)),
                ReportBody::Verbose { report: body, campaigns } => {
                    verbose.extend(verbose_rows(report, body, campaigns));
                }
            }
        }
        self.transaction(false, |database| {
            let mut new = vec![true; reports.len()];
            for (table, rows) in [(&EVENT_REPORTS, &events), (&AGGREGATABLE_REPORTS, &aggregatable)] {
                let inserted: Vec<bool> = database.insert(table, &rows.rows)?;
                rows.of.iter().zip(inserted).for_each(|(&index, inserted)| new[index] = inserted);
            }
            database.insert(&VERBOSE_REPORTS, &verbose)?;
            Ok(new)
        })
    }

    /// Deletes the reports that were received before a moment; how many.
    ///
    /// Aggregatable reports that are assigned to a batch which is not written yet are kept.
    ///
    /// # Errors
    /// When none of them was deleted.
    pub fn delete_before(&mut self, before: Time) -> Result<u64, StoreError> {
        let before = [Cell::from(before.as_millis())];
        self.transaction(false, |database| {
            let mut deleted = 0;
            for Table { name, .. } in [EVENT_REPORTS, VERBOSE_REPORTS] {
                deleted +=
                    database.execute(&format!("DELETE FROM {name} WHERE received_at < $1"), &before)?;
            }
            deleted += database.execute(
                "DELETE FROM aggregatable_reports WHERE received_at < $1 AND (batch IS NULL
                    OR batch IN (SELECT id FROM batches WHERE written_at IS NOT NULL))",
                &before,
            )?;
            Ok(deleted)
        })
    }
}

/// Rows of a table, and of which report each is.
#[derive(Default)]
struct Rows {
    of: Vec<usize>,
    rows: Vec<Vec<Cell>>,
}

impl Rows {
    fn push(&mut self, index: usize, row: Vec<Cell>) {
        self.of.push(index);
        self.rows.push(row);
    }
}

/// The number that stands for an endpoint: never changed.
pub(super) fn endpoint_number(endpoint: Endpoint) -> i64 {
    match endpoint {
        Endpoint::EventLevel => 1,
        Endpoint::EventLevelDebugCopy => 2,
        Endpoint::Aggregatable => 3,
        Endpoint::AggregatableDebugCopy => 4,
        Endpoint::AggregatableDebug => 5,
        Endpoint::VerboseDebug => 6,
    }
}

/// The number that stands for a source type: never changed.
pub(super) fn source_type_number(source_type: SourceType) -> i64 {
    match source_type {
        SourceType::Event => 0,
        SourceType::Navigation => 1,
    }
}

fn event_row(report: &NewReport, body: &ReceivedEventLevelReport, campaign: Option<u64>) -> Vec<Cell> {
    let destinations: Vec<_> = body.destinations.as_slice().iter().map(|site| site.as_str()).collect();
    vec![
        endpoint_number(report.endpoint).into(),
        body.report_time.as_secs().into(),
        body.report_id.as_bytes().as_slice().into(),
        report.received_at.as_millis().into(),
        destinations.join(" ").as_str().into(),
        body.source_event_id.into(),
        source_type_number(body.source_type).into(),
        body.trigger_data.into(),
        body.randomized_trigger_rate.into(),
        body.debug_keys.source.into(),
        body.debug_keys.trigger.into(),
        campaign.into(),
    ]
}

fn aggregatable_row(report: &NewReport, body: &ReceivedAggregatableReport) -> Vec<Cell> {
    let shared = &body.shared_info;
    vec![
        endpoint_number(report.endpoint).into(),
        shared.scheduled_report_time.as_secs().into(),
        shared.report_id.as_bytes().as_slice().into(),
        report.received_at.as_millis().into(),
        shared.attribution_destination.as_deref().unwrap_or_default().into(),
        body.coordinator.as_str().into(),
        shared.api.as_str().into(),
        shared.version.to_string().as_str().into(),
        (*body.key_id).into(),
        body.payload.as_slice().into(),
        (*body.shared_info_text).into(),
        body.debug_cleartext_payload.as_deref().into(),
        body.trigger_context_id.as_deref().map(str::as_bytes).into(),
        body.debug_keys.source.into(),
        body.debug_keys.trigger.into(),
    ]
}

fn verbose_rows<'r>(
    report: &'r NewReport,
    body: &'r ReceivedVerboseDebugReport,
    campaigns: &'r [Option<u64>],
) -> impl Iterator<Item = Vec<Cell>> + 'r {
    let campaigns = campaigns.iter().copied().chain(std::iter::repeat(None));
    body.data.iter().zip(campaigns).map(|(data, campaign)| {
        let body = serde_json::Value::Object(data.body.clone()).to_string();
        vec![
            report.received_at.as_millis().into(),
            (*data.data_type).into(),
            body.as_str().into(),
            campaign.into(),
            destinations(&data.body).as_str().into(),
            source_event_id(&data.body).into(),
        ]
    })
}

/// The source event ID that a verbose debug report's body names.
pub(crate) fn source_event_id(body: &serde_json::Map<String, serde_json::Value>) -> Option<u64> {
    body.get("source_event_id")?.as_str()?.parse().ok()
}

/// The sites that a verbose debug report's body names, with a space between. Databases take no NUL.
fn destinations(body: &serde_json::Map<String, serde_json::Value>) -> String {
    let sites = match body.get("attribution_destination") {
        Some(serde_json::Value::Array(sites)) => sites.as_slice(),
        Some(site) => std::slice::from_ref(site),
        None => &[],
    };
    let plain = |site: &&str| !site.contains(|c: char| c.is_control() || c == ' ');
    let sites: Vec<_> = sites.iter().filter_map(serde_json::Value::as_str).filter(plain).take(3).collect();
    sites.join(" ")
}
