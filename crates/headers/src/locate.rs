//! Where in a header's text a problem is, to point at it.

use std::{borrow::Cow, fmt, ops::Range};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::{Path, PathItem};

/// Byte ranges of a member of an object, or an item of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The member's key with its quotes; items and the whole header have none.
    pub key: Option<Range<usize>>,
    /// The value.
    pub value: Range<usize>,
}

/// The byte range of the value at a path of a JSON header.
///
/// `None` when there is no such value (a required field that is missing: look for what should contain
/// it), or the text is not JSON. Takes time in proportion to the text, times the length of the path.
#[must_use]
pub fn locate(text: &str, path: &Path) -> Option<Range<usize>> {
    locate_member(text, path).map(|location| location.value)
}

/// As [`locate`], with the key too: for problems that are about the key.
#[must_use]
pub fn locate_member(text: &str, path: &Path) -> Option<Location> {
    let json = text.strip_prefix('\u{feff}').unwrap_or(text);
    let start = text.len() - json.len();
    let whole = Found { key: None, value: serde_json::from_str::<&RawValue>(json).ok()?.get() };
    let found = path.0.iter().try_fold(whole, |found, item| step(found.value, item))?;
    // Both are parts of `json`, whose first byte is that many bytes from the text's.
    let range = |part: &str| {
        let from = start + (part.as_ptr().addr() - json.as_ptr().addr());
        from..from + part.len()
    };
    Some(Location { key: found.key.map(range), value: range(found.value) })
}

/// Parts of the text.
struct Found<'t> {
    key: Option<&'t str>,
    value: &'t str,
}

/// One step down from a value.
fn step<'t>(value: &'t str, item: &PathItem) -> Option<Found<'t>> {
    match item {
        PathItem::Index(index) => {
            let items: Vec<&RawValue> = serde_json::from_str(value).ok()?;
            items.get(*index).map(|item| Found { key: None, value: item.get() })
        }
        PathItem::Key(key) => {
            let members: Members<'t> = serde_json::from_str(value).ok()?;
            // Of duplicates, the last one counts; what is before it ends where it begins.
            let at = members.0.iter().rposition(|(k, _)| *k == **key)?;
            let before = at.checked_sub(1).map_or(value.get(..1)?, |at| members.0[at].1.get());
            let found = members.0[at].1.get();
            let from = before.as_ptr().addr() + before.len() - value.as_ptr().addr();
            let to = found.as_ptr().addr() - value.as_ptr().addr();
            let key = value.get(from..to)?;
            let key = key.trim_start_matches(|c: char| c != '"').trim_end_matches(|c| c != '"');
            Some(Found { key: Some(key), value: found })
        }
    }
}

/// All members of an object, in order.
struct Members<'t>(Vec<(Cow<'t, str>, &'t RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;

        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = object.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(MembersVisitor)
    }
}
