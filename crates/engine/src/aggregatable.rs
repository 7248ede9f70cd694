//! Triggering aggregatable attribution: which contributions a trigger makes, and whether they fit the budgets.
//!
//! Spec: "trigger aggregatable attribution", "create aggregatable contributions". As in the spec, the reports of
//! triggers with a context ID neither count against the reports of their source nor leave a rate-limit record.

use std::sync::Arc;

use ascribe_headers::{AggregatableValue, ReportOptions, TriggerDebugType, TriggerRegistration};
use ascribe_reports::{AggregatableReport, Contribution, DebugKeys, Time};

use crate::{
    AttributionScope, Change, DebugReport, Draws, SourceId,
    event_level::{attribution_record, attributions_allowed},
    explain, filters,
    pending::PendingAggregatableReport,
    register_trigger::{Dropped, NewTrigger, source_of},
    source::Source,
    transaction::Transaction,
    trigger_debug::DebugData,
};

/// Contributions that only limits can stop.
pub(crate) struct New {
    contributions: Vec<Contribution>,
    dedup_key: Option<u64>,
}

/// Makes the contributions. `Err(None)` when the trigger asks for none.
pub(crate) fn create<D: Draws>(
    tx: &mut Transaction<'_, D>,
    trigger: &NewTrigger,
    id: SourceId,
) -> Result<New, Option<Dropped>> {
    let drop = |reason| Err(Some(DebugData::of(reason)));
    if !trigger.registration.has_aggregatable_data() {
        return Err(None);
    }
    let stored = source_of(tx, id);
    let (source, progress) = (stored.source.clone(), &stored.progress);
    let end = source.aggregatable_report_window_end();
    let now = tx.now;
    if now >= end {
        tx.stop("check whether a moment falls within a window", || {
            let (age, window) = (now.since(source.time), end.since(source.time));
            format!(
                "{} after the source; its aggregatable report window ends after {window}",
                explain::rounded(age)
            )
        });
        return drop(TriggerDebugType::AggregateReportWindowPassed);
    }
    let mut dedup_keys = trigger.registration.aggregatable_dedup_keys.iter();
    let dedup_key = dedup_keys
        .find(|key| filters::matches(&source, &key.filters, tx.now))
        .and_then(|matched| matched.dedup_key);
    if let Some(key) = dedup_key.filter(|key| progress.aggregatable_dedup_keys.contains(key)) {
        tx.stop("trigger aggregatable attribution", || format!("deduplication key {key} was seen"));
        return drop(TriggerDebugType::AggregateDeduplicated);
    }
    let contributions = contributions(&source, &trigger.registration, tx.now);
    if contributions.is_empty() {
        let now = tx.now;
        tx.stop("create aggregatable contributions", || {
            explain::no_contributions(&source, &trigger.registration, now)
        });
        return drop(TriggerDebugType::AggregateNoContributions);
    }
    Ok(New { contributions, dedup_key })
}

/// "Create aggregatable contributions", in the order of the source's keys.
fn contributions(source: &Source, trigger: &TriggerRegistration, now: Time) -> Vec<Contribution> {
    let mut values = trigger.aggregatable_values.iter();
    let Some(values) = values.find(|values| filters::matches(source, &values.filters, now)) else {
        return Vec::new();
    };
    let value_of = |id: &str| -> Option<AggregatableValue> {
        let at = values.values.binary_search_by(|(key, _)| (**key).cmp(id)).ok()?;
        Some(values.values[at].1)
    };
    let mut contributions: Vec<(&str, Contribution)> = source
        .registration
        .aggregation_keys
        .as_slice()
        .iter()
        .filter_map(|(id, key)| {
            let AggregatableValue { value, filtering_id } = value_of(id)?;
            Some((&**id, Contribution { key: *key, value, filtering_id }))
        })
        .collect();
    if contributions.is_empty() {
        return Vec::new();
    }
    for data in &trigger.aggregatable_trigger_data {
        if filters::matches(source, &data.filters, now) {
            for (id, contribution) in &mut contributions {
                if data.source_keys.binary_search_by(|key| (**key).cmp(id)).is_ok() {
                    contribution.key = contribution.key | data.key_piece;
                }
            }
        }
    }
    contributions.into_iter().map(|(_, contribution)| contribution).collect()
}

