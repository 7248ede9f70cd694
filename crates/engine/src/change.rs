//! Changes: the only way in which state changes, and all that a host has to persist.

use std::sync::Arc;

use ascribe_headers::{Site, SuitableOrigin};
use ascribe_reports::{Duration, Time};
use serde::{Deserialize, Serialize};

use crate::{
    pending::{PendingAggregatableReport, PendingEventReport},
    source::{Source, SourceProgress},
};

/// The internal ID of a stored source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourceId(pub u64);

/// The internal ID of a stored report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReportKey(pub u64);

/// One change of state. Applying the same changes in the same order gives the same state.
///
/// A host stores it as JSON, which is read with the same checks as a header: no value comes out of damaged or
/// foreign storage that a registration could not have led to, and no order of changes leads to an unsound state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Change {
    /// A source was stored, with a rate-limit record for each destination.
    SourceStored(Arc<Source>),
    /// A source can no longer be attributed; its rate-limit records stay.
    SourceRemoved(SourceId),
    /// Sources whose expiry is not after this moment were removed.
    ExpiredSourcesRemoved(Time),
    /// A source lost its attribution scopes to a newer source without any.
    SourceScopesCleared(SourceId),
    /// A source took all the event-level reports that it can.
    SourceUnattributable(SourceId),
    /// A source was attributed at event level (whether or not noise hid the report).
    EventReportCounted {
        /// The attributed source.
        source: SourceId,
        /// False when the new report replaced an older one.
        counts: bool,
        /// The deduplication key to remember.
        dedup_key: Option<u64>,
    },
    /// A source was attributed in an aggregatable report.
    AggregatableReportCounted {
        /// The attributed source.
        source: SourceId,
        /// False when the report does not count against the reports of its source.
        counts: bool,
        /// What the contributions sum up to.
        budget: u32,
        /// Which of the source's named budgets pays too, by its place.
        named_budget: Option<usize>,
        /// The deduplication key to remember.
        dedup_key: Option<u64>,
    },
    /// An event-level report was stored, true or fake.
    EventReportStored(Arc<PendingEventReport>),
    /// An aggregatable report was stored, true or null.
    AggregatableReportStored(Arc<PendingAggregatableReport>),
    /// A report is gone: sent, dropped, replaced or cleared.
    ReportRemoved(ReportKey),
    /// A report was not delivered and is tried again.
    ReportPostponed {
        /// The report.
        report: ReportKey,
        /// How often it has failed.
        failures: u32,
        /// When it is due again.
        due: Time,
    },
    /// An attribution counts against the rate limits of its sites.
    AttributionRecorded(AttributionRecord),
    /// The attribution of a report no longer counts.
    AttributionForgotten(ReportKey),
    /// The destinations of a source no longer count against the unexpired-destination limit.
    DestinationsDeactivated {
        /// The source, which may be gone.
        source: SourceId,
        /// Where it was registered.
        source_site: Site,
        /// Who registered it.
        reporting_site: Site,
        /// When it was registered.
        time: Time,
        /// Its destinations.
        destinations: Vec<Site>,
    },
    /// An aggregatable debug report was sent with contributions.
    DebugBudgetSpent {
        /// Where the registration happened.
        context_site: Site,
        /// Who registered.
        reporting_origin: SuitableOrigin,
        /// When.
        time: Time,
        /// What the contributions sum up to.
        budget: u32,
        /// Which source pays, when one matched.
        source: Option<SourceId>,
    },
    /// Rate-limit records that no window reaches were removed; those of debug budgets too, whose window is a day.
    StaleRecordsRemoved {
        /// When.
        now: Time,
        /// The longest window.
        window: Duration,
    },
    /// The user cleared rate-limit records: those of reporting origins in a range of time, and those of sources
    /// and reports that were cleared with them.
    RecordsCleared {
        /// Of whom.
        reporting_origins: Vec<SuitableOrigin>,
        /// The first moment of the range, inclusive.
        from: Time,
        /// The last moment of the range, inclusive.
        to: Time,
        /// Sources, whenever they were registered.
        sources: Vec<SourceId>,
        /// Reports, whenever they were triggered.
        reports: Vec<ReportKey>,
    },
    /// What happened to a source since it was stored; only in snapshots.
    SourceProgressRestored(SourceId, Box<SourceProgress>),
    /// A source whose rate-limit records are told one by one; only in snapshots.
    SourceRestoredWithoutRecords(Arc<Source>),
    /// A rate-limit record of a source that may itself be gone; only in snapshots.
    SourceRecordRestored(SourceRecord),
    /// Which internal IDs are next, at least; only in snapshots.
    NextIds {
        /// Of sources.
        source: u64,
        /// Of reports.
        report: u64,
    },
}

/// Which kind of report an attribution was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum AttributionScope {
    /// "event-attribution".
    Event,
    /// "aggregatable-attribution".
    Aggregatable,
}

/// Spec: "attribution rate-limit record" of scope "source": one destination of one source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRecord {
    /// The source.
    pub source: SourceId,
    /// "Source site".
    pub source_site: Site,
    /// "Attribution destination".
    pub destination: Site,
    /// "Reporting origin".
    pub reporting_origin: SuitableOrigin,
    /// "Time": when the source was registered.
    pub time: Time,
    /// "Expiry time" of the source.
    pub expiry: Time,
    /// "Destination limit priority".
    pub priority: i64,
    /// Not "deactivated for unexpired destination limit".
    pub active: bool,
}

/// Spec: "attribution rate-limit record" of the two attribution scopes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributionRecord {
    /// "Scope".
    pub scope: AttributionScope,
    /// "Source site".
    pub source_site: Site,
    /// "Attribution destination".
    pub destination: Site,
    /// "Reporting origin".
    pub reporting_origin: SuitableOrigin,
    /// "Time": when the source was registered.
    pub time: Time,
    /// When the trigger was registered: only a deletion by the user looks at it.
    pub trigger_time: Time,
    /// "Entity ID": the report; none for the fake reports of a noised source.
    pub report: Option<ReportKey>,
}
