//! Keys that only one of `aggregatable_trigger_data` and `aggregatable_values` has: legal, and rarely meant.

use std::collections::BTreeSet;

use crate::{
    ProblemKind, Text, TriggerRegistration,
    problems::{At, Problems},
};

/// Warns about them.
pub(super) fn warn_of_lonely_keys(trigger: &TriggerRegistration, problems: &mut Problems) {
    let with_value = trigger.aggregatable_values.iter().flat_map(|config| &config.values).map(|(key, _)| key);
    let with_value = KeySet::new(with_value);
    let with_piece = trigger.aggregatable_trigger_data.iter().flat_map(|data| &data.source_keys);
    let with_piece = KeySet::new(with_piece);

    let at = At::Root.key("aggregatable_trigger_data");
    for (index, data) in trigger.aggregatable_trigger_data.iter().enumerate() {
        let at = at.index(index);
        for key in data.source_keys.iter().filter(|key| !with_value.contains(key)) {
            problems.warn(at.key("source_keys"), ProblemKind::KeyWithoutValue(key.clone()));
        }
    }
    let at = At::Root.key("aggregatable_values");
    for key in with_value.iter().filter(|key| !with_piece.contains(key)) {
        problems.warn(at, ProblemKind::KeyWithoutPiece(key.into()));
    }
}

/// Distinct keys: on the stack while they are few, as they usually are.
struct KeySet<'a> {
    few: [&'a str; 8],
    len: usize,
    more: BTreeSet<&'a str>,
}

impl<'a> KeySet<'a> {
    fn new(keys: impl Iterator<Item = &'a Text>) -> Self {
        let mut set = Self { few: [""; 8], len: 0, more: BTreeSet::new() };
        for key in keys {
            if set.few().contains(&&**key) {
                continue;
            }
            match set.few.get_mut(set.len) {
                Some(free) => {
                    *free = key;
                    set.len += 1;
                }
                None => {
                    set.more.insert(key);
                }
            }
        }
        set
    }

    fn few(&self) -> &[&'a str] {
        &self.few[..self.len]
    }

    fn contains(&self, key: &str) -> bool {
        self.few().contains(&key) || self.more.contains(key)
    }

    fn iter(&self) -> impl Iterator<Item = &'a str> {
        self.few().iter().chain(&self.more).copied()
    }
}
