//! Triggering attribution: one trigger in; at most one event-level and one aggregatable report out, and nulls.
//!
//! Spec: "trigger attribution". Entry: [`crate::Engine::register_trigger`]. Pipeline: find the source → match
//! the trigger's filters → delete the losers → build both reports → store what the limits allow → tell.
//!
//! Deviation from the spec, as Chromium has it: the limit on reporting origins is checked once for both
//! reports, after both are built and before either is stored.

use ascribe_headers::{Site, SuitableOrigin, TriggerDebugType, TriggerRegistration};

use crate::{
    Attribution, Change, Draws, SourceId, TriggerOutcome, aggregatable, event_level, explain, filters,
    null_reports,
    source::StoredSource,
    transaction::Transaction,
    trigger_debug::{self, DebugData},
};

/// A trigger registration and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct NewTrigger {
    /// What the header says.
    pub registration: TriggerRegistration,
    /// The site of the context origin: the top-level page's.
    pub destination: Site,
    /// The origin of the response.
    pub reporting_origin: SuitableOrigin,
    /// Whether the reporting origin has access to third-party cookies on the page.
    pub cookie_based_debug_allowed: bool,
    /// Whether it happened in a fenced frame.
    pub fenced: bool,
}

impl NewTrigger {
    /// "Debug key": only when cookie-based debugging is allowed.
    pub(crate) fn debug_key(&self) -> Option<u64> {
        self.registration.debug_key.filter(|_| self.cookie_based_debug_allowed)
    }
}

/// An event-level and an aggregatable report: each is stored, counted and recorded.
const CHANGES_OF_A_TRIGGER: usize = 6;

/// Why one half of a trigger made no report.
pub(crate) type Dropped = DebugData;

pub(crate) fn process<D: Draws>(tx: &mut Transaction<'_, D>, trigger: &NewTrigger) -> TriggerOutcome {
    let registers_events = !trigger.registration.event_triggers.is_empty();
    let registers_aggregatables = trigger.registration.has_aggregatable_data();
    let neither =
        TriggerOutcome { event_level: Attribution::NotRegistered, aggregatable: Attribution::NotRegistered };
    if !registers_events && !registers_aggregatables {
        tx.trace.note("trigger attribution", || "the trigger registers nothing".to_owned());
        return neither;
    }
    let both = |reason| {
        let dropped = |registers| {
            if registers { Attribution::Dropped(reason) } else { Attribution::NotRegistered }
        };
        TriggerOutcome {
            event_level: dropped(registers_events),
            aggregatable: dropped(registers_aggregatables),
        }
    };
    let stop = |tx: &mut Transaction<'_, D>, reason, source: Option<SourceId>| {
        trigger_debug::obtain_and_deliver(tx, &[DebugData::of(reason)], trigger, source);
        if registers_aggregatables {
            null_reports::generate(tx, trigger, None);
        }
        both(reason)
    };

    let Some((source, losers)) = find_matching_sources(tx, trigger) else {
        let told = tx.config.explain.then(|| explain::no_source(tx.state, trigger, tx.now));
        tx.stop("find matching sources", || told.unwrap_or_default());
        return stop(tx, TriggerDebugType::NoMatchingSource, None);
    };
    let now = tx.now;
    let stored = source_of(tx, source);
    let matches = filters::matches(&stored.source, &trigger.registration.filters, now);
    let told = (tx.config.explain && !matches).then(|| {
        let stored = source_of(tx, source);
        explain::mismatch(&stored.source, &trigger.registration.filters, now)
    });
    let told = told.map_or_else(String::new, |reason| format!(": {reason}"));
    if !tx.trace.check("match top-level filters", matches, || format!("of source {}{told}", source.0)) {
        return stop(tx, TriggerDebugType::NoMatchingFilterData, Some(source));
    }
    tx.expect_changes(losers.len() + CHANGES_OF_A_TRIGGER);
    for loser in losers {
        tx.trace.note("trigger attribution", || format!("source {} lost and is removed", loser.0));
        tx.record(Change::SourceRemoved(loser));
    }

    let event = event_level::create(tx, trigger, source);
    let aggregatable = aggregatable::create(tx, trigger, source);
    let (event, aggregatable) = check_reporting_origins(tx, trigger, source, event, aggregatable);
    let event = event.and_then(|new| event_level::store(tx, trigger, source, new));
    let aggregatable = aggregatable.and_then(|new| aggregatable::store(tx, trigger, source, new));

    tell(tx, trigger, source, &event, &aggregatable);
    if registers_aggregatables {
        null_reports::generate(tx, trigger, aggregatable.as_ref().ok().copied());
    }
    TriggerOutcome {
        event_level: match event {
            Ok(event_level::Stored::Attributed) => Attribution::Attributed,
            Ok(event_level::Stored::Noised) => Attribution::Noised,
            Err(dropped) => attribution(dropped),
        },
        aggregatable: aggregatable.map_or_else(attribution, |_| Attribution::Attributed),
    }
}

fn attribution(dropped: Option<Dropped>) -> Attribution {
    dropped.map_or(Attribution::NotRegistered, |data| Attribution::Dropped(data.data_type))
}

