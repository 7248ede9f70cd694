//! A user agent against real servers: what arrives where, when, and how often.

mod host;

use std::{sync::Arc, time::Duration as StdDuration};

use ascribe_agent::{
    AttemptError, Clock, DeliveryError, Event, JournalError, NavigationId, NavigationRetry, Options, Profile,
    Registration, SendOutcome, UserAgent,
};
use ascribe_engine::{Attribution, ClearRange, SourceOutcome, TestSwitches};
use ascribe_headers::{KeyPiece, SourceDebugType};
use ascribe_reports::{Contribution, Duration, Payload, Time};
use base64::{Engine, prelude::BASE64_STANDARD};
use host::*;
use serde_json::Value;
use tokio::sync::Semaphore;

const DAYS_30: Duration = Duration::from_days(30);
const ALL: ClearRange = ClearRange { from: Time::MIN, to: Time::MAX, rate_limits: true };

/// What was tried: seconds since the start, and how it ended.
fn attempts(user_agent: &UserAgent) -> Vec<(i64, SendOutcome)> {
    let sent = user_agent.sent();
    sent.iter()
        .map(|sent| ((sent.time.as_millis() - START.as_millis()) / 1000, sent.outcome.clone()))
        .collect()
}

fn reset() -> AttemptError {
    DeliveryError::ConnectionReset.into()
}

/// The histogram in a report, without its padding.
fn open(server: &Server, report: &Value) -> Vec<Contribution> {
    let entry = &report["aggregation_service_payloads"][0];
    let key = server.keys.find(entry["key_id"].as_str().expect("an ID")).expect("a key that was served");
    let payload = BASE64_STANDARD.decode(entry["payload"].as_str().expect("text")).expect("base64");
    let clear = key.open(report["shared_info"].as_str().expect("text"), &payload).expect("sealed to the key");
    let payload = Payload::parse(&clear).expect("a payload");
    payload.contributions.iter().filter(|c| **c != Contribution::NULL).copied().collect()
}

#[tokio::test]
async fn a_month_in_a_second_brings_every_report_to_its_reporting_origin() {
    let server = Server::start().await;
    let user_agent = server.user_agent();
    let mut events = user_agent.events();
    let registered = server.click(
        &user_agent,
        r#"{"destination": "https://shop.example", "source_event_id": "17", "aggregation_keys": {"k": "0x159"},
            "debug_key": "5", "debug_reporting": true}"#,
    );
    assert!(matches!(
        registered.registration,
        Registration::Source { outcome: SourceOutcome::Stored(SourceDebugType::Success), .. }
    ));
    user_agent.advance(Duration::from_secs(3_600)).await.expect("stored");
    let registered = server.convert(
        &user_agent,
        r#"{"event_trigger_data": [{"trigger_data": "3"}], "aggregatable_values": {"k": 1664},
            "debug_key": "6"}"#,
    );
    let Registration::Trigger { outcome: Some(outcome), .. } = &registered.registration else {
        panic!("{registered:?}")
    };
    assert_eq!(
        (outcome.event_level, outcome.aggregatable),
        (Attribution::Attributed, Attribution::Attributed)
    );
    assert_eq!(registered.draws.report_ids.len(), 2);
    assert_eq!(registered.draws.aggregatable_delays.len(), 1);

    // Debug reports leave by themselves.
    user_agent.idle().await;
    assert_eq!(server.received(DEBUG_EVENT).len(), 1);
    assert_eq!(server.received(DEBUG_VERBOSE).len(), 1);
    assert!(server.received(EVENT).is_empty());

    let end = user_agent.advance(DAYS_30).await.expect("stored");
    assert_eq!(end, START + Duration::from_secs(3_600) + DAYS_30);
    assert_eq!(user_agent.now(), end);
    let [event] = &server.received_json(EVENT)[..] else { panic!("one event-level report") };
    assert_eq!(event["source_event_id"], "17");
    assert_eq!(event["trigger_data"], "3");
    assert_eq!(event["report_id"], registered.draws.report_ids[0].to_string());
    let [aggregatable] = &server.received_json(AGGREGATABLE)[..] else { panic!("one aggregatable report") };
    let expected = Contribution { key: KeyPiece(0x159), value: 1664, filtering_id: 0 };
    assert_eq!(open(&server, aggregatable), [expected]);
    assert_eq!(server.received(KEYS).len(), 1, "the debug copy's keys are still fresh");
    assert_eq!(user_agent.view(|engine| engine.state().report_count()), 0);

    // The log tells what was sent, and when: at the moment that the report itself names.
    let sent = user_agent.sent();
    let sent = sent.iter().find(|sent| sent.report.url().ends_with(AGGREGATABLE)).expect("it is there");
    assert_eq!(sent.report.contributions(), [expected]);
    assert_eq!(sent.body.as_deref(), Some(server.received(AGGREGATABLE)[0].as_str()));
    let delay = registered.draws.aggregatable_delays[0];
    assert_eq!(sent.time, START + Duration::from_secs(3_600) + delay);

    let mut told = Vec::new();
    while let Ok(event) = events.try_recv() {
        told.push(event);
    }
    let count = |is: fn(&Event) -> bool| told.iter().filter(|event| is(event)).count();
    assert_eq!(count(|event| matches!(event, Event::Registered(_))), 2);
    assert_eq!(count(|event| matches!(event, Event::ReportSent(_))), 5);
    assert_eq!(count(|event| matches!(event, Event::KeysFetched { keys: 1, .. })), 1);
    assert_eq!(count(|event| matches!(event, Event::ReportFailed(_))), 0);
}

