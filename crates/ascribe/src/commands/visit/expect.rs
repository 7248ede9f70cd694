//! `--expect`: what a visit should tell, as parts of what it tells.
//!
//! Each expectation is met by one registration or report that has all its members; each of those meets one
//! expectation at most, and as many as possible are met. The order does not matter.

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde_json::{Map, Value};

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expectations {
    #[serde(default)]
    pub(super) registrations: Vec<Map<String, Value>>,
    #[serde(default)]
    pub(super) reports: Vec<Map<String, Value>>,
    /// Whether there may be registrations and reports that nothing expects.
    #[serde(default)]
    unexpected: Unexpected,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Unexpected {
    #[default]
    Allow,
    Forbid,
}

/// What an expectation can name.
const OF_REGISTRATIONS: &[&str] = &[
    "surface",
    "page_url",
    "url",
    "hop",
    "eligible",
    "headers",
    "outcome",
    "problems",
    "diagnoses",
    "grade",
    "steps",
    "time",
];
const OF_REPORTS: &[&str] = &["url", "attempt", "payload", "body", "outcome", "status", "grade", "time"];

/// What became of the expectations of one kind.
#[derive(Debug, Default)]
pub(super) struct Matched {
    /// For each expectation, which of the actual ones meets it.
    pub(super) met_by: Vec<Option<usize>>,
}

impl Expectations {
    pub(super) fn parse(json: &[u8]) -> anyhow::Result<Self> {
        let parsed: Self = serde_json::from_slice(json)?;
        for (list, known, what) in [
            (&parsed.registrations, OF_REGISTRATIONS, "registrations"),
            (&parsed.reports, OF_REPORTS, "reports"),
        ] {
            for (at, expectation) in list.iter().enumerate() {
                let unknown = expectation.keys().find(|name| !known.contains(&name.as_str()));
                let context = || format!("{what}[{at}]");
                ensure!(!expectation.is_empty(), "{}: expects nothing", context());
                unknown
                    .map_or(Ok(()), |name| Err(anyhow::anyhow!("{name} is not one of {}", known.join(", "))))
                    .with_context(context)?;
            }
        }
        Ok(parsed)
    }

    pub(super) fn forbids_others(&self) -> bool {
        self.unexpected == Unexpected::Forbid
    }
}

impl Matched {
    /// Meets as many expectations as possible: an actual one that could meet two is left to the other if something
    /// else meets the first.
    pub(super) fn new(expected: &[Map<String, Value>], actual: &[Value]) -> Self {
        let fits: Vec<Vec<usize>> = expected
            .iter()
            .map(|expectation| (0..actual.len()).filter(|at| fits_all(expectation, &actual[*at])).collect())
            .collect();
        let mut taken: Vec<Option<usize>> = vec![None; actual.len()];
        for expectation in 0..expected.len() {
            assign(expectation, &fits, &mut taken, &mut vec![false; actual.len()]);
        }
        let mut met_by = vec![None; expected.len()];
        for (at, expectation) in taken.into_iter().enumerate() {
            if let Some(expectation) = expectation {
                met_by[expectation] = Some(at);
            }
        }
        Self { met_by }
    }

    pub(super) fn is_expected(&self, at: usize) -> bool {
        self.met_by.contains(&Some(at))
    }
}

/// One augmenting path of a bipartite matching.
fn assign(expectation: usize, fits: &[Vec<usize>], taken: &mut [Option<usize>], seen: &mut [bool]) -> bool {
    fits[expectation].iter().any(|&at| {
        if std::mem::replace(&mut seen[at], true) {
            return false;
        }
        let free = taken[at].is_none_or(|other| assign(other, fits, taken, seen));
        if free {
            taken[at] = Some(expectation);
        }
        free
    })
}

fn fits_all(expectation: &Map<String, Value>, actual: &Value) -> bool {
    expectation.iter().all(|(name, expected)| fits(name, expected, &actual[name]))
}

/// Texts of these members may have asterisks that stand for anything.
fn has_patterns(name: &str) -> bool {
    matches!(name, "url" | "page_url" | "outcome" | "problems" | "diagnoses")
}

fn fits(name: &str, expected: &Value, actual: &Value) -> bool {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => expected
            .iter()
            .all(|(name, expected)| fits("", expected, actual.get(name).unwrap_or(&Value::Null))),
        // These lists hold sentences: each that is expected is one of them.
        (Value::Array(expected), Value::Array(actual)) if has_patterns(name) => {
            expected.iter().all(|expected| actual.iter().any(|actual| fits(name, expected, actual)))
        }
        (Value::Array(expected), Value::Array(actual)) => {
            expected.len() == actual.len() && expected.iter().zip(actual).all(|(e, a)| fits("", e, a))
        }
        (Value::Number(expected), Value::Number(actual)) => expected.as_f64() == actual.as_f64(),
        (Value::String(pattern), Value::String(text)) if has_patterns(name) => matches_pattern(pattern, text),
        _ => expected == actual,
    }
}

