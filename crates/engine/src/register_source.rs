//! Processing an attribution source: one registration in; a stored source, or the limit that dropped it.
//!
//! Spec: "process an attribution source". Entry: [`crate::Engine::register_source`]. The checks come in the
//! spec's order, which matters: limits that a reporting origin may not see (they look at other reporting
//! origins) come last, after all deletions, and their debug reports read as success.

use std::sync::Arc;

use ascribe_headers::{
    AttributionScopes, Site, SourceDebugType, SourceRegistration, SourceType, SuitableOrigin,
};
use ascribe_privacy::{TriggerStates, channel_capacity, flip_probability, scopes_channel_capacity};
use ascribe_reports::{DebugKeys, Duration, EventLevelReport, Time};

use crate::{
    AttributionRecord, AttributionScope, Change, Draws, FakeReport, SourceOutcome, destination_limit,
    pending::PendingEventReport,
    scopes,
    source::Source,
    source_debug::{self, Told},
    transaction::Transaction,
};

/// A source registration and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct NewSource {
    /// What the header says.
    pub registration: SourceRegistration,
    /// Whether a navigation or an event registers it.
    pub source_type: SourceType,
    /// The context origin: the top-level page's.
    pub source_origin: SuitableOrigin,
    /// The origin of the response.
    pub reporting_origin: SuitableOrigin,
    /// Whether the reporting origin has access to third-party cookies on the page.
    pub cookie_based_debug_allowed: bool,
    /// Whether it happened in a fenced frame.
    pub fenced: bool,
}

/// No limit dropped the source.
struct Accepted {
    fake_reports: Vec<FakeReport>,
    told: Told,
}

/// Why a source was dropped, and whether the reporting origin may know.
struct Dropped {
    reason: SourceDebugType,
    told: Told,
}

pub(crate) fn process<D: Draws>(tx: &mut Transaction<'_, D>, new: NewSource) -> SourceOutcome {
    delete_expired_sources(tx);
    let mut source = create(tx, new);
    match check(tx, &mut source) {
        Ok(Accepted { fake_reports, told }) => {
            let source = Arc::new(source);
            store(tx, &source, &fake_reports);
            let reason = SourceDebugType::Success;
            source_debug::obtain_and_deliver(tx, reason, &source, told);
            SourceOutcome::Stored(if told.noised { SourceDebugType::Noised } else { reason })
        }
        Err(Dropped { reason, told }) => {
            source_debug::obtain_and_deliver(tx, reason, &source, told);
            SourceOutcome::Dropped(reason)
        }
    }
}

/// "Delete expired sources". A source that expires at this very moment is gone: matching ignores it too.
fn delete_expired_sources<D: Draws>(tx: &mut Transaction<'_, D>) {
    if tx.state.has_expired_sources(tx.now) {
        tx.record(Change::ExpiredSourcesRemoved(tx.now));
    }
}

fn create<D: Draws>(tx: &Transaction<'_, D>, new: NewSource) -> Source {
    let NewSource { mut registration, source_type, source_origin, reporting_origin, .. } = new;
    registration.debug_key = registration.debug_key.filter(|_| new.cookie_based_debug_allowed);
    Source {
        id: tx.state.next_source_id(),
        source_origin,
        reporting_origin,
        source_type,
        time: tx.now,
        registration,
        cookie_based_debug_allowed: new.cookie_based_debug_allowed,
        fenced: new.fenced,
        randomized_trigger_rate: 0.0,
        noise: None,
    }
}

