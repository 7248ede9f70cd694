//! Stored reports, waiting for their time.

use ascribe_reports::{AggregatableReport, EventLevelReport, Time};
use serde::{Deserialize, Serialize};

use crate::{ReportKey, SourceId};

/// Spec: "event-level report", with what attribution needs to know of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PendingEventReport {
    /// "Internal ID".
    pub key: ReportKey,
    /// "Source ID".
    pub source: SourceId,
    /// "Trigger priority".
    pub priority: i64,
    /// "Trigger time".
    pub trigger_time: Time,
    /// What is sent.
    pub report: EventLevelReport,
}

/// Spec: "aggregatable attribution report", with what attribution needs to know of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PendingAggregatableReport {
    /// "Internal ID".
    pub key: ReportKey,
    /// "Source ID"; none for a null report.
    pub source: Option<SourceId>,
    /// When the trigger was registered.
    pub trigger_time: Time,
    /// What is sent.
    pub report: AggregatableReport,
}

/// A stored report of either kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum PendingReport {
    /// An event-level report, true or fake.
    Event(std::sync::Arc<PendingEventReport>),
    /// An aggregatable report, true or null.
    Aggregatable(std::sync::Arc<PendingAggregatableReport>),
}

impl PendingAggregatableReport {
    /// "Is null report".
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.source.is_none()
    }
}

impl PendingReport {
    /// The internal ID.
    #[must_use]
    pub fn key(&self) -> ReportKey {
        match self {
            Self::Event(pending) => pending.key,
            Self::Aggregatable(pending) => pending.key,
        }
    }

    /// The source that it came from; none for a null report.
    #[must_use]
    pub fn source(&self) -> Option<SourceId> {
        match self {
            Self::Event(pending) => Some(pending.source),
            Self::Aggregatable(pending) => pending.source,
        }
    }

    /// When the trigger was registered; in the future for fake reports.
    #[must_use]
    pub fn trigger_time(&self) -> Time {
        match self {
            Self::Event(pending) => pending.trigger_time,
            Self::Aggregatable(pending) => pending.trigger_time,
        }
    }

    /// "Report time": when it was to be sent, as the report itself says.
    #[must_use]
    pub fn report_time(&self) -> Time {
        match self {
            Self::Event(pending) => pending.report.report_time,
            Self::Aggregatable(pending) => pending.report.report_time,
        }
    }

    /// Whom it is sent to.
    #[must_use]
    pub fn reporting_origin(&self) -> &ascribe_headers::SuitableOrigin {
        match self {
            Self::Event(pending) => &pending.report.reporting_origin,
            Self::Aggregatable(pending) => &pending.report.reporting_origin,
        }
    }
}
