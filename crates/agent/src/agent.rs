//! The agent: a response in; its registrations, and what they lead to, out.

use ascribe_engine::{
    ClearRange, Config, DebugReport, Draws, Effects, Engine, NewSource, NewTrigger, SourceOutcome,
    TriggerOutcome,
};
use ascribe_headers::{
    Eligibility, OsRegistration, Problem, Registrar, SourceRegistration, SourceType, SuitableOrigin,
    SupportedRegistrars, TriggerRegistration,
};
use ascribe_reports::Time;

use crate::{
    NavigationId,
    debug_reports::{header_error, os_delegated},
    navigation::Navigations,
    response::{Candidate, Ignored, Kind, ResponseHeaders, candidate},
};

/// What the agent has to know of a request, whichever page technology it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The origin of the top-level page.
    pub context_origin: SuitableOrigin,
    /// What `Attribution-Reporting-Eligible` said; the same on every redirect hop.
    pub eligibility: Eligibility,
    /// Whether it came from a fenced frame.
    pub fenced: bool,
    /// For navigation sources, the navigation; for triggers, the navigation that landed on the page.
    pub navigation: Option<NavigationId>,
}

/// One response to it; each redirect hop is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response<'a> {
    /// The origin of the responding URL.
    pub reporting_origin: SuitableOrigin,
    /// Whether that origin has access to third-party cookies on the page.
    pub cookie_based_debug_allowed: bool,
    /// Its headers.
    pub headers: ResponseHeaders<'a>,
}

/// What became of a response.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Registration {
    /// It registers nothing.
    Ignored(Ignored),
    /// Its header is invalid, for these reasons.
    Invalid {
        /// The header's name.
        header: &'static str,
        /// Why.
        errors: Vec<Problem>,
    },
    /// It registers a source.
    Source {
        /// What became of it.
        outcome: SourceOutcome,
        /// What the header should not have said.
        warnings: Vec<Problem>,
    },
    /// It registers a trigger.
    Trigger {
        /// What became of it; `None` while it waits for the sources of its navigation.
        outcome: Option<TriggerOutcome>,
        /// What the header should not have said.
        warnings: Vec<Problem>,
    },
    /// The host is to hand sources to the operating system.
    OsSource(SourceType, Vec<OsRegistration>),
    /// The host is to hand triggers to the operating system.
    OsTrigger(Vec<OsRegistration>),
}

/// A user agent's side of the API: the engine, and what leads to it.
#[derive(Clone, Debug)]
pub struct Agent {
    engine: Engine,
    supported: SupportedRegistrars,
    navigations: Navigations<NewTrigger>,
}

impl Agent {
    /// An agent with nothing stored.
    #[must_use]
    pub fn new(config: Config, supported: SupportedRegistrars) -> Self {
        Self::with_engine(Engine::new(config), supported)
    }

