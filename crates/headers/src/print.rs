//! Registrations as the JSON that registers the same: every default spelled out.
//!
//! Keys are as in the headers; sets are sorted; 64-bit integers are strings. Printing what was parsed,
//! and parsing that with the same source type and vendor values, gives the same registration.

mod debug_reporting;
mod filters;
mod source;
mod trigger;

use std::fmt;

use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::{KeyPiece, SourceRegistration, Text, TriggerRegistration};

impl SourceRegistration {
    /// The JSON that registers this source, in one line.
    #[must_use]
    pub fn to_json(&self) -> String {
        to_json(self)
    }
}

impl TriggerRegistration {
    /// The JSON that registers this trigger, in one line.
    #[must_use]
    pub fn to_json(&self) -> String {
        to_json(self)
    }
}

impl fmt::Display for SourceRegistration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_json())
    }
}

impl fmt::Display for TriggerRegistration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_json())
    }
}

impl Serialize for KeyPiece {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn to_json(registration: &impl Serialize) -> String {
    serde_json::to_string(registration).expect("all keys are strings, and writing to memory does not fail")
}

/// A 64-bit integer as a string.
struct Decimal<T>(T);

impl<T: fmt::Display> Serialize for Decimal<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A sorted map as an object.
struct Object<'a, T>(&'a [(Text, T)]);

impl<T: Serialize> Serialize for Object<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

/// A field that is absent when there is nothing to say.
fn entry_if_some<M: SerializeMap>(
    map: &mut M,
    key: &str,
    value: Option<impl Serialize>,
) -> Result<(), M::Error> {
    match value {
        Some(value) => map.serialize_entry(key, &value),
        None => Ok(()),
    }
}
