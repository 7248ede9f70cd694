//! What an input leads to: all of it, as values.

use ascribe_headers::{SourceDebugType, TriggerDebugType};
use ascribe_reports::{AggregatableDebugReport, AggregatableReport, EventLevelReport, VerboseDebugReport};

use crate::{Change, Trace};

/// The complete answer to one input.
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use = "persist `changes` before sending anything"]
pub struct Effects<T = ()> {
    /// What became of the input.
    pub outcome: T,
    /// What changed, in this order.
    pub changes: Vec<Change>,
    /// What is to be sent at once, and only once.
    pub debug_reports: Vec<DebugReport>,
    /// What was considered; empty unless the configuration asks to explain.
    pub trace: Trace,
}

impl<T> Effects<T> {
    /// No effects but an outcome.
    pub fn of(outcome: T) -> Self {
        Self { outcome, changes: Vec::new(), debug_reports: Vec::new(), trace: Trace::default() }
    }

    /// The same effects with another outcome.
    pub fn map<U>(self, outcome: impl FnOnce(T) -> U) -> Effects<U> {
        let Self { outcome: before, changes, debug_reports, trace } = self;
        Effects { outcome: outcome(before), changes, debug_reports, trace }
    }
}

/// A report that is sent at once and is not stored.
#[derive(Clone, Debug, PartialEq)]
pub enum DebugReport {
    /// A copy of an event-level report, since both debug keys are known.
    Event(EventLevelReport),
    /// A copy of an aggregatable report, since both debug keys are known.
    Aggregatable(AggregatableReport),
    /// What happened to a registration, in clear.
    Verbose(VerboseDebugReport),
    /// What happened to a registration, for the aggregation service only.
    AggregatableDebug(AggregatableDebugReport),
}

/// What became of a source registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceOutcome {
    /// It is stored; `Success` or `Noised`.
    Stored(SourceDebugType),
    /// A limit dropped it.
    Dropped(SourceDebugType),
}

/// What became of a trigger registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TriggerOutcome {
    /// At event level.
    pub event_level: Attribution,
    /// For aggregatable reports.
    pub aggregatable: Attribution,
}

/// What became of one half of a trigger. Spec: "triggering status", with its debug data type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribution {
    /// The trigger registers nothing of this kind.
    NotRegistered,
    /// A report is stored.
    Attributed,
    /// It was attributed, but the source is noised and reports something else, or nothing.
    Noised,
    /// A rule dropped it.
    Dropped(TriggerDebugType),
}
