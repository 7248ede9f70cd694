//! A stored source: all that was registered, and what became of it.

use std::collections::BTreeMap;

use ascribe_engine::{Config, SourceProgress, StoredSource};
use ascribe_headers::TriggerDataSet;
use ascribe_reports::{Duration, Time};
use serde::Serialize;

use super::{Moment, as_text};

/// A source, as the table and its detail show it.
#[derive(Debug, Serialize)]
pub(crate) struct SourceView {
    id: u64,
    status: Status,
    /// What the status means, in a sentence.
    status_text: String,
    #[serde(serialize_with = "as_text")]
    source_event_id: u64,
    source_type: &'static str,
    source_origin: String,
    source_site: String,
    destinations: Vec<String>,
    reporting_origin: String,
    time: Moment,
    expiry: Moment,
    #[serde(serialize_with = "as_text")]
    priority: i64,
    #[serde(serialize_with = "as_text")]
    destination_limit_priority: i64,
    event_windows: Vec<WindowView>,
    aggregatable_window_end: Moment,
    trigger_data: Vec<u32>,
    trigger_data_matching: &'static str,
    event_level_reports: u8,
    max_event_level_reports: u8,
    /// `None` for infinity.
    event_level_epsilon: Option<f64>,
    randomized_trigger_rate: f64,
    /// How many fake reports replace the true ones; `None` when noise did not choose the source.
    fake_reports: Option<u8>,
    filter_data: BTreeMap<String, Vec<String>>,
    aggregation_keys: BTreeMap<String, String>,
    aggregatable_reports: u32,
    max_aggregatable_reports: u32,
    budget: BudgetView,
    named_budgets: Vec<BudgetView>,
    debug_budget: BudgetView,
    debug_reports: u32,
    max_debug_reports: u32,
    dedup_keys: Vec<String>,
    aggregatable_dedup_keys: Vec<String>,
    attribution_scopes: Option<ScopesView>,
    /// A newer source without scopes took this one's away.
    attribution_scopes_cleared: bool,
    debug_key: Option<String>,
    debug_reporting: bool,
    cookie_based_debug_allowed: bool,
    fenced: bool,
    /// The header that registers the same, every default spelled out.
    registration: serde_json::Value,
}

/// Whether triggers can still be attributed to a source at event level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Status {
    /// They can.
    Attributable,
    /// They can, but are hidden or replaced by noise.
    Noised,
    /// It took all the reports that it can.
    ReachedReportLimit,
    /// It is past its expiry, and goes when the next source is registered.
    Expired,
}

#[derive(Debug, Serialize)]
struct WindowView {
    /// Inclusive.
    start: Moment,
    /// Exclusive; when the reports of this window are sent.
    end: Moment,
}

/// How much of a budget is left.
#[derive(Debug, Serialize)]
struct BudgetView {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    used: u32,
    max: u32,
}

#[derive(Debug, Serialize)]
struct ScopesView {
    limit: u32,
    values: Vec<String>,
    max_event_states: u32,
}

/// What a source's budgets sum up to: of attribution and of debug reports together.
const WHOLE_BUDGET: u32 = 65_536;

