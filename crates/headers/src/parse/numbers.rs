//! Numbers: JSON numbers for counts and values, decimal strings for 64-bit ones, and durations.
//!
//! Spec: "parse an optional 64-bit signed integer", "parse an optional 64-bit unsigned integer",
//! "parse a duration", "parse an aggregation key piece". The spec reads strings by HTML's lenient rules
//! (space in front, anything after); as in Chromium, nothing but the digits is allowed here.

use std::ops::RangeInclusive;

use crate::{
    KeyPiece, ProblemKind,
    json::Json,
    parse::strings::string,
    problems::{At, Problems},
};

/// A JSON number from `min` to `max`; `max` may be infinite.
pub(super) fn number_in(
    json: Json<'_>,
    min: f64,
    max: f64,
    at: At<'_>,
    problems: &mut Problems,
) -> Option<f64> {
    in_range(number(json, at, problems)?, min, max, at, problems)
}

/// A JSON number with an integral value: `1024.0` is one.
pub(super) fn integer(json: Json<'_>, at: At<'_>, problems: &mut Problems) -> Option<f64> {
    let number = number(json, at, problems)?;
    if number.fract() == 0.0 { Some(number) } else { problems.error(at, ProblemKind::NotAnInteger) }
}

/// A JSON number with an integral value of at least `min`.
pub(super) fn integer_from(min: u32, json: Json<'_>, at: At<'_>, problems: &mut Problems) -> Option<f64> {
    in_range(integer(json, at, problems)?, f64::from(min), f64::INFINITY, at, problems)
}

/// A JSON number with an integral value in a range.
pub(super) fn integer_in(
    json: Json<'_>,
    range: RangeInclusive<u32>,
    at: At<'_>,
    problems: &mut Problems,
) -> Option<u32> {
    let integer = integer(json, at, problems)?;
    let (min, max) = (f64::from(*range.start()), f64::from(*range.end()));
    // Within the range, so the conversion is exact.
    in_range(integer, min, max, at, problems).map(|integer| integer as u32)
}

/// A JSON number with an integral value, or decimal digits in a string: seconds, saturating.
pub(super) fn duration(json: Json<'_>, at: At<'_>, problems: &mut Problems) -> Option<u64> {
    match json {
        // Nothing beyond 64 bits is told apart: a duration is clamped to far less.
        Json::Number(_) => integer_from(0, json, at, problems).map(|seconds| seconds as u64),
        Json::String(_) => uint64(json, at, problems),
        _ => problems.error(at, ProblemKind::WrongType { expected: "a number or a string" }),
    }
}

/// A duration moved into a range of seconds, with a warning if need be.
pub(super) fn clamp(seconds: u64, min: u32, max: u32, at: At<'_>, problems: &mut Problems) -> u32 {
    match u32::try_from(seconds) {
        Ok(seconds) if seconds < min => {
            problems.warn(at, ProblemKind::Raised { to: min });
            min
        }
        Ok(seconds) if seconds <= max => seconds,
        _ => {
            problems.warn(at, ProblemKind::Lowered { to: max });
            max
        }
    }
}

/// A string of decimal digits that fits in 64 bits.
pub(super) fn uint64(json: Json<'_>, at: At<'_>, problems: &mut Problems) -> Option<u64> {
    match uint(json, at, problems)? {
        Some(value) => Some(value),
        None => problems.error(at, ProblemKind::TooWide { signed: false }),
    }
}

/// A string of decimal digits; `Some(None)` when it does not fit in 64 bits.
pub(super) fn uint(json: Json<'_>, at: At<'_>, problems: &mut Problems) -> Option<Option<u64>> {
    let digits = string(json, at, problems)?;
    if !is_digits(&digits) {
        return problems.error(at, ProblemKind::NotDecimal { signed: false });
    }
    // Digits only: what can fail is that there are too many.
    Some(digits.parse().ok())
}

/// A string of decimal digits, with a minus sign or not, that fits in 64 bits.
pub(super) fn int64(json: Json<'_>, at: At<'_>, problems: &mut Problems) -> Option<i64> {
    let text = string(json, at, problems)?;
    if !is_digits(text.strip_prefix('-').unwrap_or(&text)) {
        return problems.error(at, ProblemKind::NotDecimal { signed: true });
    }
    match text.parse() {
        Ok(value) => Some(value),
        Err(_) => problems.error(at, ProblemKind::TooWide { signed: true }),
    }
}

/// `0x` or `0X` and 1 to 32 hexadecimal digits, in a string.
pub(super) fn key_piece(json: Json<'_>, at: At<'_>, problems: &mut Problems) -> Option<KeyPiece> {
    match KeyPiece::parse(&string(json, at, problems)?) {
        Some(piece) => Some(piece),
        None => problems.error(at, ProblemKind::NotKeyPiece),
    }
}

fn number(json: Json<'_>, at: At<'_>, problems: &mut Problems) -> Option<f64> {
    match json {
        // Negative zero is zero.
        Json::Number(number) => Some(number + 0.0),
        _ => problems.error(at, ProblemKind::WrongType { expected: "a number" }),
    }
}

fn in_range(number: f64, min: f64, max: f64, at: At<'_>, problems: &mut Problems) -> Option<f64> {
    if (min..=max).contains(&number) {
        Some(number)
    } else {
        problems.error(at, ProblemKind::OutOfRange { min, max })
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
