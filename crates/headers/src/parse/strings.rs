//! Strings, and sets of them. Lengths are in bytes of UTF-8, as in Chromium.

use std::borrow::Cow;

use crate::{
    ProblemKind, Text,
    json::Json,
    parse::fields::{Repeats, list, set},
    problems::{At, Problems},
};

/// The value must be a string.
pub(super) fn string<'j>(json: Json<'j>, at: At<'_>, problems: &mut Problems) -> Option<Cow<'j, str>> {
    match json {
        Json::String(text) => Some(text),
        _ => problems.error(at, ProblemKind::WrongType { expected: "a string" }),
    }
}

/// A string of at most `limit` bytes.
pub(super) fn short_string<'j>(
    json: Json<'j>,
    limit: usize,
    at: At<'_>,
    problems: &mut Problems,
) -> Option<Cow<'j, str>> {
    let text = string(json, at, problems)?;
    let bytes = text.len();
    if bytes <= limit { Some(text) } else { problems.error(at, ProblemKind::StringTooLong { bytes, limit }) }
}

/// One of the given strings: its index.
pub(super) fn one_of(
    json: Json<'_>,
    allowed: &'static [&'static str],
    at: At<'_>,
    problems: &mut Problems,
) -> Option<usize> {
    let text = string(json, at, problems)?;
    match allowed.iter().position(|allowed| *allowed == text) {
        Some(index) => Some(index),
        None => problems.error(at, ProblemKind::NotOneOf { allowed }),
    }
}

/// A list of strings of at most `limit` bytes, as a sorted set.
pub(super) fn string_set(
    json: Json<'_>,
    limit: usize,
    at: At<'_>,
    problems: &mut Problems,
) -> Option<Box<[Text]>> {
    let list = list(json, at, problems)?;
    set(list, Repeats::Merge, at, problems, |json, at, problems| {
        short_string(json, limit, at, problems).map(Into::into)
    })
    .map(Vec::into_boxed_slice)
}

/// Whether a key has at most `limit` bytes.
pub(super) fn key_is_short(key: &str, limit: usize, at: At<'_>, problems: &mut Problems) -> bool {
    let bytes = key.len();
    bytes <= limit || problems.reject(at, ProblemKind::KeyTooLong { bytes, limit })
}
