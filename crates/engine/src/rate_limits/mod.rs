//! Rate limits: who may do how much, where, in which time.
//!
//! Spec: "attribution rate-limit cache", "aggregatable debug rate-limit cache". Each kind of record is stored
//! the way that its questions are asked, so that a question costs what its answer holds, not what is stored.
//! Windows are half-open: a record counts while its age is less than the window.

mod attributions;
mod debug;
mod sources;

pub(crate) use attributions::Attributions;
pub(crate) use debug::DebugBudgets;
pub(crate) use sources::{DestinationKey, SourceRecords};
