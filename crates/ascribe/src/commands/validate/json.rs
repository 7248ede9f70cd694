//! The report as JSON.

use ascribe_headers::{HeaderName, Path, Problem};
use serde::Serialize;
use serde_json::value::RawValue;

/// `{errors: [{path, msg}], warnings, notes, effective}`.
#[derive(Serialize)]
pub(super) struct Report<'r> {
    errors: Vec<Message<'r>>,
    warnings: Vec<Message<'r>>,
    notes: Vec<Message<'r>>,
    /// The header with every default: itself JSON, or the text of a structured field; null if the header
    /// cannot be parsed.
    effective: Option<Effective<'r>>,
}

#[derive(Serialize)]
struct Message<'r> {
    path: &'r Path,
    msg: String,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Effective<'r> {
    Json(&'r RawValue),
    Text(&'r str),
}

impl<'r> Report<'r> {
    pub(super) fn new(header: HeaderName, report: &'r ascribe_headers::Report) -> Self {
        let effective = report.effective.as_deref().map(|effective| match super::is_json(header) {
            true => Effective::Json(serde_json::from_str(effective).expect("it was printed as JSON")),
            false => Effective::Text(effective),
        });
        Self {
            errors: messages(&report.errors),
            warnings: messages(&report.warnings),
            notes: messages(&report.notes),
            effective,
        }
    }
}

fn messages(problems: &[Problem]) -> Vec<Message<'_>> {
    problems.iter().map(|problem| Message { path: &problem.path, msg: problem.kind.to_string() }).collect()
}
