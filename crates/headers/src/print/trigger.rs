//! A trigger registration.

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{Decimal, Object, entry_if_some, filters::filter_pair};
use crate::{
    AggregatableDedupKey, AggregatableTriggerData, AggregatableValue, AggregatableValues, EventTrigger,
    NamedBudget, TriggerRegistration,
};

impl Serialize for TriggerRegistration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        filter_pair(&mut map, &self.filters)?;
        entry_if_some(&mut map, "debug_key", self.debug_key.map(Decimal))?;
        map.serialize_entry("debug_reporting", &self.debug_reporting)?;
        map.serialize_entry("event_trigger_data", &self.event_triggers)?;
        map.serialize_entry("aggregatable_trigger_data", &self.aggregatable_trigger_data)?;
        map.serialize_entry("aggregatable_values", &self.aggregatable_values)?;
        map.serialize_entry("aggregatable_deduplication_keys", &self.aggregatable_dedup_keys)?;
        map.serialize_entry("named_budgets", &self.named_budgets)?;
        let coordinator = self.aggregation_coordinator.origin().as_str();
        map.serialize_entry("aggregation_coordinator_origin", coordinator)?;
        let options = &self.report_options;
        let source_time = if options.includes_source_registration_time() { "include" } else { "exclude" };
        map.serialize_entry("aggregatable_source_registration_time", source_time)?;
        map.serialize_entry("aggregatable_filtering_id_max_bytes", &options.filtering_id_max_bytes().get())?;
        entry_if_some(&mut map, "trigger_context_id", options.trigger_context_id())?;
        entry_if_some(
            &mut map,
            "aggregatable_debug_reporting",
            self.aggregatable_debug_reporting.as_deref(),
        )?;
        map.serialize_entry("attribution_scopes", &self.attribution_scopes)?;
        map.end()
    }
}

impl Serialize for EventTrigger {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("trigger_data", &Decimal(self.trigger_data))?;
        map.serialize_entry("priority", &Decimal(self.priority))?;
        entry_if_some(&mut map, "deduplication_key", self.dedup_key.map(Decimal))?;
        filter_pair(&mut map, &self.filters)?;
        map.end()
    }
}

impl Serialize for AggregatableTriggerData {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("key_piece", &self.key_piece)?;
        map.serialize_entry("source_keys", &self.source_keys)?;
        filter_pair(&mut map, &self.filters)?;
        map.end()
    }
}

impl Serialize for AggregatableValues {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("values", &Object(&self.values))?;
        filter_pair(&mut map, &self.filters)?;
        map.end()
    }
}

impl Serialize for AggregatableValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("value", &self.value)?;
        map.serialize_entry("filtering_id", &Decimal(self.filtering_id))?;
        map.end()
    }
}

impl Serialize for AggregatableDedupKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        entry_if_some(&mut map, "deduplication_key", self.dedup_key.map(Decimal))?;
        filter_pair(&mut map, &self.filters)?;
        map.end()
    }
}

impl Serialize for NamedBudget {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        entry_if_some(&mut map, "name", self.name.as_deref())?;
        filter_pair(&mut map, &self.filters)?;
        map.end()
    }
}