fn matches_pattern(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// Where the closest of the actual ones differs from an expectation; `None` when there is none that is not taken.
pub(super) fn closest(expectation: &Map<String, Value>, actual: &[&Value]) -> Option<String> {
    let told = |actual: &Value| {
        let mut differing = Vec::new();
        for (name, expected) in expectation {
            differences(&mut differing, name, name, expected, &actual[name.as_str()]);
        }
        differing
    };
    let all = expectation.values().map(leaves).sum();
    // Something else altogether explains nothing.
    let close = actual.iter().map(|actual| told(actual)).filter(|differing| differing.len() < all);
    let closest = close.min_by_key(Vec::len)?;
    Some(closest.concat())
}

/// How many values are compared on their own.
fn leaves(value: &Value) -> usize {
    match value {
        Value::Object(members) => members.values().map(leaves).sum(),
        _ => 1,
    }
}

fn differences(out: &mut Vec<String>, path: &str, name: &str, expected: &Value, actual: &Value) {
    match (expected, actual) {
        _ if fits(name, expected, actual) => {}
        (Value::Object(members), Value::Object(_)) => {
            for (member, expected) in members {
                differences(out, &format!("{path}.{member}"), "", expected, &actual[member.as_str()]);
            }
        }
        _ => out.push(format!("-   {path}: {expected}\n+   {path}: {actual}\n")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn expect(value: &Value) -> Vec<Map<String, Value>> {
        serde_json::from_value(value.clone()).expect("a list of objects")
    }

    #[test]
    fn a_part_is_enough_and_texts_may_have_gaps() {
        let actual =
            [json!({"url": "https://ads.test/x?order=7", "hop": 0, "headers": {"A": {"b": "1", "c": [1]}},
            "diagnoses": ["first", "a trigger needs this"]})];
        let met = |value: Value| Matched::new(&expect(&json!([value])), &actual).met_by == [Some(0)];
        assert!(met(json!({"url": "https://ads.test/x?*", "hop": 0.0})));
        assert!(met(json!({"headers": {"A": {"b": "1"}}, "diagnoses": ["*trigger*"]})));
        assert!(!met(json!({"headers": {"A": {"b": "*"}}})), "only sentences and URLs have gaps");
        assert!(!met(json!({"url": "https://ads.test/x"})));
        assert!(!met(json!({"headers": {"A": {"c": [1, 2]}}})));
        assert!(!met(json!({"outcome": "source stored*"})), "absent");
    }

    #[test]
    fn one_that_fits_two_is_left_to_the_one_that_needs_it() {
        let actual = [json!({"url": "a", "hop": 0}), json!({"url": "b", "hop": 0})];
        let matched = Matched::new(&expect(&json!([{"hop": 0}, {"url": "a"}])), &actual);
        assert_eq!(matched.met_by, [Some(1), Some(0)]);
        let matched = Matched::new(&expect(&json!([{"hop": 0}, {"hop": 0}, {"hop": 0}])), &actual);
        assert_eq!(matched.met_by.iter().flatten().count(), 2, "each meets one");
    }

    #[test]
    fn the_closest_one_tells_what_differs() {
        let expectation =
            expect(&json!([{"url": "a", "payload": {"trigger_data": "3", "source_event_id": "1"}}]));
        let (near, far) = (
            json!({"url": "a", "payload": {"trigger_data": "2", "source_event_id": "1"}}),
            json!({"url": "b", "payload": {}}),
        );
        let told = closest(&expectation[0], &[&far, &near]).expect("one is close");
        assert_eq!(told, "-   payload.trigger_data: \"3\"\n+   payload.trigger_data: \"2\"\n");
        assert_eq!(closest(&expectation[0], &[&far]), None);
    }

    #[test]
    fn a_misspelt_member_is_an_error() {
        let error =
            Expectations::parse(br#"{"registrations": [{"surfaces": "img"}]}"#).expect_err("misspelt");
        assert!(
            format!("{error:#}").contains("registrations[0]: surfaces is not one of surface,"),
            "{error:#}"
        );
        assert!(Expectations::parse(br#"{"reports": [{}]}"#).is_err(), "it would be met by anything");
        assert!(Expectations::parse(br#"{"report": []}"#).is_err());
        assert!(Expectations::parse(br#"{"unexpected": "forbid"}"#).expect("fine").forbids_others());
    }

    #[test]
    fn patterns() {
        for (pattern, text, fits) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "ab", true),
            ("*b", "ab", true),
            ("a*b*c", "axbxc", true),
            ("a*b*c", "axc", false),
            ("ab*ba", "aba", false),
            ("*", "", true),
        ] {
            assert_eq!(matches_pattern(pattern, text), fits, "{pattern} {text}");
        }
    }
}
