//! What all received bodies have in common: how their members are read, and what can be wrong.

use serde_json::Value;

use crate::{DebugKeys, ReportId, SharedInfoError, Time, shared_info_reader};

/// Why a body is not a report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// It is not the JSON that it must be, or a known member stands twice in it.
    #[error("not valid JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A member that must be there is not.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A member does not hold what it must.
    #[error("`{0}` is invalid")]
    Invalid(&'static str),
    /// The text in `shared_info` is not shared info.
    #[error("shared_info: {0}")]
    SharedInfo(#[from] SharedInfoError),
}

pub(crate) fn present<T>(value: Option<T>, key: &'static str) -> Result<T, BodyError> {
    value.ok_or(BodyError::Missing(key))
}

pub(crate) fn string<'a>(value: &'a Value, key: &'static str) -> Result<&'a str, BodyError> {
    value.as_str().ok_or(BodyError::Invalid(key))
}

/// A 64-bit integer, as a string of decimal digits.
pub(crate) fn integer(value: &Value, key: &'static str) -> Result<u64, BodyError> {
    let digits = string(value, key)?;
    let decimal = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| decimal).ok_or(BodyError::Invalid(key))
}

/// A UUID of any version, in its hyphenated form.
pub(crate) fn report_id(value: &Value, key: &'static str) -> Result<ReportId, BodyError> {
    const HYPHENATED_LEN: usize = 36;
    let text = string(value, key)?;
    match ReportId::try_parse(text) {
        Ok(id) if text.len() == HYPHENATED_LEN => Ok(id),
        _ => Err(BodyError::Invalid(key)),
    }
}

/// Seconds since the UNIX epoch: see [`SharedInfo::parse`](crate::SharedInfo::parse).
pub(crate) fn time(value: &Value, key: &'static str) -> Result<Time, BodyError> {
    shared_info_reader::time(value, key).map_err(|_| BodyError::Invalid(key))
}

pub(crate) fn debug_keys(source: Option<&Value>, trigger: Option<&Value>) -> Result<DebugKeys, BodyError> {
    Ok(DebugKeys {
        source: source.map(|value| integer(value, "source_debug_key")).transpose()?,
        trigger: trigger.map(|value| integer(value, "trigger_debug_key")).transpose()?,
    })
}