/// Stores the report, if the limits and budgets allow it; tells the time of its source.
pub(crate) fn store<D: Draws>(
    tx: &mut Transaction<'_, D>,
    trigger: &NewTrigger,
    id: SourceId,
    new: New,
) -> Result<Time, Option<Dropped>> {
    let source = source_of(tx, id).source.clone();
    let drop = |reason| Err(Some(DebugData::of(reason)));

    let pending = tx.state.aggregatable_reports_to(&trigger.destination);
    let limit = tx.config.max_aggregatable_reports_per_destination;
    let of = || format!("pending reports for {}", trigger.destination);
    if !tx.within("max aggregatable attribution reports per attribution destination", pending + 1, limit, of)
    {
        return drop(TriggerDebugType::AggregateStorageLimit);
    }
    if !attributions_allowed(tx, trigger, &source, AttributionScope::Aggregatable) {
        return drop(TriggerDebugType::AggregateAttributionsPerSourceDestinationLimit);
    }
    let counts = trigger.registration.report_options.trigger_context_id().is_none();
    if let Err(reason) = check_source_limits(tx, trigger, &source, &new, counts) {
        return Err(Some(reason));
    }

    let named_budget = matching_named_budget(&source, trigger, tx.now).map(|(at, _)| at);
    let report = report(tx, trigger, &source, new.contributions);
    let key = tx.state.next_report_key();
    if report.debug_keys.both().is_some() {
        tx.send(DebugReport::Aggregatable(report.clone()));
    }
    tx.trace.note("trigger aggregatable attribution", || {
        format!("report {} is due at {} ms", report.report_id, report.report_time.as_millis())
    });
    let budget = required_budget(&report.contributions);
    let trigger_time = tx.now;
    tx.record(Change::AggregatableReportStored(Arc::new(PendingAggregatableReport {
        key,
        source: Some(id),
        trigger_time,
        report,
    })));
    let dedup_key = new.dedup_key;
    tx.record(Change::AggregatableReportCounted { source: id, counts, budget, named_budget, dedup_key });
    if counts {
        let record = attribution_record(trigger, &source, AttributionScope::Aggregatable, trigger_time, key);
        tx.record(Change::AttributionRecorded(record));
    }
    Ok(source.time)
}

/// The reports and the budgets that the source has left.
fn check_source_limits<D: Draws>(
    tx: &mut Transaction<'_, D>,
    trigger: &NewTrigger,
    source: &Source,
    new: &New,
    counts: bool,
) -> Result<(), DebugData> {
    let progress = &source_of(tx, source.id).progress;
    let (reports, remaining) = (progress.aggregatable_reports, progress.remaining_aggregatable_budget);
    let named = matching_named_budget(source, trigger, tx.now)
        .map(|(at, name)| (name.to_owned(), progress.remaining_named_budgets[at]));

    let limit = tx.config.max_aggregatable_reports_per_source;
    let check = "max aggregatable reports per source";
    if counts && !tx.trace.check(check, reports < limit, || format!("{} of {limit} reports", reports + 1)) {
        return Err(DebugData::of(TriggerDebugType::AggregateExcessiveReports));
    }
    let required = required_budget(&new.contributions);
    let check = "check if an attribution source can create aggregatable contributions";
    if !tx.trace.check(check, required <= remaining, || format!("{required} of {remaining} left")) {
        return Err(DebugData::of(TriggerDebugType::AggregateInsufficientBudget));
    }
    if let Some((name, remaining)) = named {
        let check = "check if a source can create aggregatable contributions for matched budget name";
        let detail = || format!("{required} of {remaining} left in {name:?}");
        if !tx.trace.check(check, required <= remaining, detail) {
            return Err(DebugData::of(TriggerDebugType::AggregateInsufficientNamedBudget));
        }
    }
    Ok(())
}

/// "Find matching budget name", if the source has a budget of this name: its place and name.
pub(crate) fn matching_named_budget<'s>(
    source: &'s Source,
    trigger: &NewTrigger,
    now: Time,
) -> Option<(usize, &'s str)> {
    let mut budgets = trigger.registration.named_budgets.iter();
    let matched = budgets.find(|budget| filters::matches(source, &budget.filters, now))?;
    let name = matched.name.as_deref()?;
    let budgets = source.registration.named_budgets.as_slice();
    let at = budgets.binary_search_by(|(key, _)| (**key).cmp(name)).ok()?;
    Some((at, &budgets[at].0))
}

/// "Required aggregatable budget": at most 20 contributions of at most 65536.
pub(crate) fn required_budget(contributions: &[Contribution]) -> u32 {
    contributions.iter().map(|contribution| contribution.value).sum()
}

/// "Obtain an aggregatable attribution report".
fn report<D: Draws>(
    tx: &mut Transaction<'_, D>,
    trigger: &NewTrigger,
    source: &Source,
    contributions: Vec<Contribution>,
) -> AggregatableReport {
    let debug_keys = DebugKeys { source: source.registration.debug_key, trigger: trigger.debug_key() };
    new_report(tx, trigger, source.time, contributions.into(), debug_keys)
}

/// A report of a trigger, true or null.
pub(crate) fn new_report<D: Draws>(
    tx: &mut Transaction<'_, D>,
    trigger: &NewTrigger,
    source_time: Time,
    contributions: Box<[Contribution]>,
    debug_keys: DebugKeys,
) -> AggregatableReport {
    let options = &trigger.registration.report_options;
    AggregatableReport {
        report_time: report_time(tx, options),
        report_id: tx.draws.report_id(),
        reporting_origin: trigger.reporting_origin.clone(),
        destination: trigger.destination.clone(),
        source_registration_time: options.includes_source_registration_time().then_some(source_time),
        contributions,
        coordinator: trigger.registration.aggregation_coordinator.clone(),
        trigger_context_id: options.trigger_context_id().map(Into::into),
        filtering_id_max_bytes: options.filtering_id_max_bytes(),
        debug_keys,
    }
}

/// "Obtain an aggregatable attribution report delivery time".
fn report_time<D: Draws>(tx: &mut Transaction<'_, D>, options: &ReportOptions) -> Time {
    if options.is_unconditional() || tx.config.test.no_delay {
        return tx.now;
    }
    let delay = tx.draws.aggregatable_report_delay(tx.config.aggregatable_report_delay_span);
    tx.now + tx.config.min_aggregatable_report_delay + delay
}