    /// An agent that goes on with a replayed engine.
    #[must_use]
    pub fn with_engine(engine: Engine, supported: SupportedRegistrars) -> Self {
        Self { engine, supported, navigations: Navigations::default() }
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// `Clear-Site-Data: "storage"` of a reporting origin; also forgets its triggers that wait.
    pub fn clear_site_data(&mut self, reporting_origin: &SuitableOrigin) -> Effects {
        self.navigations
            .forget_waiting(|trigger| &trigger.reporting_origin, |origin| origin == reporting_origin);
        self.engine.clear_site_data(reporting_origin)
    }

    /// The user deletes data; also forgets the triggers that wait.
    pub fn clear(
        &mut self,
        mut reporting_origins: impl FnMut(&SuitableOrigin) -> bool,
        range: ClearRange,
    ) -> Effects {
        self.navigations.forget_waiting(|trigger| &trigger.reporting_origin, &mut reporting_origins);
        self.engine.clear(reporting_origins, range)
    }

    /// The engine, for the courier.
    pub fn engine_mut(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// "Process an attribution eligible response".
    pub fn respond(
        &mut self,
        request: &Request,
        response: &Response<'_>,
        now: Time,
        draws: &mut impl Draws,
    ) -> Effects<Registration> {
        let candidate = match candidate(request.eligibility, &response.headers, self.supported) {
            Ok(candidate) => candidate,
            Err(ignored) => return Effects::of(Registration::Ignored(ignored)),
        };
        match (candidate.registrar, candidate.kind) {
            (Registrar::Web, Kind::Source(source_type)) => {
                self.register_source(request, response, &candidate, source_type, now, draws)
            }
            (Registrar::Web, Kind::Trigger) => {
                self.register_trigger(request, response, &candidate, now, draws)
            }
            (Registrar::Os, kind) => register_os(request, response, &candidate, kind),
        }
    }

    /// "Process an attribution source response", on the web platform.
    fn register_source(
        &mut self,
        request: &Request,
        response: &Response<'_>,
        candidate: &Candidate<'_>,
        source_type: SourceType,
        now: Time,
        draws: &mut impl Draws,
    ) -> Effects<Registration> {
        let vendor = &self.engine.config().vendor;
        let parsed = SourceRegistration::parse(candidate.value, source_type, vendor);
        let Some(registration) = parsed.value else {
            return invalid(request, response, candidate, parsed.errors);
        };
        if let (SourceType::Navigation, Some(navigation)) = (source_type, request.navigation) {
            let scopes = registration.attribution_scopes.as_ref();
            if !self.navigations.allows_scopes(navigation, &response.reporting_origin, scopes) {
                return Effects::of(Registration::Ignored(Ignored::OtherScopesInNavigation));
            }
        }
        let source = NewSource {
            registration,
            source_type,
            source_origin: request.context_origin.clone(),
            reporting_origin: response.reporting_origin.clone(),
            cookie_based_debug_allowed: response.cookie_based_debug_allowed,
            fenced: request.fenced,
        };
        let warnings = parsed.warnings;
        let effects = self.engine.register_source(source, now, draws);
        effects.map(|outcome| Registration::Source { outcome, warnings })
    }

    /// "Process an attribution trigger response", on the web platform.
    fn register_trigger(
        &mut self,
        request: &Request,
        response: &Response<'_>,
        candidate: &Candidate<'_>,
        now: Time,
        draws: &mut impl Draws,
    ) -> Effects<Registration> {
        let parsed = TriggerRegistration::parse(candidate.value, &self.engine.config().vendor);
        let Some(registration) = parsed.value else {
            return invalid(request, response, candidate, parsed.errors);
        };
        let trigger = NewTrigger {
            registration,
            destination: request.context_origin.site().clone(),
            reporting_origin: response.reporting_origin.clone(),
            cookie_based_debug_allowed: response.cookie_based_debug_allowed,
            fenced: request.fenced,
        };
        let warnings = parsed.warnings;
        let trigger = match request.navigation {
            Some(navigation) => self.navigations.defer(navigation, trigger, now),
            None => Some(trigger),
        };
        match trigger {
            Some(trigger) => {
                let effects = self.engine.register_trigger(&trigger, now, draws);
                effects.map(|outcome| Registration::Trigger { outcome: Some(outcome), warnings })
            }
            None => Effects::of(Registration::Trigger { outcome: None, warnings }),
        }
    }

    /// A navigation with eligible background requests sent one of them.
    pub fn background_request_started(&mut self, navigation: NavigationId) {
        self.navigations.request_started(navigation);
    }

    /// A background request came to its end, after all of its responses were processed: the triggers that
    /// waited for it are attributed, with the present time as their own.
    pub fn background_request_finished(
        &mut self,
        navigation: NavigationId,
        now: Time,
        draws: &mut impl Draws,
    ) -> Vec<Effects<TriggerOutcome>> {
        let triggers = self.take_after_request(navigation);
        self.attribute(triggers, now, draws)
    }

    pub(crate) fn take_after_request(&mut self, navigation: NavigationId) -> Vec<NewTrigger> {
        self.navigations.request_finished(navigation)
    }

    /// When a deferred trigger has waited long enough.
    #[must_use]
    pub fn next_deferral_deadline(&self) -> Option<Time> {
        self.navigations.next_deadline()
    }

    /// Attributes the deferred triggers that have waited long enough.
    pub fn end_overdue_deferrals(
        &mut self,
        now: Time,
        draws: &mut impl Draws,
    ) -> Vec<Effects<TriggerOutcome>> {
        let triggers = self.take_overdue(now);
        self.attribute(triggers, now, draws)
    }

    pub(crate) fn take_overdue(&mut self, now: Time) -> Vec<NewTrigger> {
        self.navigations.take_overdue(now)
    }

    /// The page of a navigation is gone, and all its requests have ended.
    pub fn navigation_ended(
        &mut self,
        navigation: NavigationId,
        now: Time,
        draws: &mut impl Draws,
    ) -> Vec<Effects<TriggerOutcome>> {
        let triggers = self.take_after_navigation(navigation);
        self.attribute(triggers, now, draws)
    }

    pub(crate) fn take_after_navigation(&mut self, navigation: NavigationId) -> Vec<NewTrigger> {
        self.navigations.ended(navigation)
    }

    fn attribute(
        &mut self,
        triggers: Vec<NewTrigger>,
        now: Time,
        draws: &mut impl Draws,
    ) -> Vec<Effects<TriggerOutcome>> {
        triggers.iter().map(|trigger| self.engine.register_trigger(trigger, now, draws)).collect()
    }
}

/// The registrations for the operating system; the host delegates them.
fn register_os(
    request: &Request,
    response: &Response<'_>,
    candidate: &Candidate<'_>,
    kind: Kind,
) -> Effects<Registration> {
    let parsed = OsRegistration::parse_list(candidate.value);
    let Some(registrations) = parsed.value else {
        return invalid(request, response, candidate, parsed.errors);
    };
    let debug_reports = os_delegated(kind, &registrations, request);
    let registration = match kind {
        Kind::Source(source_type) => Registration::OsSource(source_type, registrations),
        Kind::Trigger => Registration::OsTrigger(registrations),
    };
    Effects { debug_reports, ..Effects::of(registration) }
}

fn invalid(
    request: &Request,
    response: &Response<'_>,
    candidate: &Candidate<'_>,
    errors: Vec<Problem>,
) -> Effects<Registration> {
    let header = candidate.header_name();
    let report = (candidate.report_header_errors && !request.fenced)
        .then(|| DebugReport::Verbose(header_error(header, candidate.value, request, response)));
    let registration = Registration::Invalid { header, errors };
    Effects { debug_reports: report.into_iter().collect(), ..Effects::of(registration) }
}
