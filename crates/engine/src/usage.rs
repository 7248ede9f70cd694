//! How full each limit is: for those who test, and wonder what the next registration will meet.
//!
//! Counts as the checks of the limits count, at a moment, without an input.

use std::collections::{BTreeMap, BTreeSet};

use ascribe_headers::{Site, SuitableOrigin};
use ascribe_reports::{Duration, Time};

use crate::{AttributionScope, Engine, PendingReport, source::ALLOWED_AGGREGATABLE_BUDGET, state};

/// A limit of the spec that counts something which is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// "Max pending sources per source origin".
    SourcesPerSourceOrigin,
    /// "Max source reporting origins per source reporting site": source site, reporting site.
    SourceReportingOriginsPerSite,
    /// "Max destinations per rate-limit window", of one reporting site: source site, reporting site.
    DestinationsPerWindowAndReportingSite,
    /// "Max destinations per rate-limit window", of all reporting sites: source site.
    DestinationsPerWindow,
    /// "Max destinations per source reporting site per day": source site, reporting site.
    DestinationsPerDay,
    /// "Max destinations covered by unexpired sources": source site, reporting site.
    UnexpiredDestinations,
    /// "Max source reporting origins per rate-limit window": source site, destination.
    SourceReportingOrigins,
    /// "Max attributions per rate-limit window", at event level: source site, destination, reporting site.
    EventLevelAttributions,
    /// "Max attributions per rate-limit window", aggregatable: source site, destination, reporting site.
    AggregatableAttributions,
    /// "Max attribution reporting origins per rate-limit window": source site, destination.
    AttributionReportingOrigins,
    /// "Max event-level reports per attribution destination".
    EventLevelReportsPerDestination,
    /// "Max aggregatable attribution reports per attribution destination".
    AggregatableReportsPerDestination,
    /// "Max event-level reports" of a source, which its registration can lower.
    EventLevelReportsPerSource,
    /// "Max aggregatable reports per source".
    AggregatableReportsPerSource,
    /// "Remaining aggregatable attribution budget" of a source.
    AggregatableBudgetPerSource,
    /// "Max aggregatable reports per source", of debug reports.
    DebugReportsPerSource,
    /// "Max aggregatable debug budget per rate-limit window": context site, reporting site.
    DebugBudgetPerReportingSite,
    /// "Max aggregatable debug budget per rate-limit window": context site.
    DebugBudgetPerContextSite,
}

/// How much of a limit is used up, in one of its scopes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The limit.
    pub limit: Limit,
    /// What it counts apart: sites and origins as [`Limit`] names them, or the internal ID of a source.
    pub scope: Vec<String>,
    /// How much of it is used.
    pub used: u64,
    /// How much there is.
    pub max: u64,
}

impl Engine {
    /// How full each limit is, at a moment: every scope in which anything is used, the fullest first.
    ///
    /// Takes a walk over everything that is stored.
    #[must_use]
    pub fn usage(&self, now: Time) -> Vec<Usage> {
        let mut all = Vec::new();
        self.usage_by_sources(now, &mut all);
        self.usage_by_source_records(now, &mut all);
        self.usage_by_attributions(now, &mut all);
        self.usage_by_reports(&mut all);
        self.usage_by_debug_budgets(now, &mut all);
        all.sort_by(|a, b| {
            // a.used / a.max against b.used / b.max, without division.
            let (of_a, of_b) =
                (u128::from(a.used) * u128::from(b.max), u128::from(b.used) * u128::from(a.max));
            of_b.cmp(&of_a).then_with(|| (a.limit, &a.scope).cmp(&(b.limit, &b.scope)))
        });
        all
    }

    fn usage_by_sources(&self, now: Time, all: &mut Vec<Usage>) {
        let config = self.config();
        let mut of_origin: BTreeMap<&SuitableOrigin, u64> = BTreeMap::new();
        for stored in self.state().sources() {
            let (source, progress) = (&stored.source, &stored.progress);
            if source.expiry_time() <= now {
                continue;
            }
            *of_origin.entry(&source.source_origin).or_default() += 1;
            let debug_budget =
                source.registration.aggregatable_debug_reporting.as_ref().map_or(0, |d| d.budget);
            let budget = ALLOWED_AGGREGATABLE_BUDGET - debug_budget;
            for (limit, used, max) in [
                (
                    Limit::EventLevelReportsPerSource,
                    progress.event_level_reports.into(),
                    source.registration.max_event_level_reports.into(),
                ),
                (
                    Limit::AggregatableReportsPerSource,
                    progress.aggregatable_reports,
                    config.max_aggregatable_reports_per_source,
                ),
                (
                    Limit::AggregatableBudgetPerSource,
                    budget.saturating_sub(progress.remaining_aggregatable_budget),
                    budget,
                ),
                (
                    Limit::DebugReportsPerSource,
                    progress.debug_reports,
                    config.max_aggregatable_debug_reports_per_source,
                ),
            ] {
                if used > 0 {
                    let scope = vec![source.id.0.to_string()];
                    all.push(Usage { limit, scope, used: used.into(), max: max.into() });
                }
            }
        }
        let max = config.max_sources_per_source_origin;
        all.extend(of_origin.into_iter().map(|(origin, used)| Usage {
            limit: Limit::SourcesPerSourceOrigin,
            scope: vec![origin.as_str().to_owned()],
            used,
            max: max as u64,
        }));
    }

