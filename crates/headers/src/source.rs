//! `Attribution-Reporting-Register-Source`: a source registration as a type.

use ascribe_privacy::Epsilon;

use crate::{
    AggregationKeys, AttributionScopes, Destinations, EventReportWindows, FilterData, NamedBudgets,
    SourceDebugConfig, TriggerDataSet,
};

/// Whether a source was registered by a navigation (a click) or an event (a view).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceType {
    /// Registered by a view, a fetch, a script: no navigation.
    Event,
    /// Registered by a navigation.
    Navigation,
}

/// A source registration with every default filled in and every clamp applied.
///
/// Spec: "parse source-registration JSON". Durations are whole seconds from the source's time.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceRegistration {
    /// `source_event_id`.
    pub source_event_id: u64,
    /// `destination`: 1 to 3 sites, sorted.
    pub destinations: Destinations,
    /// `expiry`, in seconds: 1 to 30 days; whole days for event sources.
    pub expiry: u32,
    /// `priority`: which source wins a trigger.
    pub priority: i64,
    /// `destination_limit_priority`: which destinations survive the unexpired-destination limit.
    pub destination_limit_priority: i64,
    /// `filter_data`, without the implied `source_type`.
    pub filter_data: FilterData,
    /// `debug_key`, before any cookie gate.
    pub debug_key: Option<u64>,
    /// `debug_reporting`.
    pub debug_reporting: bool,
    /// `aggregation_keys`, sorted by key.
    pub aggregation_keys: AggregationKeys,
    /// `aggregatable_report_window`, in seconds: 1 hour to `expiry`.
    pub aggregatable_report_window: u32,
    /// `event_report_window` or `event_report_windows`.
    pub event_report_windows: EventReportWindows,
    /// `max_event_level_reports`: 0 to 20.
    pub max_event_level_reports: u8,
    /// `trigger_data` and `trigger_data_matching`.
    pub trigger_data: TriggerDataSet,
    /// `event_level_epsilon`.
    pub event_level_epsilon: Epsilon,
    /// `aggregatable_debug_reporting`; few have one, and it is large.
    pub aggregatable_debug_reporting: Option<Box<SourceDebugConfig>>,
    /// `attribution_scopes`.
    pub attribution_scopes: Option<AttributionScopes>,
    /// `named_budgets`, sorted by name.
    pub named_budgets: NamedBudgets,
}

impl SourceType {
    /// The name that headers, filters and reports use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Navigation => "navigation",
        }
    }
}
