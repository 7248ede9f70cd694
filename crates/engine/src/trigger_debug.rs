//! Debug reports on trigger registrations: verbose ones in clear, aggregatable ones for the service.
//!
//! Spec: "obtain and deliver debug reports on trigger registration".

use ascribe_headers::{KeyPiece, TriggerDebugType};
use ascribe_reports::{EventLevelReport, VerboseDebugData};
use serde_json::{Map, Value};

use crate::{
    Draws, SourceId,
    aggregatable::matching_named_budget,
    aggregatable_debug,
    register_trigger::NewTrigger,
    source::{ALLOWED_AGGREGATABLE_BUDGET, Source, StoredSource},
    transaction::Transaction,
    verbose,
};

/// What is told of one half of a trigger. Spec: "trigger debug data".
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DebugData {
    pub(crate) data_type: TriggerDebugType,
    /// The event-level report that would have been.
    report: Option<Box<EventLevelReport>>,
}

impl DebugData {
    pub(crate) fn of(data_type: TriggerDebugType) -> Self {
        Self { data_type, report: None }
    }

    pub(crate) fn with_report(data_type: TriggerDebugType, report: EventLevelReport) -> Self {
        Self { data_type, report: Some(Box::new(report)) }
    }
}

/// `source` is the one that matched, if any did.
pub(crate) fn obtain_and_deliver<D: Draws>(
    tx: &mut Transaction<'_, D>,
    data: &[DebugData],
    trigger: &NewTrigger,
    source: Option<SourceId>,
) {
    obtain_and_deliver_verbose(tx, data, trigger, source);
    obtain_and_deliver_aggregatable(tx, data, trigger, source);
}

/// "Obtain and deliver a verbose debug report on trigger registration": only with access to third-party
/// cookies on both sides.
fn obtain_and_deliver_verbose<D: Draws>(
    tx: &mut Transaction<'_, D>,
    data: &[DebugData],
    trigger: &NewTrigger,
    source: Option<SourceId>,
) {
    if !trigger.registration.debug_reporting || !trigger.cookie_based_debug_allowed {
        return;
    }
    let source = source.and_then(|id| tx.state.source(id)).map(|stored| stored.source.clone());
    if source.as_ref().is_some_and(|source| !source.cookie_based_debug_allowed) {
        return;
    }
    let data = data
        .iter()
        .map(|data| VerboseDebugData {
            data_type: data.data_type.as_str(),
            body: body(tx, data, trigger, source.as_deref()),
        })
        .collect();
    verbose::deliver(tx, data, &trigger.reporting_origin, trigger.fenced);
}

/// "Obtain verbose debug data body on trigger registration".
fn body<D: Draws>(
    tx: &Transaction<'_, D>,
    data: &DebugData,
    trigger: &NewTrigger,
    source: Option<&Source>,
) -> Map<String, Value> {
    if let Some(report) = &data.report {
        return report.body_map();
    }
    let mut body = Map::new();
    if let Some((name, limit)) = limit(tx, data.data_type, trigger, source) {
        body.insert("limit".into(), limit);
        if let Some(name) = name {
            body.insert("name".into(), name.into());
        }
    }
    body.insert("attribution_destination".into(), trigger.destination.as_str().into());
    if let Some(key) = trigger.debug_key() {
        body.insert("trigger_debug_key".into(), verbose::number(key));
    }
    if let Some(source) = source {
        body.insert("source_event_id".into(), verbose::number(source.registration.source_event_id));
        body.insert("source_site".into(), source.site().as_str().into());
        if let Some(key) = source.registration.debug_key {
            body.insert("source_debug_key".into(), verbose::number(key));
        }
    }
    body
}

/// The limit that was exceeded, and the name of the budget when it is a named one.
fn limit<'s, D: Draws>(
    tx: &Transaction<'_, D>,
    data_type: TriggerDebugType,
    trigger: &NewTrigger,
    source: Option<&'s Source>,
) -> Option<(Option<&'s str>, Value)> {
    let config = tx.config;
    let limit = match data_type {
        TriggerDebugType::EventAttributionsPerSourceDestinationLimit
        | TriggerDebugType::AggregateAttributionsPerSourceDestinationLimit => {
            verbose::number(config.max_attributions)
        }
        TriggerDebugType::ReportingOriginLimit => verbose::number(config.max_attribution_reporting_origins),
        TriggerDebugType::EventStorageLimit => {
            verbose::number(config.max_event_level_reports_per_destination)
        }
        TriggerDebugType::AggregateStorageLimit => {
            verbose::number(config.max_aggregatable_reports_per_destination)
        }
        TriggerDebugType::AggregateExcessiveReports => {
            verbose::number(config.max_aggregatable_reports_per_source)
        }
        // Always the whole budget, also when a part of it is set aside for debug reports.
        TriggerDebugType::AggregateInsufficientBudget => verbose::number(ALLOWED_AGGREGATABLE_BUDGET),
        TriggerDebugType::AggregateInsufficientNamedBudget => {
            let source = source?;
            let (at, name) = matching_named_budget(source, trigger, tx.now)?;
            let budget = source.registration.named_budgets.as_slice()[at].1;
            return Some((Some(name), verbose::number(budget)));
        }
        _ => return None,
    };
    Some((None, limit))
}

/// "Obtain and deliver an aggregatable debug report on trigger registration".
fn obtain_and_deliver_aggregatable<D: Draws>(
    tx: &mut Transaction<'_, D>,
    data: &[DebugData],
    trigger: &NewTrigger,
    source: Option<SourceId>,
) {
    let Some(config) = &trigger.registration.aggregatable_debug_reporting else { return };
    if trigger.fenced || config.is_empty() {
        return;
    }
    let stored = source.and_then(|id| tx.state.source(id));
    let source_key_piece = stored
        .and_then(|stored| stored.source.registration.aggregatable_debug_reporting.as_ref())
        .map_or(KeyPiece::default(), |debug| debug.config.key_piece);
    let contributions = data
        .iter()
        .filter_map(|data| config.contribution(data.data_type))
        .map(|contribution| {
            aggregatable_debug::contribution(source_key_piece | config.key_piece, contribution)
        })
        .collect();
    let progress = stored.map(|StoredSource { progress, .. }| progress);
    let payer = aggregatable_debug::Payer {
        source,
        remaining_budget: progress.map_or(ALLOWED_AGGREGATABLE_BUDGET, |p| p.remaining_debug_budget),
        reports: progress.map_or(0, |p| p.debug_reports),
    };
    let to = aggregatable_debug::Addressee {
        context_site: &trigger.destination,
        reporting_origin: &trigger.reporting_origin,
        destination: &trigger.destination,
        coordinator: &config.coordinator,
    };
    aggregatable_debug::obtain_and_deliver(tx, contributions, &payer, &to);
}
