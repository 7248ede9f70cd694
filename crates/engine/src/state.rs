//! Everything that is stored, indexed for the questions that are asked of it.
//!
//! [`State::apply`] is the only function that changes anything, and a [`Change`] is all that it looks at: so
//! replaying the changes of a run gives its state, and a host that persists them loses nothing.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

use ascribe_headers::{Site, SuitableOrigin};
use ascribe_reports::{Duration, Time};
use rustc_hash::FxHashMap;

use crate::{
    Change, ReportKey, SourceId, SourceRecord,
    pending::PendingReport,
    rate_limits::{Attributions, DebugBudgets, SourceRecords},
    source::{Source, SourceProgress, StoredSource},
};

/// What a user agent stores. Spec: "attribution caches".
#[derive(Clone, Debug, Default)]
pub struct State {
    sources: FxHashMap<SourceId, StoredSource>,
    /// Which sources a trigger can match, in the order of their registration.
    by_destination: HashMap<SuitableOrigin, HashMap<Site, Matching>>,
    by_source_origin: HashMap<SuitableOrigin, usize>,
    by_expiry: BTreeSet<(Time, SourceId)>,
    next_source: u64,

    reports: FxHashMap<ReportKey, StoredReport>,
    by_due: BTreeSet<(Time, ReportKey)>,
    /// Reports outlive their source.
    by_source: FxHashMap<SourceId, Vec<ReportKey>>,
    event_reports_to: HashMap<Site, usize>,
    aggregatable_reports_to: HashMap<Site, usize>,
    next_report: u64,

    pub(crate) source_records: SourceRecords,
    pub(crate) attributions: Attributions,
    pub(crate) debug_budgets: DebugBudgets,
    /// How many records there were after stale ones were last removed.
    fresh_records: usize,
}

/// The sources of a reporting origin for a destination.
#[derive(Clone, Debug, Default, PartialEq)]
struct Matching {
    /// Ascending. Sources mostly come last and go first.
    ids: VecDeque<SourceId>,
    /// How many of them have attribution scopes.
    scoped: usize,
}

/// A report in storage.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredReport {
    /// The report.
    pub report: PendingReport,
    /// How often sending it has failed.
    pub failures: u32,
    /// When it is to be sent; later than its report time after failures.
    pub due: Time,
}

impl State {
    /// The sources that can still be attributed, and expired ones that were not yet removed, by ID.
    #[must_use]
    pub fn sources(&self) -> Vec<&StoredSource> {
        let mut sources: Vec<_> = self.sources.values().collect();
        sources.sort_by_key(|stored| stored.source.id);
        sources
    }

    /// A source.
    #[must_use]
    pub fn source(&self, id: SourceId) -> Option<&StoredSource> {
        self.sources.get(&id)
    }

    /// The reports that wait to be sent, by the time when they are due.
    pub fn reports(&self) -> impl Iterator<Item = &StoredReport> {
        self.by_due.iter().map(|(_, key)| &self.reports[key])
    }

    /// A report that waits to be sent.
    #[must_use]
    pub fn report(&self, key: ReportKey) -> Option<&StoredReport> {
        self.reports.get(&key)
    }

    /// How many sources are stored.
    #[must_use]
    pub fn source_count(&self) -> usize {
        self.sources.len()
    }

    /// How many reports wait to be sent.
    #[must_use]
    pub fn report_count(&self) -> usize {
        self.reports.len()
    }

    /// Whether an attribution is on record for an event-level report. True reports have one for as long as it
    /// counts against limits; fake ones never have one of their own.
    #[must_use]
    pub fn has_attribution(&self, report: ReportKey) -> bool {
        self.attributions.has_event(report)
    }

    pub(crate) fn next_source_id(&self) -> SourceId {
        SourceId(self.next_source)
    }

    pub(crate) fn next_report_key(&self) -> ReportKey {
        ReportKey(self.next_report)
    }

