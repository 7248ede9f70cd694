//! Aggregatable reports: contributions to a histogram that only an aggregation service can read.

use ascribe_headers::{Coordinator, FilteringIdMaxBytes, KeyPiece, Site, SuitableOrigin};

use crate::{DebugKeys, ReportId, Time};

/// One contribution to a histogram. Spec: "aggregatable contribution".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contribution {
    /// The bucket.
    pub key: KeyPiece,
    /// What is added to it: at most 65536.
    pub value: u32,
    /// `filtering_id`.
    pub filtering_id: u64,
}

/// Spec: "aggregatable attribution report". A null report has no contributions.
#[derive(Clone, Debug, PartialEq)]
pub struct AggregatableReport {
    /// `report_id`.
    pub report_id: ReportId,
    /// Whom it is sent to.
    pub reporting_origin: SuitableOrigin,
    /// `attribution_destination`: the site of the trigger.
    pub destination: Site,
    /// `scheduled_report_time`.
    pub report_time: Time,
    /// Present when the report is to carry `source_registration_time`, which tells its day.
    pub source_registration_time: Option<Time>,
    /// At most 20, before padding; none in a null report.
    pub contributions: Box<[Contribution]>,
    /// Whose key seals the payload.
    pub coordinator: Coordinator,
    /// `trigger_context_id`.
    pub trigger_context_id: Option<Box<str>>,
    /// How many bytes a filtering ID takes.
    pub filtering_id_max_bytes: FilteringIdMaxBytes,
    /// `source_debug_key` and `trigger_debug_key`; sent, with the payload in clear, only when both are present.
    pub debug_keys: DebugKeys,
}

/// Spec: "aggregatable debug report". A null report has no contributions.
#[derive(Clone, Debug, PartialEq)]
pub struct AggregatableDebugReport {
    /// `report_id`.
    pub report_id: ReportId,
    /// Whom it is sent to.
    pub reporting_origin: SuitableOrigin,
    /// `attribution_destination`: the trigger's site, or the first destination of the source.
    pub destination: Site,
    /// `scheduled_report_time`.
    pub report_time: Time,
    /// At most 2, before padding.
    pub contributions: Box<[Contribution]>,
    /// Whose key seals the payload.
    pub coordinator: Coordinator,
}
