//! One input while it is processed: reads its own writes, and collects its effects.

use ascribe_reports::{Duration, Time};

use crate::{
    Change, Config, DebugReport, Draws, Effects, PendingReport, SourceId, State, Trace, trace::Verdict,
};

/// State and randomness for the algorithms of one input.
pub(crate) struct Transaction<'a, D> {
    pub(crate) config: &'a Config,
    pub(crate) state: &'a mut State,
    pub(crate) draws: D,
    pub(crate) now: Time,
    pub(crate) trace: Trace,
    changes: Vec<Change>,
    debug_reports: Vec<DebugReport>,
}

impl<'a, D: Draws> Transaction<'a, D> {
    pub(crate) fn new(config: &'a Config, state: &'a mut State, draws: D, now: Time) -> Self {
        let trace = Trace::new(config.explain);
        Self { config, state, draws, now, trace, changes: Vec::new(), debug_reports: Vec::new() }
    }

    /// The only writer: what is applied is what the host persists.
    pub(crate) fn record(&mut self, change: Change) {
        self.state.apply(&change);
        self.changes.push(change);
    }

    /// Makes room for so many changes at once: most inputs lead to a number that is known soon.
    pub(crate) fn expect_changes(&mut self, changes: usize) {
        self.changes.reserve(changes);
    }

    pub(crate) fn send(&mut self, report: DebugReport) {
        self.debug_reports.push(report);
    }

    /// Removes reports of a source, with the rate-limit records that they left.
    pub(crate) fn remove_reports_of(&mut self, source: SourceId, which: impl Fn(&PendingReport) -> bool) {
        let reports = self.state.reports_of(source).map(|stored| &stored.report);
        let keys: Vec<_> = reports.filter(|report| which(report)).map(PendingReport::key).collect();
        for key in keys {
            self.record(Change::ReportRemoved(key));
            self.record(Change::AttributionForgotten(key));
        }
    }

    /// Removes rate-limit records that no window reaches any more, when it is worth it.
    pub(crate) fn clean(&mut self) {
        if self.state.wants_cleaning() {
            let longest = self.config.attribution_rate_limit_window.max(self.config.origin_rate_limit_window);
            let window = longest.max(self.config.destination_rate_limit_window).max(Duration::DAY);
            self.record(Change::StaleRecordsRemoved { now: self.now, window });
        }
    }

    pub(crate) fn finish<T>(self, outcome: T) -> Effects<T> {
        let Self { trace, changes, debug_reports, .. } = self;
        Effects { outcome, changes, debug_reports, trace }
    }

    /// Notes a limit: passes while `used` is below or at `limit`.
    pub(crate) fn within(
        &mut self,
        check: &'static str,
        used: usize,
        limit: usize,
        of: impl FnOnce() -> String,
    ) -> bool {
        self.trace.check(check, used <= limit, || format!("{used} of {limit} {}", of()))
    }

    pub(crate) fn stop(&mut self, check: &'static str, detail: impl FnOnce() -> String) {
        self.trace.step(check, Verdict::Stopped, detail);
    }
}
