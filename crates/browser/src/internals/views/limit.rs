//! The limits, and how full they are.

use ascribe_engine::{Engine, Usage};
use ascribe_reports::Time;
use serde::Serialize;

/// How full a limit is in one of its scopes.
#[derive(Debug, Serialize)]
pub(crate) struct LimitView {
    limit: &'static str,
    /// What it counts apart, with its name: "source site", "destination", …
    scope: Vec<(&'static str, String)>,
    used: u64,
    max: u64,
}

/// More than these are not shown: the rest is emptier.
const MAX_SHOWN: usize = 500;

/// The fullest limits first, and how many there are in all.
pub(crate) fn limits(engine: &Engine, now: Time) -> (Vec<LimitView>, usize) {
    let mut usage = engine.usage(now);
    let all = usage.len();
    usage.truncate(MAX_SHOWN);
    let view = |usage: Usage| LimitView {
        limit: usage.limit.as_str(),
        scope: usage.limit.scope().iter().copied().zip(usage.scope).collect(),
        used: usage.used,
        max: usage.max,
    };
    (usage.into_iter().map(view).collect(), all)
}
