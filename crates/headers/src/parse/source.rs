//! A source registration.
//!
//! Spec: "Parsing source-registration JSON", as far as the JSON alone decides. Whether the source is
//! too disclosing (channel capacity, number of states) is decided where it is registered.

use ascribe_privacy::Epsilon;

use crate::{
    AggregationKeys, AttributionScopes, Destinations, NamedBudgets, Parsed, ProblemKind, SourceRegistration,
    SourceType, TriggerDataSet, VendorValues,
    json::Json,
    parse::{
        coordinator::site,
        debug_reporting::{self, MAX_BUDGET},
        event_windows::{event_report_windows, single_window},
        fields::{Fields, Repeats, count_is_in, list, map, object, set},
        filters::filter_data,
        numbers::{clamp, duration, int64, integer_in, key_piece, number_in, uint64},
        strings::{key_is_short, one_of, string_set},
    },
    problems::{At, Problems},
};

/// Seconds.
const DAY: u32 = 24 * 60 * 60;
/// "Valid source expiry range", in seconds.
const MIN_EXPIRY: u32 = DAY;
const MAX_EXPIRY: u32 = 30 * DAY;
/// "Max settable event-level attributions per source".
const MAX_EVENT_LEVEL_REPORTS: u32 = 20;
/// "Max aggregation keys per source registration".
const MAX_AGGREGATION_KEYS: usize = AggregationKeys::MAX;
/// "Max length per aggregation key identifier", in bytes.
const MAX_AGGREGATION_KEY_BYTES: usize = AggregationKeys::MAX_ID_BYTES;
/// "Max named budgets per source registration".
const MAX_NAMED_BUDGETS: usize = 25;
/// "Max length per budget name for source", in bytes.
const MAX_BUDGET_NAME_BYTES: usize = 25;
/// "Max attribution scopes per source".
const MAX_SCOPES: usize = 20;
/// "Max length of attribution scope for source", in bytes.
const MAX_SCOPE_BYTES: usize = 50;
/// "Default max event states".
const DEFAULT_MAX_EVENT_STATES: u32 = 3;

impl SourceRegistration {
    /// Parses the value of `Attribution-Reporting-Register-Source`.
    ///
    /// Spec: "parse source-registration JSON". All errors are found, not only the first; `debug_key`,
    /// `debug_reporting` and `aggregatable_debug_reporting` are dropped with a warning when invalid.
    #[must_use]
    pub fn parse(json: &[u8], source_type: SourceType, vendor: &VendorValues) -> Parsed<Self> {
        let mut problems = Problems::default();
        let source = Json::parse(json, vendor.max_header_bytes, &mut problems)
            .and_then(|json| source(json, source_type, vendor, &mut problems));
        problems.finish(source)
    }
}

