//! What a user agent stores and reads again: as text, and never more than a header could have said.
//!
//! Storage outlives the program that wrote it, and may be damaged. So everything is checked again when it is
//! read, but against what any user agent may allow: the coordinators were allowed, and the sites were sites of
//! the public suffix list, when they were stored; neither must make stored data unreadable later.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use serde_json::Value;

use crate::{
    Coordinator, Coordinators, Destinations, FilteringIdMaxBytes, KeyPiece, Problem, Site,
    SourceRegistration, SourceType, SuitableOrigin, VendorValues,
};

/// Why a text is not a stored source registration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotStored {
    /// It is not JSON, or not the JSON of a registration.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// No header can say it.
    #[error("{}", .0.first().map_or_else(|| "no registration".to_owned(), ToString::to_string))]
    Invalid(Vec<Problem>),
    /// A header can say it, but it would be changed: clamped, reduced, or left out.
    #[error("not as it was printed")]
    Changed,
}

/// What the parser must be told, since it depends on more than the text.
#[derive(Deserialize)]
struct Outside {
    destination: Destinations,
    #[serde(default)]
    aggregatable_debug_reporting: Option<CoordinatorOf>,
}

#[derive(Deserialize)]
struct CoordinatorOf {
    aggregation_coordinator_origin: SuitableOrigin,
}

impl SourceRegistration {
    /// Reads what [`to_json`](Self::to_json) printed, under whatever vendor values: they may have changed since.
    ///
    /// Members that are missing have their defaults, so that what an earlier version printed can be read; all
    /// that are there must be as this version would print them.
    ///
    /// # Errors
    /// When `json` was not printed by `to_json`.
    pub fn restore(json: &str, source_type: SourceType) -> Result<Self, NotStored> {
        let outside: Outside = serde_json::from_str(json)?;
        let coordinators = outside.aggregatable_debug_reporting.map(|of| of.aggregation_coordinator_origin);
        let vendor = VendorValues {
            coordinators: Coordinators::new(coordinators).unwrap_or_else(Coordinators::chromium),
            max_settable_event_level_epsilon: f64::INFINITY,
            max_trigger_state_cardinality: u32::MAX,
            max_header_bytes: usize::MAX,
        };
        let parsed = Self::parse(json.as_bytes(), source_type, &vendor);
        let registration = parsed.into_result().map_err(NotStored::Invalid)?;
        let registration = Self { destinations: outside.destination, ..registration };
        let printed = registration.to_json();
        if printed != json && !is_part(&serde_json::from_str(json)?, &serde_json::from_str(&printed)?) {
            return Err(NotStored::Changed);
        }
        Ok(registration)
    }
}

/// Whether the members of an object are all in another.
fn is_part(part: &Value, whole: &Value) -> bool {
    let (Some(part), Some(whole)) = (part.as_object(), whole.as_object()) else { return false };
    part.iter().all(|(key, value)| whole.get(key) == Some(value))
}

impl Serialize for SuitableOrigin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// From its serialization only.
impl<'de> Deserialize<'de> for SuitableOrigin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let origin = Self::parse(&text).map_err(|why| D::Error::custom(format_args!("{text:?}: {why}")))?;
        match origin.as_str() == text {
            true => Ok(origin),
            false => Err(D::Error::custom(format_args!("{text:?} is not an origin"))),
        }
    }
}

impl Serialize for Site {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// From its serialization only. What was a site under an older public suffix list still is one.
impl<'de> Deserialize<'de> for Site {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let origin = SuitableOrigin::deserialize(deserializer)?;
        match Self::of_origin_without_port(&origin) {
            Some(site) => Ok(site),
            None => Err(D::Error::custom(format_args!("{:?} is not a site", origin.as_str()))),
        }
    }
}

impl Serialize for Destinations {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.as_slice())
    }
}

/// From a sorted list.
impl<'de> Deserialize<'de> for Destinations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let sites = <Vec<Site>>::deserialize(deserializer)?;
        let sorted = Self::new(sites.iter().cloned()).filter(|sorted| sorted.as_slice() == sites);
        sorted.ok_or_else(|| D::Error::custom("not 1 to 3 sites in order"))
    }
}

impl Serialize for Coordinator {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.origin().serialize(serializer)
    }
}

/// Which coordinators are allowed is not known here: what was stored was allowed then.
impl<'de> Deserialize<'de> for Coordinator {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        SuitableOrigin::deserialize(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for KeyPiece {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom(format_args!("{text:?} is not a key piece")))
    }
}

impl Serialize for FilteringIdMaxBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.get().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for FilteringIdMaxBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = u8::deserialize(deserializer)?;
        Self::new(bytes).ok_or_else(|| D::Error::custom("a filtering ID takes 1 to 8 bytes"))
    }
}

impl Serialize for SourceType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for SourceType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let named = [Self::Event, Self::Navigation].into_iter().find(|of| of.as_str() == text);
        named.ok_or_else(|| D::Error::custom(format_args!("{text:?} is not a source type")))
    }
}