    /// Sources of a reporting origin for a destination, expired ones included, in the order of registration.
    pub(crate) fn matching(
        &self,
        reporting_origin: &SuitableOrigin,
        destination: &Site,
    ) -> impl Iterator<Item = &StoredSource> {
        let matching = self.by_destination.get(reporting_origin).and_then(|of| of.get(destination));
        matching.into_iter().flat_map(|matching| &matching.ids).map(|id| &self.sources[id])
    }

    /// Whether any of those sources has attribution scopes.
    pub(crate) fn any_scoped(&self, reporting_origin: &SuitableOrigin, destination: &Site) -> bool {
        let matching = self.by_destination.get(reporting_origin).and_then(|of| of.get(destination));
        matching.is_some_and(|matching| matching.scoped > 0)
    }

    /// The destinations for which a reporting origin has sources, sorted.
    pub(crate) fn destinations_of(&self, reporting_origin: &SuitableOrigin) -> Vec<String> {
        let destinations = self.by_destination.get(reporting_origin).into_iter().flat_map(HashMap::keys);
        let mut destinations: Vec<_> = destinations.map(ToString::to_string).collect();
        destinations.sort();
        destinations
    }

    /// The other reporting origins that have sources for a destination, sorted.
    pub(crate) fn other_origins_for(&self, than: &SuitableOrigin, destination: &Site) -> Vec<String> {
        let others =
            self.by_destination.iter().filter(|(origin, of)| *origin != than && of.contains_key(destination));
        let mut origins: Vec<_> = others.map(|(origin, _)| origin.to_string()).collect();
        origins.sort();
        origins
    }

    pub(crate) fn sources_of_origin(&self, source_origin: &SuitableOrigin) -> usize {
        self.by_source_origin.get(source_origin).copied().unwrap_or(0)
    }

    pub(crate) fn has_expired_sources(&self, now: Time) -> bool {
        self.by_expiry.first().is_some_and(|(expiry, _)| *expiry <= now)
    }

    /// The stored reports of a source, even when the source itself is gone.
    pub(crate) fn reports_of(&self, source: SourceId) -> impl Iterator<Item = &StoredReport> {
        self.by_source.get(&source).into_iter().flatten().map(|key| &self.reports[key])
    }

    pub(crate) fn event_reports_to(&self, destination: &Site) -> usize {
        self.event_reports_to.get(destination).copied().unwrap_or(0)
    }

    pub(crate) fn aggregatable_reports_to(&self, destination: &Site) -> usize {
        self.aggregatable_reports_to.get(destination).copied().unwrap_or(0)
    }

    pub(crate) fn next_due(&self) -> Option<Time> {
        self.by_due.first().map(|(due, _)| *due)
    }

    /// Reports that are due at a moment, earliest first.
    pub(crate) fn due(&self, now: Time) -> impl Iterator<Item = &StoredReport> {
        self.by_due.iter().take_while(move |(due, _)| *due <= now).map(|(_, key)| &self.reports[key])
    }

    /// Whether enough has piled up to be worth a look at what is stale: so that looking costs nothing on
    /// average, however much is stored.
    pub(crate) fn wants_cleaning(&self) -> bool {
        self.records() >= 2 * self.fresh_records + 256
    }

