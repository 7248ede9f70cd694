//! A page, a reporter, and dice that always fall the same way.
#![allow(dead_code, reason = "each test uses a part of it")]

use ascribe_agent::{Agent, CourierDraws, NavigationId, Registration, Request, Response, ResponseHeaders};
use ascribe_engine::{Config, Draws, Effects, FakeReport};
use ascribe_headers::{Eligibility, SourceRegistration, SuitableOrigin, SupportedRegistrars};
use ascribe_privacy::TriggerStates;
use ascribe_reports::{Duration, ReportId, Time};

/// No noise; the first choice; the middle of each span.
#[derive(Default)]
pub(crate) struct Dice(u128);

impl Draws for Dice {
    fn randomized_response(&mut self, _: &SourceRegistration, _: &TriggerStates) -> Option<Vec<FakeReport>> {
        None
    }

    fn null_report(&mut self, _: u32, _: f64) -> bool {
        false
    }

    fn aggregatable_report_delay(&mut self, span: Duration) -> Duration {
        Duration::from_millis(span.as_millis() / 2)
    }

    fn report_id(&mut self) -> ReportId {
        self.0 += 1;
        ReportId::from_u128(self.0)
    }
}

impl CourierDraws for Dice {
    fn shuffle(&mut self, _: usize) -> usize {
        0
    }

    fn offline_delay(&mut self, span: Duration) -> Duration {
        Duration::from_millis(span.as_millis() / 2)
    }
}

pub(crate) fn at(seconds: i64) -> Time {
    Time::from_secs(seconds)
}

pub(crate) fn origin(host: &str) -> SuitableOrigin {
    SuitableOrigin::parse(&format!("https://{host}.example")).expect("a suitable origin")
}

pub(crate) fn agent() -> Agent {
    Agent::new(Config::default(), SupportedRegistrars { web: true, os: true })
}

pub(crate) fn request(page: &str, eligibility: Eligibility, navigation: u64) -> Request {
    Request {
        context_origin: origin(page),
        eligibility,
        fenced: false,
        navigation: Some(NavigationId(navigation)),
    }
}

pub(crate) fn respond(
    agent: &mut Agent,
    request: &Request,
    headers: ResponseHeaders<'_>,
    seconds: i64,
    dice: &mut Dice,
) -> Effects<Registration> {
    let reporting_origin = origin("ads");
    let response = Response { reporting_origin, cookie_based_debug_allowed: true, headers };
    agent.respond(request, &response, at(seconds), dice)
}

/// Registers a navigation source for `shop`.
pub(crate) fn source(
    agent: &mut Agent,
    navigation: u64,
    seconds: i64,
    dice: &mut Dice,
) -> Effects<Registration> {
    let headers = ResponseHeaders {
        register_source: Some(br#"{"destination": "https://shop.example"}"#),
        ..ResponseHeaders::default()
    };
    respond(agent, &request("news", Eligibility::NavigationSource, navigation), headers, seconds, dice)
}

/// Registers an event-level trigger on `shop`.
pub(crate) fn trigger(
    agent: &mut Agent,
    navigation: u64,
    seconds: i64,
    dice: &mut Dice,
) -> Effects<Registration> {
    let headers = ResponseHeaders {
        register_trigger: Some(br#"{"event_trigger_data": [{}]}"#),
        ..ResponseHeaders::default()
    };
    respond(agent, &request("shop", Eligibility::Unset, navigation), headers, seconds, dice)
}
