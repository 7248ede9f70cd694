//! The engine: every input, and where its algorithm is.

use ascribe_headers::SuitableOrigin;
use ascribe_reports::Time;

use crate::{
    Change, Config, Draws, Effects, NewSource, NewTrigger, ReportKey, SourceOutcome, State, StoredReport,
    TestSwitches, TriggerOutcome, clear, register_source, register_trigger, transaction::Transaction,
};

/// One user's attribution state, and the rules that change it.
///
/// Each input is answered at once and wholly. The answer's changes are already applied here; the host persists
/// them before it sends anything. A host that could not persist drops the engine and replays its journal.
#[derive(Clone, Debug)]
pub struct Engine {
    config: Config,
    state: State,
}

impl Engine {
    /// An engine that knows nothing yet.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config, state: State::default() }
    }

    /// The engine that a journal of changes, or a [snapshot](State::snapshot) followed by a journal, leads to.
    #[must_use]
    pub fn replay<'c>(config: Config, journal: impl IntoIterator<Item = &'c Change>) -> Self {
        let mut engine = Self::new(config);
        for change in journal {
            engine.apply(change);
        }
        engine
    }

    /// Follows another engine by one of its changes.
    pub fn apply(&mut self, change: &Change) {
        self.state.apply(change);
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Sets what a test takes away, from the next input on.
    pub fn set_test_switches(&mut self, switches: TestSwitches) {
        self.config.test = switches;
    }

    /// Everything that is stored.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// "Process an attribution source", registered now.
    pub fn register_source(
        &mut self,
        source: NewSource,
        now: Time,
        draws: &mut impl Draws,
    ) -> Effects<SourceOutcome> {
        self.transact(now, draws, |tx| register_source::process(tx, source))
    }

    /// "Trigger attribution", by a trigger registered now.
    pub fn register_trigger(
        &mut self,
        trigger: &NewTrigger,
        now: Time,
        draws: &mut impl Draws,
    ) -> Effects<TriggerOutcome> {
        self.transact(now, draws, |tx| register_trigger::process(tx, trigger))
    }

    /// When the next report is due: the host sleeps until then.
    #[must_use]
    pub fn next_due(&self) -> Option<Time> {
        self.state.next_due()
    }

    /// The reports that are due, earliest first. They stay stored, and due, until
    /// [`report_sent`](Self::report_sent) or [`report_postponed`](Self::report_postponed).
    pub fn due(&self, now: Time) -> impl Iterator<Item = &StoredReport> {
        self.state.due(now)
    }

    /// A report was delivered, or is given up. Only this deletes a report that is due: after a crash it is
    /// sent again, under the same ID.
    pub fn report_sent(&mut self, report: ReportKey) -> Effects {
        self.change(self.state.report(report).map(|_| Change::ReportRemoved(report)))
    }

    /// A report could not be delivered, and is due again later. Its report time, which it tells, stays.
    pub fn report_postponed(&mut self, report: ReportKey, due: Time) -> Effects {
        let stored = self.state.report(report);
        self.change(stored.map(|s| Change::ReportPostponed {
            report,
            failures: s.failures.saturating_add(1),
            due,
        }))
    }

    /// A report is not to be sent before a moment, for reasons that are not its own: no failure is counted.
    pub fn report_delayed(&mut self, report: ReportKey, due: Time) -> Effects {
        let stored = self.state.report(report);
        self.change(stored.map(|s| Change::ReportPostponed { report, failures: s.failures, due }))
    }

    /// `Clear-Site-Data: "storage"`: deletes the sources and reports of a reporting origin. Rate limits stay.
    pub fn clear_site_data(&mut self, reporting_origin: &SuitableOrigin) -> Effects {
        let everything = clear::Range { from: Time::MIN, to: Time::MAX, rate_limits: false };
        self.clear(|origin| origin == reporting_origin, everything)
    }

    /// The user deletes the data of reporting origins in a range of time: sources registered, reports
    /// triggered, and, if asked, rate-limit records made in it.
    pub fn clear(
        &mut self,
        mut reporting_origins: impl FnMut(&SuitableOrigin) -> bool,
        range: clear::Range,
    ) -> Effects {
        let changes = clear::changes(&self.state, &mut reporting_origins, &range);
        self.change(changes)
    }

    fn change(&mut self, changes: impl IntoIterator<Item = Change>) -> Effects {
        let changes: Vec<_> = changes.into_iter().collect();
        for change in &changes {
            self.state.apply(change);
        }
        Effects { changes, ..Effects::default() }
    }

    fn transact<T, D: Draws>(
        &mut self,
        now: Time,
        draws: &mut D,
        process: impl FnOnce(&mut Transaction<'_, &mut D>) -> T,
    ) -> Effects<T> {
        let mut tx = Transaction::new(&self.config, &mut self.state, draws, now);
        let outcome = process(&mut tx);
        tx.clean();
        tx.finish(outcome)
    }
}
