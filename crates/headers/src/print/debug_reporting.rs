//! `aggregatable_debug_reporting`; types that were unknown are gone.

use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::{DebugConfig, DebugContribution, SourceDebugConfig, SourceDebugType, TriggerDebugType};

impl Serialize for SourceDebugConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("budget", &self.budget)?;
        entries(&mut map, &self.config, SourceDebugType::as_str)?;
        map.end()
    }
}

impl Serialize for DebugConfig<TriggerDebugType> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        entries(&mut map, self, TriggerDebugType::as_str)?;
        map.end()
    }
}

/// The fields that both kinds share.
fn entries<T: Copy, M: SerializeMap>(
    map: &mut M,
    config: &DebugConfig<T>,
    name: fn(T) -> &'static str,
) -> Result<(), M::Error> {
    map.serialize_entry("key_piece", &config.key_piece)?;
    let known = config.debug_data.iter().map(|(of, contribution)| (name(*of), *contribution));
    let unspecified = config.unspecified.map(|contribution| ("unspecified", contribution));
    let data: Vec<_> =
        known.chain(unspecified).map(|(name, contribution)| Data { name, contribution }).collect();
    map.serialize_entry("debug_data", &data)?;
    map.serialize_entry("aggregation_coordinator_origin", config.coordinator.origin().as_str())
}

/// An item of `debug_data`.
struct Data {
    name: &'static str,
    contribution: DebugContribution,
}

impl Serialize for Data {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("types", &[self.name])?;
        map.serialize_entry("key_piece", &self.contribution.key_piece)?;
        map.serialize_entry("value", &self.contribution.value)?;
        map.end()
    }
}