fn check<D: Draws>(tx: &mut Transaction<'_, D>, source: &mut Source) -> Result<Accepted, Dropped> {
    let visible = |reason| Dropped { reason, told: Told::default() };
    let states = check_privacy(tx, source).map_err(visible)?;
    let fake_reports = randomize(tx, source, &states);
    check_storage_limit(tx, source).map_err(visible)?;
    check_reporting_origin_per_site_limit(tx, source).map_err(visible)?;
    check_destination_rate_limit(tx, source).map_err(visible)?;
    check_destination_per_day_limit(tx, source).map_err(visible)?;
    let replaced =
        destination_limit::make_room(tx, source).map_err(|_| visible(SourceDebugType::DestinationLimit))?;
    scopes::remove_or_update_sources(tx, source);

    // From here on, what stops the source must not show.
    let told = Told { noised: source.noise.is_some(), destination_limit_replaced: replaced };
    let hidden = |reason| Dropped { reason, told };
    check_destination_global_rate_limit(tx, source).map_err(hidden)?;
    check_reporting_origin_limit(tx, source).map_err(hidden)?;
    Ok(Accepted { fake_reports, told })
}

/// How many trigger states the source has, and whether they disclose too much.
fn check_privacy<D: Draws>(
    tx: &mut Transaction<'_, D>,
    source: &Source,
) -> Result<TriggerStates, SourceDebugType> {
    let registration = &source.registration;
    let states = trigger_states(registration);
    let limit = tx.config.vendor.max_trigger_state_cardinality;
    let cardinality = states.count();
    let passed = states.cardinality(limit).is_some();
    tx.trace.check("max trigger-state cardinality", passed, || format!("{cardinality} of {limit} states"));
    if !passed {
        return Err(SourceDebugType::TriggerStateCardinalityLimit);
    }

    let limit = tx.config.max_event_level_channel_capacity.get(source.source_type);
    let capacity = channel_capacity(cardinality, registration.event_level_epsilon);
    let check = "max event-level channel capacity per source";
    if !tx.trace.check(check, capacity <= limit, || format!("{capacity:.7} of {limit} bits")) {
        return Err(SourceDebugType::ChannelCapacityLimit);
    }
    if let Some(scopes) = &registration.attribution_scopes {
        check_scopes_privacy(tx, source, scopes, cardinality)?;
    }
    Ok(states)
}

/// What a source with this registration can report.
fn trigger_states(registration: &SourceRegistration) -> TriggerStates {
    let (data, windows) = (registration.trigger_data.len(), registration.event_report_windows.ends().len());
    TriggerStates::new(registration.max_event_level_reports, data, windows)
        .expect("a registration stays within the ranges of its fields")
}

fn check_scopes_privacy<D: Draws>(
    tx: &mut Transaction<'_, D>,
    source: &Source,
    scopes: &AttributionScopes,
    states: u128,
) -> Result<(), SourceDebugType> {
    let max_event_states = scopes.max_event_states();
    let passed = source.source_type != SourceType::Event || states <= max_event_states.into();
    let detail = || format!("{states} of {max_event_states} states");
    if !tx.trace.check("max event states of attribution scopes", passed, detail) {
        return Err(SourceDebugType::MaxEventStatesLimit);
    }
    let limit = tx.config.max_attribution_scopes_channel_capacity.get(source.source_type);
    let capacity = scopes_channel_capacity(states, scopes.limit(), max_event_states);
    let check = "max event-level attribution scopes channel capacity per source";
    if !tx.trace.check(check, capacity <= limit, || format!("{capacity:.7} of {limit} bits")) {
        return Err(SourceDebugType::ScopesChannelCapacityLimit);
    }
    Ok(())
}

/// "Obtain a randomized source response": the fake reports, if any.
fn randomize<D: Draws>(
    tx: &mut Transaction<'_, D>,
    source: &mut Source,
    states: &TriggerStates,
) -> Vec<FakeReport> {
    source.randomized_trigger_rate =
        flip_probability(states.count(), source.registration.event_level_epsilon);
    if tx.config.test.no_noise {
        return Vec::new();
    }
    let Some(mut fake_reports) = tx.draws.randomized_response(&source.registration, states) else {
        return Vec::new();
    };
    let SourceRegistration { event_report_windows, trigger_data, max_event_level_reports, .. } =
        &source.registration;
    fake_reports.retain(|fake| {
        let known = trigger_data.find(fake.trigger_data.into()) == Some(fake.trigger_data);
        known && fake.window < event_report_windows.ends().len()
    });
    fake_reports.truncate((*max_event_level_reports).into());
    source.noise = Some(u8::try_from(fake_reports.len()).unwrap_or(u8::MAX));
    tx.trace.note("obtain a randomized source response", || {
        format!("noised: {} fake reports replace the true ones", fake_reports.len())
    });
    fake_reports
}

