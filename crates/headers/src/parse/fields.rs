//! Objects: known fields are taken out one by one; what remains is unknown.
//!
//! Spec: "Parsing JSON fields".

use std::ops::RangeInclusive;

use crate::{
    ProblemKind, Text,
    json::{Json, Object},
    problems::{At, Problems},
};

/// An object of which the known fields are being taken.
pub(super) struct Fields<'j, 'p> {
    object: Object<'j>,
    at: At<'p>,
}

impl<'j, 'p> Fields<'j, 'p> {
    /// The value must be an object.
    pub(super) fn of(json: Json<'j>, at: At<'p>, problems: &mut Problems) -> Option<Self> {
        Some(Self { object: object(json, at, problems)?, at })
    }

    /// A field that may be absent.
    pub(super) fn optional<T>(
        &mut self,
        name: &'static str,
        problems: &mut Problems,
        absent: impl FnOnce() -> T,
        parse: impl FnOnce(Json<'j>, At<'_>, &mut Problems) -> Option<T>,
    ) -> Option<T> {
        match self.object.take(name) {
            None => Some(absent()),
            Some(json) => parse(json, self.at.key(name), problems),
        }
    }

    /// A field that must be there.
    pub(super) fn required<T>(
        &mut self,
        name: &'static str,
        problems: &mut Problems,
        parse: impl FnOnce(Json<'j>, At<'_>, &mut Problems) -> Option<T>,
    ) -> Option<T> {
        let at = self.at.key(name);
        match self.object.take(name) {
            None => problems.error(at, ProblemKind::Missing),
            Some(json) => parse(json, at, problems),
        }
    }

    /// What to make of a field, if it is there.
    pub(super) fn if_present<T>(
        &mut self,
        name: &'static str,
        problems: &mut Problems,
        parse: impl FnOnce(Json<'j>, At<'_>, &mut Problems) -> T,
    ) -> Option<T> {
        let json = self.object.take(name)?;
        Some(parse(json, self.at.key(name), problems))
    }

    /// A field whose errors are only warnings; with them it counts as absent.
    pub(super) fn lenient<T>(
        &mut self,
        name: &'static str,
        problems: &mut Problems,
        parse: impl FnOnce(Json<'j>, At<'_>, &mut Problems) -> Option<T>,
    ) -> Option<T> {
        let parse = |json, at: At<'_>, problems: &mut Problems| problems.leniently(|p| parse(json, at, p));
        self.if_present(name, problems, parse)?
    }

    /// Warns about the fields that nobody took.
    pub(super) fn finish(self, problems: &mut Problems) {
        for key in self.object.keys() {
            problems.warn(self.at.key(key), ProblemKind::UnknownField);
        }
    }

    /// The members that nobody took, which are not fields but keys.
    pub(super) fn into_rest(self) -> Object<'j> {
        self.object
    }

    /// Where the object is.
    pub(super) fn at(&self) -> At<'p> {
        self.at
    }
}

/// The value must be an object.
pub(super) fn object<'j>(json: Json<'j>, at: At<'_>, problems: &mut Problems) -> Option<Object<'j>> {
    match json {
        Json::Object(object) => Some(object),
        _ => problems.error(at, ProblemKind::WrongType { expected: "an object" }),
    }
}

/// The value must be a list.
pub(super) fn list<'j>(json: Json<'j>, at: At<'_>, problems: &mut Problems) -> Option<Vec<Json<'j>>> {
    match json {
        Json::List(items) => Some(items),
        _ => problems.error(at, ProblemKind::WrongType { expected: "a list" }),
    }
}

/// The value must be `true` or `false`.
pub(super) fn boolean(json: Json<'_>, at: At<'_>, problems: &mut Problems) -> Option<bool> {
    match json {
        Json::Boolean(value) => Some(value),
        _ => problems.error(at, ProblemKind::WrongType { expected: "a boolean" }),
    }
}