fn source(
    json: Json<'_>,
    source_type: SourceType,
    vendor: &VendorValues,
    problems: &mut Problems,
) -> Option<SourceRegistration> {
    let mut fields = Fields::of(json, At::Root, problems)?;
    let f = &mut fields;

    // First, for the windows end with it.
    let expiry = f.optional(
        "expiry",
        problems,
        || MAX_EXPIRY,
        |json, at, problems| expiry(json, source_type, at, problems),
    );
    let aggregatable_report_window = f
        .if_present("aggregatable_report_window", problems, |json, at, problems| {
            single_window(json, expiry, at, problems)
        })
        .unwrap_or(expiry);
    let event_report_windows = event_report_windows(f, expiry, source_type, problems);

    let source_event_id = f.optional("source_event_id", problems, || 0, uint64);
    let destinations = f.required("destination", problems, destinations);
    let priority = f.optional("priority", problems, || 0, int64);
    let destination_limit_priority = f.optional("destination_limit_priority", problems, || 0, int64);
    let filter_data = f.optional("filter_data", problems, Default::default, filter_data);
    let debug_key = debug_reporting::debug_key(f, problems);
    let debug_reporting = debug_reporting::debug_reporting(f, problems);
    let aggregation_keys = f.optional("aggregation_keys", problems, Default::default, aggregation_keys);
    let max_event_level_reports = f.optional(
        "max_event_level_reports",
        problems,
        || default_max_event_level_reports(source_type),
        |json, at, problems| integer_in(json, 0..=MAX_EVENT_LEVEL_REPORTS, at, problems).map(|n| n as u8),
    );
    let trigger_data =
        f.optional("trigger_data", problems, || default_trigger_data(source_type), trigger_data);
    let matching = f.optional(
        "trigger_data_matching",
        problems,
        || 0,
        |json, at, problems| one_of(json, &["modulus", "exact"], at, problems),
    );
    // The vendor's maximum is a valid epsilon, whatever it was set to.
    let max_epsilon = vendor.max_settable_event_level_epsilon.max(0.0);
    let event_level_epsilon = f.optional(
        "event_level_epsilon",
        problems,
        || max_epsilon,
        |json, at, problems| number_in(json, 0.0, max_epsilon, at, problems),
    );
    let aggregatable_debug_reporting = debug_reporting::source_config(f, &vendor.coordinators, problems);
    let attribution_scopes = f.optional(
        "attribution_scopes",
        problems,
        || None,
        |json, at, problems| attribution_scopes(json, vendor, at, problems).map(Some),
    );
    let named_budgets = f.optional("named_budgets", problems, Default::default, named_budgets);
    fields.finish(problems);

    let source = SourceRegistration {
        source_event_id: source_event_id?,
        destinations: destinations?,
        expiry: expiry?,
        priority: priority?,
        destination_limit_priority: destination_limit_priority?,
        filter_data: filter_data?,
        debug_key,
        debug_reporting,
        aggregation_keys: aggregation_keys?,
        aggregatable_report_window: aggregatable_report_window?,
        event_report_windows: event_report_windows?,
        max_event_level_reports: max_event_level_reports?,
        event_level_epsilon: Epsilon::new(event_level_epsilon?).expect("at least 0"),
        aggregatable_debug_reporting: aggregatable_debug_reporting.map(Box::new),
        attribution_scopes: attribution_scopes?,
        named_budgets: named_budgets?,
        // Last, for the spec's check of both fields comes after all others.
        trigger_data: trigger_data_set(trigger_data?, matching? == 0, problems)?,
    };
    warn_if_never_reporting(&source, problems);
    Some(source)
}

fn expiry(json: Json<'_>, source_type: SourceType, at: At<'_>, problems: &mut Problems) -> Option<u32> {
    let seconds = clamp(duration(json, at, problems)?, MIN_EXPIRY, MAX_EXPIRY, at, problems);
    match source_type {
        SourceType::Navigation => Some(seconds),
        SourceType::Event => {
            let days = (seconds + DAY / 2) / DAY * DAY;
            if days != seconds {
                problems.warn(at, ProblemKind::Rounded { to: days });
            }
            Some(days)
        }
    }
}

/// "Parse attribution destinations".
fn destinations(json: Json<'_>, at: At<'_>, problems: &mut Problems) -> Option<Destinations> {
    let sites = match json {
        Json::String(_) => vec![site(json, at, problems)?],
        Json::List(list) => set(list, Repeats::Merge, at, problems, site)?,
        _ => return problems.error(at, ProblemKind::WrongType { expected: "a string or a list" }),
    };
    count_is_in(sites.len(), 1..=Destinations::MAX, at, problems).then(|| Destinations(sites.into()))
}

/// "Parse aggregation keys".
fn aggregation_keys(json: Json<'_>, at: At<'_>, problems: &mut Problems) -> Option<AggregationKeys> {
    let object = object(json, at, problems)?;
    if !count_is_in(object.len(), 0..=MAX_AGGREGATION_KEYS, at, problems) {
        return None;
    }
    map(object, at, problems, |key, json, at, problems| {
        if !key_is_short(key, MAX_AGGREGATION_KEY_BYTES, at, problems) {
            return None;
        }
        key_piece(json, at, problems)
    })
    .map(AggregationKeys)
}

