//! The attribution state machine of the Attribution Reporting API: pure and deterministic.
//!
//! An [`Engine`] holds what one user's agent stores. Each input (a source, a trigger, a deletion) is a method
//! call with the time and the dice as arguments; it returns [`Effects`]: the [`Change`]s to persist, and the
//! debug reports to send at once. Other reports stay stored until they are [due](Engine::due).
//!
//! Who hands what to whom: `register_source` and `register_trigger` hold the two great algorithms; they ask
//! `State` (what is stored, indexed for the questions asked) and its rate limits, and write through one
//! function, `Transaction::record`. [`Engine::replay`] of all changes gives the same [`State`] again.
//!
//! ```
//! use ascribe_engine::{Attribution, Config, Engine, NewSource, NewTrigger, SystemDraws};
//! use ascribe_headers::{SourceRegistration, SourceType, SuitableOrigin, TriggerRegistration};
//! use ascribe_reports::{Duration, Time};
//! # use rand::SeedableRng;
//! # let rng = rand_chacha::ChaCha12Rng::seed_from_u64(1);
//!
//! let mut engine = Engine::new(Config::default());
//! let mut draws = SystemDraws(rng); // seeded by the operating system, where it protects people
//! let mut journal = Vec::new();
//! let click = Time::from_secs(1_800_000_000);
//!
//! let header = br#"{"destination": "https://shop.example", "source_event_id": "17"}"#;
//! let parsed = SourceRegistration::parse(header, SourceType::Navigation, &engine.config().vendor);
//! let source = NewSource {
//!     registration: parsed.value.expect("no errors"),
//!     source_type: SourceType::Navigation,
//!     source_origin: SuitableOrigin::parse("https://news.example")?,
//!     reporting_origin: SuitableOrigin::parse("https://ads.example")?,
//!     cookie_based_debug_allowed: false,
//!     fenced: false,
//! };
//! journal.extend(engine.register_source(source, click, &mut draws).changes); // persist before anything is sent
//!
//! let parsed = TriggerRegistration::parse(br#"{"event_trigger_data": [{}]}"#, &engine.config().vendor);
//! let trigger = NewTrigger {
//!     registration: parsed.value.expect("no errors"),
//!     destination: SuitableOrigin::parse("https://www.shop.example")?.site().clone(),
//!     reporting_origin: SuitableOrigin::parse("https://ads.example")?,
//!     cookie_based_debug_allowed: false,
//!     fenced: false,
//! };
//! let effects = engine.register_trigger(&trigger, click + Duration::from_secs(60), &mut draws);
//! assert_eq!(effects.outcome.event_level, Attribution::Attributed);
//! journal.extend(effects.changes);
//!
//! // The report is due when the first of the source's windows ends; a restart forgets nothing.
//! assert_eq!(engine.next_due(), Some(click + Duration::from_days(2)));
//! assert_eq!(Engine::replay(Config::default(), &journal).state(), engine.state());
//! # Ok::<(), ascribe_headers::UnsuitableOrigin>(())
//! ```

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
mod explain;
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
mod usage;
mod verbose;

pub use change::{AttributionRecord, AttributionScope, Change, ReportKey, SourceId, SourceRecord};
pub use clear::Range as ClearRange;
pub use config::{Config, PerSourceType, TestSwitches};
pub use draws::{Draws, FakeReport, SystemDraws};
pub use effects::{Attribution, DebugReport, Effects, SourceOutcome, TriggerOutcome};
pub use engine::Engine;
pub use pending::{PendingAggregatableReport, PendingEventReport, PendingReport};
pub use register_source::NewSource;
pub use register_trigger::NewTrigger;
pub use source::{Source, SourceProgress, StoredSource};
pub use state::{State, StoredReport};
pub use trace::{Step, Trace, Verdict};
pub use usage::{Limit, Usage};