/// A list, each item parsed; one invalid item makes the list invalid, but all are looked at.
pub(super) fn array<'j, T>(
    json: Json<'j>,
    at: At<'_>,
    problems: &mut Problems,
    parse: impl FnMut(Json<'j>, At<'_>, &mut Problems) -> Option<T>,
) -> Option<Box<[T]>> {
    items(list(json, at, problems)?, at, problems, parse)
}

/// The items of a list that is known to be one.
pub(super) fn items<'j, T>(
    items: Vec<Json<'j>>,
    at: At<'_>,
    problems: &mut Problems,
    mut parse: impl FnMut(Json<'j>, At<'_>, &mut Problems) -> Option<T>,
) -> Option<Box<[T]>> {
    let count = items.len();
    let mut parsed = Vec::with_capacity(count);
    for (index, item) in items.into_iter().enumerate() {
        parsed.extend(parse(item, at.index(index), problems));
    }
    (parsed.len() == count).then(|| parsed.into_boxed_slice())
}

/// Distinct keys and their values, sorted by key.
pub(super) type Map<T> = Box<[(Text, T)]>;

/// The members of an object that is a map from any key: sorted by key (in byte order).
///
/// `parse` is given the key too, for rules about keys.
pub(super) fn map<'j, T>(
    object: Object<'j>,
    at: At<'_>,
    problems: &mut Problems,
    mut parse: impl FnMut(&str, Json<'j>, At<'_>, &mut Problems) -> Option<T>,
) -> Option<Map<T>> {
    let count = object.len();
    let mut parsed: Vec<(Text, T)> = Vec::with_capacity(count);
    for (key, json) in object {
        if let Some(value) = parse(&key, json, at.key(&key), problems) {
            parsed.push((key.into(), value));
        }
    }
    parsed.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    (parsed.len() == count).then(|| parsed.into_boxed_slice())
}

/// What to say of an item that a set has already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeats {
    /// Warn, and count it once.
    Merge,
    /// It is an error.
    Reject,
}

/// A list that stands for a set: its distinct items, sorted.
pub(super) fn set<'j, T: Ord>(
    list: Vec<Json<'j>>,
    repeats: Repeats,
    at: At<'_>,
    problems: &mut Problems,
    mut parse: impl FnMut(Json<'j>, At<'_>, &mut Problems) -> Option<T>,
) -> Option<Vec<T>> {
    let mut parsed = Vec::with_capacity(list.len());
    let mut invalid = Vec::new();
    for (index, item) in list.into_iter().enumerate() {
        match parse(item, at.index(index), problems) {
            Some(item) => parsed.push(item),
            None => invalid.push(index),
        }
    }
    let mut ok = invalid.is_empty();
    if !parsed.is_sorted_by(|a, b| a < b) {
        let valid = (0..).filter(|index| invalid.binary_search(index).is_err());
        let mut with_index: Vec<(T, usize)> = parsed.into_iter().zip(valid).collect();
        with_index.sort_unstable();
        let mut first = 0;
        for here in 1..with_index.len() {
            if with_index[here].0 != with_index[first].0 {
                first = here;
                continue;
            }
            let at = at.index(with_index[here].1);
            let kind = ProblemKind::Duplicate { first: with_index[first].1 };
            match repeats {
                Repeats::Merge => problems.warn(at, kind),
                Repeats::Reject => ok = problems.reject(at, kind),
            }
        }
        with_index.dedup_by(|a, b| a.0 == b.0);
        parsed = with_index.into_iter().map(|(item, _)| item).collect();
    }
    ok.then_some(parsed)
}

/// Whether a collection has as many items as it may.
pub(super) fn count_is_in(
    count: usize,
    range: RangeInclusive<usize>,
    at: At<'_>,
    problems: &mut Problems,
) -> bool {
    let (min, max) = (*range.start(), *range.end());
    range.contains(&count) || problems.reject(at, ProblemKind::BadCount { count, min, max })
}