    fn usage_by_source_records(&self, now: Time, all: &mut Vec<Usage>) {
        let config = self.config();
        let mut origins_of_site = Distinct::default();
        let mut destinations = Distinct::default();
        let mut all_destinations = Distinct::default();
        let mut of_day = Distinct::default();
        let mut unexpired = Distinct::default();
        let mut origins = Distinct::default();
        for record in self.state().source_records.iter() {
            let age_below = |window: Duration| record.time > now - window;
            let lives = record.expiry > now;
            let site = record.source_site.clone();
            let reporting_site = record.reporting_origin.site().clone();
            let reporter = || vec![site.clone(), reporting_site.clone()];
            if age_below(config.origin_rate_limit_window) {
                origins_of_site.add(reporter(), record.reporting_origin.clone());
            }
            if age_below(config.destination_rate_limit_window) && lives {
                destinations.add(reporter(), record.destination.clone());
                all_destinations.add(vec![site.clone()], record.destination.clone());
            }
            if age_below(Duration::DAY) && lives {
                of_day.add(reporter(), record.destination.clone());
            }
            if record.active && lives {
                unexpired.add(reporter(), record.destination.clone());
            }
            if age_below(config.attribution_rate_limit_window) {
                origins.add(vec![site, record.destination], record.reporting_origin);
            }
        }
        use Limit::*;
        origins_of_site.tell(
            SourceReportingOriginsPerSite,
            config.max_source_reporting_origins_per_site,
            all,
        );
        let max = config.max_destinations_per_window_and_reporting_site;
        destinations.tell(DestinationsPerWindowAndReportingSite, max, all);
        all_destinations.tell(DestinationsPerWindow, config.max_destinations_per_window, all);
        of_day.tell(DestinationsPerDay, config.max_destinations_per_reporting_site_per_day, all);
        unexpired.tell(UnexpiredDestinations, config.max_unexpired_destinations, all);
        origins.tell(SourceReportingOrigins, config.max_source_reporting_origins, all);
    }

    fn usage_by_attributions(&self, now: Time, all: &mut Vec<Usage>) {
        let config = self.config();
        let after = now - config.attribution_rate_limit_window;
        let mut attributions: BTreeMap<(Limit, Vec<Site>), u64> = BTreeMap::new();
        let mut origins = Distinct::default();
        for record in self.state().attributions.iter().filter(|record| record.time > after) {
            let limit = match record.scope {
                AttributionScope::Event => Limit::EventLevelAttributions,
                AttributionScope::Aggregatable => Limit::AggregatableAttributions,
            };
            let pair = vec![record.source_site, record.destination];
            let mut scope = pair.clone();
            scope.push(record.reporting_origin.site().clone());
            *attributions.entry((limit, scope)).or_default() += 1;
            origins.add(pair, record.reporting_origin);
        }
        let max = config.max_attributions as u64;
        let attributions = attributions.into_iter();
        all.extend(attributions.map(|((limit, scope), used)| Usage { limit, scope: told(scope), used, max }));
        origins.tell(Limit::AttributionReportingOrigins, config.max_attribution_reporting_origins, all);
    }

    fn usage_by_reports(&self, all: &mut Vec<Usage>) {
        let config = self.config();
        let mut reports: BTreeMap<(Limit, Site), u64> = BTreeMap::new();
        let mut count = |limit, to: &Site| *reports.entry((limit, to.clone())).or_default() += 1;
        for stored in self.state().reports() {
            match &stored.report {
                PendingReport::Event(event) => {
                    for destination in event.report.destinations.as_slice() {
                        count(Limit::EventLevelReportsPerDestination, destination);
                    }
                }
                PendingReport::Aggregatable(pending) if !pending.is_null() => {
                    count(Limit::AggregatableReportsPerDestination, &pending.report.destination);
                }
                PendingReport::Aggregatable(_) => {}
            }
        }
        all.extend(reports.into_iter().map(|((limit, destination), used)| {
            let max = match limit {
                Limit::EventLevelReportsPerDestination => config.max_event_level_reports_per_destination,
                _ => config.max_aggregatable_reports_per_destination,
            };
            Usage { limit, scope: told(vec![destination]), used, max: max as u64 }
        }));
    }

