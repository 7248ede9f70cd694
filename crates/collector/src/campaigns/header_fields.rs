//! Fields of a table that are fields of a header: `ascribe-headers` reads them, and its problems are told
//! at their place in the file.
//!
//! They are named and typed as in the header, with two comforts: 64-bit integers, which a header has as
//! strings, may be numbers; and lengths of time may be texts such as `"7d"`, `"12h"`, `"30m"` or `"90s"`.

use ascribe_headers::{Path, PathItem, Problem, ProblemKind};
use serde_json::{Map, Value};
use toml::de::DeValue;

use super::{
    document::{Field, Problems, Section},
    problem::ConfigProblem,
};

/// The fields, in the order of their names.
pub(super) struct HeaderFields<'a> {
    text: &'a str,
    /// Where the table begins.
    at: usize,
    fields: Vec<(String, Field<'a>)>,
}

/// Fields that hold a length of time, or lists of some.
const DURATIONS: [&str; 7] = [
    "_lookback_window",
    "aggregatable_report_window",
    "end_times",
    "event_report_window",
    "event_report_windows",
    "expiry",
    "start_time",
];
/// Fields that hold a 64-bit integer.
const INTEGERS: [&str; 5] =
    ["deduplication_key", "destination_limit_priority", "filtering_id", "priority", "debug_key"];

impl<'a> HeaderFields<'a> {
    /// All that is left of a table, without what the collector fills in by itself.
    pub(super) fn rest_of(section: Section<'a>, own: &[(&str, &str)], problems: &mut Problems) -> Self {
        let (text, at) = section.position();
        let mut fields: Vec<_> = section.rest().collect();
        fields.retain(|(name, field)| match own.iter().find(|(own, _)| own == name) {
            Some((_, help)) => {
                field.problem("is filled in by the collector", *help, problems);
                false
            }
            None => true,
        });
        fields.sort_by(|(a, _), (b, _)| a.cmp(b));
        Self { text, at, fields }
    }

    /// The header, over which those of `self` go.
    pub(super) fn write_over(&self, header: &mut Map<String, Value>, problems: &mut Problems) {
        for (name, field) in &self.fields {
            if let Some(mut value) = field.to_json(problems) {
                as_header_has_it(name, &mut value);
                header.insert(name.clone(), value);
            }
        }
    }

    /// Tells a problem that has no place of its own, such as a missing field, at the table's.
    pub(super) fn tell_of_table(&self, what: &str, help: &str, problems: &mut Problems) {
        problems.push(ConfigProblem::at(self.text, self.at, what, help));
    }

    pub(super) fn get(&self, name: &str) -> Option<&Field<'a>> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, field)| field)
    }

    /// Tells a problem of the header at its place, if it is about one of these fields.
    pub(super) fn tell(&self, problem: &Problem, problems: &mut Problems) -> bool {
        let Some((PathItem::Key(name), inner)) = problem.path.0.split_first() else { return false };
        let Some(field) = self.get(name) else { return false };
        let what = match inner {
            [] => problem.kind.to_string(),
            _ => format!("{}: {}", Path(inner.to_vec()).to_string().trim_start_matches('$'), problem.kind),
        };
        let help = match problem.kind {
            ProblemKind::UnknownField => "remove it, or correct its name",
            _ if DURATIONS.contains(&&**name) => {
                "write a number of seconds, or a text such as \"7d\" or \"12h\""
            }
            _ => "correct the value, or leave the field out for its default",
        };
        let at = locate(&field.value, inner).unwrap_or_else(|| field.at.clone());
        field.problem_at(at.start, &what, help, problems);
        true
    }
}

/// Turns the comforts into what the header has.
fn as_header_has_it(name: &str, value: &mut Value) {
    match value {
        Value::Object(map) => map.iter_mut().for_each(|(key, value)| as_header_has_it(key, value)),
        Value::Array(items) => items.iter_mut().for_each(|item| as_header_has_it(name, item)),
        Value::String(text) if DURATIONS.contains(&name) => {
            if let Some(seconds) = seconds(text) {
                *value = seconds.into();
            }
        }
        Value::Number(number) if INTEGERS.contains(&name) => *value = number.to_string().into(),
        _ => {}
    }
}

/// `7d`, `12h`, `30m`, `90s`: how many seconds.
fn seconds(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text[digits.len()..].trim() {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    let digits = digits.trim_end();
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

/// Where the value at the end of a path begins.
fn locate(value: &DeValue<'_>, path: &[PathItem]) -> Option<std::ops::Range<usize>> {
    let (first, rest) = path.split_first()?;
    let inner = match (value, first) {
        (DeValue::Table(table), PathItem::Key(key)) => table.get(key.as_ref())?,
        (DeValue::Array(items), PathItem::Index(index)) => items.get(*index)?,
        _ => return None,
    };
    locate(inner.get_ref(), rest).or_else(|| Some(inner.span()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_numbers_and_units() {
        for (text, expected) in [
            ("7d", Some(604_800)),
            ("12 h", Some(43_200)),
            ("30m", Some(1800)),
            ("0s", Some(0)),
            ("90", None),
            ("d", None),
            ("-1d", None),
            ("1.5h", None),
            ("1w", None),
            ("99999999999999999999d", None),
            ("18446744073709551615d", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }
}
