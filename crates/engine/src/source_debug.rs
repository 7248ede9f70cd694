//! Debug reports on source registrations: verbose ones in clear, aggregatable ones for the service.
//!
//! Spec: "obtain and deliver debug reports on source registration".

use ascribe_headers::SourceDebugType;
use ascribe_reports::VerboseDebugData;
use serde_json::{Map, Value};

use crate::{
    Draws, aggregatable_debug,
    source::{Source, StoredSource},
    transaction::Transaction,
    verbose,
};

/// What a debug report may say besides its type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// Whether the source is noised.
    pub(crate) noised: bool,
    /// Whether older destinations had to make room.
    pub(crate) destination_limit_replaced: bool,
}

pub(crate) fn obtain_and_deliver<D: Draws>(
    tx: &mut Transaction<'_, D>,
    data_type: SourceDebugType,
    source: &Source,
    told: Told,
) {
    obtain_and_deliver_verbose(tx, data_type, source, told);
    obtain_and_deliver_aggregatable(tx, data_type, source, told);
}

/// "Obtain and deliver a verbose debug report on source registration".
fn obtain_and_deliver_verbose<D: Draws>(
    tx: &mut Transaction<'_, D>,
    data_type: SourceDebugType,
    source: &Source,
    told: Told,
) {
    if !source.registration.debug_reporting || !source.cookie_based_debug_allowed {
        return;
    }
    let data_type = match data_type {
        // Limits that look at other reporting origins must not show.
        SourceDebugType::DestinationGlobalRateLimit
        | SourceDebugType::ReportingOriginLimit
        | SourceDebugType::Success => {
            if told.noised {
                SourceDebugType::Noised
            } else {
                SourceDebugType::Success
            }
        }
        visible => visible,
    };

    let mut body = Map::new();
    let destinations = verbose::destinations(&source.registration.destinations);
    body.insert("attribution_destination".into(), destinations);
    body.insert("source_event_id".into(), verbose::number(source.registration.source_event_id));
    body.insert("source_site".into(), source.site().as_str().into());
    if let Some(key) = source.registration.debug_key {
        body.insert("source_debug_key".into(), verbose::number(key));
    }
    if let Some(limit) = limit(tx, data_type, source) {
        body.insert("limit".into(), limit);
    }
    if told.destination_limit_replaced {
        let limit = verbose::number(tx.config.max_unexpired_destinations);
        body.insert("source_destination_limit".into(), limit);
    }
    let data = vec![VerboseDebugData { data_type: data_type.as_str(), body }];
    verbose::deliver(tx, data, &source.reporting_origin, source.fenced);
}

/// The limit that was exceeded: a string, but for the two capacities in bits, as Chromium has it.
fn limit<D: Draws>(tx: &Transaction<'_, D>, data_type: SourceDebugType, source: &Source) -> Option<Value> {
    let config = tx.config;
    Some(match data_type {
        SourceDebugType::DestinationLimit => verbose::number(config.max_unexpired_destinations),
        SourceDebugType::DestinationRateLimit => {
            verbose::number(config.max_destinations_per_window_and_reporting_site)
        }
        SourceDebugType::DestinationPerDayRateLimit => {
            verbose::number(config.max_destinations_per_reporting_site_per_day)
        }
        SourceDebugType::StorageLimit => verbose::number(config.max_sources_per_source_origin),
        SourceDebugType::ChannelCapacityLimit => {
            config.max_event_level_channel_capacity.get(source.source_type).into()
        }
        SourceDebugType::ScopesChannelCapacityLimit => {
            config.max_attribution_scopes_channel_capacity.get(source.source_type).into()
        }
        SourceDebugType::TriggerStateCardinalityLimit => {
            verbose::number(config.vendor.max_trigger_state_cardinality)
        }
        SourceDebugType::ReportingOriginPerSiteLimit => {
            verbose::number(config.max_source_reporting_origins_per_site)
        }
        SourceDebugType::MaxEventStatesLimit => {
            let scopes = source.registration.attribution_scopes.as_ref()?;
            verbose::number(scopes.max_event_states())
        }
        _ => return None,
    })
}

/// "Obtain and deliver an aggregatable debug report on source registration". Hidden limits appear as
/// themselves: only the aggregation service can read them.
fn obtain_and_deliver_aggregatable<D: Draws>(
    tx: &mut Transaction<'_, D>,
    data_type: SourceDebugType,
    source: &Source,
    told: Told,
) {
    let Some(debug) = &source.registration.aggregatable_debug_reporting else { return };
    if source.fenced || debug.config.is_empty() {
        return;
    }
    let data_type = match data_type {
        SourceDebugType::Success if told.noised => SourceDebugType::Noised,
        other => other,
    };
    let replaced = told.destination_limit_replaced.then_some(SourceDebugType::DestinationLimitReplaced);
    let contributions: Vec<_> = std::iter::once(data_type)
        .chain(replaced)
        .filter_map(|data_type| debug.config.contribution(data_type))
        .map(|contribution| aggregatable_debug::contribution(debug.config.key_piece, contribution))
        .collect();
    // A source that was dropped has spent nothing yet, and will spend nothing later.
    let stored = tx.state.source(source.id).map(|StoredSource { progress, .. }| progress);
    let payer = aggregatable_debug::Payer {
        source: stored.map(|_| source.id),
        remaining_budget: stored.map_or(debug.budget, |progress| progress.remaining_debug_budget),
        reports: stored.map_or(0, |progress| progress.debug_reports),
    };
    let to = aggregatable_debug::Addressee {
        context_site: source.site(),
        reporting_origin: &source.reporting_origin,
        destination: &source.registration.destinations.as_slice()[0],
        coordinator: &debug.config.coordinator,
    };
    aggregatable_debug::obtain_and_deliver(tx, contributions, &payer, &to);
}
