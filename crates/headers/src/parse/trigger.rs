//! A trigger registration.
//!
//! Spec: "Creating an attribution trigger". Two defects of it are not followed: list items of
//! `aggregatable_values` must be objects, and those of `named_budgets` carry the names.

use crate::{
    AggregatableDedupKey, AggregatableTriggerData, AggregatableValue, AggregatableValues, EventTrigger,
    FilteringIdMaxBytes, NamedBudget, Parsed, ProblemKind, ReportOptions, Text, TriggerRegistration,
    VendorValues,
    json::{Json, Object},
    parse::{
        coordinator::coordinator,
        debug_reporting::{self, contribution_value},
        fields::{Fields, Map, array, items, map, object},
        filters::filter_pair,
        lonely_keys::warn_of_lonely_keys,
        numbers::{int64, integer_in, key_piece, uint, uint64},
        strings::{one_of, short_string, string, string_set},
    },
    problems::{At, Problems},
};

/// "Max length per trigger context ID", in bytes.
const MAX_CONTEXT_ID_BYTES: usize = 64;

/// `aggregatable_source_registration_time`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SourceTime {
    Exclude,
    Include,
}

/// What a field needs that depends on it.
const SOURCE_TIME: ProblemKind = ProblemKind::Unchecked { needs: "aggregatable_source_registration_time" };
const MAX_BYTES: ProblemKind = ProblemKind::Unchecked { needs: "aggregatable_filtering_id_max_bytes" };

impl TriggerRegistration {
    /// Parses the value of `Attribution-Reporting-Register-Trigger`.
    ///
    /// Spec: "create an attribution trigger". All errors are found, not only the first; `debug_key`,
    /// `debug_reporting` and `aggregatable_debug_reporting` are dropped with a warning when invalid.
    #[must_use]
    pub fn parse(json: &[u8], vendor: &VendorValues) -> Parsed<Self> {
        let mut problems = Problems::default();
        let trigger = Json::parse(json, vendor.max_header_bytes, &mut problems)
            .and_then(|json| trigger(json, vendor, &mut problems));
        problems.finish(trigger)
    }
}

fn trigger(json: Json<'_>, vendor: &VendorValues, problems: &mut Problems) -> Option<TriggerRegistration> {
    let mut fields = Fields::of(json, At::Root, problems)?;
    let f = &mut fields;

    // First, for others depend on them.
    let source_time = f.optional(
        "aggregatable_source_registration_time",
        problems,
        || SourceTime::Exclude,
        |json, at, problems| {
            let index = one_of(json, &["exclude", "include"], at, problems)?;
            Some(if index == 0 { SourceTime::Exclude } else { SourceTime::Include })
        },
    );
    let max_bytes = f.optional(
        "aggregatable_filtering_id_max_bytes",
        problems,
        || FilteringIdMaxBytes::DEFAULT,
        |json, at, problems| filtering_id_max_bytes(json, source_time, at, problems),
    );

    let filters = filter_pair(f, problems);
    let debug_key = debug_reporting::debug_key(f, problems);
    let debug_reporting = debug_reporting::debug_reporting(f, problems);
    let event_triggers = f.optional("event_trigger_data", problems, Box::default, |json, at, problems| {
        array(json, at, problems, event_trigger)
    });
    let aggregatable_trigger_data =
        f.optional("aggregatable_trigger_data", problems, Box::default, |json, at, problems| {
            array(json, at, problems, aggregatable_trigger_data)
        });
    let aggregatable_values =
        f.optional("aggregatable_values", problems, Box::default, |json, at, problems| {
            aggregatable_values(json, max_bytes, at, problems)
        });
    let aggregatable_dedup_keys =
        f.optional("aggregatable_deduplication_keys", problems, Box::default, |json, at, problems| {
            array(json, at, problems, aggregatable_dedup_key)
        });
    let named_budgets = f.optional("named_budgets", problems, Box::default, |json, at, problems| {
        array(json, at, problems, named_budget)
    });
    let aggregation_coordinator = coordinator(f, &vendor.coordinators, problems);
    let trigger_context_id = f.optional(
        "trigger_context_id",
        problems,
        || None,
        |json, at, problems| trigger_context_id(json, source_time, at, problems).map(Some),
    );
    let aggregatable_debug_reporting = debug_reporting::trigger_config(f, &vendor.coordinators, problems);
    let attribution_scopes =
        f.optional("attribution_scopes", problems, Box::default, |json, at, problems| {
            string_set(json, usize::MAX, at, problems)
        });
    fields.finish(problems);

    // With `include`, those two have been found to be the defaults.
    let (trigger_context_id, filtering_id_max_bytes) = (trigger_context_id?, max_bytes?);
    let trigger = TriggerRegistration {
        filters: filters?,
        debug_key,
        debug_reporting,
        event_triggers: event_triggers?,
        aggregatable_trigger_data: aggregatable_trigger_data?,
        aggregatable_values: aggregatable_values?,
        aggregatable_dedup_keys: aggregatable_dedup_keys?,
        named_budgets: named_budgets?,
        aggregation_coordinator: aggregation_coordinator?,
        report_options: match source_time? {
            SourceTime::Include => ReportOptions::IncludeSourceRegistrationTime,
            SourceTime::Exclude => {
                ReportOptions::ExcludeSourceRegistrationTime { trigger_context_id, filtering_id_max_bytes }
            }
        },
        aggregatable_debug_reporting: aggregatable_debug_reporting.map(Box::new),
        attribution_scopes: attribution_scopes?,
    };
    warn_of_lonely_keys(&trigger, problems);
    Some(trigger)
}