#[tokio::test]
async fn a_report_is_tried_again_after_5_and_15_minutes_and_then_dropped() {
    const DUE: i64 = 2 * 86_400;
    for keep_undeliverable in [false, true] {
        let server = Server::start().await;
        server.will_answer_reports(vec![Answer::Reset; 3]);
        let options = Options { keep_undeliverable, ..server.options() };
        let user_agent = UserAgent::open(Profile::Ephemeral, options).expect("it opens");
        server.event_report(&user_agent);
        user_agent.advance(DAYS_30).await.expect("stored");
        let retried = |at| SendOutcome::Retried { error: reset(), at: Some(START + Duration::from_secs(at)) };
        assert_eq!(
            attempts(&user_agent),
            [
                (DUE, retried(DUE + 300)),
                (DUE + 300, retried(DUE + 1200)),
                (DUE + 1200, SendOutcome::Dropped { error: reset(), kept: keep_undeliverable }),
            ]
        );
        let received = server.received(EVENT);
        assert_eq!(received.len(), 3);
        assert!(received.iter().all(|body| *body == received[0]), "the same report each time");
        let kept = user_agent.undeliverable().expect("readable");
        assert_eq!(kept.len(), usize::from(keep_undeliverable));
        assert!(kept.iter().all(|kept| kept.why == "connection reset"));
    }
}

#[tokio::test]
async fn a_report_that_is_sent_again_is_sealed_anew_and_is_still_the_same() {
    let server = Server::start().await;
    server.will_answer_reports([Answer::Reset]);
    let user_agent = server.user_agent();
    server.aggregatable_report(&user_agent);
    user_agent.advance(Duration::DAY).await.expect("stored");
    let [first, second] = &server.received_json(AGGREGATABLE)[..] else { panic!("two attempts") };
    assert_eq!(first["shared_info"], second["shared_info"], "its ID and its time");
    assert_ne!(first["aggregation_service_payloads"], second["aggregation_service_payloads"]);
    assert_eq!(open(&server, first), open(&server, second));
}

