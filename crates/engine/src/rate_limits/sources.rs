//! Source registrations that count: towards destination limits and reporting-origin limits.

use std::collections::{BTreeSet, HashMap, HashSet};

use ascribe_headers::{Site, SuitableOrigin};
use ascribe_reports::Time;

use crate::{SourceId, SourceRecord, source::Source};

/// The records of scope "source": one for each destination of each source.
#[derive(Clone, Debug, Default)]
pub(crate) struct SourceRecords {
    /// By source site and reporting site, then destination; each list ordered by time.
    reporters: HashMap<(Site, Site), HashMap<Site, Vec<Record>>>,
    /// By source site: when sources for which destinations were registered.
    recent: HashMap<Site, Recent>,
    /// By source site and destination: when each reporting origin last registered a source.
    origins: HashMap<(Site, Site), Vec<(SuitableOrigin, Time)>>,
    len: usize,
}

/// The records of a source site that matter to "was there one later than `after` that is not expired": those
/// than which none of the same destination is both later and expires later.
#[derive(Clone, Debug, Default)]
struct Recent {
    by_time: BTreeSet<(Time, Time, Site)>,
    of_destination: HashMap<Site, Vec<(Time, Time)>>,
}

#[derive(Clone, Debug, PartialEq)]
struct Record {
    source: SourceId,
    reporting_origin: SuitableOrigin,
    time: Time,
    expiry: Time,
    priority: i64,
    active: bool,
}

/// Where a source stands in the order in which destinations are kept; greater is kept first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DestinationKey {
    pub(crate) priority: i64,
    pub(crate) time: Time,
    pub(crate) destination: Site,
    /// The source; none for the one that is being registered.
    pub(crate) source: Option<SourceId>,
}

impl SourceRecords {
    /// How many records are stored.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Distinct destinations of a source site, with those of `new`, registered later than `after` by anybody
    /// and not expired at `now`.
    pub(crate) fn destinations_of_site(&self, site: &Site, new: &[Site], after: Time, now: Time) -> usize {
        let mut distinct: HashSet<&Site> = new.iter().collect();
        let recent = self.recent.get(site).into_iter().flat_map(|recent| recent.by_time.iter().rev());
        let recent = recent.take_while(|(time, ..)| *time > after).filter(|(_, expiry, _)| *expiry > now);
        distinct.extend(recent.map(|(.., destination)| destination));
        distinct.len()
    }

    /// Distinct destinations of a source site and reporting site, with those of `new`, registered later than
    /// `after` and not expired at `now`.
    pub(crate) fn destinations_of_reporter(
        &self,
        site: &Site,
        reporting_site: &Site,
        new: &[Site],
        after: Time,
        now: Time,
    ) -> usize {
        let counts =
            |records: &[Record]| records.iter().rev().take_while(|r| r.time > after).any(|r| r.expiry > now);
        new.len() + self.others(site, reporting_site, new).filter(|(_, records)| counts(records)).count()
    }

    /// Distinct destinations of a source site and reporting site, with those of `new`, that unexpired sources
    /// cover at `now`.
    pub(crate) fn unexpired_destinations(
        &self,
        site: &Site,
        reporting_site: &Site,
        new: &[Site],
        now: Time,
    ) -> usize {
        let counts = |records: &[Record]| records.iter().rev().any(|r| r.active && r.expiry > now);
        new.len() + self.others(site, reporting_site, new).filter(|(_, records)| counts(records)).count()
    }

    /// All records that cover destinations of a source site and reporting site at `now`.
    pub(crate) fn unexpired(
        &self,
        site: &Site,
        reporting_site: &Site,
        now: Time,
    ) -> impl Iterator<Item = DestinationKey> {
        self.reporter(site, reporting_site).into_iter().flatten().flat_map(move |(destination, records)| {
            records.iter().filter(move |r| r.active && r.expiry > now).map(move |record| DestinationKey {
                priority: record.priority,
                time: record.time,
                destination: destination.clone(),
                source: Some(record.source),
            })
        })
    }

    /// How many *other* reporting origins of the same reporting site registered sources on a source site
    /// later than `after`; `None` when the origin itself did and so is no new one.
    pub(crate) fn other_origins_of_site(
        &self,
        site: &Site,
        reporting_origin: &SuitableOrigin,
        after: Time,
    ) -> Option<usize> {
        let mut others: Vec<&SuitableOrigin> = Vec::new();
        for records in self.reporter(site, reporting_origin.site()).into_iter().flat_map(HashMap::values) {
            for record in records.iter().rev().take_while(|r| r.time > after) {
                if record.reporting_origin == *reporting_origin {
                    return None;
                }
                if !others.contains(&&record.reporting_origin) {
                    others.push(&record.reporting_origin);
                }
            }
        }
        Some(others.len())
    }

    /// How many *other* reporting origins registered sources on a source site for a destination later than
    /// `after`; `None` when the origin itself did and so is no new one.
    pub(crate) fn other_origins_of_pair(
        &self,
        site: &Site,
        destination: &Site,
        reporting_origin: &SuitableOrigin,
        after: Time,
    ) -> Option<usize> {
        let mut others = 0;
        for (origin, time) in self.origins.get(&(site.clone(), destination.clone())).into_iter().flatten() {
            if *time > after {
                if origin == reporting_origin {
                    return None;
                }
                others += 1;
            }
        }
        Some(others)
    }

