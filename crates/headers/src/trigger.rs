//! `Attribution-Reporting-Register-Trigger`: a trigger registration as a type.

use crate::{Coordinator, FilterPair, KeyPiece, Text, TriggerDebugConfig};

/// A trigger registration with every default filled in.
///
/// Spec: "create an attribution trigger".
#[derive(Clone, Debug, PartialEq)]
pub struct TriggerRegistration {
    /// `filters` and `not_filters` of the whole trigger.
    pub filters: FilterPair,
    /// `debug_key`, before any cookie gate.
    pub debug_key: Option<u64>,
    /// `debug_reporting`.
    pub debug_reporting: bool,
    /// `event_trigger_data`: the first that matches the source is used.
    pub event_triggers: Box<[EventTrigger]>,
    /// `aggregatable_trigger_data`: all that match the source are used.
    pub aggregatable_trigger_data: Box<[AggregatableTriggerData]>,
    /// `aggregatable_values`: the first that matches the source is used.
    pub aggregatable_values: Box<[AggregatableValues]>,
    /// `aggregatable_deduplication_keys`: the first that matches the source is used.
    pub aggregatable_dedup_keys: Box<[AggregatableDedupKey]>,
    /// `named_budgets`: the first that matches the source is used.
    pub named_budgets: Box<[NamedBudget]>,
    /// `aggregation_coordinator_origin`.
    pub aggregation_coordinator: Coordinator,
    /// `aggregatable_source_registration_time`, `trigger_context_id` and
    /// `aggregatable_filtering_id_max_bytes`, which constrain each other.
    pub report_options: ReportOptions,
    /// `aggregatable_debug_reporting`.
    pub aggregatable_debug_reporting: Option<Box<TriggerDebugConfig>>,
    /// `attribution_scopes`, sorted; empty means any source.
    pub attribution_scopes: Box<[Text]>,
}

/// What an aggregatable report discloses besides its contributions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportOptions {
    /// `include`: the report tells the source's day; no context ID, one-byte filtering IDs.
    IncludeSourceRegistrationTime,
    /// `exclude`, the default.
    ExcludeSourceRegistrationTime {
        /// `trigger_context_id`: at most 64 bytes; an empty one counts as set.
        trigger_context_id: Option<Text>,
        /// `aggregatable_filtering_id_max_bytes`.
        filtering_id_max_bytes: FilteringIdMaxBytes,
    },
}

/// How many bytes a filtering ID takes in the payload: 1 to 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FilteringIdMaxBytes(pub(crate) u8);

/// "Event-level trigger configuration".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventTrigger {
    /// `trigger_data`.
    pub trigger_data: u64,
    /// `priority`.
    pub priority: i64,
    /// `deduplication_key`.
    pub dedup_key: Option<u64>,
    /// `filters` and `not_filters`.
    pub filters: FilterPair,
}

/// "Aggregatable trigger data".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AggregatableTriggerData {
    /// `key_piece`.
    pub key_piece: KeyPiece,
    /// `source_keys`, sorted.
    pub source_keys: Box<[Text]>,
    /// `filters` and `not_filters`.
    pub filters: FilterPair,
}

/// "Aggregatable values configuration".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AggregatableValues {
    /// `values`, sorted by key.
    pub values: Box<[(Text, AggregatableValue)]>,
    /// `filters` and `not_filters`.
    pub filters: FilterPair,
}

/// "Aggregatable key value".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AggregatableValue {
    /// `value`: 1 to 65536.
    pub value: u32,
    /// `filtering_id`: fits in the trigger's filtering ID bytes.
    pub filtering_id: u64,
}

/// "Aggregatable dedup key".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AggregatableDedupKey {
    /// `deduplication_key`; a matching entry without one disables deduplication.
    pub dedup_key: Option<u64>,
    /// `filters` and `not_filters`.
    pub filters: FilterPair,
}

/// "Named budget" of a trigger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedBudget {
    /// `name`; a matching entry without one spends no named budget.
    pub name: Option<Text>,
    /// `filters` and `not_filters`.
    pub filters: FilterPair,
}

impl FilteringIdMaxBytes {
    /// One byte, the default.
    pub const DEFAULT: Self = Self(1);

    /// `bytes` must be 1 to 8.
    #[must_use]
    pub fn new(bytes: u8) -> Option<Self> {
        (1..=8).contains(&bytes).then_some(Self(bytes))
    }

    /// The number of bytes.
    #[must_use]
    pub fn get(self) -> u8 {
        self.0
    }

    /// The largest filtering ID that fits.
    #[must_use]
    pub fn max_filtering_id(self) -> u64 {
        u64::MAX >> (64 - 8 * u32::from(self.0))
    }
}

impl ReportOptions {
    /// Whether the report carries `source_registration_time`.
    #[must_use]
    pub fn includes_source_registration_time(&self) -> bool {
        matches!(self, Self::IncludeSourceRegistrationTime)
    }

    /// `trigger_context_id`.
    #[must_use]
    pub fn trigger_context_id(&self) -> Option<&str> {
        match self {
            Self::IncludeSourceRegistrationTime => None,
            Self::ExcludeSourceRegistrationTime { trigger_context_id, .. } => trigger_context_id.as_deref(),
        }
    }

    /// `aggregatable_filtering_id_max_bytes`.
    #[must_use]
    pub fn filtering_id_max_bytes(&self) -> FilteringIdMaxBytes {
        match self {
            Self::IncludeSourceRegistrationTime => FilteringIdMaxBytes::DEFAULT,
            Self::ExcludeSourceRegistrationTime { filtering_id_max_bytes, .. } => *filtering_id_max_bytes,
        }
    }

    /// "Should send a report unconditionally": then it is neither delayed nor left out.
    #[must_use]
    pub fn is_unconditional(&self) -> bool {
        self.trigger_context_id().is_some() || self.filtering_id_max_bytes() != FilteringIdMaxBytes::DEFAULT
    }
}

impl TriggerRegistration {
    /// "Check if an attribution trigger contains aggregatable data".
    #[must_use]
    pub fn has_aggregatable_data(&self) -> bool {
        !self.aggregatable_trigger_data.is_empty()
            || self.aggregatable_values.iter().any(|config| !config.values.is_empty())
    }
}