    /// Applies a change. Changes that speak of what is not there, or store what is, are without effect: whatever
    /// a journal says, in whatever order, leaves a sound state.
    pub(crate) fn apply(&mut self, change: &Change) {
        match change {
            Change::SourceStored(source) => self.insert_source(source, true),
            Change::SourceRemoved(id) => self.remove_source(*id),
            Change::ExpiredSourcesRemoved(now) => {
                while let Some(&(expiry, id)) = self.by_expiry.first() {
                    if expiry > *now {
                        break;
                    }
                    self.remove_source(id);
                }
            }
            Change::SourceScopesCleared(id) => self.change_progress(*id, |p| p.scopes_cleared = true),
            Change::SourceUnattributable(id) => {
                self.with(*id, |progress| progress.event_level_attributable = false);
            }
            Change::EventReportCounted { source, counts, dedup_key } => self.with(*source, |progress| {
                progress.event_level_reports = progress.event_level_reports.saturating_add((*counts).into());
                progress.dedup_keys.extend(dedup_key);
            }),
            Change::AggregatableReportCounted { source, counts, budget, named_budget, dedup_key } => {
                self.with(*source, |progress| {
                    progress.aggregatable_reports =
                        progress.aggregatable_reports.saturating_add((*counts).into());
                    spend(&mut progress.remaining_aggregatable_budget, *budget);
                    let named = named_budget.and_then(|at| progress.remaining_named_budgets.get_mut(at));
                    if let Some(named) = named {
                        spend(named, *budget);
                    }
                    progress.aggregatable_dedup_keys.extend(dedup_key);
                });
            }
            Change::EventReportStored(report) => self.insert_report(PendingReport::Event(report.clone())),
            Change::AggregatableReportStored(report) => {
                self.insert_report(PendingReport::Aggregatable(report.clone()));
            }
            Change::ReportRemoved(key) => self.remove_report(*key),
            Change::ReportPostponed { report, failures, due } => {
                if let Some(stored) = self.reports.get_mut(report) {
                    self.by_due.remove(&(stored.due, *report));
                    stored.failures = *failures;
                    stored.due = *due;
                    self.by_due.insert((*due, *report));
                }
            }
            Change::AttributionRecorded(record) => self.attributions.insert(record),
            Change::AttributionForgotten(report) => self.attributions.forget(*report),
            Change::DestinationsDeactivated { source, source_site, reporting_site, time, destinations } => {
                self.source_records.deactivate(*source, source_site, reporting_site, *time, destinations);
            }
            Change::DebugBudgetSpent { context_site, reporting_origin, time, budget, source } => {
                self.debug_budgets.spend(context_site, reporting_origin, *time, *budget);
                if let Some(source) = source {
                    self.with(*source, |progress| {
                        spend(&mut progress.remaining_debug_budget, *budget);
                        progress.debug_reports = progress.debug_reports.saturating_add(1);
                    });
                }
            }
            Change::StaleRecordsRemoved { now, window } => self.remove_stale(*now, *window),
            Change::RecordsCleared { reporting_origins, from, to, sources, reports } => {
                let cleared = |origin: &SuitableOrigin, times: &[Time]| {
                    times.iter().any(|time| (from..=to).contains(&time)) && reporting_origins.contains(origin)
                };
                self.source_records
                    .retain(|id, origin, time, _| !sources.contains(&id) && !cleared(origin, &[time]));
                self.attributions.retain(|origin, times, report| {
                    !report.is_some_and(|report| reports.contains(&report)) && !cleared(origin, &times)
                });
                self.debug_budgets.retain(|origin, time| !cleared(origin, &[time]));
            }
            Change::SourceProgressRestored(source, progress) => {
                if let Some(stored) = self.sources.get(source) {
                    let restored = progress.restored(stored);
                    self.change_progress(*source, |progress| *progress = restored);
                }
            }
            Change::SourceRecordRestored(record) => self.source_records.insert(record),
            Change::SourceRestoredWithoutRecords(source) => self.insert_source(source, false),
            Change::NextIds { source, report } => {
                self.next_source = self.next_source.max(*source);
                self.next_report = self.next_report.max(*report);
            }
        }
    }

