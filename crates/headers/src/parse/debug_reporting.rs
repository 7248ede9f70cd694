//! `debug_key`, `debug_reporting` and `aggregatable_debug_reporting`, whose errors never cost a registration.
//!
//! Spec: "Parsing aggregatable debug reporting config", "parse a source aggregatable debug reporting
//! config". Where the spec would still set a valid `budget` aside when the rest is invalid, the whole
//! object is dropped, as in Chromium.

use std::{borrow::Cow, collections::BTreeSet};

use crate::{
    Coordinators, DebugConfig, DebugContribution, KeyPiece, ProblemKind, SourceDebugConfig, SourceDebugType,
    TriggerDebugConfig, TriggerDebugType,
    json::Json,
    parse::{
        coordinator::coordinator,
        fields::{Fields, Repeats, array, boolean, count_is_in, list, set},
        numbers::{integer_in, key_piece, uint64},
        strings::string,
    },
    problems::{At, Problems},
};

/// "Allowed aggregatable budget per source".
pub(super) const MAX_BUDGET: u32 = 65536;

/// The type that stands for all others.
const UNSPECIFIED: &str = "unspecified";

/// Takes `debug_key`.
pub(super) fn debug_key(fields: &mut Fields<'_, '_>, problems: &mut Problems) -> Option<u64> {
    fields.lenient("debug_key", problems, uint64)
}

/// Takes `debug_reporting`.
pub(super) fn debug_reporting(fields: &mut Fields<'_, '_>, problems: &mut Problems) -> bool {
    fields.lenient("debug_reporting", problems, boolean).unwrap_or(false)
}

/// Takes a source's `aggregatable_debug_reporting`.
pub(super) fn source_config(
    fields: &mut Fields<'_, '_>,
    coordinators: &Coordinators,
    problems: &mut Problems,
) -> Option<SourceDebugConfig> {
    fields.lenient("aggregatable_debug_reporting", problems, |json, at, problems| {
        let mut fields = Fields::of(json, at, problems)?;
        let budget = fields.required("budget", problems, contribution_value);
        let read = config(&mut fields, coordinators, SourceDebugType::from_name, problems);
        fields.finish(problems);
        let (budget, read) = (budget?, read?);
        if read.greatest_value > budget {
            return problems.error(at, ProblemKind::ExceedsDebugBudget { budget });
        }
        Some(SourceDebugConfig { budget, config: read.config })
    })
}

/// Takes a trigger's `aggregatable_debug_reporting`.
pub(super) fn trigger_config(
    fields: &mut Fields<'_, '_>,
    coordinators: &Coordinators,
    problems: &mut Problems,
) -> Option<TriggerDebugConfig> {
    fields.lenient("aggregatable_debug_reporting", problems, |json, at, problems| {
        let mut fields = Fields::of(json, at, problems)?;
        let read = config(&mut fields, coordinators, TriggerDebugType::from_name, problems);
        fields.finish(problems);
        Some(read?.config)
    })
}

/// A `value`: 1 to the whole budget of a source.
pub(super) fn contribution_value(json: Json<'_>, at: At<'_>, problems: &mut Problems) -> Option<u32> {
    integer_in(json, 1..=MAX_BUDGET, at, problems)
}

/// A configuration, and the greatest value in it, unknown types included.
struct ReadConfig<T> {
    config: DebugConfig<T>,
    greatest_value: u32,
}

/// "Parse an aggregatable debug reporting config".
fn config<T: Ord>(
    fields: &mut Fields<'_, '_>,
    coordinators: &Coordinators,
    from_name: fn(&str) -> Option<T>,
    problems: &mut Problems,
) -> Option<ReadConfig<T>> {
    let data = fields.optional("debug_data", problems, Box::default, |json, at, problems| {
        debug_data(json, from_name, at, problems)
    });
    let coordinator = coordinator(fields, coordinators, problems);
    let key_piece = fields.required("key_piece", problems, key_piece);
    let (data, coordinator, key_piece) = (data?, coordinator?, key_piece?);

    let mut config = DebugConfig { key_piece, debug_data: Box::default(), unspecified: None, coordinator };
    let mut known = Vec::new();
    let greatest_value = data.iter().map(|entry| entry.contribution.value).max().unwrap_or(0);
    for Entry { types, contribution } in data {
        for name in types {
            match from_name(&name) {
                Some(debug_type) => known.push((debug_type, contribution)),
                None if name == UNSPECIFIED => config.unspecified = Some(contribution),
                None => (),
            }
        }
    }
    known.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    config.debug_data = known.into();
    Some(ReadConfig { config, greatest_value })
}

/// An item of `debug_data`.
struct Entry<'j> {
    types: Vec<Cow<'j, str>>,
    contribution: DebugContribution,
}

/// "Parse aggregatable debug reporting data": no type may occur twice, not even an unknown one.
fn debug_data<'j, T>(
    json: Json<'j>,
    from_name: fn(&str) -> Option<T>,
    at: At<'_>,
    problems: &mut Problems,
) -> Option<Box<[Entry<'j>]>> {
    let data = array(json, at, problems, |json, at, problems| entry(json, from_name, at, problems))?;
    let mut seen = BTreeSet::new();
    let mut twice = BTreeSet::new();
    for name in data.iter().flat_map(|entry| &entry.types) {
        if !seen.insert(&**name) {
            twice.insert(&**name);
        }
    }
    if twice.is_empty() {
        return Some(data);
    }
    let names: Vec<_> = twice.into_iter().collect();
    problems.error(at, ProblemKind::DuplicateDebugTypes(names.join(", ").into()))
}

fn entry<'j, T>(
    json: Json<'j>,
    from_name: fn(&str) -> Option<T>,
    at: At<'_>,
    problems: &mut Problems,
) -> Option<Entry<'j>> {
    let mut fields = Fields::of(json, at, problems)?;
    let types = fields.required("types", problems, |json, at, problems| {
        let names = list(json, at, problems)?;
        let types = set(names, Repeats::Reject, at, problems, |json, at, problems| {
            let name = string(json, at, problems)?;
            if name != UNSPECIFIED && from_name(&name).is_none() {
                problems.warn(at, ProblemKind::UnknownDebugType);
            }
            Some(name)
        })?;
        count_is_in(types.len(), 1..=usize::MAX, at, problems).then_some(types)
    });
    let value = fields.required("value", problems, contribution_value);
    let key_piece: Option<KeyPiece> = fields.required("key_piece", problems, key_piece);
    fields.finish(problems);
    Some(Entry { types: types?, contribution: DebugContribution { key_piece: key_piece?, value: value? } })
}
