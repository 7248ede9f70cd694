//! Reports that wait in storage, read again: never more than attribution could have made.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::{AggregatableReport, EventLevelReport};

/// "Allowed aggregatable budget per source".
const MAX_VALUE: u32 = 65_536;
/// The length of a `trigger_context_id`, in bytes.
const MAX_CONTEXT_ID_BYTES: usize = 64;

impl Serialize for EventLevelReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for EventLevelReport {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let report = Self::deserialize(deserializer)?;
        match (0.0..=1.0).contains(&report.randomized_trigger_rate) {
            true => Ok(report),
            false => Err(D::Error::custom("randomized_trigger_rate: not a probability")),
        }
    }
}

impl Serialize for AggregatableReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for AggregatableReport {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let report = Self::deserialize(deserializer)?;
        report.check().map_err(D::Error::custom)?;
        Ok(report)
    }
}

impl AggregatableReport {
    fn check(&self) -> Result<(), &'static str> {
        if self.contributions.len() > Self::MAX_CONTRIBUTIONS {
            return Err("contributions: more than 20");
        }
        if self.contributions.iter().any(|contribution| contribution.value > MAX_VALUE) {
            return Err("contributions: a value of more than 65536");
        }
        let max_id = self.filtering_id_max_bytes.max_filtering_id();
        if self.contributions.iter().any(|contribution| contribution.filtering_id > max_id) {
            return Err("contributions: a filtering ID that takes more bytes than the report has");
        }
        if self.trigger_context_id.as_ref().is_some_and(|id| id.len() > MAX_CONTEXT_ID_BYTES) {
            return Err("trigger_context_id: more than 64 bytes");
        }
        Ok(())
    }
}
