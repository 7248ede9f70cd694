//! A stored source: what was registered, which never changes, and what became of it.

use std::collections::BTreeSet;

use ascribe_headers::{AttributionScopes, Site, SourceRegistration, SourceType, SuitableOrigin};
use ascribe_reports::{Duration, Time};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::SourceId;

/// Spec: "attribution source", the part that is fixed when it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "StoredText")]
pub struct Source {
    /// "Internal ID".
    pub id: SourceId,
    /// "Source origin": where the ad was.
    pub source_origin: SuitableOrigin,
    /// "Reporting origin": who registered it.
    pub reporting_origin: SuitableOrigin,
    /// "Source type".
    pub source_type: SourceType,
    /// "Source time".
    pub time: Time,
    /// What the header said; its debug key only when cookie-based debugging is allowed.
    pub registration: SourceRegistration,
    /// "Cookie-based debug allowed".
    pub cookie_based_debug_allowed: bool,
    /// "Fenced".
    pub fenced: bool,
    /// "Randomized trigger rate".
    pub randomized_trigger_rate: f64,
    /// "Randomized response": how many fake reports replace the true ones; `None` when it is not noised.
    pub noise: Option<u8>,
}

/// Spec: "attribution source", the part that attribution changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceProgress {
    /// "Number of event-level reports".
    pub event_level_reports: u8,
    /// "Event-level attributable".
    pub event_level_attributable: bool,
    /// "Dedup keys".
    pub dedup_keys: BTreeSet<u64>,
    /// "Number of aggregatable attribution reports".
    pub aggregatable_reports: u32,
    /// "Aggregatable dedup keys".
    pub aggregatable_dedup_keys: BTreeSet<u64>,
    /// "Remaining aggregatable attribution budget".
    pub remaining_aggregatable_budget: u32,
    /// "Remaining named budgets", in the order of the registration's.
    pub remaining_named_budgets: Box<[u32]>,
    /// "Remaining aggregatable debug budget".
    pub remaining_debug_budget: u32,
    /// "Number of aggregatable debug reports".
    pub debug_reports: u32,
    /// Whether a newer source without scopes took this one's away.
    pub scopes_cleared: bool,
}

/// A source in storage.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredSource {
    /// What was registered.
    pub source: std::sync::Arc<Source>,
    /// What became of it.
    pub progress: SourceProgress,
}

/// "Allowed aggregatable budget per source".
pub(crate) const ALLOWED_AGGREGATABLE_BUDGET: u32 = 65_536;

/// A source as it is stored: what its registration may say depends on its type.
#[derive(Deserialize)]
struct StoredText {
    id: SourceId,
    source_origin: SuitableOrigin,
    reporting_origin: SuitableOrigin,
    source_type: SourceType,
    time: Time,
    registration: Box<RawValue>,
    cookie_based_debug_allowed: bool,
    fenced: bool,
    randomized_trigger_rate: f64,
    noise: Option<u8>,
}

impl TryFrom<StoredText> for Source {
    type Error = String;

    fn try_from(stored: StoredText) -> Result<Self, String> {
        let registration = SourceRegistration::restore(stored.registration.get(), stored.source_type)
            .map_err(|why| format!("registration: {why}"))?;
        if !(0.0..=1.0).contains(&stored.randomized_trigger_rate) {
            return Err("randomized_trigger_rate: not a probability".to_owned());
        }
        if stored.noise.is_some_and(|reports| reports > registration.max_event_level_reports) {
            return Err("noise: more reports than the source may have".to_owned());
        }
        Ok(Self {
            id: stored.id,
            source_origin: stored.source_origin,
            reporting_origin: stored.reporting_origin,
            source_type: stored.source_type,
            time: stored.time,
            registration,
            cookie_based_debug_allowed: stored.cookie_based_debug_allowed,
            fenced: stored.fenced,
            randomized_trigger_rate: stored.randomized_trigger_rate,
            noise: stored.noise,
        })
    }
}

impl Source {
    /// "Source site".
    #[must_use]
    pub fn site(&self) -> &Site {
        self.source_origin.site()
    }

    /// "Expiry time": at this moment, the source can no longer be attributed.
    #[must_use]
    pub fn expiry_time(&self) -> Time {
        self.time + Duration::from_secs(self.registration.expiry.into())
    }

    /// The moment when aggregatable reports can no longer be triggered.
    #[must_use]
    pub fn aggregatable_report_window_end(&self) -> Time {
        self.time + Duration::from_secs(self.registration.aggregatable_report_window.into())
    }

    /// "Report windows": the start, and the end of each.
    pub(crate) fn event_windows(&self) -> (Time, impl Iterator<Item = Time>) {
        let windows = &self.registration.event_report_windows;
        let at = |secs: &u32| self.time + Duration::from_secs((*secs).into());
        (at(&windows.start()), windows.ends().iter().map(at))
    }

    /// Whether fake reports replace the true ones.
    pub(crate) fn has_fake_reports(&self) -> bool {
        self.noise.is_some_and(|reports| reports > 0)
    }
}

impl SourceProgress {
    /// Of a source that was just stored.
    #[must_use]
    pub fn new(source: &Source) -> Self {
        let registration = &source.registration;
        let debug_budget = registration.aggregatable_debug_reporting.as_ref().map_or(0, |debug| debug.budget);
        Self {
            event_level_reports: source.noise.unwrap_or(0),
            event_level_attributable: !source.has_fake_reports(),
            dedup_keys: BTreeSet::new(),
            aggregatable_reports: 0,
            aggregatable_dedup_keys: BTreeSet::new(),
            remaining_aggregatable_budget: ALLOWED_AGGREGATABLE_BUDGET - debug_budget,
            remaining_named_budgets: registration.named_budgets.as_slice().iter().map(|(_, b)| *b).collect(),
            remaining_debug_budget: debug_budget,
            debug_reports: 0,
            scopes_cleared: false,
        }
    }

    /// What a snapshot says became of a source: no budget is greater than it was, and scopes do not come back.
    pub(crate) fn restored(&self, of: &StoredSource) -> Self {
        let full = Self::new(&of.source);
        let named = |(at, full): (usize, &u32)| {
            self.remaining_named_budgets.get(at).map_or(0, |remaining| *remaining.min(full))
        };
        Self {
            remaining_aggregatable_budget: self
                .remaining_aggregatable_budget
                .min(full.remaining_aggregatable_budget),
            remaining_named_budgets: full.remaining_named_budgets.iter().enumerate().map(named).collect(),
            remaining_debug_budget: self.remaining_debug_budget.min(full.remaining_debug_budget),
            scopes_cleared: self.scopes_cleared || of.progress.scopes_cleared,
            ..self.clone()
        }
    }
}

impl StoredSource {
    /// "Attribution scopes".
    #[must_use]
    pub fn scopes(&self) -> Option<&AttributionScopes> {
        let scopes = self.source.registration.attribution_scopes.as_ref();
        scopes.filter(|_| !self.progress.scopes_cleared)
    }
}
