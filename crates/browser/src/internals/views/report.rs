//! A report: what is sent, what of it only the user agent knows, and how its delivery went.

use ascribe_engine::{DebugReport, PendingReport, State, StoredReport};
use ascribe_reports::{
    AggregatableDebugReport, AggregatableReport, Contribution, EventLevelReport, Time, VerboseDebugReport,
};
use serde::Serialize;
use serde_json::{Value, json};

use super::Moment;

/// A report of any kind, pending or sent.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ReportView {
    /// Names the row: unique, and stays the same while the report waits.
    pub(crate) id: String,
    pub(crate) kind: Kind,
    /// "Pending", "Sent", …; see the sent log.
    pub(crate) status: String,
    /// The HTTP status that answered it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) http_status: Option<u16>,
    /// What happened to it, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) report_id: Option<String>,
    pub(crate) url: String,
    pub(crate) reporting_origin: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) destinations: Vec<String>,
    /// The internal ID of its source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<u64>,
    /// Made of nothing, so that reports tell nothing.
    pub(crate) null: bool,
    /// Noise made it.
    pub(crate) fake: bool,
    /// `scheduled_report_time`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) report_time: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trigger_time: Option<Moment>,
    /// When it is tried next; null while it waits for a navigation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) due: Option<Moment>,
    /// When it was answered or given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) time: Option<Moment>,
    pub(crate) failures: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) priority: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trigger_data: Option<u32>,
    /// The histogram in clear, of aggregatable reports: what no server sees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) contributions: Option<Vec<ContributionView>>,
    /// The types of what a verbose debug report tells.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) types: Vec<&'static str>,
    /// Of reports that were sent: the body as sent. Of those that wait: what is known of it.
    pub(crate) body: Value,
}

/// What kind of report it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    EventLevel,
    Aggregatable,
    EventLevelDebugCopy,
    AggregatableDebugCopy,
    Verbose,
    AggregatableDebug,
}

/// One contribution, in clear.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ContributionView {
    pub(crate) key: String,
    pub(crate) value: u32,
    pub(crate) filtering_id: String,
}

impl ReportView {
    /// A report that waits, true as far as it tells, and what went wrong when it was last tried.
    pub(crate) fn pending(stored: &StoredReport, failure: Option<&str>) -> Self {
        let report = &stored.report;
        let view = match report {
            PendingReport::Event(event) => {
                let mut view = Self::event_level(&event.report, false);
                view.priority = Some(event.priority.to_string());
                view
            }
            PendingReport::Aggregatable(pending) => {
                Self { null: pending.is_null(), ..Self::aggregatable(&pending.report, false) }
            }
        };
        Self {
            id: id(view.kind, view.report_id.as_deref().unwrap_or_default()),
            source: report.source().map(|id| id.0),
            trigger_time: Some(Moment(report.trigger_time())),
            due: Some(Moment(stored.due)),
            failures: stored.failures,
            detail: failure.filter(|_| stored.failures > 0).map(|failure| {
                format!("Could not be delivered, and is tried again. Attempt {}: {failure}.", stored.failures)
            }),
            ..view
        }
    }

    /// An event-level report that another one of higher priority took the place of.
    pub(crate) fn replaced(report: &PendingReport, now: Time) -> Self {
        let PendingReport::Event(event) = report else {
            unreachable!("only event-level reports are replaced");
        };
        let view = Self::event_level(&event.report, false);
        Self {
            id: id(view.kind, view.report_id.as_deref().unwrap_or_default()),
            status: "Replaced".to_owned(),
            detail: Some("A report of higher priority took its place.".to_owned()),
            source: Some(event.source.0),
            priority: Some(event.priority.to_string()),
            trigger_time: Some(Moment(event.trigger_time)),
            time: Some(Moment(now)),
            ..view
        }
    }

    /// A debug report.
    pub(crate) fn debug(report: &DebugReport) -> Self {
        match report {
            DebugReport::Event(report) => Self::event_level(report, true),
            DebugReport::Aggregatable(report) => Self::aggregatable(report, true),
            DebugReport::Verbose(report) => Self::verbose(report),
            DebugReport::AggregatableDebug(report) => Self::aggregatable_debug(report),
        }
    }

