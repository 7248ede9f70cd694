//! Triggering event-level attribution: which report a trigger makes, and whether it may be stored.
//!
//! Spec: "trigger event-level attribution". Deviations, as Chromium has it: a report that replaces another
//! meets no further limit and counts as no new report; a new report of equal priority never replaces.

use std::sync::Arc;

use ascribe_headers::TriggerDebugType;
use ascribe_reports::{EventLevelReport, Time};

use crate::{
    AttributionRecord, AttributionScope, Change, DebugReport, Draws, PendingReport, ReportKey, SourceId,
    explain, filters,
    pending::PendingEventReport,
    register_source::event_level_report,
    register_trigger::{Dropped, NewTrigger, source_of},
    source::{Source, SourceProgress},
    transaction::Transaction,
    trigger_debug::DebugData,
};

/// A report that only limits can stop.
pub(crate) struct New {
    report: EventLevelReport,
    priority: i64,
    dedup_key: Option<u64>,
}

/// How a report was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    /// It was.
    Attributed,
    /// It only counts: the source is noised, with no fake reports.
    Noised,
}

/// Builds the report. `Err(None)` when the trigger asks for none.
pub(crate) fn create<D: Draws>(
    tx: &mut Transaction<'_, D>,
    trigger: &NewTrigger,
    id: SourceId,
) -> Result<New, Option<Dropped>> {
    let drop = |reason| Err(Some(DebugData::of(reason)));
    if trigger.registration.event_triggers.is_empty() {
        return Err(None);
    }
    let stored = source_of(tx, id);
    let (source, progress) = (stored.source.clone(), &stored.progress);
    if source.has_fake_reports() {
        tx.stop("trigger event-level attribution", || "fake reports replace the true ones".to_owned());
        return drop(TriggerDebugType::EventNoise);
    }
    let configurations = trigger.registration.event_triggers.iter();
    let Some(config) =
        configurations.clone().find(|config| filters::matches(&source, &config.filters, tx.now))
    else {
        let now = tx.now;
        tx.stop("trigger event-level attribution", || {
            let reasons = configurations.clone().map(|c| explain::mismatch(&source, &c.filters, now));
            let reasons: Vec<_> = reasons.collect();
            format!("none of {} event_trigger_data: {}", reasons.len(), reasons.join("; "))
        });
        return drop(TriggerDebugType::EventNoMatchingConfigurations);
    };
    if let Some(key) = config.dedup_key.filter(|key| progress.dedup_keys.contains(key)) {
        tx.stop("trigger event-level attribution", || format!("deduplication key {key} was seen"));
        return drop(TriggerDebugType::EventDeduplicated);
    }
    let Some(trigger_data) = source.registration.trigger_data.find(config.trigger_data) else {
        tx.stop("find matching trigger data", || {
            let data = &source.registration.trigger_data;
            let all: Vec<_> = (0..data.len()).filter_map(|index| data.get(index)).collect();
            format!("{} is none of the source's trigger data {all:?}", config.trigger_data)
        });
        return drop(TriggerDebugType::EventNoMatchingTriggerData);
    };
    let report_time = match report_time(tx.now, &source) {
        Ok(_) if tx.config.test.no_delay => tx.now,
        Ok(time) => time,
        Err(reason) => {
            let now = tx.now;
            tx.stop("check whether a moment falls within a window", || explain::windows(&source, now));
            return drop(reason);
        }
    };
    let report = event_level_report(tx, &source, trigger_data, report_time, trigger.debug_key());
    Ok(New { report, priority: config.priority, dedup_key: config.dedup_key })
}

/// "Obtain an event-level report delivery time": the end of the window that a moment falls into. Starts are
/// inclusive, ends exclusive.
fn report_time(now: Time, source: &Source) -> Result<Time, TriggerDebugType> {
    let (start, mut ends) = source.event_windows();
    if now < start {
        return Err(TriggerDebugType::EventReportWindowNotStarted);
    }
    ends.find(|end| now < *end).ok_or(TriggerDebugType::EventReportWindowPassed)
}

/// Stores the report, if the limits allow it.
pub(crate) fn store<D: Draws>(
    tx: &mut Transaction<'_, D>,
    trigger: &NewTrigger,
    id: SourceId,
    new: New,
) -> Result<Stored, Option<Dropped>> {
    let stored = source_of(tx, id);
    let source = stored.source.clone();
    let place = find_place(tx, &stored.progress, &source, &new);
    let replaced = match place {
        Place::New => {
            check_limits(tx, trigger, &source).map_err(|reason| Some(DebugData::of(reason)))?;
            None
        }
        Place::Of(replaced) => {
            tx.trace.note("maybe replace event-level report", || {
                format!("replaces a report of lower priority than {}", new.priority)
            });
            Some(replaced)
        }
        Place::Full { unattributable } => {
            tx.stop("maybe replace event-level report", || {
                format!("the source has all of its {} reports", source.registration.max_event_level_reports)
            });
            if unattributable {
                tx.record(Change::SourceUnattributable(id));
            }
            return Err(Some(DebugData::with_report(TriggerDebugType::EventExcessiveReports, new.report)));
        }
        Place::LowPriority { lowest } => {
            tx.stop("maybe replace event-level report", || {
                format!("priority {} is not above {lowest}, the lowest of the pending reports", new.priority)
            });
            return Err(Some(DebugData::with_report(TriggerDebugType::EventLowPriority, new.report)));
        }
    };
    if let Some(replaced) = replaced {
        tx.record(Change::ReportRemoved(replaced));
        tx.record(Change::AttributionForgotten(replaced));
    }
    let counts = replaced.is_none();
    tx.record(Change::EventReportCounted { source: id, counts, dedup_key: new.dedup_key });
    if source.noise.is_some() {
        tx.trace.note("trigger event-level attribution", || "counted, but noise hides the report".to_owned());
        return Ok(Stored::Noised);
    }
    insert(tx, trigger, &source, new);
    Ok(Stored::Attributed)
}

