//! Attribution scopes: which older sources a newer one displaces.
//!
//! Spec: "remove or update sources for attribution scopes".

use ascribe_headers::{AttributionScopes, Site};
use rustc_hash::FxHashSet;

use crate::{Change, Draws, PendingReport, SourceId, source::Source, transaction::Transaction};

pub(crate) fn remove_or_update_sources<D: Draws>(tx: &mut Transaction<'_, D>, pending: &Source) {
    let destinations = pending.registration.destinations.as_slice();
    if pending.registration.attribution_scopes.is_none()
        && !destinations.iter().any(|site| tx.state.any_scoped(&pending.reporting_origin, site))
    {
        return;
    }
    let matching = sources_with_common_destinations(tx, pending);
    match &pending.registration.attribution_scopes {
        None => {
            for id in matching {
                if tx.state.source(id).is_some_and(|existing| existing.scopes().is_some()) {
                    tx.trace.note("remove or update sources for attribution scopes", || {
                        format!("source {} loses its scopes to a source without any", id.0)
                    });
                    tx.record(Change::SourceScopesCleared(id));
                }
            }
        }
        Some(scopes) => {
            for id in matching {
                if tx.state.source(id).is_some_and(|existing| conflicts(existing.scopes(), scopes)) {
                    remove(tx, id, "its scopes cannot live beside those of a newer source");
                }
            }
            for destination in pending.registration.destinations.as_slice() {
                remove_unselected(tx, pending, scopes, destination);
            }
        }
    }
}

/// "Find sources with common destinations and reporting origin", each once, in the order of registration.
fn sources_with_common_destinations<D: Draws>(tx: &Transaction<'_, D>, pending: &Source) -> Vec<SourceId> {
    let destinations = pending.registration.destinations.as_slice().iter();
    let mut ids: Vec<_> = destinations
        .flat_map(|destination| tx.state.matching(&pending.reporting_origin, destination))
        .map(|existing| existing.source.id)
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn conflicts(existing: Option<&AttributionScopes>, pending: &AttributionScopes) -> bool {
    existing.is_none_or(|existing| {
        existing.max_event_states() != pending.max_event_states() || existing.limit() < pending.limit()
    })
}

/// "Remove sources with unselected attribution scopes for destination": the newest scopes stay, as many as
/// the limit allows, the new source's first.
fn remove_unselected<D: Draws>(
    tx: &mut Transaction<'_, D>,
    pending: &Source,
    scopes: &AttributionScopes,
    destination: &Site,
) {
    let mut records: Vec<_> = tx
        .state
        .matching(&pending.reporting_origin, destination)
        .filter_map(|existing| Some((existing, existing.scopes()?)))
        .flat_map(|(existing, scopes)| {
            scopes.values().iter().map(|scope| (existing.source.time, &**scope, existing.source.id))
        })
        .collect();
    records.sort_by(|a, b| (b.0, b.1).cmp(&(a.0, a.1)));

    let limit = usize::try_from(scopes.limit()).unwrap_or(usize::MAX);
    let mut selected: FxHashSet<&str> = scopes.values().iter().map(|scope| &**scope).collect();
    let mut unselected = Vec::new();
    for (_, scope, id) in records {
        if selected.len() < limit {
            selected.insert(scope);
        } else if !selected.contains(scope) {
            unselected.push(id);
        }
    }
    unselected.sort_unstable();
    unselected.dedup();
    for id in unselected {
        remove(tx, id, "it has a scope beyond the limit");
    }
}

/// "Remove associated event-level reports and rate-limit records", and the source.
fn remove<D: Draws>(tx: &mut Transaction<'_, D>, id: SourceId, why: &'static str) {
    tx.trace.note("remove or update sources for attribution scopes", || {
        format!("source {} is removed: {why}", id.0)
    });
    let now = tx.now;
    tx.remove_reports_of(id, |report| match report {
        PendingReport::Event(event) => event.trigger_time >= now,
        PendingReport::Aggregatable(_) => false,
    });
    tx.record(Change::SourceRemoved(id));
}