    /// An event-level report, or its debug copy.
    pub(crate) fn event_level(report: &EventLevelReport, debug: bool) -> Self {
        Self {
            report_id: Some(report.report_id.to_string()),
            destinations: report.destinations.as_slice().iter().map(ToString::to_string).collect(),
            report_time: Some(Moment(report.report_time)),
            trigger_data: Some(report.trigger_data),
            body: Value::Object(report.body_map()),
            ..Self::new(
                if debug { Kind::EventLevelDebugCopy } else { Kind::EventLevel },
                report.url(debug),
                report.reporting_origin.to_string(),
            )
        }
    }

    /// An aggregatable report, or its debug copy.
    pub(crate) fn aggregatable(report: &AggregatableReport, debug: bool) -> Self {
        let mut body = json!({
            "aggregation_coordinator_origin": report.coordinator.origin().as_str(),
            "shared_info": report.shared_info(),
        });
        if let Some(context_id) = &report.trigger_context_id {
            body["trigger_context_id"] = Value::String(context_id.to_string());
        }
        Self {
            report_id: Some(report.report_id.to_string()),
            destinations: vec![report.destination.to_string()],
            report_time: Some(Moment(report.report_time)),
            null: report.contributions.is_empty(),
            contributions: Some(contributions(&report.contributions)),
            body,
            ..Self::new(
                if debug { Kind::AggregatableDebugCopy } else { Kind::Aggregatable },
                report.url(debug),
                report.reporting_origin.to_string(),
            )
        }
    }

    fn verbose(report: &VerboseDebugReport) -> Self {
        let body = report.data.iter().map(|data| json!({"type": data.data_type, "body": data.body}));
        Self {
            types: report.data.iter().map(|data| data.data_type).collect(),
            body: body.collect(),
            ..Self::new(Kind::Verbose, report.url(), report.reporting_origin.to_string())
        }
    }

    fn aggregatable_debug(report: &AggregatableDebugReport) -> Self {
        Self {
            report_id: Some(report.report_id.to_string()),
            destinations: vec![report.destination.to_string()],
            report_time: Some(Moment(report.report_time)),
            null: report.contributions.is_empty(),
            contributions: Some(contributions(&report.contributions)),
            body: json!({
                "aggregation_coordinator_origin": report.coordinator.origin().as_str(),
                "shared_info": report.shared_info(),
            }),
            ..Self::new(Kind::AggregatableDebug, report.url(), report.reporting_origin.to_string())
        }
    }

    fn new(kind: Kind, url: String, reporting_origin: String) -> Self {
        Self {
            id: String::new(),
            kind,
            status: "Pending".to_owned(),
            http_status: None,
            detail: None,
            report_id: None,
            url,
            reporting_origin,
            destinations: Vec::new(),
            source: None,
            null: false,
            fake: false,
            report_time: None,
            trigger_time: None,
            due: None,
            time: None,
            failures: 0,
            priority: None,
            trigger_data: None,
            contributions: None,
            types: Vec::new(),
            body: Value::Null,
        }
    }
}

fn contributions(contributions: &[Contribution]) -> Vec<ContributionView> {
    let view = |c: &Contribution| ContributionView {
        key: c.key.to_string(),
        value: c.value,
        filtering_id: c.filtering_id.to_string(),
    };
    contributions.iter().map(view).collect()
}

/// Whether noise made a report that waits.
pub(crate) fn is_fake(report: &PendingReport, state: &State) -> bool {
    let PendingReport::Event(event) = report else { return false };
    match state.source(event.source) {
        Some(stored) => stored.source.noise.is_some(),
        None => !state.has_attribution(event.key),
    }
}

/// Names a report, while it waits and afterwards; its debug copy has another name.
pub(super) fn id(kind: Kind, report_id: &str) -> String {
    format!("{kind:?}-{report_id}")
}
