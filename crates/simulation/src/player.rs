//! One user: entries in, reports out, with a clock of its own.

use std::borrow::Cow;

use ascribe_agent::{
    Agent, Courier, Ignored, NavigationId, Registration, Request, Response, ResponseHeaders,
};
use ascribe_engine::{DebugReport, Effects, PendingReport, Trace};
use ascribe_headers::{Eligibility, SuitableOrigin, SupportedRegistrars};
use ascribe_reports::{
    AggregatableDebugReport, AggregatableReport, Duration, EventLevelReport, Time, VerboseDebugReport,
};
use serde_json::value::RawValue;

use crate::{
    Noise, Setup,
    case::{Entry, Event, RecordedHeaders, RecordedResponse, RegistrationRequest},
    draws::{Recorded, RunDraws},
    header_value::canonical,
};

/// A report on its way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sent<'a> {
    /// An event-level report, or its debug copy.
    Event {
        /// The report.
        report: &'a EventLevelReport,
        /// Whether this is the debug copy.
        debug: bool,
    },
    /// An aggregatable report, or its debug copy.
    Aggregatable {
        /// The report.
        report: &'a AggregatableReport,
        /// Whether this is the debug copy.
        debug: bool,
    },
    /// A verbose debug report.
    Verbose(&'a VerboseDebugReport),
    /// An aggregatable debug report.
    AggregatableDebug(&'a AggregatableDebugReport),
}

/// Who watches a user.
pub trait Observer {
    /// A report is sent.
    fn sent(&mut self, time: Time, report: Sent<'_>);

    /// A response was processed. The trace is empty unless the setup asks to explain.
    fn registered(&mut self, time: Time, url: &str, registration: &Registration, trace: &Trace) {
        let _ = (time, url, registration, trace);
    }
}

/// What cannot be played.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PlayError {
    /// Entries must be in the order of time.
    #[error("timestamp {time} is before {clock}, the time of an entry before it")]
    OutOfOrder {
        /// The entry's, in milliseconds.
        time: i64,
        /// The clock's, in milliseconds.
        clock: i64,
    },
}

/// A user's agent, and the network that it believes in.
#[derive(Clone, Debug)]
pub struct Player {
    agent: Agent,
    courier: Courier,
    draws: RunDraws,
    clock: Time,
    connected: bool,
    navigations: u64,
}

impl Player {
    /// A user about whom nothing is known yet.
    #[must_use]
    pub fn new(setup: &Setup, noise: Noise, user: &str) -> Self {
        let supported = SupportedRegistrars { web: true, os: setup.os_supported };
        Self {
            agent: Agent::new(setup.config.clone(), supported),
            courier: Courier::new(setup.navigation_retry),
            draws: RunDraws::new(noise, user),
            clock: Time::MIN,
            connected: true,
            navigations: 0,
        }
    }

    /// The agent's state, for those who look closer.
    #[must_use]
    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// Plays one entry, after everything that is due before it.
    ///
    /// # Errors
    /// When the entry is before one that was played; or a hop of it is, and then the hops before it were played.
    pub fn play(&mut self, entry: &Entry<'_>, observer: &mut impl Observer) -> Result<(), PlayError> {
        self.advance_to(entry.time, observer)?;
        match &entry.event {
            Event::Connection(connected) => self.connected = *connected,
            Event::Navigation => {
                let _ = self.courier.navigated(self.agent.engine_mut(), self.clock);
            }
            Event::ClearSiteData(origin) => {
                // An origin that is not trustworthy has nothing stored.
                if let Ok(origin) = SuitableOrigin::parse(origin) {
                    let _ = self.agent.clear_site_data(&origin);
                }
            }
            Event::Registration(request, responses) => {
                self.navigations += 1;
                let request = read_request(request, NavigationId(self.navigations));
                for response in responses {
                    self.advance_to(response.timestamp.unwrap_or(entry.time), observer)?;
                    match &request {
                        Ok(request) => self.respond(request, response, observer),
                        Err(ignored) => self.ignore(*ignored, response, observer),
                    }
                }
                let effects =
                    self.agent.navigation_ended(NavigationId(self.navigations), self.clock, &mut self.draws);
                debug_assert!(effects.is_empty(), "a recorded request has no background requests");
            }
        }
        Ok(())
    }

    /// Lets the time pass until nothing is left to send.
    pub fn finish(&mut self, observer: &mut impl Observer) {
        while let Some(due) = self.courier.next_due(self.agent.engine()) {
            self.deliver(due, observer);
        }
    }

    /// What is due at the very moment of an entry is sent before it.
    fn advance_to(&mut self, time: Time, observer: &mut impl Observer) -> Result<(), PlayError> {
        if time < self.clock {
            return Err(PlayError::OutOfOrder { time: time.as_millis(), clock: self.clock.as_millis() });
        }
        while let Some(due) = self.courier.next_due(self.agent.engine()).filter(|due| *due <= time) {
            self.deliver(due, observer);
        }
        self.clock = time;
        Ok(())
    }

    fn deliver(&mut self, now: Time, observer: &mut impl Observer) {
        let engine = self.agent.engine_mut();
        for key in self.courier.take_due(engine, now, &mut self.draws) {
            if !self.connected {
                let _ = self.courier.failed(engine, key, now);
                continue;
            }
            if let Some(stored) = engine.state().report(key) {
                match &stored.report {
                    PendingReport::Event(pending) => {
                        observer.sent(now, Sent::Event { report: &pending.report, debug: false });
                    }
                    PendingReport::Aggregatable(pending) => {
                        observer.sent(now, Sent::Aggregatable { report: &pending.report, debug: false });
                    }
                }
            }
            let _ = self.courier.delivered(engine, key);
        }
    }

    fn respond(&mut self, request: &Request, recorded: &RecordedResponse<'_>, observer: &mut impl Observer) {
        let Ok(reporting_origin) = SuitableOrigin::parse(&recorded.url) else {
            return self.ignore(Ignored::UnsuitableReportingOrigin, recorded, observer);
        };
        let values = HeaderValues::new(&recorded.response);
        let response = Response {
            reporting_origin,
            cookie_based_debug_allowed: recorded.debug_permission,
            headers: values.headers(),
        };
        self.draws.set_recorded(Recorded {
            randomized_response: recorded
                .randomized_response
                .as_ref()
                .map(|fakes| fakes.iter().map(|fake| (*fake).into()).collect()),
            null_report_days: recorded.null_aggregatable_reports_days.clone(),
            aggregatable_report_delays: recorded
                .aggregatable_report_delays
                .iter()
                .map(|millis| Duration::from_millis((*millis).into()))
                .collect(),
        });
        let effects = self.agent.respond(request, &response, self.clock, &mut self.draws);
        self.draws.set_recorded(Recorded::default());
        observer.registered(self.clock, &recorded.url, &effects.outcome, &effects.trace);
        if self.connected {
            send_debug_reports(&effects, &recorded.response, self.clock, observer);
        }
    }

    fn ignore(&self, why: Ignored, recorded: &RecordedResponse<'_>, observer: &mut impl Observer) {
        observer.registered(self.clock, &recorded.url, &Registration::Ignored(why), &Trace::default());
    }
}

/// Debug reports go at once, and only once: without a connection they are lost.
fn send_debug_reports(
    effects: &Effects<Registration>,
    headers: &RecordedHeaders<'_>,
    now: Time,
    observer: &mut impl Observer,
) {
    for report in &effects.debug_reports {
        match (report, &effects.outcome) {
            (DebugReport::Event(report), _) => observer.sent(now, Sent::Event { report, debug: true }),
            (DebugReport::Aggregatable(report), _) => {
                observer.sent(now, Sent::Aggregatable { report, debug: true });
            }
            (DebugReport::AggregatableDebug(report), _) => {
                observer.sent(now, Sent::AggregatableDebug(report));
            }
            (DebugReport::Verbose(report), Registration::Invalid { header, .. }) => {
                observer.sent(now, Sent::Verbose(&with_canonical_value(report, header, headers)));
            }
            (DebugReport::Verbose(report), _) => observer.sent(now, Sent::Verbose(report)),
        }
    }
}

/// The record holds a header's JSON, not its bytes: as what it is reported is a convention of the case format.
fn with_canonical_value(
    report: &VerboseDebugReport,
    header: &str,
    headers: &RecordedHeaders<'_>,
) -> VerboseDebugReport {
    let recorded = match header {
        "Attribution-Reporting-Register-Source" => headers.register_source,
        "Attribution-Reporting-Register-Trigger" => headers.register_trigger,
        _ => None,
    };
    let mut report = report.clone();
    // What is recorded as a string is the header's text, and reported as it is.
    let recorded = recorded.map(RawValue::get).filter(|json| !json.starts_with('"'));
    if let Some(value) = recorded.and_then(canonical) {
        for data in &mut report.data {
            data.body.insert("value".into(), value.clone().into());
        }
    }
    report
}

/// A request that no user agent would make eligible registers nothing, and is no reason to stop.
fn read_request(recorded: &RegistrationRequest<'_>, navigation: NavigationId) -> Result<Request, Ignored> {
    let eligibility = match &recorded.eligible {
        None => Eligibility::Unset,
        Some(value) => read_eligibility(value).ok_or(Ignored::InvalidEligible)?,
    };
    let context_origin =
        SuitableOrigin::parse(&recorded.context_origin).map_err(|_| Ignored::UnsuitableContextOrigin)?;
    Ok(Request { context_origin, eligibility, fenced: recorded.fenced, navigation: Some(navigation) })
}

/// What user agents send is worth a look before the parser.
fn read_eligibility(value: &str) -> Option<Eligibility> {
    match value {
        "navigation-source" => Some(Eligibility::NavigationSource),
        "event-source" => Some(Eligibility::EventSource),
        other => Eligibility::parse(other.as_bytes()).value,
    }
}

/// The texts of recorded headers: of strings, what they hold; of everything else, its JSON.
struct HeaderValues<'a>([Option<Cow<'a, str>>; 5]);

impl<'a> HeaderValues<'a> {
    fn new(recorded: &RecordedHeaders<'a>) -> Self {
        let text = |raw: Option<&'a RawValue>| {
            let json = raw?.get();
            let string = json.starts_with('"').then(|| serde_json::from_str::<String>(json).ok()).flatten();
            Some(string.map_or(Cow::Borrowed(json), Cow::Owned))
        };
        Self([
            text(recorded.register_source),
            text(recorded.register_trigger),
            text(recorded.register_os_source),
            text(recorded.register_os_trigger),
            text(recorded.info),
        ])
    }

    fn headers(&self) -> ResponseHeaders<'_> {
        let [register_source, register_trigger, register_os_source, register_os_trigger, info] =
            self.0.each_ref().map(|value| value.as_deref().map(str::as_bytes));
        ResponseHeaders { register_source, register_trigger, register_os_source, register_os_trigger, info }
    }
}