    /// Changes that lead from nothing to this state: what a host stores in place of a long journal.
    #[must_use]
    pub fn snapshot(&self) -> Vec<Change> {
        let mut changes = vec![Change::NextIds { source: self.next_source, report: self.next_report }];
        for stored in self.sources() {
            changes.push(Change::SourceRestoredWithoutRecords(stored.source.clone()));
            if stored.progress != SourceProgress::new(&stored.source) {
                changes.push(Change::SourceProgressRestored(
                    stored.source.id,
                    Box::new(stored.progress.clone()),
                ));
            }
        }
        for record in self.sorted_source_records() {
            changes.push(Change::SourceRecordRestored(record));
        }
        changes.extend(self.sorted_attributions().into_iter().map(Change::AttributionRecorded));
        let mut keys: Vec<_> = self.reports.keys().collect();
        keys.sort();
        for key in keys {
            let stored = &self.reports[key];
            changes.push(match &stored.report {
                PendingReport::Event(report) => Change::EventReportStored(report.clone()),
                PendingReport::Aggregatable(report) => Change::AggregatableReportStored(report.clone()),
            });
            if stored.failures != 0 || stored.due != stored.report.report_time() {
                let StoredReport { failures, due, .. } = *stored;
                changes.push(Change::ReportPostponed { report: *key, failures, due });
            }
        }
        let mut budgets: Vec<_> = self.debug_budgets.iter().collect();
        budgets.sort_by_key(|(context_site, ..)| *context_site);
        changes.extend(budgets.into_iter().map(|(context_site, reporting_origin, time, budget)| {
            Change::DebugBudgetSpent {
                context_site: context_site.clone(),
                reporting_origin: reporting_origin.clone(),
                time,
                budget,
                source: None,
            }
        }));
        changes
    }

    fn with(&mut self, id: SourceId, change: impl FnOnce(&mut SourceProgress)) {
        if let Some(stored) = self.sources.get_mut(&id) {
            change(&mut stored.progress);
        }
    }

    /// Changes that can take the scopes of a source away.
    fn change_progress(&mut self, id: SourceId, change: impl FnOnce(&mut SourceProgress)) {
        let Some(stored) = self.sources.get_mut(&id) else { return };
        let was_scoped = stored.scopes().is_some();
        change(&mut stored.progress);
        if was_scoped && stored.scopes().is_none() {
            let Some(of_origin) = self.by_destination.get_mut(&stored.source.reporting_origin) else {
                return;
            };
            for destination in stored.source.registration.destinations.as_slice() {
                if let Some(matching) = of_origin.get_mut(destination) {
                    matching.scoped -= 1;
                }
            }
        }
    }

    fn insert_source(&mut self, source: &Arc<Source>, with_records: bool) {
        let id = source.id;
        if self.sources.contains_key(&id) {
            return;
        }
        let of_origin = self.by_destination.entry(source.reporting_origin.clone()).or_default();
        for destination in source.registration.destinations.as_slice() {
            let matching = of_origin.entry(destination.clone()).or_default();
            if let Err(at) = matching.ids.binary_search(&id) {
                matching.ids.insert(at, id);
            }
            matching.scoped += usize::from(source.registration.attribution_scopes.is_some());
        }
        *self.by_source_origin.entry(source.source_origin.clone()).or_default() += 1;
        self.by_expiry.insert((source.expiry_time(), id));
        if with_records {
            self.source_records.insert_source(source);
        }
        let progress = SourceProgress::new(source);
        self.sources.insert(id, StoredSource { source: source.clone(), progress });
        self.next_source = self.next_source.max(id.0.saturating_add(1));
    }

    fn remove_source(&mut self, id: SourceId) {
        let Some(stored) = self.sources.remove(&id) else { return };
        let source = &stored.source;
        if let Some(of_origin) = self.by_destination.get_mut(&source.reporting_origin) {
            for destination in source.registration.destinations.as_slice() {
                if let Some(matching) = of_origin.get_mut(destination) {
                    if let Ok(at) = matching.ids.binary_search(&id) {
                        matching.ids.remove(at);
                    }
                    matching.scoped -= usize::from(stored.scopes().is_some());
                    if matching.ids.is_empty() {
                        of_origin.remove(destination);
                    }
                }
            }
            if of_origin.is_empty() {
                self.by_destination.remove(&source.reporting_origin);
            }
        }
        decrement(&mut self.by_source_origin, &source.source_origin);
        self.by_expiry.remove(&(source.expiry_time(), id));
    }

