//! The attribution state machine of the Attribution Reporting API: pure and deterministic.
//!
//! An [`Engine`] holds what one user's agent stores. Each input (a source, a trigger, a deletion) is a method
//! call with the time and the dice as arguments; it returns [`Effects`]: the [`Change`]s to persist, and the
//! debug reports to send at once. Other reports stay stored until they are [due](Engine::due).
//!
//! Who hands what to whom: `register_source` and `register_trigger` hold the two great algorithms; they ask
//! `State` (what is stored, indexed for the questions asked) and its rate limits, and write through one
//! function, `Transaction::record`. [`Engine::replay`] of all changes gives the same [`State`] again.

mod aggregatable;
mod aggregatable_debug;
mod change;
mod clear;
mod config;
mod destination_limit;
mod draws;
mod effects;
mod engine;
mod event_level;
mod filters;
mod null_reports;
mod pending;
mod rate_limits;
mod register_source;
mod register_trigger;
mod scopes;
mod source;
mod source_debug;
mod state;
mod trace;
mod transaction;
mod trigger_debug;
mod verbose;

pub use change::{AttributionRecord, AttributionScope, Change, ReportKey, SourceId, SourceRecord};
pub use clear::Range as ClearRange;
pub use config::{Config, PerSourceType};
pub use draws::{Draws, FakeReport, SystemDraws};
pub use effects::{Attribution, DebugReport, Effects, SourceOutcome, TriggerOutcome};
pub use engine::Engine;
pub use pending::{PendingAggregatableReport, PendingEventReport, PendingReport};
pub use register_source::NewSource;
pub use register_trigger::NewTrigger;
pub use source::{Source, SourceProgress, StoredSource};
pub use state::{State, StoredReport};
pub use trace::{Step, Trace, Verdict};
