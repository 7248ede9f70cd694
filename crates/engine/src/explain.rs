//! What a trace says where a yes or no would leave people guessing; only made when somebody asks.

use std::fmt::Write;

use ascribe_headers::{FilterConfig, FilterPair, FilterValues, TriggerRegistration};
use ascribe_reports::{Duration, Time};

use crate::{NewTrigger, State, filters, source::Source};

/// So many near misses are told.
const MAX_TOLD: usize = 3;

/// Why no source was found: what is stored that comes close.
pub(crate) fn no_source(state: &State, trigger: &NewTrigger, now: Time) -> String {
    let NewTrigger { reporting_origin: origin, destination, .. } = trigger;
    let mut told = format!("no source of {origin} for {destination}");
    let (expired, lives): (Vec<_>, Vec<_>) =
        state.matching(origin, destination).partition(|stored| stored.source.expiry_time() <= now);
    if !lives.is_empty() {
        let wanted = &trigger.registration.attribution_scopes;
        let _ = write!(told, " with one of the attribution scopes {wanted:?}; {} without", lives.len());
    } else if let Some(last) = expired.iter().max_by_key(|stored| stored.source.expiry_time()) {
        let age = rounded(now.since(last.source.expiry_time()));
        let _ = write!(told, "; source {} expired {age} ago", last.source.id.0);
    } else {
        let others = state.destinations_of(origin);
        let origins = state.other_origins_for(origin, destination);
        if !others.is_empty() {
            let _ = write!(told, "; it has sources for {}", list(others));
        }
        if !origins.is_empty() {
            let _ = write!(told, "; sources for that destination are of {}", list(origins));
        }
    }
    told
}

/// What in the filters does not match.
pub(crate) fn mismatch(source: &Source, pair: &FilterPair, now: Time) -> String {
    let mut told = Vec::new();
    for (field, configs, negated) in
        [("filters", &pair.positive, false), ("not_filters", &pair.negative, true)]
    {
        if !filters::any(source, configs, now, negated) {
            let alternatives = configs.iter().map(|config| alternative(source, field, config, now, negated));
            told.push(list(alternatives.collect()));
        }
    }
    told.join(", and ")
}

/// The first condition of an alternative that does not hold.
fn alternative(source: &Source, field: &str, config: &FilterConfig, now: Time, negated: bool) -> String {
    if let Some(window) = config.lookback_window {
        let only_window = FilterConfig { lookback_window: Some(window), ..FilterConfig::default() };
        if !filters::matches_config(source, &only_window, now, negated) {
            let age = rounded(now.since(source.time));
            return format!("the source is {age} old, {field} say _lookback_window {window} s");
        }
    }
    let fails = |key: &str, wanted: &FilterValues| {
        let only_key = FilterConfig { map: [(key.into(), wanted.clone())].into(), ..FilterConfig::default() };
        !filters::matches_config(source, &only_key, now, negated)
    };
    match config.map.iter().find(|(key, wanted)| fails(key, wanted)) {
        Some((key, wanted)) => {
            let has = match source.registration.filter_data.get(key) {
                Some(values) => format!("{values:?}"),
                None => format!("{:?}", [source.source_type.as_str()]),
            };
            format!("{key:?} of the source is {has}, {field} say {wanted:?}")
        }
        None => format!("{field} do not match"),
    }
}

/// Why a trigger makes no contributions to the keys of a source.
pub(crate) fn no_contributions(source: &Source, trigger: &TriggerRegistration, now: Time) -> String {
    let keys: Vec<_> = source.registration.aggregation_keys.as_slice().iter().map(|(id, _)| id).collect();
    let values = trigger.aggregatable_values.iter().find(|v| filters::matches(source, &v.filters, now));
    match values {
        None if trigger.aggregatable_values.is_empty() => "the trigger has no aggregatable_values".to_owned(),
        None => {
            let reasons = trigger.aggregatable_values.iter().map(|v| mismatch(source, &v.filters, now));
            format!("no aggregatable_values match the source: {}", list(reasons.collect()))
        }
        Some(values) => {
            let valued: Vec<_> = values.values.iter().map(|(id, _)| id).collect();
            format!(
                "the source has the aggregation_keys {keys:?}, and aggregatable_values are for {valued:?}"
            )
        }
    }
}

/// Where a moment lies among the event-level report windows of a source.
pub(crate) fn windows(source: &Source, now: Time) -> String {
    let windows = &source.registration.event_report_windows;
    let after = |secs: u32| format!("after {}", Duration::from_secs(secs.into()));
    let ends: Vec<_> = windows.ends().iter().map(|end| after(*end)).collect();
    let start = if windows.start() == 0 { "at once".to_owned() } else { after(windows.start()) };
    let age = rounded(now.since(source.time));
    format!("{age} after the source; its windows begin {start} and end {}", ends.join(", "))
}

/// For people: to the second, when it is longer than that.
pub(crate) fn rounded(duration: Duration) -> Duration {
    let millis = duration.as_millis();
    if millis.abs() < 1000 { duration } else { Duration::from_millis(millis - millis % 1000) }
}

fn list(mut items: Vec<String>) -> String {
    let more = items.len().saturating_sub(MAX_TOLD);
    items.truncate(MAX_TOLD);
    let list = items.join("; ");
    if more > 0 { format!("{list}; and {more} more") } else { list }
}