#[tokio::test]
async fn any_answer_is_final_and_so_is_what_the_server_did_wrong() {
    let server = Server::start().await;
    let user_agent = server.user_agent();
    let elsewhere = "HTTP/1.1 307 Go\r\nlocation: https://other.test/\r\n\r\n".to_owned();
    server.will_answer_reports([
        Answer::Status(500),
        Answer::Status(404),
        Answer::Raw(elsewhere),
        Answer::Raw("garbage\r\n\r\n".to_owned()),
    ]);
    for _ in 0..4 {
        server.event_report(&user_agent);
        user_agent.advance(DAYS_30).await.expect("stored");
    }
    let outcomes: Vec<_> = attempts(&user_agent).into_iter().map(|(_, outcome)| outcome).collect();
    let [SendOutcome::Answered(500), SendOutcome::Answered(404), redirected, garbage] = &outcomes[..] else {
        panic!("{outcomes:?}")
    };
    for outcome in [redirected, garbage] {
        let SendOutcome::Dropped { error: AttemptError::Delivery(_), kept: false } = outcome else {
            panic!("{outcome:?}")
        };
    }
    assert_eq!(user_agent.view(|engine| engine.state().report_count()), 0);
}

#[tokio::test]
async fn without_a_network_nothing_is_tried_and_nothing_fails() {
    let server = Server::start().await;
    let user_agent = server.user_agent();
    server.event_report(&user_agent);
    user_agent.set_offline(true).expect("stored");
    user_agent.advance(DAYS_30).await.expect("stored");
    user_agent.send_pending_now().await.expect("stored");
    assert!(attempts(&user_agent).is_empty());
    user_agent.set_offline(false).expect("stored");
    user_agent.advance(Duration::from_secs(60)).await.expect("stored");
    let [(at, SendOutcome::Answered(200))] = attempts(&user_agent)[..] else { panic!("one attempt") };
    assert!((30 * 86_400..30 * 86_400 + 60).contains(&at), "spread over a minute: {at}");
    let [report] = &server.received_json(EVENT)[..] else { panic!("one report") };
    let scheduled = (START + Duration::from_days(2)).as_secs();
    assert_eq!(report["scheduled_report_time"], scheduled.to_string(), "what it tells does not change");
}

#[tokio::test]
async fn a_retry_can_wait_for_a_navigation() {
    let server = Server::start().await;
    server.will_answer_reports([Answer::Reset]);
    let options = Options { navigation_retry: NavigationRetry::First, ..server.options() };
    let user_agent = UserAgent::open(Profile::Ephemeral, options).expect("it opens");
    server.event_report(&user_agent);
    user_agent.advance(Duration::from_days(3)).await.expect("stored");
    assert_eq!(attempts(&user_agent)[0].1, SendOutcome::Retried { error: reset(), at: None });
    user_agent.navigated().expect("stored");
    user_agent.advance(DAYS_30).await.expect("stored");
    assert_eq!(attempts(&user_agent)[1], (3 * 86_400 + 300, SendOutcome::Answered(200)));
}

