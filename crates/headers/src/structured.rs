//! Structured fields: dictionaries of flags, and their problems.

use sfv::{Dictionary, FieldType, ListEntry, Parameters, Parser};

use crate::{
    ProblemKind,
    problems::{At, Problems},
};

/// A header that is a structured field of type `T`.
pub(crate) fn field<T: FieldType>(header: &[u8], problems: &mut Problems) -> Option<T> {
    match Parser::new(header).parse() {
        Ok(field) => Some(field),
        Err(error) => {
            let kind = ProblemKind::StructuredFieldSyntax(error.to_string().into());
            problems.error(At::Root, kind)
        }
    }
}

/// Takes a key of which only the presence counts.
pub(crate) fn take_flag(dictionary: &mut Dictionary, key: &str, problems: &mut Problems) -> bool {
    let Some(entry) = dictionary.shift_remove(key) else {
        return false;
    };
    let is_true = matches!(&entry, ListEntry::Item(item) if item.bare_item.as_boolean() == Some(true));
    if !is_true {
        problems.warn(At::Root.key(key), ProblemKind::ValueIgnored);
    }
    warn_of_parameters(&entry, At::Root.key(key), problems);
    true
}

/// Warns about parameters where they have no meaning.
pub(crate) fn warn_of_parameters(entry: &ListEntry, at: At<'_>, problems: &mut Problems) {
    if !parameters(entry).is_empty() {
        problems.warn(at, ProblemKind::ParametersIgnored);
    }
}

/// Warns about the keys that nobody took.
pub(crate) fn warn_of_unknown_keys(dictionary: &Dictionary, problems: &mut Problems) {
    for key in dictionary.keys() {
        problems.warn(At::Root.key(key.as_str()), ProblemKind::UnknownKey);
    }
}

fn parameters(entry: &ListEntry) -> &Parameters {
    match entry {
        ListEntry::Item(item) => &item.params,
        ListEntry::InnerList(list) => &list.params,
    }
}
