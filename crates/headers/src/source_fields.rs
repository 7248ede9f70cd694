//! The field types of a source registration; each can hold only what the header may say.

use std::sync::Arc;

use crate::{KeyPiece, Site, Text};

/// 1 to 3 distinct destination sites, sorted by serialization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destinations(pub(crate) Arc<[Site]>);

/// `aggregation_keys`: at most 20 identifiers of at most 25 bytes, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AggregationKeys(pub(crate) Box<[(Text, KeyPiece)]>);

/// `named_budgets`: at most 25 names of at most 25 bytes, each 0 to 65536, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedBudgets(pub(crate) Box<[(Text, u32)]>);

/// When event-level reports may be triggered and are sent: a start and 1 to 5 strictly increasing
/// ends after it, in seconds from the source's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventReportWindows {
    pub(crate) start: u32,
    pub(crate) len: u8,
    pub(crate) ends: [u32; Self::MAX],
}

/// The trigger data that a source can report, and how a trigger's 64-bit value is mapped onto it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TriggerDataSet {
    /// `modulus`: the values `0..n`; a trigger's value is reduced modulo `n`. At most 32.
    Modulus(u8),
    /// `exact`: a sorted set of at most 32 values; other values match nothing.
    Exact(Box<[u32]>),
}

/// `attribution_scopes` of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributionScopes {
    pub(crate) limit: u32,
    pub(crate) values: Box<[Text]>,
    pub(crate) max_event_states: u32,
}

impl Destinations {
    /// At most this many destinations per source.
    pub const MAX: usize = 3;

    /// The given sites, sorted and each once. `None` when they are none, or more than [`MAX`](Self::MAX).
    #[must_use]
    pub fn new(sites: impl IntoIterator<Item = Site>) -> Option<Self> {
        let sites: std::collections::BTreeSet<_> = sites.into_iter().collect();
        (1..=Self::MAX).contains(&sites.len()).then(|| Self(sites.into_iter().collect()))
    }

    /// The sites, sorted.
    #[must_use]
    pub fn as_slice(&self) -> &[Site] {
        &self.0
    }
}

impl AggregationKeys {
    /// At most this many identifiers.
    pub const MAX: usize = 20;
    /// An identifier is at most this long, in bytes.
    pub const MAX_ID_BYTES: usize = 25;

    /// The given key pieces, sorted by identifier. `None` when they are more than [`MAX`](Self::MAX), an
    /// identifier stands twice, or is longer than [`MAX_ID_BYTES`](Self::MAX_ID_BYTES).
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = (Text, KeyPiece)>) -> Option<Self> {
        let mut keys: Box<[_]> = keys.into_iter().collect();
        keys.sort_unstable();
        let distinct = keys.windows(2).all(|pair| pair[0].0 != pair[1].0);
        let short = keys.iter().all(|(id, _)| id.len() <= Self::MAX_ID_BYTES);
        (keys.len() <= Self::MAX && distinct && short).then_some(Self(keys))
    }

    /// Identifiers and key pieces, sorted by identifier.
    #[must_use]
    pub fn as_slice(&self) -> &[(Text, KeyPiece)] {
        &self.0
    }
}

impl NamedBudgets {
    /// Names and budgets, sorted by name.
    #[must_use]
    pub fn as_slice(&self) -> &[(Text, u32)] {
        &self.0
    }
}

impl EventReportWindows {
    /// At most this many windows.
    pub const MAX: usize = 5;

    /// `start_time`: the first second at which a trigger may be attributed.
    #[must_use]
    pub fn start(&self) -> u32 {
        self.start
    }

    /// `end_times`: where each window ends, exclusive; the next begins there.
    #[must_use]
    pub fn ends(&self) -> &[u32] {
        &self.ends[..usize::from(self.len)]
    }
}

impl TriggerDataSet {
    /// At most this many distinct values.
    pub const MAX: usize = 32;

    /// How many values a source can report.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Modulus(n) => usize::from(*n),
            Self::Exact(values) => values.len(),
        }
    }

    /// Whether no trigger data can ever match.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value at an index below [`len`](Self::len), in ascending order.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<u32> {
        match self {
            Self::Modulus(n) => (index < usize::from(*n)).then_some(index as u32),
            Self::Exact(values) => values.get(index).copied(),
        }
    }

    /// "Find matching trigger data": what a trigger's value is reported as.
    #[must_use]
    pub fn find(&self, trigger_data: u64) -> Option<u32> {
        match self {
            Self::Modulus(0) => None,
            Self::Modulus(n) => Some((trigger_data % u64::from(*n)) as u32),
            Self::Exact(values) => {
                let value = u32::try_from(trigger_data).ok()?;
                values.binary_search(&value).is_ok().then_some(value)
            }
        }
    }
}

impl AttributionScopes {
    /// `limit`: how many distinct scopes a destination may have per reporting origin; at least 1.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// `values`: 1 to `min(limit, 20)` distinct scopes of at most 50 bytes, sorted.
    #[must_use]
    pub fn values(&self) -> &[Text] {
        &self.values
    }

    /// `max_event_states`: at least 1.
    #[must_use]
    pub fn max_event_states(&self) -> u32 {
        self.max_event_states
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aggregation_keys_are_sorted_distinct_few_and_short() {
        let keys = |ids: &[&str]| AggregationKeys::new(ids.iter().map(|id| (Text::from(*id), KeyPiece(1))));
        let sorted = keys(&["b", "a"]).unwrap();
        assert_eq!(sorted.as_slice().iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(keys(&["a", "a"]), None);
        assert!(keys(&["x".repeat(25).as_str()]).is_some());
        assert_eq!(keys(&["x".repeat(26).as_str()]), None);
        let many: Vec<_> = (0..21).map(|n| n.to_string()).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        assert!(keys(&many[..20]).is_some());
        assert_eq!(keys(&many), None);
    }
}
