//! Verbose debug reports: what all of them have in common.

use ascribe_headers::{Destinations, SuitableOrigin};
use ascribe_reports::{VerboseDebugData, VerboseDebugReport};
use serde_json::Value;

use crate::{DebugReport, Draws, transaction::Transaction};

/// "Serialize an integer": a decimal string, since JSON numbers lose digits.
pub(crate) fn number(number: impl std::fmt::Display) -> Value {
    Value::String(number.to_string())
}

/// "Serialize attribution destinations": one as a string, several as a list.
pub(crate) fn destinations(destinations: &Destinations) -> Value {
    match destinations.as_slice() {
        [one] => one.as_str().into(),
        several => several.iter().map(|site| site.as_str()).collect(),
    }
}

/// "Obtain and deliver a verbose debug report": none from fenced frames.
pub(crate) fn deliver<D: Draws>(
    tx: &mut Transaction<'_, D>,
    data: Vec<VerboseDebugData>,
    reporting_origin: &SuitableOrigin,
    fenced: bool,
) {
    if fenced || data.is_empty() {
        return;
    }
    let reporting_origin = reporting_origin.clone();
    tx.send(DebugReport::Verbose(VerboseDebugReport { reporting_origin, data }));
}