    /// Adds the records of a source.
    pub(crate) fn insert_source(&mut self, source: &Source) {
        for destination in source.registration.destinations.as_slice() {
            self.insert(&SourceRecord {
                source: source.id,
                source_site: source.site().clone(),
                destination: destination.clone(),
                reporting_origin: source.reporting_origin.clone(),
                time: source.time,
                expiry: source.expiry_time(),
                priority: source.registration.destination_limit_priority,
                active: true,
            });
        }
    }

    /// Adds a record.
    pub(crate) fn insert(&mut self, record: &SourceRecord) {
        let SourceRecord { source_site, destination, reporting_origin, .. } = record;
        let reporter = (source_site.clone(), reporting_origin.site().clone());
        self.note(source_site, destination, reporting_origin, record.time, record.expiry);
        let destinations = self.reporters.entry(reporter).or_default();
        let records = destinations.entry(destination.clone()).or_insert_with(|| Vec::with_capacity(1));
        // Almost always the last: only a clock that went back puts a record elsewhere.
        let at = records.partition_point(|r| r.time <= record.time);
        records.insert(
            at,
            Record {
                source: record.source,
                reporting_origin: reporting_origin.clone(),
                time: record.time,
                expiry: record.expiry,
                priority: record.priority,
                active: record.active,
            },
        );
        self.len += 1;
    }

    /// The destinations of a source no longer count against the unexpired-destination limit.
    pub(crate) fn deactivate(
        &mut self,
        source: SourceId,
        source_site: &Site,
        reporting_site: &Site,
        time: Time,
        destinations: &[Site],
    ) {
        let reporter = (source_site.clone(), reporting_site.clone());
        let Some(of_reporter) = self.reporters.get_mut(&reporter) else { return };
        for destination in destinations {
            let records = of_reporter.get_mut(destination).map_or(&mut [][..], Vec::as_mut_slice);
            let first = records.partition_point(|record| record.time < time);
            let same_time = records[first..].iter_mut().take_while(|record| record.time == time);
            for record in same_time.filter(|record| record.source == source) {
                record.active = false;
            }
        }
    }

    /// Keeps the records for which `keep` is true, given source, reporting origin, time and expiry.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(SourceId, &SuitableOrigin, Time, Time) -> bool) {
        let before = self.len;
        let mut after = 0;
        self.reporters.retain(|_, destinations| {
            destinations.retain(|_, records| {
                records.retain(|r| keep(r.source, &r.reporting_origin, r.time, r.expiry));
                after += records.len();
                !records.is_empty()
            });
            !destinations.is_empty()
        });
        if after != before {
            self.rebuild();
        }
    }

    /// All records.
    pub(crate) fn iter(&self) -> impl Iterator<Item = SourceRecord> {
        self.reporters.iter().flat_map(|((source_site, _), destinations)| {
            destinations.iter().flat_map(move |(destination, records)| {
                records.iter().map(move |record| SourceRecord {
                    source: record.source,
                    source_site: source_site.clone(),
                    destination: destination.clone(),
                    reporting_origin: record.reporting_origin.clone(),
                    time: record.time,
                    expiry: record.expiry,
                    priority: record.priority,
                    active: record.active,
                })
            })
        })
    }

    fn reporter(&self, site: &Site, reporting_site: &Site) -> Option<&HashMap<Site, Vec<Record>>> {
        self.reporters.get(&(site.clone(), reporting_site.clone()))
    }

    fn others(
        &self,
        site: &Site,
        reporting_site: &Site,
        new: &[Site],
    ) -> impl Iterator<Item = (&Site, &Vec<Record>)> {
        let destinations = self.reporter(site, reporting_site).into_iter().flatten();
        destinations.filter(move |(destination, _)| !new.contains(destination))
    }

    /// Notes a record in the structures that answer questions across reporting sites.
    fn note(&mut self, site: &Site, destination: &Site, origin: &SuitableOrigin, time: Time, expiry: Time) {
        self.recent.entry(site.clone()).or_default().note(destination, time, expiry);
        let origins = self.origins.entry((site.clone(), destination.clone()));
        let origins = origins.or_insert_with(|| Vec::with_capacity(1));
        match origins.iter_mut().find(|(known, _)| known == origin) {
            Some((_, last)) => *last = time.max(*last),
            None => origins.push((origin.clone(), time)),
        }
    }

    /// Derives everything again, after records were removed.
    fn rebuild(&mut self) {
        let records: Vec<_> = self.iter().collect();
        *self = Self::default();
        for record in &records {
            self.insert(record);
        }
    }
}

impl Recent {
    fn note(&mut self, destination: &Site, time: Time, expiry: Time) {
        let records = self.of_destination.entry(destination.clone()).or_insert_with(|| Vec::with_capacity(1));
        if records.iter().any(|(t, e)| *t >= time && *e >= expiry) {
            return;
        }
        records.retain(|&(t, e)| {
            let matters = t > time || e > expiry;
            if !matters {
                self.by_time.remove(&(t, e, destination.clone()));
            }
            matters
        });
        records.push((time, expiry));
        self.by_time.insert((time, expiry, destination.clone()));
    }
}
