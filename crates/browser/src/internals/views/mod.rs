//! What the internals page and the control endpoint show: pure functions of what is stored and what happened.
//!
//! Everything serializes to JSON. Moments are milliseconds since the UNIX epoch, lengths of time are
//! milliseconds; integers that may need 64 bits or more are strings, for JavaScript's sake.

mod limit;
mod registration;
mod report;
mod sent;
mod sentence;
mod source;
#[cfg(test)]
mod tests;

use ascribe_reports::Time;
use serde::{Serialize, Serializer};

pub(crate) use limit::limits;
pub(crate) use registration::AttemptView;
pub(crate) use report::{ReportView, is_fake};
pub(crate) use sent::{done, latest_failures, undeliverable};
pub(crate) use source::SourceView;

/// Serializes a 64-bit number as a string.
fn as_text<T: ToString, S: Serializer>(number: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&number.to_string())
}

/// A moment; `None` for the ends of time, which stand for "not yet known".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(pub(crate) Time);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Time::MIN | Time::MAX => serializer.serialize_none(),
            time => serializer.serialize_i64(time.as_millis()),
        }
    }
}
