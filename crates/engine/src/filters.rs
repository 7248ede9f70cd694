//! Does a source match a trigger's filters?
//!
//! Spec: "Does filter data match".

use ascribe_headers::{FilterConfig, FilterPair, FilterValues};
use ascribe_reports::{Duration, Time};

use crate::source::Source;

/// "Match an attribution source against filters and negated filters".
pub(crate) fn matches(source: &Source, filters: &FilterPair, now: Time) -> bool {
    any(source, &filters.positive, now, false) && any(source, &filters.negative, now, true)
}

/// "Match an attribution source against filters": one alternative is enough; none constrains nothing.
pub(crate) fn any(source: &Source, filters: &[FilterConfig], now: Time, negated: bool) -> bool {
    filters.is_empty() || filters.iter().any(|filter| matches_config(source, filter, now, negated))
}

/// "Match an attribution source against a filter config".
pub(crate) fn matches_config(source: &Source, filter: &FilterConfig, now: Time, negated: bool) -> bool {
    if let Some(window) = filter.lookback_window {
        let window = Duration::from_secs(i64::try_from(window.get()).unwrap_or(i64::MAX));
        let outside = now.since(source.time) > window;
        if outside != negated {
            return false;
        }
    }
    filter.map.iter().all(|(key, wanted)| {
        if &**key == "source_type" {
            let has = [source.source_type.as_str()];
            return matches_values(&has, wanted, negated);
        }
        match source.registration.filter_data.get(key) {
            Some(has) => matches_values(has, wanted, negated),
            None => true,
        }
    })
}

/// "Match filter values", and the same "with negation". Both sides are sets.
fn matches_values<S: AsRef<str>>(has: &[S], wanted: &FilterValues, negated: bool) -> bool {
    let matches = if wanted.is_empty() {
        has.is_empty()
    } else {
        has.iter().any(|value| wanted.binary_search_by(|other| (**other).cmp(value.as_ref())).is_ok())
    };
    matches != negated
}
