//! Filters: what a source says of itself, and what a trigger asks of it.
//!
//! Spec: "parse filter data", "parse filters", "parse a filter pair".

use std::num::NonZeroU64;

use crate::Text;

/// A sorted set of strings; the values of one filter key.
pub type FilterValues = Box<[Text]>;

/// A sorted map from filter key to its values.
pub type FilterMap = Box<[(Text, FilterValues)]>;

/// A source's `filter_data`, without the implied `source_type`.
///
/// At most 50 keys of at most 25 bytes, each with at most 50 distinct values of at most 25 bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilterData(pub(crate) FilterMap);

/// One alternative of a trigger's filters; all of its keys must match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilterConfig {
    /// `_lookback_window`, in seconds.
    pub lookback_window: Option<NonZeroU64>,
    /// The keys to compare with the source's filter data.
    pub map: FilterMap,
}

/// `filters` and `not_filters` of one object; an empty list always matches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilterPair {
    /// `filters`: at least one of these must match, unless empty.
    pub positive: Box<[FilterConfig]>,
    /// `not_filters`: at least one of these must match negated, unless empty.
    pub negative: Box<[FilterConfig]>,
}

impl FilterData {
    /// The values of a key, if the source has the key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&FilterValues> {
        self.0.binary_search_by(|(k, _)| (**k).cmp(key)).ok().map(|at| &self.0[at].1)
    }

    /// All keys with their values, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = &(Text, FilterValues)> {
        self.0.iter()
    }
}

impl FilterPair {
    /// Whether neither list constrains anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.positive.is_empty() && self.negative.is_empty()
    }
}
