//! What a response may register, and when its trigger is attributed.

mod common;

use ascribe_agent::{Ignored, NavigationId, Registration, ResponseHeaders};
use ascribe_engine::{Attribution, DebugReport, SourceOutcome};
use ascribe_headers::{Eligibility, SourceDebugType, TriggerDebugType};
use common::{Dice, agent, at, origin, request, respond, source, trigger};

const STORED: SourceOutcome = SourceOutcome::Stored(SourceDebugType::Success);

fn attribution(registration: &Registration) -> Option<Attribution> {
    match registration {
        Registration::Trigger { outcome, .. } => outcome.map(|outcome| outcome.event_level),
        other => panic!("no trigger: {other:?}"),
    }
}

#[test]
fn a_click_and_a_plain_pixel_make_a_report() {
    let (mut agent, mut dice) = (agent(), Dice::default());
    let registered = source(&mut agent, 1, 0, &mut dice).outcome;
    assert!(matches!(registered, Registration::Source { outcome: STORED, .. }), "{registered:?}");
    let registered = trigger(&mut agent, 2, 10, &mut dice).outcome;
    assert_eq!(attribution(&registered), Some(Attribution::Attributed));
}

#[test]
fn a_trigger_waits_for_the_sources_of_the_navigation_that_led_to_its_page() {
    let (mut agent, mut dice) = (agent(), Dice::default());
    agent.background_request_started(NavigationId(1));
    let deferred = trigger(&mut agent, 1, 1, &mut dice).outcome;
    assert_eq!(attribution(&deferred), None);
    let _ = source(&mut agent, 1, 2, &mut dice);
    let effects = agent.background_request_finished(NavigationId(1), at(3), &mut dice);
    assert_eq!(effects.len(), 1);
    assert_eq!(effects[0].outcome.event_level, Attribution::Attributed);
}

#[test]
fn a_trigger_waits_no_longer_than_20_seconds() {
    let (mut agent, mut dice) = (agent(), Dice::default());
    agent.background_request_started(NavigationId(1));
    let _ = trigger(&mut agent, 1, 1, &mut dice);
    assert_eq!(agent.next_deferral_deadline(), Some(at(21)));
    assert!(agent.end_overdue_deferrals(at(20), &mut dice).is_empty());
    let effects = agent.end_overdue_deferrals(at(21), &mut dice);
    assert_eq!(effects[0].outcome.event_level, Attribution::Dropped(TriggerDebugType::NoMatchingSource));
}

#[test]
fn a_trigger_of_a_page_that_is_gone_is_attributed_at_once() {
    let (mut agent, mut dice) = (agent(), Dice::default());
    let _ = source(&mut agent, 1, 0, &mut dice);
    agent.background_request_started(NavigationId(1));
    let _ = trigger(&mut agent, 1, 1, &mut dice);
    let effects = agent.navigation_ended(NavigationId(1), at(2), &mut dice);
    assert_eq!(effects[0].outcome.event_level, Attribution::Attributed);
}

#[test]
fn a_waiting_trigger_is_cleared_with_its_reporting_origin() {
    let (mut agent, mut dice) = (agent(), Dice::default());
    agent.background_request_started(NavigationId(1));
    let _ = trigger(&mut agent, 1, 1, &mut dice);
    let _ = agent.clear_site_data(&origin("other"));
    assert_eq!(agent.next_deferral_deadline(), Some(at(21)));
    let _ = agent.clear_site_data(&origin("ads"));
    assert!(agent.background_request_finished(NavigationId(1), at(3), &mut dice).is_empty());
}

#[test]
fn a_navigation_has_one_set_of_scopes_for_each_reporting_origin() {
    let (mut agent, mut dice) = (agent(), Dice::default());
    let scoped = |values: &str| {
        format!(
            r#"{{"destination": "https://shop.example", "attribution_scopes": {{"limit": 3, "values": {values}}}}}"#
        )
    };
    let mut register = |json: &str, eligibility, navigation| {
        let headers =
            ResponseHeaders { register_source: Some(json.as_bytes()), ..ResponseHeaders::default() };
        respond(&mut agent, &request("news", eligibility, navigation), headers, 0, &mut dice).outcome
    };
    let plain = r#"{"destination": "https://shop.example"}"#;
    let navigation = Eligibility::NavigationSource;
    let is_stored = |registration| matches!(registration, Registration::Source { outcome: STORED, .. });
    let other = Registration::Ignored(Ignored::OtherScopesInNavigation);

    assert!(is_stored(register(&scoped(r#"["1", "2"]"#), navigation, 1)));
    assert!(is_stored(register(&scoped(r#"["2", "1"]"#), navigation, 1)), "a set has no order");
    assert_eq!(register(&scoped(r#"["1"]"#), navigation, 1), other);
    assert_eq!(register(plain, navigation, 1), other, "no scopes are a set too");
    assert!(is_stored(register(plain, navigation, 2)), "another navigation");
    assert_eq!(register(&scoped(r#"["1"]"#), navigation, 2), other);
    let event = Eligibility::EventSource;
    let exempt = register(&scoped(r#"["1"]"#), event, 2);
    assert!(is_stored(exempt), "event sources are exempt");
}

#[test]
fn an_invalid_header_is_reported_only_when_the_server_asks_and_never_from_a_fenced_frame() {
    for (info, fenced, reports) in [
        (None, false, 0),
        (Some(&b"report-header-errors"[..]), false, 1),
        (Some(&b"report-header-errors=?0"[..]), false, 0),
        (Some(&b"report-header-errors"[..]), true, 0),
    ] {
        let (mut agent, mut dice) = (agent(), Dice::default());
        let mut request = request("news", Eligibility::EventSource, 1);
        request.fenced = fenced;
        let headers = ResponseHeaders { register_source: Some(b"{\xff"), info, ..ResponseHeaders::default() };
        let effects = respond(&mut agent, &request, headers, 0, &mut dice);
        assert!(matches!(effects.outcome, Registration::Invalid { .. }));
        assert_eq!(effects.debug_reports.len(), reports, "{info:?} {fenced}");
        for report in &effects.debug_reports {
            let DebugReport::Verbose(report) = report else { panic!("{report:?}") };
            let body = &report.data[0].body;
            assert_eq!(body["context_site"], "https://news.example");
            assert_eq!(body["header"], "Attribution-Reporting-Register-Source");
            assert_eq!(body["value"], "{\u{fffd}", "bytes that are no text are replaced");
        }
    }
}

#[test]
fn sources_for_the_operating_system_are_handed_on_and_told_of() {
    let (mut agent, mut dice) = (agent(), Dice::default());
    let list = br#""https://os.example/a";debug-reporting, "https://os2.example/b", "not a url", 5"#;
    let headers = ResponseHeaders { register_os_source: Some(list), ..ResponseHeaders::default() };
    let request = request("news", Eligibility::NavigationSource, 1);
    let effects = respond(&mut agent, &request, headers, 0, &mut dice);
    let Registration::OsSource(_, registrations) = &effects.outcome else { panic!("{:?}", effects.outcome) };
    assert_eq!(registrations.len(), 2);
    let [DebugReport::Verbose(report)] = &*effects.debug_reports else { panic!("one asks for a report") };
    assert_eq!(report.reporting_origin, origin("os"));
    assert_eq!(report.data[0].data_type, "os-source-delegated");
    assert_eq!(report.data[0].body["registration_url"], "https://os.example/a");
    assert_eq!(agent.engine().state().source_count(), 0, "the agent stores nothing");
}