/// Where a new report can go.
enum Place {
    New,
    Of(ReportKey),
    Full { unattributable: bool },
    LowPriority { lowest: i64 },
}

/// "Maybe replace event-level report".
fn find_place<D: Draws>(
    tx: &Transaction<'_, D>,
    progress: &SourceProgress,
    source: &Source,
    new: &New,
) -> Place {
    if !progress.event_level_attributable {
        return Place::Full { unattributable: false };
    }
    if progress.event_level_reports < source.registration.max_event_level_reports {
        return Place::New;
    }
    // The lowest priority first; of equals, the newest.
    let lowest = tx
        .state
        .reports_of(source.id)
        .filter_map(|stored| match &stored.report {
            PendingReport::Event(event) if event.report.report_time == new.report.report_time => Some(event),
            _ => None,
        })
        .min_by_key(|event| (event.priority, std::cmp::Reverse((event.trigger_time, event.key))));
    match lowest {
        None => Place::Full { unattributable: true },
        Some(lowest) if new.priority <= lowest.priority => Place::LowPriority { lowest: lowest.priority },
        Some(lowest) => Place::Of(lowest.key),
    }
}

/// "Check if attribution should be blocked by rate limits", and the storage limit of the destination.
fn check_limits<D: Draws>(
    tx: &mut Transaction<'_, D>,
    trigger: &NewTrigger,
    source: &Source,
) -> Result<(), TriggerDebugType> {
    if !attributions_allowed(tx, trigger, source, AttributionScope::Event) {
        return Err(TriggerDebugType::EventAttributionsPerSourceDestinationLimit);
    }
    let pending = tx.state.event_reports_to(&trigger.destination);
    let limit = tx.config.max_event_level_reports_per_destination;
    let check = "max event-level reports per attribution destination";
    if !tx.within(check, pending + 1, limit, || format!("pending reports for {}", trigger.destination)) {
        return Err(TriggerDebugType::EventStorageLimit);
    }
    Ok(())
}

/// "Check if attribution should be blocked by attribution rate limit". Records carry the time of the source,
/// and the window ends at the time of the trigger.
pub(crate) fn attributions_allowed<D: Draws>(
    tx: &mut Transaction<'_, D>,
    trigger: &NewTrigger,
    source: &Source,
    scope: AttributionScope,
) -> bool {
    let (site, reporting_site) = (source.site(), trigger.reporting_origin.site());
    let destination = &trigger.destination;
    let after = tx.now - tx.config.attribution_rate_limit_window;
    let attributions = tx.state.attributions.count(scope, site, destination, reporting_site, after);
    let limit = tx.config.max_attributions;
    let window = tx.config.attribution_rate_limit_window;
    tx.within("max attributions per rate-limit window", attributions + 1, limit, || {
        format!("attributions for {site} x {destination} x {reporting_site} in {window}")
    })
}

fn insert<D: Draws>(tx: &mut Transaction<'_, D>, trigger: &NewTrigger, source: &Source, new: New) {
    let New { report, priority, .. } = new;
    let key = tx.state.next_report_key();
    if report.debug_keys.both().is_some() {
        tx.send(DebugReport::Event(report.clone()));
    }
    tx.trace.note("trigger event-level attribution", || {
        format!("report {} is due at {} ms", report.report_id, report.report_time.as_millis())
    });
    let trigger_time = tx.now;
    tx.record(Change::EventReportStored(Arc::new(PendingEventReport {
        key,
        source: source.id,
        priority,
        trigger_time,
        report,
    })));
    let record = attribution_record(trigger, source, AttributionScope::Event, trigger_time, key);
    tx.record(Change::AttributionRecorded(record));
}

/// "Attribution rate-limit record" of a report.
pub(crate) fn attribution_record(
    trigger: &NewTrigger,
    source: &Source,
    scope: AttributionScope,
    trigger_time: Time,
    report: ReportKey,
) -> AttributionRecord {
    AttributionRecord {
        scope,
        source_site: source.site().clone(),
        destination: trigger.destination.clone(),
        reporting_origin: source.reporting_origin.clone(),
        time: source.time,
        trigger_time,
        report: Some(report),
    }
}
