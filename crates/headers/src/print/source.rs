//! A source registration.

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{Decimal, Object, entry_if_some};
use crate::{AttributionScopes, EventReportWindows, SourceRegistration, TriggerDataSet};

impl Serialize for SourceRegistration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("source_event_id", &Decimal(self.source_event_id))?;
        let destinations: Vec<_> = self.destinations.as_slice().iter().map(|site| site.as_str()).collect();
        map.serialize_entry("destination", &destinations)?;
        map.serialize_entry("expiry", &self.expiry)?;
        map.serialize_entry("priority", &Decimal(self.priority))?;
        map.serialize_entry("destination_limit_priority", &Decimal(self.destination_limit_priority))?;
        map.serialize_entry("filter_data", &self.filter_data)?;
        entry_if_some(&mut map, "debug_key", self.debug_key.map(Decimal))?;
        map.serialize_entry("debug_reporting", &self.debug_reporting)?;
        map.serialize_entry("aggregation_keys", &Object(&self.aggregation_keys.0))?;
        map.serialize_entry("aggregatable_report_window", &self.aggregatable_report_window)?;
        map.serialize_entry("event_report_windows", &self.event_report_windows)?;
        map.serialize_entry("max_event_level_reports", &self.max_event_level_reports)?;
        map.serialize_entry("trigger_data", &self.trigger_data)?;
        let matching = match self.trigger_data {
            TriggerDataSet::Modulus(_) => "modulus",
            TriggerDataSet::Exact(_) => "exact",
        };
        map.serialize_entry("trigger_data_matching", matching)?;
        // JSON has no infinity; no header can say it, so it can only be the default.
        let epsilon = Some(self.event_level_epsilon.get()).filter(|epsilon| epsilon.is_finite());
        entry_if_some(&mut map, "event_level_epsilon", epsilon)?;
        entry_if_some(
            &mut map,
            "aggregatable_debug_reporting",
            self.aggregatable_debug_reporting.as_deref(),
        )?;
        entry_if_some(&mut map, "attribution_scopes", self.attribution_scopes.as_ref())?;
        map.serialize_entry("named_budgets", &Object(&self.named_budgets.0))?;
        map.end()
    }
}

impl Serialize for EventReportWindows {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("start_time", &self.start())?;
        map.serialize_entry("end_times", self.ends())?;
        map.end()
    }
}

/// The values alone; the matching mode is a field of its own.
impl Serialize for TriggerDataSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Modulus(n) => serializer.collect_seq(0..*n),
            Self::Exact(values) => values.serialize(serializer),
        }
    }
}

impl Serialize for AttributionScopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("limit", &self.limit)?;
        map.serialize_entry("values", &self.values)?;
        map.serialize_entry("max_event_states", &self.max_event_states)?;
        map.end()
    }
}
