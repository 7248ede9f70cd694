//! The unexpired-destination limit: how many advertisers one reporting site may follow from one site.
//!
//! Spec: "get sources to delete for the unexpired destination limit", "delete sources for unexpired
//! destination limit".

use std::collections::{BTreeMap, HashSet};

use ascribe_headers::Site;
use ascribe_reports::Time;

use crate::{
    Change, Draws, PendingReport, SourceId, rate_limits::DestinationKey, source::Source,
    transaction::Transaction,
};

/// The new source's own destinations are the ones that do not fit.
pub(crate) struct DoesNotFit;

/// Makes room for a new source by deleting sources for less important destinations; tells whether it had to.
pub(crate) fn make_room<D: Draws>(tx: &mut Transaction<'_, D>, source: &Source) -> Result<bool, DoesNotFit> {
    let (site, reporting_site) = (source.site(), source.reporting_origin.site());
    let new = source.registration.destinations.as_slice();
    let check = "max destinations covered by unexpired sources";
    let destinations = tx.state.source_records.unexpired_destinations(site, reporting_site, new, tx.now);
    let limit = tx.config.max_unexpired_destinations;
    let of = || format!("destinations of {reporting_site} on {site}");
    if tx.within(check, destinations, limit, of) {
        return Ok(false);
    }

    let displaced = displaced_sources(tx, source);
    if displaced.contains_key(&None) {
        tx.stop(check, || "the new source is the one that does not fit".to_owned());
        return Err(DoesNotFit);
    }
    tx.trace.note(check, || format!("{} older sources make room", displaced.len()));
    for (displaced, Coverage { time, destinations }) in displaced {
        if let Some(displaced) = displaced {
            delete(tx, displaced);
            tx.record(Change::DestinationsDeactivated {
                source: displaced,
                source_site: source.site().clone(),
                reporting_site: source.reporting_origin.site().clone(),
                time,
                destinations,
            });
        }
    }
    Ok(true)
}

/// What a source covers.
struct Coverage {
    time: Time,
    destinations: Vec<Site>,
}

/// "Get sources to delete for the unexpired destination limit": the sources, `None` for the new one, of which a
/// destination is not among the first that fit.
fn displaced_sources<D: Draws>(
    tx: &Transaction<'_, D>,
    source: &Source,
) -> BTreeMap<Option<SourceId>, Coverage> {
    let records = &tx.state.source_records;
    let mut records: Vec<_> =
        records.unexpired(source.site(), source.reporting_origin.site(), tx.now).collect();
    records.extend(source.registration.destinations.as_slice().iter().map(|destination| DestinationKey {
        priority: source.registration.destination_limit_priority,
        time: source.time,
        destination: destination.clone(),
        source: None,
    }));
    records.sort_unstable_by(|a, b| b.cmp(a));

    let mut kept: HashSet<&Site> = HashSet::new();
    let mut displaced = BTreeMap::new();
    for record in &records {
        if kept.len() < tx.config.max_unexpired_destinations {
            kept.insert(&record.destination);
        } else if !kept.contains(&record.destination) {
            displaced.insert(record.source, Coverage { time: record.time, destinations: Vec::new() });
        }
    }
    for record in &records {
        if let Some(coverage) = displaced.get_mut(&record.source) {
            coverage.destinations.push(record.destination.clone());
        }
    }
    displaced
}

/// "Delete sources for unexpired destination limit". The source may be long gone from storage; its reports are
/// not.
fn delete<D: Draws>(tx: &mut Transaction<'_, D>, source: SourceId) {
    tx.record(Change::SourceRemoved(source));
    // Event-level reports of earlier triggers stay: fake ones hide them. Those of later triggers are fake
    // themselves, and would tell that the source was noised.
    let now = tx.now;
    tx.remove_reports_of(source, |report| match report {
        PendingReport::Event(event) => event.trigger_time >= now,
        PendingReport::Aggregatable(_) => true,
    });
}