/// "Parse aggregatable filtering ID max bytes".
fn filtering_id_max_bytes(
    json: Json<'_>,
    source_time: Option<SourceTime>,
    at: At<'_>,
    problems: &mut Problems,
) -> Option<FilteringIdMaxBytes> {
    let bytes = integer_in(json, 1..=8, at, problems)?;
    let max_bytes = FilteringIdMaxBytes(bytes as u8);
    match source_time {
        None => problems.error(at, SOURCE_TIME),
        Some(SourceTime::Include) if max_bytes != FilteringIdMaxBytes::DEFAULT => {
            problems.error(at, ProblemKind::ProhibitedWithSourceTime)
        }
        Some(_) => Some(max_bytes),
    }
}

/// "Parse trigger context ID".
fn trigger_context_id(
    json: Json<'_>,
    source_time: Option<SourceTime>,
    at: At<'_>,
    problems: &mut Problems,
) -> Option<Text> {
    let id = short_string(json, MAX_CONTEXT_ID_BYTES, at, problems)?;
    match source_time {
        None => problems.error(at, SOURCE_TIME),
        Some(SourceTime::Include) => problems.error(at, ProblemKind::ProhibitedWithSourceTime),
        Some(SourceTime::Exclude) => Some(id.into()),
    }
}

/// An item of "parse event triggers".
fn event_trigger(json: Json<'_>, at: At<'_>, problems: &mut Problems) -> Option<EventTrigger> {
    let mut f = Fields::of(json, at, problems)?;
    let trigger_data = f.optional("trigger_data", problems, || 0, uint64);
    let priority = f.optional("priority", problems, || 0, int64);
    let dedup_key = dedup_key(&mut f, problems);
    let filters = filter_pair(&mut f, problems);
    f.finish(problems);
    Some(EventTrigger {
        trigger_data: trigger_data?,
        priority: priority?,
        dedup_key: dedup_key?,
        filters: filters?,
    })
}

/// An item of "parse aggregatable trigger data".
fn aggregatable_trigger_data(
    json: Json<'_>,
    at: At<'_>,
    problems: &mut Problems,
) -> Option<AggregatableTriggerData> {
    let mut f = Fields::of(json, at, problems)?;
    let key_piece = f.required("key_piece", problems, key_piece);
    let source_keys = f.optional("source_keys", problems, Box::default, |json, at, problems| {
        string_set(json, usize::MAX, at, problems)
    });
    let filters = filter_pair(&mut f, problems);
    f.finish(problems);
    Some(AggregatableTriggerData { key_piece: key_piece?, source_keys: source_keys?, filters: filters? })
}

