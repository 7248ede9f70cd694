//! The unexpired-destination limit: how many advertisers one reporting site may follow from one site.
//!
//! Spec: "get sources to delete for the unexpired destination limit", "delete sources for unexpired
//! destination limit".

use ascribe_headers::Site;
use rustc_hash::FxHashSet;

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

    let to_delete = sources_to_delete(tx, source);
    if to_delete.contains(&None) {
        tx.stop(check, || "the new source is the one that does not fit".to_owned());
        return Err(DoesNotFit);
    }
    let mut to_delete: Vec<SourceId> = to_delete.into_iter().flatten().collect();
    to_delete.sort_unstable();
    tx.trace.note(check, || format!("{} older sources make room", to_delete.len()));
    for source in to_delete {
        delete(tx, source);
    }
    Ok(true)
}

/// The sources, `None` for the new one, whose destinations are not among the first that fit.
fn sources_to_delete<D: Draws>(tx: &Transaction<'_, D>, source: &Source) -> FxHashSet<Option<SourceId>> {
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

    let mut kept: std::collections::HashSet<&Site> = std::collections::HashSet::new();
    let mut to_delete = FxHashSet::default();
    for record in &records {
        if kept.len() < tx.config.max_unexpired_destinations {
            kept.insert(&record.destination);
        } else if !kept.contains(&record.destination) {
            to_delete.insert(record.source);
        }
    }
    to_delete
}

/// The source may be long gone from storage; its reports and records are not.
fn delete<D: Draws>(tx: &mut Transaction<'_, D>, source: SourceId) {
    tx.record(Change::SourceRemoved(source));
    // Event-level reports of earlier triggers stay: fake ones hide them. Those of later triggers are fake
    // themselves, and would tell that the source was noised.
    let now = tx.now;
    tx.remove_reports_of(source, |report| match report {
        PendingReport::Event(event) => event.trigger_time >= now,
        PendingReport::Aggregatable(_) => true,
    });
    tx.record(Change::DestinationsDeactivated(source));
}
