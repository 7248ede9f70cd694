//! `aggregatable_debug_reporting`, and the debug data types that it and verbose reports speak of.

use crate::{Coordinator, KeyPiece};

macro_rules! debug_types {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $(#[doc = concat!("`", $text, "`")] $variant,)*
        }

        impl $name {
            /// Every type.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name in headers and reports.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The type with this name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

debug_types! {
    /// "Source debug data type".
    SourceDebugType {
        ChannelCapacityLimit = "source-channel-capacity-limit",
        DestinationGlobalRateLimit = "source-destination-global-rate-limit",
        DestinationLimit = "source-destination-limit",
        DestinationLimitReplaced = "source-destination-limit-replaced",
        DestinationPerDayRateLimit = "source-destination-per-day-rate-limit",
        DestinationRateLimit = "source-destination-rate-limit",
        MaxEventStatesLimit = "source-max-event-states-limit",
        Noised = "source-noised",
        ReportingOriginLimit = "source-reporting-origin-limit",
        ReportingOriginPerSiteLimit = "source-reporting-origin-per-site-limit",
        ScopesChannelCapacityLimit = "source-scopes-channel-capacity-limit",
        StorageLimit = "source-storage-limit",
        Success = "source-success",
        TriggerStateCardinalityLimit = "source-trigger-state-cardinality-limit",
        UnknownError = "source-unknown-error",
    }
}

debug_types! {
    /// "Trigger debug data type".
    TriggerDebugType {
        AggregateAttributionsPerSourceDestinationLimit = "trigger-aggregate-attributions-per-source-destination-limit",
        AggregateDeduplicated = "trigger-aggregate-deduplicated",
        AggregateExcessiveReports = "trigger-aggregate-excessive-reports",
        AggregateInsufficientBudget = "trigger-aggregate-insufficient-budget",
        AggregateInsufficientNamedBudget = "trigger-aggregate-insufficient-named-budget",
        AggregateNoContributions = "trigger-aggregate-no-contributions",
        AggregateReportWindowPassed = "trigger-aggregate-report-window-passed",
        AggregateStorageLimit = "trigger-aggregate-storage-limit",
        EventAttributionsPerSourceDestinationLimit = "trigger-event-attributions-per-source-destination-limit",
        EventDeduplicated = "trigger-event-deduplicated",
        EventExcessiveReports = "trigger-event-excessive-reports",
        EventLowPriority = "trigger-event-low-priority",
        EventNoMatchingConfigurations = "trigger-event-no-matching-configurations",
        EventNoMatchingTriggerData = "trigger-event-no-matching-trigger-data",
        EventNoise = "trigger-event-noise",
        EventReportWindowNotStarted = "trigger-event-report-window-not-started",
        EventReportWindowPassed = "trigger-event-report-window-passed",
        EventStorageLimit = "trigger-event-storage-limit",
        NoMatchingFilterData = "trigger-no-matching-filter-data",
        NoMatchingSource = "trigger-no-matching-source",
        ReportingOriginLimit = "trigger-reporting-origin-limit",
        UnknownError = "trigger-unknown-error",
    }
}

/// What one debug data type contributes: a key piece and a value of 1 to 65536.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DebugContribution {
    /// `key_piece`, to be combined with the configuration's own.
    pub key_piece: KeyPiece,
    /// `value`.
    pub value: u32,
}

/// `aggregatable_debug_reporting`: what to contribute when something happens, and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DebugConfig<T> {
    /// `key_piece` of the whole configuration.
    pub key_piece: KeyPiece,
    /// `debug_data` by type, sorted by type; types that this version does not know are dropped.
    pub(crate) debug_data: Box<[(T, DebugContribution)]>,
    /// What `unspecified` contributes for the types not listed.
    pub(crate) unspecified: Option<DebugContribution>,
    /// `aggregation_coordinator_origin`.
    pub coordinator: Coordinator,
}

/// A source's debug configuration, with the part of its 65536 budget set aside for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceDebugConfig {
    /// `budget`: 1 to 65536.
    pub budget: u32,
    /// The rest of the configuration.
    pub config: DebugConfig<SourceDebugType>,
}

/// A trigger's debug configuration.
pub type TriggerDebugConfig = DebugConfig<TriggerDebugType>;

impl<T: Copy + Ord> DebugConfig<T> {
    /// What a type contributes, if anything.
    #[must_use]
    pub fn contribution(&self, of: T) -> Option<DebugContribution> {
        let at = self.debug_data.binary_search_by(|(t, _)| t.cmp(&of));
        at.ok().map(|at| self.debug_data[at].1).or(self.unspecified)
    }

    /// Whether no supported type contributes anything: then no debug report is made at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.debug_data.is_empty() && self.unspecified.is_none()
    }
}
