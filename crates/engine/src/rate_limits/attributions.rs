//! Attributions that count: per source site, destination and reporting origin.

use std::collections::HashMap;

use ascribe_headers::{Site, SuitableOrigin};
use ascribe_reports::Time;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::{AttributionRecord, AttributionScope, ReportKey};

/// The records of the two attribution scopes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attributions {
    /// By source site, then destination.
    pairs: HashMap<Site, HashMap<Site, Vec<OfOrigin>>>,
    /// Where the record of a report is.
    of_report: FxHashMap<(ReportKey, AttributionScope), (Site, Site)>,
    len: usize,
}

/// All attributions of one reporting origin between one source site and one destination.
#[derive(Clone, Debug, PartialEq)]
struct OfOrigin {
    reporting_origin: SuitableOrigin,
    event: Vec<Record>,
    aggregatable: Vec<Record>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Record {
    time: Time,
    trigger_time: Time,
    report: Option<ReportKey>,
}

impl Attributions {
    /// How many records are stored.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// "Check if attribution should be blocked by attribution rate limit": how many attributions of a
    /// reporting site, later than `after`.
    pub(crate) fn count(
        &self,
        scope: AttributionScope,
        source_site: &Site,
        destination: &Site,
        reporting_site: &Site,
        after: Time,
    ) -> usize {
        self.pair(source_site, destination)
            .iter()
            .filter(|origin| origin.reporting_origin.site() == reporting_site)
            .map(|origin| origin.records(scope).iter().filter(|record| record.time > after).count())
            .sum()
    }

    /// "Check if processing should be blocked by reporting-origin limit": how many *other* reporting origins
    /// have attributions later than `after`; `None` when the origin itself is among them and so is no new one.
    pub(crate) fn other_reporting_origins(
        &self,
        source_site: &Site,
        destination: &Site,
        reporting_origin: &SuitableOrigin,
        after: Time,
    ) -> Option<usize> {
        let mut others = 0;
        for origin in self.pair(source_site, destination) {
            let mut records = origin.event.iter().chain(&origin.aggregatable);
            if records.any(|record| record.time > after) {
                if origin.reporting_origin == *reporting_origin {
                    return None;
                }
                others += 1;
            }
        }
        Some(others)
    }

    /// Whether there is a record of an event-level report.
    pub(crate) fn has_event(&self, report: ReportKey) -> bool {
        self.of_report.contains_key(&(report, AttributionScope::Event))
    }

    /// Adds a record.
    pub(crate) fn insert(&mut self, record: &AttributionRecord) {
        if let Some(report) = record.report {
            let pair = (record.source_site.clone(), record.destination.clone());
            self.of_report.insert((report, record.scope), pair);
        }
        let destinations = self.pairs.entry(record.source_site.clone()).or_default();
        let origins = destinations.entry(record.destination.clone()).or_default();
        let at = origins.iter().position(|o| o.reporting_origin == record.reporting_origin);
        let at = at.unwrap_or_else(|| {
            origins.push(OfOrigin {
                reporting_origin: record.reporting_origin.clone(),
                event: Vec::new(),
                aggregatable: Vec::new(),
            });
            origins.len() - 1
        });
        origins[at].records_mut(record.scope).push(Record {
            time: record.time,
            trigger_time: record.trigger_time,
            report: record.report,
        });
        self.len += 1;
    }

    /// Removes the record of a report, if it has one.
    pub(crate) fn forget(&mut self, report: ReportKey) {
        for scope in [AttributionScope::Event, AttributionScope::Aggregatable] {
            let Some((source_site, destination)) = self.of_report.remove(&(report, scope)) else { continue };
            let Some(destinations) = self.pairs.get_mut(&source_site) else { continue };
            let Some(origins) = destinations.get_mut(&destination) else { continue };
            for origin in &mut *origins {
                let records = origin.records_mut(scope);
                let before = records.len();
                records.retain(|record| record.report != Some(report));
                self.len -= before - records.len();
            }
            if remove_empty(origins) {
                destinations.remove(&destination);
            }
            if destinations.is_empty() {
                self.pairs.remove(&source_site);
            }
        }
    }

    /// Keeps the records for which `keep` is true, given the times of source and trigger.
    pub(crate) fn retain(
        &mut self,
        mut keep: impl FnMut(&SuitableOrigin, [Time; 2], Option<ReportKey>) -> bool,
    ) {
        let Self { pairs, of_report, len } = self;
        *len = 0;
        pairs.retain(|_, destinations| {
            destinations.retain(|_, origins| {
                for OfOrigin { reporting_origin, event, aggregatable } in &mut *origins {
                    let mut keep = |r: &Record| keep(reporting_origin, [r.time, r.trigger_time], r.report);
                    event.retain(&mut keep);
                    aggregatable.retain(keep);
                    *len += event.len() + aggregatable.len();
                }
                !remove_empty(origins)
            });
            !destinations.is_empty()
        });
        let kept = |scope| {
            let origins = pairs.values().flat_map(HashMap::values).flatten();
            let records = origins.flat_map(move |origin| origin.records(scope));
            records.filter_map(move |record| Some((record.report?, scope)))
        };
        let kept: FxHashSet<_> =
            kept(AttributionScope::Event).chain(kept(AttributionScope::Aggregatable)).collect();
        of_report.retain(|key, _| kept.contains(key));
    }

    /// All records.
    pub(crate) fn iter(&self) -> impl Iterator<Item = AttributionRecord> {
        let pairs = self.pairs.iter().flat_map(|(source_site, destinations)| {
            destinations.iter().map(move |(destination, origins)| (source_site, destination, origins))
        });
        pairs.flat_map(|(source_site, destination, origins)| {
            origins.iter().flat_map(move |origin| {
                [AttributionScope::Event, AttributionScope::Aggregatable].into_iter().flat_map(move |scope| {
                    origin.records(scope).iter().map(move |record| AttributionRecord {
                        scope,
                        source_site: source_site.clone(),
                        destination: destination.clone(),
                        reporting_origin: origin.reporting_origin.clone(),
                        time: record.time,
                        trigger_time: record.trigger_time,
                        report: record.report,
                    })
                })
            })
        })
    }

    fn pair(&self, source_site: &Site, destination: &Site) -> &[OfOrigin] {
        let origins = self.pairs.get(source_site).and_then(|destinations| destinations.get(destination));
        origins.map_or(&[], Vec::as_slice)
    }
}

/// Removes reporting origins without records; tells whether none is left.
fn remove_empty(origins: &mut Vec<OfOrigin>) -> bool {
    origins.retain(|origin| !origin.event.is_empty() || !origin.aggregatable.is_empty());
    origins.is_empty()
}

impl OfOrigin {
    fn records(&self, scope: AttributionScope) -> &[Record] {
        match scope {
            AttributionScope::Event => &self.event,
            AttributionScope::Aggregatable => &self.aggregatable,
        }
    }

    fn records_mut(&mut self, scope: AttributionScope) -> &mut Vec<Record> {
        match scope {
            AttributionScope::Event => &mut self.event,
            AttributionScope::Aggregatable => &mut self.aggregatable,
        }
    }
}
