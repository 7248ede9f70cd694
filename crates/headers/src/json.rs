//! JSON as a borrowed tree: what a header says, before asking what it means.
//!
//! Spec: "parse JSON bytes to an Infra value". As in Chromium, a number beyond the doubles and a lone
//! surrogate are syntax errors, and nesting is limited. Reading is linear in the header's length, and so
//! is finding the last of duplicate keys (up to a logarithm).

use std::{borrow::Cow, cell::Cell, fmt};

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::{
    ProblemKind,
    problems::{At, Problems},
};

/// A JSON value whose strings borrow from the header where they can.
#[derive(Debug, PartialEq)]
pub(crate) enum Json<'a> {
    Null,
    Boolean(bool),
    Number(f64),
    String(Cow<'a, str>),
    List(Vec<Self>),
    Object(Object<'a>),
}

/// The members of an object, in order, with distinct keys.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Object<'a>(Vec<(Cow<'a, str>, Json<'a>)>);

/// How many lists and objects may be inside each other; Chromium's limit.
const MAX_DEPTH: usize = 200;

/// What a UTF-8 text may start with, to be ignored.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

impl<'a> Json<'a> {
    /// Reads a whole header of at most `max_bytes`.
    pub(crate) fn parse(header: &'a [u8], max_bytes: usize, problems: &mut Problems) -> Option<Self> {
        if header.len() > max_bytes {
            let kind = ProblemKind::TooLong { bytes: header.len(), limit: max_bytes };
            return problems.error(At::Root, kind);
        }
        let header = header.strip_prefix(BYTE_ORDER_MARK).unwrap_or(header);
        let text = match std::str::from_utf8(header) {
            Ok(text) => text,
            Err(error) => {
                let kind = ProblemKind::NotUtf8 { valid_up_to: error.valid_up_to() };
                return problems.error(At::Root, kind);
            }
        };
        let too_deep = Cell::new(false);
        match read(text, &too_deep) {
            Ok(json) => Some(json),
            Err(_) if too_deep.get() => problems.error(At::Root, ProblemKind::TooDeep { limit: MAX_DEPTH }),
            Err(error) => problems.error(At::Root, ProblemKind::JsonSyntax(error.to_string().into())),
        }
    }
}

impl<'a> Object<'a> {
    /// How many members remain.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Removes a member and returns its value.
    pub(crate) fn take(&mut self, key: &str) -> Option<Json<'a>> {
        let at = self.0.iter().position(|(k, _)| k == key)?;
        Some(self.0.remove(at).1)
    }

    /// The keys that remain.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| &**key)
    }

    /// Of members with the same key the last one counts.
    fn new(mut members: Vec<(Cow<'a, str>, Json<'a>)>) -> Self {
        if may_repeat(&members) {
            let mut by_key: Vec<usize> = (0..members.len()).collect();
            by_key.sort_by(|a, b| members[*a].0.cmp(&members[*b].0));
            let mut is_last = vec![true; members.len()];
            for pair in by_key.windows(2) {
                is_last[pair[0]] = members[pair[0]].0 != members[pair[1]].0;
            }
            let mut is_last = is_last.into_iter();
            members.retain(|_| is_last.next().unwrap_or(true));
        }
        Self(members)
    }
}

/// Whether a key may be there twice. Few members are the rule: comparing all pairs of them is cheapest.
fn may_repeat(members: &[(Cow<'_, str>, Json<'_>)]) -> bool {
    let seen_before = |at: usize| members[..at].iter().any(|(key, _)| *key == members[at].0);
    members.len() > 16 || (1..members.len()).any(seen_before)
}

impl<'a> IntoIterator for Object<'a> {
    type Item = (Cow<'a, str>, Json<'a>);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

fn read<'a>(text: &'a str, too_deep: &Cell<bool>) -> serde_json::Result<Json<'a>> {
    let mut reader = serde_json::Deserializer::from_str(text);
    // Ours applies instead, and is what keeps the stack small.
    reader.disable_recursion_limit();
    let json = ValueAt { depth: 0, too_deep }.deserialize(&mut reader)?;
    reader.end()?;
    Ok(json)
}

/// Reads a value inside `depth` lists and objects.
#[derive(Clone, Copy)]
struct ValueAt<'c> {
    depth: usize,
    too_deep: &'c Cell<bool>,
}

impl ValueAt<'_> {
    fn inside<E: de::Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            self.too_deep.set(true);
            return Err(E::custom("too deep"));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for ValueAt<'_> {
    type Value = Json<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueAt<'_> {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json<'de>, E> {
        Ok(Json::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json<'de>, E> {
        Ok(Json::Number(value as f64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json<'de>, E> {
        Ok(Json::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json<'de>, E> {
        Ok(Json::Number(value))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::String(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json<'de>, E> {
        Ok(Json::String(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json<'de>, A::Error> {
        let inside = self.inside()?;
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(inside)? {
            items.push(item);
        }
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Json<'de>, A::Error> {
        let inside = self.inside()?;
        let mut members = Vec::new();
        while let Some(key) = object.next_key_seed(Key)? {
            members.push((key, object.next_value_seed(inside)?));
        }
        Ok(Json::Object(Object::new(members)))
    }
}

/// Reads the key of a member.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}