impl SourceView {
    /// Shows a stored source at a moment.
    pub(crate) fn new(stored: &StoredSource, config: &Config, now: Time) -> Self {
        let StoredSource { source, progress } = stored;
        let registration = &source.registration;
        let (status, status_text) = status(stored, now);
        let debug_budget = registration.aggregatable_debug_reporting.as_ref().map_or(0, |debug| debug.budget);
        let texts = |keys: &std::collections::BTreeSet<u64>| keys.iter().map(u64::to_string).collect();
        let epsilon = registration.event_level_epsilon.get();
        let trigger_data = &registration.trigger_data;
        Self {
            id: source.id.0,
            status,
            status_text,
            source_event_id: registration.source_event_id,
            source_type: source.source_type.as_str(),
            source_origin: source.source_origin.to_string(),
            source_site: source.site().to_string(),
            destinations: registration.destinations.as_slice().iter().map(ToString::to_string).collect(),
            reporting_origin: source.reporting_origin.to_string(),
            time: Moment(source.time),
            expiry: Moment(source.expiry_time()),
            priority: registration.priority,
            destination_limit_priority: registration.destination_limit_priority,
            event_windows: event_windows(stored),
            aggregatable_window_end: Moment(source.aggregatable_report_window_end()),
            trigger_data: (0..trigger_data.len()).filter_map(|index| trigger_data.get(index)).collect(),
            trigger_data_matching: match trigger_data {
                TriggerDataSet::Modulus(_) => "modulus",
                TriggerDataSet::Exact(_) => "exact",
            },
            event_level_reports: progress.event_level_reports,
            max_event_level_reports: registration.max_event_level_reports,
            event_level_epsilon: Some(epsilon).filter(|epsilon| epsilon.is_finite()),
            randomized_trigger_rate: source.randomized_trigger_rate,
            fake_reports: source.noise,
            filter_data: filter_data(stored),
            aggregation_keys: (registration.aggregation_keys.as_slice().iter())
                .map(|(id, piece)| (id.to_string(), piece.to_string()))
                .collect(),
            aggregatable_reports: progress.aggregatable_reports,
            max_aggregatable_reports: config.max_aggregatable_reports_per_source,
            budget: BudgetView::new(
                None,
                WHOLE_BUDGET - debug_budget,
                progress.remaining_aggregatable_budget,
            ),
            named_budgets: named_budgets(stored),
            debug_budget: BudgetView::new(None, debug_budget, progress.remaining_debug_budget),
            debug_reports: progress.debug_reports,
            max_debug_reports: config.max_aggregatable_debug_reports_per_source,
            dedup_keys: texts(&progress.dedup_keys),
            aggregatable_dedup_keys: texts(&progress.aggregatable_dedup_keys),
            attribution_scopes: stored.scopes().map(|scopes| ScopesView {
                limit: scopes.limit(),
                values: scopes.values().iter().map(ToString::to_string).collect(),
                max_event_states: scopes.max_event_states(),
            }),
            attribution_scopes_cleared: progress.scopes_cleared,
            debug_key: registration.debug_key.map(|key| key.to_string()),
            debug_reporting: registration.debug_reporting,
            cookie_based_debug_allowed: source.cookie_based_debug_allowed,
            fenced: source.fenced,
            registration: serde_json::to_value(registration).unwrap_or_default(),
        }
    }
}

impl BudgetView {
    fn new(name: Option<&str>, max: u32, remaining: u32) -> Self {
        Self { name: name.map(str::to_owned), used: max.saturating_sub(remaining), max }
    }
}

fn status(stored: &StoredSource, now: Time) -> (Status, String) {
    let StoredSource { source, progress } = stored;
    let SourceProgress { event_level_reports, event_level_attributable, .. } = progress;
    let max = source.registration.max_event_level_reports;
    if source.expiry_time() <= now {
        return (Status::Expired, "Expired; it is removed when the next source is registered.".to_owned());
    }
    match source.noise {
        Some(0) => {
            let text =
                "Noise chose to report nothing: triggers count, and no event-level report comes of them.";
            return (Status::Noised, text.to_owned());
        }
        Some(fake) => {
            let text = format!("Noise replaced its event-level reports with {fake} fake ones.");
            return (Status::Noised, text);
        }
        None => {}
    }
    if !event_level_attributable {
        let text = format!("Took all of its {max} event-level reports, and some are sent: it takes no more.");
        return (Status::ReachedReportLimit, text);
    }
    let text = if *event_level_reports >= max {
        format!(
            "Has all of its {max} event-level reports: only a trigger of higher priority can replace one."
        )
    } else {
        format!("Takes triggers: {event_level_reports} of {max} event-level reports so far.")
    };
    (Status::Attributable, text)
}

fn event_windows(stored: &StoredSource) -> Vec<WindowView> {
    let source = &stored.source;
    let windows = &source.registration.event_report_windows;
    let after = |secs: u32| Moment(source.time + Duration::from_secs(secs.into()));
    let mut start = after(windows.start());
    let mut views = Vec::new();
    for end in windows.ends() {
        let end = after(*end);
        views.push(WindowView { start, end });
        start = end;
    }
    views
}

fn filter_data(stored: &StoredSource) -> BTreeMap<String, Vec<String>> {
    let given = stored.source.registration.filter_data.iter();
    let mut data: BTreeMap<_, Vec<_>> = given
        .map(|(key, values)| (key.to_string(), values.iter().map(ToString::to_string).collect()))
        .collect();
    data.insert("source_type".to_owned(), vec![stored.source.source_type.as_str().to_owned()]);
    data
}

fn named_budgets(stored: &StoredSource) -> Vec<BudgetView> {
    let budgets = stored.source.registration.named_budgets.as_slice().iter();
    let remaining = stored.progress.remaining_named_budgets.iter();
    budgets.zip(remaining).map(|((name, max), left)| BudgetView::new(Some(name), *max, *left)).collect()
}
