//! Filters.

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::Object;
use crate::{FilterConfig, FilterData, FilterPair};

impl Serialize for FilterData {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object(&self.0).serialize(serializer)
    }
}

impl Serialize for FilterConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        super::entry_if_some(&mut map, "_lookback_window", self.lookback_window)?;
        for (key, values) in &self.map {
            map.serialize_entry(key, values)?;
        }
        map.end()
    }
}

/// `filters` and `not_filters` among the fields of an object.
pub(super) fn filter_pair<M: SerializeMap>(map: &mut M, pair: &FilterPair) -> Result<(), M::Error> {
    map.serialize_entry("filters", &pair.positive)?;
    map.serialize_entry("not_filters", &pair.negative)
}
