//! Filters.
//!
//! Spec: "Parsing filter data" and "Parsing filters".

use std::num::NonZeroU64;

use crate::{
    FilterConfig, FilterData, FilterPair, FilterValues, ProblemKind, SourceType,
    json::Json,
    parse::{
        fields::{Fields, Repeats, count_is_in, items, list, map, object, set},
        numbers::integer_from,
        strings::{key_is_short, string, string_set},
    },
    problems::{At, Problems},
};

/// "Max entries per filter data".
const MAX_KEYS: usize = 50;
/// "Max values per filter data entry".
const MAX_VALUES: usize = 50;
/// "Max length per filter string", in bytes.
const MAX_BYTES: usize = 25;

/// "Parse filter data".
pub(super) fn filter_data(json: Json<'_>, at: At<'_>, problems: &mut Problems) -> Option<FilterData> {
    let object = object(json, at, problems)?;
    if !count_is_in(object.len(), 0..=MAX_KEYS, at, problems) {
        return None;
    }
    map(object, at, problems, |key, json, at, problems| {
        if key == "source_type" {
            return problems.error(at, ProblemKind::ImplicitKey);
        }
        if key.starts_with('_') {
            return problems.error(at, ProblemKind::ReservedKey);
        }
        if !key_is_short(key, MAX_BYTES, at, problems) {
            return None;
        }
        let values = string_set(json, MAX_BYTES, at, problems)?;
        count_is_in(values.len(), 0..=MAX_VALUES, at, problems).then_some(values)
    })
    .map(FilterData)
}

/// "Parse a filter pair": takes `filters` and `not_filters`.
pub(super) fn filter_pair(fields: &mut Fields<'_, '_>, problems: &mut Problems) -> Option<FilterPair> {
    let positive = fields.optional("filters", problems, Box::default, filters);
    let negative = fields.optional("not_filters", problems, Box::default, filters);
    Some(FilterPair { positive: positive?, negative: negative? })
}

/// "Parse filters": one alternative, or a list of them.
fn filters(json: Json<'_>, at: At<'_>, problems: &mut Problems) -> Option<Box<[FilterConfig]>> {
    match json {
        Json::List(list) => items(list, at, problems, filter_config),
        Json::Object(_) => filter_config(json, at, problems).map(|config| [config].into()),
        _ => problems.error(at, ProblemKind::WrongType { expected: "a list or an object" }),
    }
}

/// "Parse filter config".
fn filter_config(json: Json<'_>, at: At<'_>, problems: &mut Problems) -> Option<FilterConfig> {
    let mut fields = Fields::of(json, at, problems)?;
    let lookback_window = fields.optional(
        "_lookback_window",
        problems,
        || None,
        |json, at, problems| {
            // Beyond 64 bits of seconds, nothing is told apart.
            integer_from(1, json, at, problems).map(|seconds| NonZeroU64::new(seconds as u64))
        },
    );
    let map = map(fields.into_rest(), at, problems, filter_values);
    Some(FilterConfig { lookback_window: lookback_window?, map: map? })
}

/// The values that a trigger asks for under one key.
fn filter_values(key: &str, json: Json<'_>, at: At<'_>, problems: &mut Problems) -> Option<FilterValues> {
    if key.starts_with('_') {
        return problems.error(at, ProblemKind::ReservedKey);
    }
    let list = list(json, at, problems)?;
    set(list, Repeats::Merge, at, problems, |json, at, problems| {
        let value = string(json, at, problems)?;
        let known = [SourceType::Event, SourceType::Navigation].iter().any(|known| known.as_str() == value);
        if key == "source_type" && !known {
            problems.warn(at, ProblemKind::UnknownSourceType);
        }
        Some(value.into())
    })
    .map(Vec::into_boxed_slice)
}