#[tokio::test]
async fn no_key_is_a_failed_attempt_that_reports_share() {
    let server = Server::start().await;
    server.will_answer_for_keys([
        Answer::Status(503),
        Answer::Raw("HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{\"keys\":[]}".to_owned()),
    ]);
    let user_agent = server.user_agent();
    let mut events = user_agent.events();
    server.aggregatable_report(&user_agent);
    server.convert(&user_agent, r#"{"aggregatable_values": {"k": 1}}"#);
    user_agent.send_pending_now().await.expect("stored");
    assert_eq!(server.received(KEYS).len(), 1, "both reports share a fetch");
    let errors: Vec<_> = attempts(&user_agent).into_iter().map(|(_, outcome)| outcome).collect();
    for outcome in &errors {
        let SendOutcome::Retried { error: AttemptError::Keys(error), at: Some(at) } = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(error.to_string(), "the server answered 503");
        assert_eq!(*at, START + Duration::from_secs(300));
    }
    assert_eq!(errors.len(), 2);
    user_agent.advance(Duration::DAY).await.expect("stored");
    assert_eq!(server.received(KEYS).len(), 3, "a failure is not remembered: 503, no keys, keys");
    assert_eq!(server.received(AGGREGATABLE).len(), 2);
    let mut failed = Vec::new();
    while let Ok(event) = events.try_recv() {
        if let Event::KeysFailed { error, .. } = event {
            failed.push(error.to_string());
        }
    }
    assert_eq!(failed, ["the server answered 503", "no keys"]);
}

#[tokio::test]
async fn keys_are_fetched_again_when_they_are_stale() {
    let server = Server::start().await;
    let user_agent = server.user_agent();
    for (advance, fetches) in [(3_599, 1), (1, 1), (0, 2)] {
        server.aggregatable_report(&user_agent);
        user_agent.send_pending_now().await.expect("stored");
        assert_eq!(server.received(KEYS).len(), fetches);
        user_agent.advance(Duration::from_secs(advance)).await.expect("stored");
    }
}

#[tokio::test]
async fn a_profile_goes_on_after_a_restart() {
    let server = Server::start().await;
    let dir = tempfile::tempdir().expect("a directory");
    let profile = Profile::Dir(dir.path().join("profile"));
    let user_agent = UserAgent::open(profile.clone(), server.options()).expect("it opens");
    server.event_report(&user_agent);
    user_agent.set_offline(true).expect("stored");
    user_agent.advance(DAYS_30).await.expect("stored");
    assert!(UserAgent::open(profile.clone(), server.options()).is_err(), "it is in use");
    user_agent.shutdown().await;
    for refused in [
        user_agent.navigated(),
        user_agent.advance(Duration::DAY).await.map(|_| ()),
        user_agent.send_pending_now().await,
    ] {
        assert!(matches!(refused, Err(JournalError::Closed)), "{refused:?}");
    }
    // It lives on, without its profile.
    let _shut_down = user_agent;

    let user_agent = UserAgent::open(profile, server.options()).expect("it opens");
    assert_eq!(user_agent.now(), START + DAYS_30);
    user_agent.advance(Duration::from_secs(60)).await.expect("stored");
    let [(at, SendOutcome::Answered(200))] = attempts(&user_agent)[..] else { panic!("one attempt") };
    assert!((30 * 86_400..30 * 86_400 + 60).contains(&at), "spread over a minute: {at}");
}

#[tokio::test]
async fn the_real_clock_sends_by_itself() {
    let server = Server::start().await;
    let mut options = Options { clock: Clock::system(), ..server.options() };
    options.config.test = TestSwitches::LOCAL_TESTING_MODE;
    let user_agent = UserAgent::open(Profile::Ephemeral, options).expect("it opens");
    let running = tokio::spawn({
        let user_agent = user_agent.clone();
        async move { user_agent.run().await }
    });
    let mut events = user_agent.events();
    server.event_report(&user_agent);
    let sent = async { while !matches!(events.recv().await.expect("it lives"), Event::ReportSent(_)) {} };
    tokio::time::timeout(StdDuration::from_secs(10), sent).await.expect("in time");
    assert_eq!(server.received(EVENT).len(), 1);

    // While it runs, it can be advanced.
    user_agent.set_test_switches(TestSwitches { no_noise: true, no_delay: false });
    server.event_report(&user_agent);
    user_agent.advance(DAYS_30).await.expect("stored");
    assert_eq!(server.received(EVENT).len(), 2);
    user_agent.shutdown().await;
    tokio::time::timeout(StdDuration::from_secs(10), running).await.expect("it ends").expect("no panic");
}

#[tokio::test]
async fn a_trigger_waits_for_the_sources_of_its_navigation_20_seconds_at_most() {
    let server = Server::start().await;
    let user_agent = server.user_agent();
    let mut events = user_agent.events();
    let navigation = NavigationId(1);
    server.click(&user_agent, r#"{"destination": "https://shop.example"}"#);
    user_agent.background_request_started(navigation);
    server.convert_after(&user_agent, Some(navigation), r#"{"event_trigger_data": [{}]}"#);
    assert_eq!(user_agent.view(|engine| engine.state().report_count()), 0);
    user_agent.advance(Duration::from_secs(30)).await.expect("stored");
    assert_eq!(user_agent.view(|engine| engine.state().report_count()), 1);
    let attributed = loop {
        if let Event::TriggerAttributed { time, outcome, .. } = events.try_recv().expect("it is told") {
            break (time, outcome.event_level);
        }
    };
    assert_eq!(attributed, (START + Duration::from_secs(20), Attribution::Attributed));
}

#[tokio::test]
async fn what_is_cleared_while_it_is_on_its_way_is_not_stored_again() {
    let server = Server::start().await;
    let until = Arc::new(Semaphore::new(0));
    server.will_answer_reports([Answer::Held(until.clone()), Answer::Reset]);
    let options = Options { keep_undeliverable: true, ..server.options() };
    let user_agent = UserAgent::open(Profile::Ephemeral, options).expect("it opens");
    server.event_report(&user_agent);
    server.event_report(&user_agent);
    let sending = tokio::spawn({
        let user_agent = user_agent.clone();
        async move { user_agent.send_pending_now().await }
    });
    while server.received(EVENT).len() < 2 || attempts(&user_agent).is_empty() {
        tokio::time::sleep(StdDuration::from_millis(5)).await;
    }
    user_agent.clear(|_| true, ALL).expect("deleted");
    assert!(user_agent.sent().is_empty() && user_agent.registered().is_empty());
    until.add_permits(1);
    sending.await.expect("no panic").expect("stored");
    user_agent.advance(DAYS_30).await.expect("stored");
    assert_eq!(server.received(EVENT).len(), 2);
    assert!(user_agent.sent().is_empty(), "nothing tells of it");
    assert!(user_agent.undeliverable().expect("readable").is_empty());
    assert_eq!(user_agent.view(|engine| engine.state().source_count()), 0);
}

#[tokio::test]
async fn what_was_kept_because_nobody_took_it_is_cleared_too() {
    let (one, other) = (Server::start().await, Server::start_as("localhost").await);
    let dir = tempfile::tempdir().expect("a directory");
    let options = Options { keep_undeliverable: true, ..one.options() };
    let user_agent = UserAgent::open(Profile::Dir(dir.path().to_owned()), options).expect("it opens");
    for server in [&one, &other] {
        server.will_answer_reports(vec![Answer::Raw("garbage\r\n\r\n".to_owned())]);
        server.event_report(&user_agent);
    }
    user_agent.advance(DAYS_30).await.expect("stored");
    assert_eq!(user_agent.undeliverable().expect("readable").len(), 2);
    user_agent.clear_site_data(&one.origin()).expect("deleted");
    let [kept] = &user_agent.undeliverable().expect("readable")[..] else { panic!("one is left") };
    assert_eq!(kept.report.reporting_origin(), &other.origin());
    let later = ClearRange { from: START + Duration::DAY, ..ALL };
    user_agent.clear(|_| true, later).expect("deleted");
    assert_eq!(user_agent.undeliverable().expect("readable").len(), 1, "its trigger was before");
    user_agent.clear(|_| true, ALL).expect("deleted");
    assert!(user_agent.undeliverable().expect("readable").is_empty());
}

#[tokio::test]
async fn a_debug_report_on_its_way_is_not_told_of_after_its_origin_was_cleared() {
    let server = Server::start().await;
    let until = Arc::new(Semaphore::new(0));
    server.will_answer_reports(vec![Answer::Held(until.clone()); 100]);
    let user_agent = server.user_agent();
    for _ in 0..60 {
        server.click(&user_agent, r#"{"destination": "https://shop.example", "debug_reporting": true}"#);
    }
    while server.received(DEBUG_VERBOSE).len() < 32 {
        tokio::time::sleep(StdDuration::from_millis(5)).await;
    }
    user_agent.clear_site_data(&server.origin()).expect("deleted");
    until.add_permits(100);
    user_agent.idle().await;
    assert_eq!(server.received(DEBUG_VERBOSE).len(), 32, "what waited is not sent any more");
    assert!(user_agent.sent().is_empty());
}

#[tokio::test]
async fn a_server_that_does_not_answer_keeps_no_other_report_waiting() {
    let (silent, server) = (Server::start_as("localhost").await, Server::start().await);
    let until = Arc::new(Semaphore::new(0));
    silent.will_answer_reports(vec![Answer::Held(until.clone()); 31]);
    let user_agent = server.user_agent();
    for _ in 0..31 {
        silent.click(&user_agent, r#"{"destination": "https://shop.example", "debug_reporting": true}"#);
    }
    while silent.received(DEBUG_VERBOSE).len() < 31 {
        tokio::time::sleep(StdDuration::from_millis(5)).await;
    }
    server.click(&user_agent, r#"{"destination": "https://shop.example", "debug_reporting": true}"#);
    let one_more = async {
        while server.received(DEBUG_VERBOSE).is_empty() {
            tokio::time::sleep(StdDuration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(StdDuration::from_secs(10), one_more).await.expect("the last free task sends it");
    until.add_permits(31);
    user_agent.idle().await;
}

#[tokio::test]
async fn without_delays_nothing_is_spread_after_a_restart() {
    let server = Server::start().await;
    let dir = tempfile::tempdir().expect("a directory");
    let open = || {
        let mut options = server.options();
        options.config.test = TestSwitches::LOCAL_TESTING_MODE;
        UserAgent::open(Profile::Dir(dir.path().to_owned()), options).expect("it opens")
    };
    let user_agent = open();
    server.event_report(&user_agent);
    user_agent.shutdown().await;
    drop(user_agent);
    let user_agent = open();
    user_agent.advance(Duration::default()).await.expect("stored");
    assert_eq!(attempts(&user_agent), [(0, SendOutcome::Answered(200))]);
}

#[tokio::test]
async fn a_reporting_origin_clears_its_own_data_only() {
    let (one, other) = (Server::start().await, Server::start_as("localhost").await);
    let user_agent = one.user_agent();
    one.event_report(&user_agent);
    other.event_report(&user_agent);
    user_agent.clear_site_data(&one.origin()).expect("deleted");
    assert!(user_agent.registered().iter().all(|entry| entry.reporting_origin == other.origin()));
    user_agent.advance(DAYS_30).await.expect("stored");
    assert_eq!((one.received(EVENT).len(), other.received(EVENT).len()), (0, 1));
}

#[tokio::test]
async fn the_same_seed_draws_the_same() {
    let server = Server::start().await;
    let ids = || {
        let user_agent = server.user_agent();
        server.aggregatable_report(&user_agent);
        user_agent.registered().iter().map(|entry| entry.draws.clone()).collect::<Vec<_>>()
    };
    assert_eq!(ids(), ids());
    let mut options = server.options();
    options.seed = None;
    let user_agent = UserAgent::open(Profile::Ephemeral, options).expect("it opens");
    server.aggregatable_report(&user_agent);
    let random: Vec<_> = user_agent.registered().iter().map(|entry| entry.draws.clone()).collect();
    assert_ne!(random, ids());
}

#[tokio::test]
async fn more_debug_reports_than_can_be_sent_are_dropped_and_told() {
    let server = Server::start().await;
    let until = Arc::new(Semaphore::new(0));
    server.will_answer_reports(vec![Answer::Held(until.clone()); 2_000]);
    let user_agent = server.user_agent();
    for _ in 0..1_100 {
        server.click(&user_agent, r#"{"destination": "https://shop.example", "debug_reporting": true}"#);
    }
    let dropped = |outcome: &SendOutcome| {
        *outcome == SendOutcome::Dropped { error: AttemptError::TooMany, kept: false }
    };
    let told = attempts(&user_agent).into_iter().filter(|(_, outcome)| dropped(outcome)).count();
    assert_eq!(told, 100);
    until.add_permits(2_000);
    user_agent.idle().await;
    assert_eq!(server.received(DEBUG_VERBOSE).len(), 1_000);
}

#[test]
fn a_user_agent_needs_a_runtime_and_can_be_shared() {
    fn sent<T: Send + Sync + Clone + 'static>() {}
    fn future(_: impl Future + Send) {}
    sent::<UserAgent>();
    assert!(UserAgent::open(Profile::Ephemeral, Options::default()).is_err());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _entered = runtime.enter();
    let user_agent = UserAgent::open(Profile::Ephemeral, Options::default()).expect("it opens");
    future(user_agent.run());
    future(user_agent.advance(DAYS_30));
    future(user_agent.send_pending_now());
    future(user_agent.shutdown());
}