    fn usage_by_debug_budgets(&self, now: Time, all: &mut Vec<Usage>) {
        let config = self.config();
        let after = now - state::DEBUG_RATE_LIMIT_WINDOW;
        let mut budgets: BTreeMap<(Limit, Vec<Site>), u64> = BTreeMap::new();
        for (site, origin, time, budget) in self.state().debug_budgets.iter() {
            if time > after {
                let (site, reporting_site) = (site.clone(), origin.site().clone());
                let of_reporter = (Limit::DebugBudgetPerReportingSite, vec![site.clone(), reporting_site]);
                for scope in [of_reporter, (Limit::DebugBudgetPerContextSite, vec![site])] {
                    *budgets.entry(scope).or_default() += u64::from(budget);
                }
            }
        }
        all.extend(budgets.into_iter().map(|((limit, scope), used)| {
            let max = match limit {
                Limit::DebugBudgetPerContextSite => config.max_debug_budget_per_context_site,
                _ => config.max_debug_budget_per_context_and_reporting_site,
            };
            Usage { limit, scope: told(scope), used, max }
        }));
    }
}

impl Limit {
    /// What it counts, in a few words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SourcesPerSourceOrigin => "pending sources per source origin",
            Self::SourceReportingOriginsPerSite => "source reporting origins per site and day",
            Self::DestinationsPerWindowAndReportingSite => "destinations per minute, of a reporting site",
            Self::DestinationsPerWindow => "destinations per minute, of all reporting sites",
            Self::DestinationsPerDay => "destinations per day",
            Self::UnexpiredDestinations => "destinations of unexpired sources",
            Self::SourceReportingOrigins => "source reporting origins in 30 days",
            Self::EventLevelAttributions => "event-level attributions in 30 days",
            Self::AggregatableAttributions => "aggregatable attributions in 30 days",
            Self::AttributionReportingOrigins => "attribution reporting origins in 30 days",
            Self::EventLevelReportsPerDestination => "pending event-level reports per destination",
            Self::AggregatableReportsPerDestination => "pending aggregatable reports per destination",
            Self::EventLevelReportsPerSource => "event-level reports of a source",
            Self::AggregatableReportsPerSource => "aggregatable reports of a source",
            Self::AggregatableBudgetPerSource => "aggregatable budget of a source",
            Self::DebugReportsPerSource => "aggregatable debug reports of a source",
            Self::DebugBudgetPerReportingSite => "aggregatable debug budget per day, of a reporting site",
            Self::DebugBudgetPerContextSite => "aggregatable debug budget per day, of a context site",
        }
    }

    /// What its scope consists of, in order.
    #[must_use]
    pub fn scope(self) -> &'static [&'static str] {
        match self {
            Self::SourcesPerSourceOrigin => &["source origin"],
            Self::DestinationsPerWindow => &["source site"],
            Self::SourceReportingOriginsPerSite
            | Self::DestinationsPerWindowAndReportingSite
            | Self::DestinationsPerDay
            | Self::UnexpiredDestinations => &["source site", "reporting site"],
            Self::SourceReportingOrigins | Self::AttributionReportingOrigins => {
                &["source site", "destination"]
            }
            Self::EventLevelAttributions | Self::AggregatableAttributions => {
                &["source site", "destination", "reporting site"]
            }
            Self::EventLevelReportsPerDestination | Self::AggregatableReportsPerDestination => {
                &["destination"]
            }
            Self::EventLevelReportsPerSource
            | Self::AggregatableReportsPerSource
            | Self::AggregatableBudgetPerSource
            | Self::DebugReportsPerSource => &["source"],
            Self::DebugBudgetPerReportingSite => &["context site", "reporting site"],
            Self::DebugBudgetPerContextSite => &["context site"],
        }
    }
}

/// How many distinct things there are in each scope.
struct Distinct<T>(BTreeMap<Vec<Site>, BTreeSet<T>>);

impl<T> Default for Distinct<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Ord> Distinct<T> {
    fn add(&mut self, scope: Vec<Site>, thing: T) {
        self.0.entry(scope).or_default().insert(thing);
    }

    fn tell(self, limit: Limit, max: usize, all: &mut Vec<Usage>) {
        all.extend(self.0.into_iter().map(|(scope, things)| Usage {
            limit,
            scope: told(scope),
            used: things.len() as u64,
            max: max as u64,
        }));
    }
}

fn told(scope: Vec<Site>) -> Vec<String> {
    scope.iter().map(|site| site.as_str().to_owned()).collect()
}