/// "Parse named budgets for source".
fn named_budgets(json: Json<'_>, at: At<'_>, problems: &mut Problems) -> Option<NamedBudgets> {
    let object = object(json, at, problems)?;
    if !count_is_in(object.len(), 0..=MAX_NAMED_BUDGETS, at, problems) {
        return None;
    }
    map(object, at, problems, |name, json, at, problems| {
        if !key_is_short(name, MAX_BUDGET_NAME_BYTES, at, problems) {
            return None;
        }
        integer_in(json, 0..=MAX_BUDGET, at, problems)
    })
    .map(NamedBudgets)
}

/// "Default event-level attributions per source".
fn default_max_event_level_reports(source_type: SourceType) -> u8 {
    match source_type {
        SourceType::Event => 1,
        SourceType::Navigation => 3,
    }
}

/// "Default trigger data cardinality", as a set.
fn default_trigger_data(source_type: SourceType) -> Vec<u32> {
    match source_type {
        SourceType::Event => vec![0, 1],
        SourceType::Navigation => (0..8).collect(),
    }
}

/// The items of "parse trigger data into a trigger data set", sorted.
fn trigger_data(json: Json<'_>, at: At<'_>, problems: &mut Problems) -> Option<Vec<u32>> {
    let list = list(json, at, problems)?;
    let values = set(list, Repeats::Reject, at, problems, |json, at, problems| {
        integer_in(json, 0..=u32::MAX, at, problems)
    })?;
    count_is_in(values.len(), 0..=TriggerDataSet::MAX, at, problems).then_some(values)
}

/// The matching of "parse trigger data into a trigger data set"; unlike there, the order of the list
/// does not matter for modulus.
fn trigger_data_set(values: Vec<u32>, modulus: bool, problems: &mut Problems) -> Option<TriggerDataSet> {
    if !modulus {
        return Some(TriggerDataSet::Exact(values.into()));
    }
    // Sorted and distinct: contiguous from 0 when each is its index. At most 32, so the length fits.
    if values.iter().zip(0..).all(|(value, index)| *value == index) {
        return Some(TriggerDataSet::Modulus(values.len() as u8));
    }
    problems.error(At::Root.key("trigger_data_matching"), ProblemKind::ModulusNotContiguous)
}

/// "Parse attribution scopes".
fn attribution_scopes(
    json: Json<'_>,
    vendor: &VendorValues,
    at: At<'_>,
    problems: &mut Problems,
) -> Option<AttributionScopes> {
    let mut fields = Fields::of(json, at, problems)?;
    let limit =
        fields.required("limit", problems, |json, at, problems| integer_in(json, 1..=u32::MAX, at, problems));
    let values = fields.required("values", problems, |json, at, problems| {
        let values = string_set(json, MAX_SCOPE_BYTES, at, problems)?;
        let Some(limit) = limit else {
            return problems.error(at, ProblemKind::Unchecked { needs: "limit" });
        };
        let most = usize::try_from(limit).unwrap_or(MAX_SCOPES).min(MAX_SCOPES);
        count_is_in(values.len(), 1..=most, at, problems).then_some(values)
    });
    let default = || DEFAULT_MAX_EVENT_STATES;
    let max_event_states = fields.optional("max_event_states", problems, default, |json, at, problems| {
        integer_in(json, 1..=vendor.max_trigger_state_cardinality, at, problems)
    });
    fields.finish(problems);
    Some(AttributionScopes { limit: limit?, values: values?, max_event_states: max_event_states? })
}

fn warn_if_never_reporting(source: &SourceRegistration, problems: &mut Problems) {
    match (source.max_event_level_reports, source.trigger_data.is_empty()) {
        (1.., true) => problems.warn(At::Root, ProblemKind::NoTriggerData),
        (0, false) => problems.warn(At::Root, ProblemKind::NoReports),
        _ => (),
    }
}