    fn insert_report(&mut self, report: PendingReport) {
        let key = report.key();
        if self.reports.contains_key(&key) {
            return;
        }
        match &report {
            PendingReport::Event(event) => {
                for destination in event.report.destinations.as_slice() {
                    *self.event_reports_to.entry(destination.clone()).or_default() += 1;
                }
            }
            PendingReport::Aggregatable(aggregatable) if !aggregatable.is_null() => {
                let destination = aggregatable.report.destination.clone();
                *self.aggregatable_reports_to.entry(destination).or_default() += 1;
            }
            PendingReport::Aggregatable(_) => {}
        }
        if let Some(source) = report.source() {
            self.by_source.entry(source).or_default().push(key);
        }
        let due = report.report_time();
        self.by_due.insert((due, key));
        self.reports.insert(key, StoredReport { report, failures: 0, due });
        self.next_report = self.next_report.max(key.0.saturating_add(1));
    }

    fn remove_report(&mut self, key: ReportKey) {
        let Some(stored) = self.reports.remove(&key) else { return };
        self.by_due.remove(&(stored.due, key));
        if let Some(source) = stored.report.source()
            && let Some(keys) = self.by_source.get_mut(&source)
        {
            keys.retain(|other| *other != key);
            if keys.is_empty() {
                self.by_source.remove(&source);
            }
        }
        match &stored.report {
            PendingReport::Event(event) => {
                for destination in event.report.destinations.as_slice() {
                    decrement(&mut self.event_reports_to, destination);
                }
            }
            PendingReport::Aggregatable(aggregatable) if !aggregatable.is_null() => {
                decrement(&mut self.aggregatable_reports_to, &aggregatable.report.destination);
            }
            PendingReport::Aggregatable(_) => {}
        }
    }

    /// "Can attribution rate-limit record be removed".
    fn remove_stale(&mut self, now: Time, window: Duration) {
        let stale = now - window;
        self.source_records.retain(|_, _, time, expiry| time > stale || expiry > now);
        self.attributions.retain(|_, [time, _], _| time > stale);
        self.debug_budgets.retain(|_, time| time > now - DEBUG_RATE_LIMIT_WINDOW);
        self.fresh_records = self.records();
    }

    fn records(&self) -> usize {
        self.source_records.len() + self.attributions.len() + self.debug_budgets.len()
    }

    fn sorted_source_records(&self) -> Vec<SourceRecord> {
        let mut records: Vec<_> = self.source_records.iter().collect();
        records.sort_by(|a, b| (a.time, a.source, &a.destination).cmp(&(b.time, b.source, &b.destination)));
        records
    }

    fn sorted_attributions(&self) -> Vec<crate::AttributionRecord> {
        let mut records: Vec<_> = self.attributions.iter().collect();
        records.sort_by(|a, b| {
            let key = |r: &crate::AttributionRecord| (r.time, r.report, r.scope);
            let sites = |r: &crate::AttributionRecord| {
                (r.source_site.clone(), r.destination.clone(), r.reporting_origin.clone())
            };
            key(a).cmp(&key(b)).then_with(|| sites(a).cmp(&sites(b)))
        });
        records
    }
}

/// "Aggregatable debug rate-limit window".
pub(crate) const DEBUG_RATE_LIMIT_WINDOW: Duration = Duration::DAY;

/// The engine never spends more than is left; a journal from elsewhere must not underflow either.
fn spend(remaining: &mut u32, budget: u32) {
    *remaining = remaining.saturating_sub(budget);
}

fn decrement<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

/// Two states are equal when nothing that is asked of them is answered differently.
impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.sources == other.sources
            && self.reports == other.reports
            && self.next_source == other.next_source
            && self.next_report == other.next_report
            && self.sorted_source_records() == other.sorted_source_records()
            && self.sorted_attributions() == other.sorted_attributions()
            && self.debug_budgets == other.debug_budgets
            && self.by_destination == other.by_destination
            && self.by_source_origin == other.by_source_origin
            && self.by_expiry == other.by_expiry
            && self.by_due == other.by_due
            && self.event_reports_to == other.event_reports_to
            && self.aggregatable_reports_to == other.aggregatable_reports_to
    }
}
