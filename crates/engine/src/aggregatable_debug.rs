//! Aggregatable debug reports: what happened, as contributions that only the aggregation service reads.
//!
//! Spec: "obtain and deliver an aggregatable debug report on registration".

use ascribe_headers::{Coordinator, DebugContribution, KeyPiece, Site, SuitableOrigin};
use ascribe_reports::{AggregatableDebugReport, Contribution};

use crate::{
    Change, DebugReport, Draws, SourceId, aggregatable::required_budget, state::DEBUG_RATE_LIMIT_WINDOW,
    transaction::Transaction,
};

/// Whose budget pays.
pub(crate) struct Payer {
    /// The stored source to charge.
    pub(crate) source: Option<SourceId>,
    /// "Remaining aggregatable debug budget".
    pub(crate) remaining_budget: u32,
    /// "Number of aggregatable debug reports".
    pub(crate) reports: u32,
}

/// Where a report goes, and on whose behalf.
pub(crate) struct Addressee<'a> {
    pub(crate) context_site: &'a Site,
    pub(crate) reporting_origin: &'a SuitableOrigin,
    pub(crate) destination: &'a Site,
    pub(crate) coordinator: &'a Coordinator,
}

/// A contribution under the key piece of its configuration.
pub(crate) fn contribution(context: KeyPiece, contribution: DebugContribution) -> Contribution {
    Contribution { key: context | contribution.key_piece, value: contribution.value, filtering_id: 0 }
}

/// Sends the contributions, or a null report in their place when a budget does not allow them: that there
/// is a report must not tell anything.
pub(crate) fn obtain_and_deliver<D: Draws>(
    tx: &mut Transaction<'_, D>,
    contributions: Vec<Contribution>,
    payer: &Payer,
    to: &Addressee<'_>,
) {
    let contributions = if may_contribute(tx, &contributions, payer, to) {
        tx.record(Change::DebugBudgetSpent {
            context_site: to.context_site.clone(),
            reporting_origin: to.reporting_origin.clone(),
            time: tx.now,
            budget: required_budget(&contributions),
            source: payer.source,
        });
        contributions.into()
    } else {
        Box::default()
    };
    let report_id = tx.draws.report_id();
    tx.send(DebugReport::AggregatableDebug(AggregatableDebugReport {
        report_id,
        reporting_origin: to.reporting_origin.clone(),
        destination: to.destination.clone(),
        report_time: tx.now,
        contributions,
        coordinator: to.coordinator.clone(),
    }));
}

fn may_contribute<D: Draws>(
    tx: &mut Transaction<'_, D>,
    contributions: &[Contribution],
    payer: &Payer,
    to: &Addressee<'_>,
) -> bool {
    if contributions.is_empty() {
        return false;
    }
    let check = "obtain and deliver an aggregatable debug report on registration";
    let (required, remaining) = (required_budget(contributions), payer.remaining_budget);
    if !tx.trace.check(check, required <= remaining, || format!("{required} of {remaining} budget left")) {
        return false;
    }
    let limit = tx.config.max_aggregatable_debug_reports_per_source;
    if !tx.trace.check(check, payer.reports < limit, || {
        format!("{} of {limit} debug reports of the source", payer.reports + 1)
    }) {
        return false;
    }
    // "Check if aggregatable debug reporting should be blocked by rate-limit".
    let after = tx.now - DEBUG_RATE_LIMIT_WINDOW;
    let (all, same) = tx.state.debug_budgets.spent(to.context_site, to.reporting_origin.site(), after);
    let (all, same) = (all + u64::from(required), same + u64::from(required));
    let all_limit = tx.config.max_debug_budget_per_context_site;
    let same_limit = tx.config.max_debug_budget_per_context_and_reporting_site;
    tx.trace.check(check, all <= all_limit && same <= same_limit, || {
        let site = to.context_site;
        format!("{all} of {all_limit} in 1 d on {site}, {same} of {same_limit} of the reporting site")
    })
}
