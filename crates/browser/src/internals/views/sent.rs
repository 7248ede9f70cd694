//! What became of reports that were tried.

use std::{collections::HashMap, sync::Arc};

use ascribe_agent::{AttemptError, Report, SendOutcome, SentReport, Undeliverable};
use ascribe_engine::{PendingReport, ReportKey};
use ascribe_reports::Time;

use super::{Moment, ReportView, report::id};

/// The last failure of each stored report.
pub(crate) fn latest_failures(sent: &[Arc<SentReport>]) -> HashMap<ReportKey, String> {
    let failures = sent.iter().filter_map(|sent| match &sent.outcome {
        SendOutcome::Retried { error, .. } => Some((sent.report.key()?, error.to_string())),
        _ => None,
    });
    failures.collect()
}

/// Reports that were answered or given up, one view each.
pub(crate) fn done(sent: &[Arc<SentReport>], is_fake: impl Fn(ReportKey) -> bool) -> Vec<ReportView> {
    let (mut last, mut same) = (Time::MIN, 0);
    let views = sent.iter().filter_map(|sent| {
        same = if sent.time == last { same + 1 } else { 0 };
        last = sent.time;
        let fake = sent.report.key().is_some_and(&is_fake);
        view(sent, same).map(|view| ReportView { fake, ..view })
    });
    views.collect()
}

/// A report that is kept since it could not be delivered.
pub(crate) fn undeliverable(kept: &Undeliverable) -> ReportView {
    let view = stored(&kept.report);
    ReportView {
        id: id(view.kind, view.report_id.as_deref().unwrap_or_default()),
        status: "Undeliverable".to_owned(),
        detail: Some(format!("Was given up, and is kept: {}.", kept.why)),
        time: Some(Moment(kept.at)),
        ..view
    }
}

/// What a report tells that is or was stored.
fn stored(report: &PendingReport) -> ReportView {
    match report {
        PendingReport::Event(pending) => ReportView {
            source: Some(pending.source.0),
            priority: Some(pending.priority.to_string()),
            trigger_time: Some(Moment(pending.trigger_time)),
            ..ReportView::event_level(&pending.report, false)
        },
        PendingReport::Aggregatable(pending) => ReportView {
            source: pending.source.map(|id| id.0),
            trigger_time: Some(Moment(pending.trigger_time)),
            ..ReportView::aggregatable(&pending.report, false)
        },
    }
}

/// `nth` of its moment, from 0: verbose reports have no other name.
fn view(sent: &SentReport, nth: usize) -> Option<ReportView> {
    let (status, http_status, detail) = match &sent.outcome {
        SendOutcome::Answered(status) => ("Sent", Some(*status), None),
        // It waits, and is shown so.
        SendOutcome::Retried { .. } => return None,
        SendOutcome::Dropped { error, kept } => {
            let status = match error {
                AttemptError::Delivery(_) => "Network error",
                AttemptError::Keys(_) | AttemptError::Seal(_) => "Assembly failure",
                _ => "Dropped",
            };
            let fate = if *kept { "kept among the undeliverable" } else { "given up" };
            let attempts =
                if sent.attempt > 1 { format!(" after {} attempts", sent.attempt) } else { String::new() };
            (status, None, Some(format!("Was {fate}{attempts}: {error}.")))
        }
        _ => ("Unknown", None, None),
    };
    let mut view = match &sent.report {
        Report::Stored(report) => stored(report),
        Report::Debug(report) => ReportView::debug(report),
    };
    if let Some(body) = &sent.body {
        // Numbers keep their digits: they are few, and small.
        view.body = serde_json::from_str(body).unwrap_or_else(|_| body.as_str().into());
    }
    Some(ReportView {
        id: view.report_id.as_ref().map_or_else(
            || format!("verbose-{}-{nth}", sent.time.as_millis()),
            |report_id| id(view.kind, report_id),
        ),
        status: status.to_owned(),
        http_status,
        detail,
        time: Some(Moment(sent.time)),
        failures: sent.attempt.saturating_sub(u32::from(http_status.is_some())),
        ..view
    })
}
