//! Null reports: reports about nothing, so that a report tells nothing.
//!
//! Spec: "generate null attribution reports".

use std::sync::Arc;

use ascribe_reports::{DebugKeys, Duration, Time};

use crate::{
    Change, Draws, aggregatable, pending::PendingAggregatableReport, register_trigger::NewTrigger,
    transaction::Transaction,
};

/// The days of "valid source expiry range", from which a true report could come.
const MAX_SOURCE_EXPIRY_DAYS: u32 = 30;

/// `attributed_source_time` is that of the true report, when there is one.
pub(crate) fn generate<D: Draws>(
    tx: &mut Transaction<'_, D>,
    trigger: &NewTrigger,
    attributed_source_time: Option<Time>,
) {
    let options = &trigger.registration.report_options;
    if !options.includes_source_registration_time() {
        let rate = tx.config.null_report_rate_excluding_source_registration_time;
        if attributed_source_time.is_none() && (options.is_unconditional() || drawn(tx, 0, rate)) {
            store(tx, trigger, tx.now);
        }
        return;
    }
    let rate = tx.config.null_report_rate_including_source_registration_time;
    let attributed_day = attributed_source_time.map(Time::as_whole_days);
    for days in 0..=MAX_SOURCE_EXPIRY_DAYS {
        let source_time = tx.now - Duration::from_days(days.into());
        if attributed_day != Some(source_time.as_whole_days()) && drawn(tx, days, rate) {
            store(tx, trigger, source_time);
        }
    }
}

/// "Determine if a randomized null attribution report is generated".
fn drawn<D: Draws>(tx: &mut Transaction<'_, D>, days: u32, rate: f64) -> bool {
    !tx.config.test.no_noise && tx.draws.null_report(days, rate)
}

/// "Obtain a null attribution report". It never has both debug keys, since there is no source.
fn store<D: Draws>(tx: &mut Transaction<'_, D>, trigger: &NewTrigger, source_time: Time) {
    let debug_keys = DebugKeys { source: None, trigger: trigger.debug_key() };
    let report = aggregatable::new_report(tx, trigger, source_time, Box::default(), debug_keys);
    tx.trace.note("generate null attribution reports", || {
        format!("null report {} is due at {} ms", report.report_id, report.report_time.as_millis())
    });
    let key = tx.state.next_report_key();
    let trigger_time = tx.now;
    let report = PendingAggregatableReport { key, source: None, trigger_time, report };
    tx.record(Change::AggregatableReportStored(Arc::new(report)));
}