fn check_storage_limit<D: Draws>(
    tx: &mut Transaction<'_, D>,
    source: &Source,
) -> Result<(), SourceDebugType> {
    let pending = tx.state.sources_of_origin(&source.source_origin);
    let of = || format!("sources of {}", source.source_origin);
    let limit = tx.config.max_sources_per_source_origin;
    if !tx.within("max pending sources per source origin", pending + 1, limit, of) {
        return Err(SourceDebugType::StorageLimit);
    }
    Ok(())
}

/// "Check if an attribution source should be blocked by reporting-origin per site limit".
fn check_reporting_origin_per_site_limit<D: Draws>(
    tx: &mut Transaction<'_, D>,
    source: &Source,
) -> Result<(), SourceDebugType> {
    let origin = &source.reporting_origin;
    let after = tx.now - tx.config.origin_rate_limit_window;
    if let Some(others) = tx.state.source_records.other_origins_of_site(source.site(), origin, after) {
        let window = tx.config.origin_rate_limit_window;
        let of = || format!("reporting origins of {} on {} in {window}", origin.site(), source.site());
        let limit = tx.config.max_source_reporting_origins_per_site;
        if !tx.within("max source reporting origins per source reporting site", others + 1, limit, of) {
            return Err(SourceDebugType::ReportingOriginPerSiteLimit);
        }
    }
    Ok(())
}

/// "Check if an attribution source exceeds the time-based destination limits", for its reporting site.
fn check_destination_rate_limit<D: Draws>(
    tx: &mut Transaction<'_, D>,
    source: &Source,
) -> Result<(), SourceDebugType> {
    let limit = tx.config.max_destinations_per_window_and_reporting_site;
    let window = tx.config.destination_rate_limit_window;
    let check = "max destinations per rate-limit window and reporting site";
    if !destinations_within(tx, check, source, limit, window) {
        return Err(SourceDebugType::DestinationRateLimit);
    }
    Ok(())
}

/// "Check if an attribution source exceeds the per day destination limits".
fn check_destination_per_day_limit<D: Draws>(
    tx: &mut Transaction<'_, D>,
    source: &Source,
) -> Result<(), SourceDebugType> {
    let limit = tx.config.max_destinations_per_reporting_site_per_day;
    let check = "max destinations per source reporting site per day";
    if !destinations_within(tx, check, source, limit, Duration::DAY) {
        return Err(SourceDebugType::DestinationPerDayRateLimit);
    }
    Ok(())
}

fn destinations_within<D: Draws>(
    tx: &mut Transaction<'_, D>,
    check: &'static str,
    source: &Source,
    limit: usize,
    window: Duration,
) -> bool {
    let (site, reporting_site) = (source.site(), source.reporting_origin.site());
    let new = source.registration.destinations.as_slice();
    let after = tx.now - window;
    let records = &tx.state.source_records;
    let destinations = records.destinations_of_reporter(site, reporting_site, new, after, tx.now);
    tx.within(check, destinations, limit, || {
        format!("destinations of {reporting_site} on {site} in {window}")
    })
}