/// "Parse aggregatable values": one configuration, or a list of them.
fn aggregatable_values(
    json: Json<'_>,
    max_bytes: Option<FilteringIdMaxBytes>,
    at: At<'_>,
    problems: &mut Problems,
) -> Option<Box<[AggregatableValues]>> {
    match json {
        Json::Object(object) => {
            let values = key_values(object, max_bytes, at, problems)?;
            Some([AggregatableValues { values, ..Default::default() }].into())
        }
        Json::List(list) => items(list, at, problems, |json, at, problems| {
            let mut f = Fields::of(json, at, problems)?;
            let values = f.required("values", problems, |json, at, problems| {
                key_values(object(json, at, problems)?, max_bytes, at, problems)
            });
            let filters = filter_pair(&mut f, problems);
            f.finish(problems);
            Some(AggregatableValues { values: values?, filters: filters? })
        }),
        _ => problems.error(at, ProblemKind::WrongType { expected: "an object or a list" }),
    }
}

/// "Parse aggregatable key-values".
fn key_values(
    object: Object<'_>,
    max_bytes: Option<FilteringIdMaxBytes>,
    at: At<'_>,
    problems: &mut Problems,
) -> Option<Map<AggregatableValue>> {
    map(object, at, problems, |_, json, at, problems| match json {
        Json::Number(_) => {
            let value = contribution_value(json, at, problems)?;
            Some(AggregatableValue { value, filtering_id: 0 })
        }
        Json::Object(_) => {
            let mut f = Fields::of(json, at, problems)?;
            let value = f.required("value", problems, contribution_value);
            let filtering_id = f.optional(
                "filtering_id",
                problems,
                || 0,
                |json, at, problems| filtering_id(json, max_bytes, at, problems),
            );
            f.finish(problems);
            Some(AggregatableValue { value: value?, filtering_id: filtering_id? })
        }
        _ => problems.error(at, ProblemKind::WrongType { expected: "a number or an object" }),
    })
}

fn filtering_id(
    json: Json<'_>,
    max_bytes: Option<FilteringIdMaxBytes>,
    at: At<'_>,
    problems: &mut Problems,
) -> Option<u64> {
    let id = uint(json, at, problems)?;
    let Some(max_bytes) = max_bytes else {
        return problems.error(at, MAX_BYTES);
    };
    let max = max_bytes.max_filtering_id();
    match id {
        Some(id) if id <= max => Some(id),
        _ => problems.error(at, ProblemKind::FilteringIdTooBig { max, max_bytes: max_bytes.get() }),
    }
}

/// An item of "parse aggregatable dedup keys".
fn aggregatable_dedup_key(
    json: Json<'_>,
    at: At<'_>,
    problems: &mut Problems,
) -> Option<AggregatableDedupKey> {
    let mut f = Fields::of(json, at, problems)?;
    let dedup_key = dedup_key(&mut f, problems);
    let filters = filter_pair(&mut f, problems);
    f.finish(problems);
    Some(AggregatableDedupKey { dedup_key: dedup_key?, filters: filters? })
}

/// An item of "parse named budgets for trigger".
fn named_budget(json: Json<'_>, at: At<'_>, problems: &mut Problems) -> Option<NamedBudget> {
    let mut f = Fields::of(json, at, problems)?;
    let name = f.optional(
        "name",
        problems,
        || None,
        |json, at, problems| string(json, at, problems).map(|name| Some(name.into())),
    );
    let filters = filter_pair(&mut f, problems);
    f.finish(problems);
    Some(NamedBudget { name: name?, filters: filters? })
}

/// Takes `deduplication_key`, which may be absent.
fn dedup_key(fields: &mut Fields<'_, '_>, problems: &mut Problems) -> Option<Option<u64>> {
    fields.optional(
        "deduplication_key",
        problems,
        || None,
        |json, at, problems| uint64(json, at, problems).map(Some),
    )
}
