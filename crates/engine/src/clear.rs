//! Deletion by the user or by a reporting origin.

use std::collections::BTreeSet;

use ascribe_headers::SuitableOrigin;
use ascribe_reports::Time;

use crate::{Change, State};

/// What a deletion reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first moment, inclusive.
    pub from: Time,
    /// The last moment, inclusive.
    pub to: Time,
    /// Whether rate-limit records go too. They protect the privacy of a user who has not asked to forget
    /// them; a reporting origin that could delete its own would have no limits.
    pub rate_limits: bool,
}

pub(crate) fn changes(
    state: &State,
    of_origin: &mut impl FnMut(&SuitableOrigin) -> bool,
    range: &Range,
) -> Vec<Change> {
    let within = |time: Time| (range.from..=range.to).contains(&time);
    let mut reports = BTreeSet::new();
    let mut sources = BTreeSet::new();
    for stored in state.sources() {
        if within(stored.source.time) && of_origin(&stored.source.reporting_origin) {
            sources.insert(stored.source.id);
        }
    }
    for stored in state.reports() {
        let report = &stored.report;
        let of_cleared_source = report.source().is_some_and(|source| sources.contains(&source));
        if of_cleared_source || within(report.trigger_time()) && of_origin(report.reporting_origin()) {
            reports.insert(report.key());
            // A source that made a report to be forgotten would tell of it.
            sources.extend(report.source());
        }
    }
    // The other reports of those sources.
    for source in &sources {
        reports.extend(state.reports_of(*source).map(|stored| stored.report.key()));
    }

    let mut changes: Vec<_> = reports.iter().copied().map(Change::ReportRemoved).collect();
    let stored = sources.iter().copied().filter(|id| state.source(*id).is_some());
    changes.extend(stored.map(Change::SourceRemoved));
    if range.rate_limits {
        let mut origins: BTreeSet<_> = state.source_records.iter().map(|r| r.reporting_origin).collect();
        origins.extend(state.attributions.iter().map(|r| r.reporting_origin));
        origins.extend(state.debug_budgets.iter().map(|(_, origin, ..)| origin.clone()));
        changes.push(Change::RecordsCleared {
            reporting_origins: origins.into_iter().filter(|origin| of_origin(origin)).collect(),
            from: range.from,
            to: range.to,
            sources: sources.into_iter().collect(),
            reports: reports.into_iter().collect(),
        });
    }
    changes
}