/// "Check if an attribution source exceeds the time-based destination limits", for all reporting sites.
fn check_destination_global_rate_limit<D: Draws>(
    tx: &mut Transaction<'_, D>,
    source: &Source,
) -> Result<(), SourceDebugType> {
    let new = source.registration.destinations.as_slice();
    let after = tx.now - tx.config.destination_rate_limit_window;
    let records = &tx.state.source_records;
    let destinations = records.destinations_of_site(source.site(), new, after, tx.now);
    let limit = tx.config.max_destinations_per_window;
    let window = tx.config.destination_rate_limit_window;
    let of = || format!("destinations on {} in {window}", source.site());
    if !tx.within("max destinations per rate-limit window", destinations, limit, of) {
        return Err(SourceDebugType::DestinationGlobalRateLimit);
    }
    Ok(())
}

/// "Check if processing should be blocked by reporting-origin limit", for each destination.
fn check_reporting_origin_limit<D: Draws>(
    tx: &mut Transaction<'_, D>,
    source: &Source,
) -> Result<(), SourceDebugType> {
    let (site, origin) = (source.site(), &source.reporting_origin);
    let after = tx.now - tx.config.attribution_rate_limit_window;
    for destination in source.registration.destinations.as_slice() {
        let records = &tx.state.source_records;
        if let Some(others) = records.other_origins_of_pair(site, destination, origin, after) {
            let window = tx.config.attribution_rate_limit_window;
            let of = || format!("reporting origins for {site} x {destination} in {window}");
            let limit = tx.config.max_source_reporting_origins;
            if !tx.within("max source reporting origins per rate-limit window", others + 1, limit, of) {
                return Err(SourceDebugType::ReportingOriginLimit);
            }
        }
    }
    Ok(())
}

fn store<D: Draws>(tx: &mut Transaction<'_, D>, source: &Arc<Source>, fake_reports: &[FakeReport]) {
    tx.expect_changes(1 + 2 * fake_reports.len());
    tx.record(Change::SourceStored(source.clone()));
    for fake in fake_reports {
        store_fake_report(tx, source, *fake);
    }
    if source.noise.is_some() {
        // A fake report has no true destination: all of them pay, and even the empty response does.
        for destination in source.registration.destinations.as_slice() {
            record_fake_attribution(tx, source, destination);
        }
    }
    tx.trace.note("process an attribution source", || format!("stored as source {}", source.id.0));
}

/// "Obtain a fake report".
fn store_fake_report<D: Draws>(tx: &mut Transaction<'_, D>, source: &Source, fake: FakeReport) {
    let (mut start, ends) = source.event_windows();
    for (index, end) in ends.enumerate() {
        if index == fake.window {
            let report = event_level_report(tx, source, fake.trigger_data, end, None);
            let key = tx.state.next_report_key();
            tx.record(Change::EventReportStored(Arc::new(PendingEventReport {
                key,
                source: source.id,
                priority: 0,
                trigger_time: start,
                report,
            })));
            return;
        }
        start = end;
    }
}

fn record_fake_attribution<D: Draws>(tx: &mut Transaction<'_, D>, source: &Source, destination: &Site) {
    tx.record(Change::AttributionRecorded(AttributionRecord {
        scope: AttributionScope::Event,
        source_site: source.site().clone(),
        destination: destination.clone(),
        reporting_origin: source.reporting_origin.clone(),
        time: source.time,
        trigger_time: source.time,
        report: None,
    }));
}

/// "Obtain an event-level report".
pub(crate) fn event_level_report<D: Draws>(
    tx: &mut Transaction<'_, D>,
    source: &Source,
    trigger_data: u32,
    report_time: Time,
    trigger_debug_key: Option<u64>,
) -> EventLevelReport {
    EventLevelReport {
        report_id: tx.draws.report_id(),
        reporting_origin: source.reporting_origin.clone(),
        destinations: source.registration.destinations.clone(),
        source_event_id: source.registration.source_event_id,
        source_type: source.source_type,
        trigger_data,
        randomized_trigger_rate: source.randomized_trigger_rate,
        report_time,
        debug_keys: DebugKeys { source: source.registration.debug_key, trigger: trigger_debug_key },
    }
}