/// A source that the state still has, because this transaction just found it there.
pub(crate) fn source_of<'t, D>(tx: &'t Transaction<'_, D>, id: SourceId) -> &'t StoredSource {
    tx.state.source(id).expect("a matched source stays stored while its trigger is processed")
}

/// "Find matching sources": the source to attribute, and the others, which lose. Others lose even when
/// their scopes do not match: one user interaction must not be attributed twice.
fn find_matching_sources<D: Draws>(
    tx: &mut Transaction<'_, D>,
    trigger: &NewTrigger,
) -> Option<(SourceId, Vec<SourceId>)> {
    let matching: Vec<&StoredSource> = tx
        .state
        .matching(&trigger.reporting_origin, &trigger.destination)
        .filter(|stored| stored.source.expiry_time() > tx.now)
        .collect();
    let key = |stored: &StoredSource| (stored.source.registration.priority, stored.source.time);
    let mut chosen: Option<&StoredSource> = None;
    for candidate in matching.iter().filter(|stored| has_matching_scopes(stored, trigger)) {
        if chosen.is_none_or(|best| key(candidate) > key(best)) {
            chosen = Some(candidate);
        }
    }
    let chosen = chosen.map(|stored| stored.source.id);
    let ids: Vec<_> = matching.iter().map(|stored| stored.source.id).collect();
    tx.trace.note("find matching sources", || explain_candidates(tx.state, &ids, chosen));
    let chosen = chosen?;
    Some((chosen, ids.into_iter().filter(|id| *id != chosen).collect()))
}

fn explain_candidates(state: &crate::State, ids: &[SourceId], chosen: Option<SourceId>) -> String {
    let candidates = ids.iter().filter_map(|id| state.source(*id)).map(|stored| {
        let chosen = if Some(stored.source.id) == chosen { ", chosen" } else { "" };
        let registration = &stored.source.registration;
        let (id, event, priority) = (stored.source.id.0, registration.source_event_id, registration.priority);
        let time = stored.source.time.as_millis();
        format!("source {id} (event {event}, priority {priority}, time {time}{chosen})")
    });
    let list: Vec<_> = candidates.collect();
    match &*list {
        [] => "no candidates".to_owned(),
        [one] => format!("1 candidate: {one}"),
        several => format!("{} candidates: {}", several.len(), several.join(", ")),
    }
}

/// "Check if an attribution source and attribution trigger have matching attribution scopes".
fn has_matching_scopes(stored: &StoredSource, trigger: &NewTrigger) -> bool {
    let wanted = &trigger.registration.attribution_scopes;
    wanted.is_empty()
        || (stored.scopes())
            .is_some_and(|scopes| scopes.values().iter().any(|scope| wanted.binary_search(scope).is_ok()))
}

/// "Check if processing should be blocked by reporting-origin limit": drops whatever was not dropped yet.
fn check_reporting_origins<D: Draws, E, A>(
    tx: &mut Transaction<'_, D>,
    trigger: &NewTrigger,
    source: SourceId,
    event: Result<E, Option<Dropped>>,
    aggregatable: Result<A, Option<Dropped>>,
) -> (Result<E, Option<Dropped>>, Result<A, Option<Dropped>>) {
    if event.is_err() && aggregatable.is_err() {
        return (event, aggregatable);
    }
    let site = source_of(tx, source).source.site().clone();
    let after = tx.now - tx.config.attribution_rate_limit_window;
    let (origin, destination) = (&trigger.reporting_origin, &trigger.destination);
    let others = tx.state.attributions.other_reporting_origins(&site, destination, origin, after);
    let limit = tx.config.max_attribution_reporting_origins;
    let check = "max attribution reporting origins per rate-limit window";
    let window = tx.config.attribution_rate_limit_window;
    let of = || format!("reporting origins for {site} x {destination} in {window}");
    if others.is_none_or(|others| tx.within(check, others + 1, limit, of)) {
        return (event, aggregatable);
    }
    let dropped = || Some(DebugData::of(TriggerDebugType::ReportingOriginLimit));
    (event.and_then(|_| Err(dropped())), aggregatable.and_then(|_| Err(dropped())))
}

/// Debug reports on what became of both halves: equal types are told once.
fn tell<D: Draws>(
    tx: &mut Transaction<'_, D>,
    trigger: &NewTrigger,
    source: SourceId,
    event: &Result<event_level::Stored, Option<Dropped>>,
    aggregatable: &Result<ascribe_reports::Time, Option<Dropped>>,
) {
    let mut told: Vec<DebugData> = Vec::with_capacity(2);
    match event {
        Ok(event_level::Stored::Attributed) | Err(None) => {}
        Ok(event_level::Stored::Noised) => told.push(DebugData::of(TriggerDebugType::EventNoise)),
        Err(Some(dropped)) => told.push(dropped.clone()),
    }
    if let Err(Some(dropped)) = aggregatable
        && told.iter().all(|data| data.data_type != dropped.data_type)
    {
        told.push(dropped.clone());
    }
    trigger_debug::obtain_and_deliver(tx, &told, trigger, Some(source));
}
