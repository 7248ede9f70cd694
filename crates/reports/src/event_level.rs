//! Event-level reports: one conversion, in few bits, in clear.

use ascribe_headers::{Destinations, SourceType, SuitableOrigin};

use crate::{DebugKeys, ReportId, Time};

/// Spec: "event-level report", as far as it is sent.
#[derive(Clone, Debug, PartialEq)]
pub struct EventLevelReport {
    /// `report_id`.
    pub report_id: ReportId,
    /// Whom it is sent to.
    pub reporting_origin: SuitableOrigin,
    /// `attribution_destination`: all destinations of the source, not only the converting one.
    pub destinations: Destinations,
    /// `source_event_id`.
    pub source_event_id: u64,
    /// `source_type`.
    pub source_type: SourceType,
    /// `trigger_data`.
    pub trigger_data: u32,
    /// `randomized_trigger_rate`, as a probability; sent rounded to 7 decimals.
    pub randomized_trigger_rate: f64,
    /// `scheduled_report_time`.
    pub report_time: Time,
    /// `source_debug_key` and `trigger_debug_key`; sent only when both are present.
    pub debug_keys: DebugKeys,
}
