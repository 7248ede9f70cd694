//! Parsing one field at a time, and saying where the problems are.
#![allow(dead_code, reason = "each test binary uses its part")]

use ascribe_headers::{Parsed, Problem, SourceRegistration, SourceType, TriggerRegistration, VendorValues};

/// A navigation source with a destination and the given fields.
pub(crate) fn source(fields: &str) -> Parsed<SourceRegistration> {
    source_of(SourceType::Navigation, fields)
}

/// A source with a destination and the given fields.
pub(crate) fn source_of(source_type: SourceType, fields: &str) -> Parsed<SourceRegistration> {
    let json = format!(r#"{{"destination":"https://shop.example",{fields}}}"#);
    SourceRegistration::parse(json.as_bytes(), source_type, &VendorValues::default())
}

/// A trigger with the given fields.
pub(crate) fn trigger(fields: &str) -> Parsed<TriggerRegistration> {
    TriggerRegistration::parse(format!("{{{fields}}}").as_bytes(), &VendorValues::default())
}

/// Where the errors are.
pub(crate) fn errors<T>(parsed: &Parsed<T>) -> Vec<String> {
    assert_eq!(parsed.value.is_none(), !parsed.errors.is_empty());
    paths(&parsed.errors)
}

/// Where the warnings are.
pub(crate) fn warnings<T>(parsed: &Parsed<T>) -> Vec<String> {
    paths(&parsed.warnings)
}

/// Paths as `a.b.0`; the whole header is an empty string.
pub(crate) fn paths(problems: &[Problem]) -> Vec<String> {
    let item = |item: &ascribe_headers::PathItem| match item {
        ascribe_headers::PathItem::Key(key) => key.to_string(),
        ascribe_headers::PathItem::Index(index) => index.to_string(),
    };
    problems.iter().map(|p| p.path.0.iter().map(item).collect::<Vec<_>>().join(".")).collect()
}

/// The value of a header that must be valid and without warnings.
pub(crate) fn clean<T: std::fmt::Debug>(parsed: Parsed<T>) -> T {
    assert_eq!(parsed.warnings, []);
    valid(parsed)
}

/// The value of a header that must be valid.
pub(crate) fn valid<T: std::fmt::Debug>(parsed: Parsed<T>) -> T {
    parsed.into_result().expect("a valid header")
}

/// `count` JSON members `"k0":value`, `"k1":value` and so on.
pub(crate) fn members(count: usize, value: &str) -> String {
    (0..count).map(|n| format!(r#""k{n}":{value}"#)).collect::<Vec<_>>().join(",")
}

/// `count` distinct JSON strings.
pub(crate) fn strings(count: usize) -> String {
    (0..count).map(|n| format!(r#""v{n}""#)).collect::<Vec<_>>().join(",")
}

/// `count` ascending JSON numbers from 0.
pub(crate) fn numbers(count: usize) -> String {
    (0..count).map(|n| n.to_string()).collect::<Vec<_>>().join(",")
}
