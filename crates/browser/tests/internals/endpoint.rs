//! The control endpoint: what there is, and what to do.

use serde_json::{Value, json};

use crate::{
    client::{get, post},
    story::{OS_TRIGGER, SOURCE, START, Sent, Story, TRIGGER, register},
};
use ascribe_agent::{Clock, JournalError, NavigationId, OpenError, Options, Profile, UserAgent};
use ascribe_browser::Surface;
use ascribe_headers::Eligibility;
use ascribe_reports::Duration;

const DAY: i64 = 86_400_000;

async fn ok(story: &Story, of: &str, body: &str) -> Value {
    let answer = post(&story.internals, of, body).await;
    assert_eq!(answer.status, 200, "{of} {body}: {}", answer.body);
    answer.json()
}

#[tokio::test]
async fn a_source_is_shown_with_all_that_is_known_of_it() {
    let story = Story::start(false).await;
    story.conversion();
    let state = get(&story.internals, "state").await;
    assert_eq!(state["clock"], json!({"now": START.as_millis(), "ahead": 0, "runs": false}));
    let source = &state["sources"][0];
    for (name, value) in [
        ("status", json!("attributable")),
        ("source_event_id", json!("412444888111012")),
        ("source_type", json!("navigation")),
        ("source_origin", json!("https://news.test")),
        ("destinations", json!(["https://shop.test"])),
        ("reporting_origin", json!("https://ads.test")),
        ("time", json!(START.as_millis())),
        ("expiry", json!(START.as_millis() + 30 * DAY)),
        ("event_level_reports", json!(1)),
        ("max_event_level_reports", json!(3)),
        ("trigger_data", json!([0, 1, 2, 3, 4, 5, 6, 7])),
        ("trigger_data_matching", json!("modulus")),
        ("filter_data", json!({"product": ["1234"], "source_type": ["navigation"]})),
        ("aggregation_keys", json!({"count": "0x5", "value": "0x159"})),
        ("budget", json!({"used": 34_432, "max": 65_536})),
        ("debug_key", json!("1")),
        ("fake_reports", json!(null)),
        ("event_level_epsilon", json!(14.0)),
    ] {
        assert_eq!(source[name], value, "{name}");
    }
    assert_eq!(source["event_windows"][1]["end"], START.as_millis() + 7 * DAY);
    let budget = state["limits"].as_array().expect("limits").iter();
    let budget = budget.filter(|limit| limit["limit"] == "aggregatable budget of a source");
    assert_eq!(
        budget.map(|l| (l["used"].clone(), l["max"].clone())).next(),
        Some((json!(34_432), json!(65_536)))
    );
}

#[tokio::test]
async fn a_trigger_that_was_not_attributed_says_why_in_a_sentence() {
    let story = Story::start(false).await;
    story.click(r#"{"destination": "https://shop.test", "filter_data": {"product": ["1"]}}"#);
    story.purchase(r#"{"event_trigger_data": [{}], "filters": {"product": ["2"]}}"#);
    story.respond(&Sent {
        page: "https://www.shop.test/thanks",
        url: "https://ads.test/pixel",
        surface: Surface::Fetch,
        eligibility: Eligibility::Trigger,
        header: (TRIGGER, r#"{"event_trigger_data": [{"priority": 5}]}"#),
    });
    let attempts = get(&story.internals, "attempts").await;
    let attempts = attempts["attempts"].as_array().expect("attempts");
    assert_eq!(attempts.len(), 3);
    assert_eq!(
        attempts[0]["outcome"]["sentence"],
        "Nothing is registered: Attribution-Reporting-Register-Trigger is invalid at \
         $[\"event_trigger_data\"][0][\"priority\"]: must be a string."
    );
    assert_eq!((&attempts[0]["surface"], &attempts[0]["eligibility"]), (&json!("fetch"), &json!("trigger")));
    let why = "Not attributed, because the filters do not match the best source: of source 0: \"product\" of the \
               source is [\"1\"], filters say [\"2\"].";
    assert_eq!(attempts[1]["outcome"]["sentence"], why);
    assert_eq!(attempts[1]["outcome"]["verdict"], "dropped");
    assert_eq!(attempts[1]["outcome"]["event_level"], "trigger-no-matching-filter-data");
    assert!(attempts[1]["outcome"]["steps"].as_array().is_some_and(|steps| steps.len() >= 2));
    assert_eq!(attempts[2]["outcome"]["verdict"], "stored");
}

#[tokio::test]
async fn what_is_for_the_operating_system_is_listed() {
    let story = Story::start(false).await;
    story.respond(&Sent {
        page: "https://www.shop.test/thanks",
        url: "https://ads.test/pixel",
        surface: Surface::Subresource,
        eligibility: Eligibility::Unset,
        header: (OS_TRIGGER, r#""https://ads.test/os";debug-reporting, "https://other.test/os""#),
    });
    let attempts = get(&story.internals, "attempts").await;
    let outcome = &attempts["attempts"][0]["outcome"];
    assert_eq!((&outcome["kind"], &outcome["verdict"]), (&json!("os-trigger"), &json!("delegated")));
    assert_eq!(
        outcome["os_registrations"],
        json!([
            {"url": "https://ads.test/os", "debug_reporting": true},
            {"url": "https://other.test/os", "debug_reporting": false},
        ])
    );
}

#[tokio::test]
async fn a_trigger_that_waits_is_told_again_when_it_waits_no_longer() {
    let story = Story::start(false).await;
    let navigation = NavigationId(1);
    story.click(r#"{"destination": "https://shop.test"}"#);
    story.user_agent.background_request_started(navigation);
    let trigger = Sent {
        page: "https://www.shop.test/",
        url: "https://ads.test/pixel",
        surface: Surface::Img,
        eligibility: Eligibility::Trigger,
        header: (TRIGGER, r#"{"event_trigger_data": [{}]}"#),
    };
    story.respond_in(&trigger, Some(navigation));
    let outcome = async || get(&story.internals, "attempts").await["attempts"][0]["outcome"].clone();
    assert_eq!(outcome().await["verdict"], "deferred");
    story.user_agent.background_request_finished(navigation).expect("stored");
    for _ in 0..100 {
        if outcome().await["verdict"] == "attributed" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(outcome().await["verdict"], "attributed");
    assert!(outcome().await["steps"].as_array().is_some_and(|steps| !steps.is_empty()));
}

#[tokio::test]
async fn reports_are_sent_now_and_shown_with_their_clear_histogram() {
    let story = Story::start(false).await;
    story.conversion();
    story.user_agent.idle().await;
    let reports = get(&story.internals, "reports").await;
    let of = |reports: &Value, list: &str, kind: &str| -> Vec<Value> {
        let list = reports[list].as_array().expect("a list").iter();
        list.filter(|report| report["kind"] == kind).cloned().collect()
    };
    assert_eq!(of(&reports, "sent", "verbose").len(), 1, "source-success: {reports}");
    let event = &of(&reports, "pending", "event-level")[0];
    assert_eq!((&event["trigger_data"], &event["priority"]), (&json!(3), &json!("10")));
    assert_eq!(event["report_time"], START.as_millis() + 2 * DAY);
    let aggregatable = &of(&reports, "pending", "aggregatable")[0];
    let histogram = json!([
        {"key": "0x5", "value": 1664, "filtering_id": "0"},
        {"key": "0x559", "value": 32_768, "filtering_id": "0"},
    ]);
    assert_eq!(aggregatable["contributions"], histogram);
    assert_eq!(aggregatable["status"], "Pending");

    let answer = ok(&story, "send-pending-reports", "{}").await;
    assert_eq!(answer, json!({"sent": 2, "failed": 0, "pending": 0}));
    let reports = get(&story.internals, "reports").await;
    assert_eq!(reports["pending"], json!([]));
    let sent = &of(&reports, "sent", "aggregatable")[0];
    assert_eq!((&sent["status"], &sent["http_status"]), (&json!("Sent"), &json!(200)));
    assert_eq!(sent["contributions"], histogram);
    assert_eq!(sent["id"], aggregatable["id"], "it is the same row");
    assert_eq!(sent["body"]["aggregation_service_payloads"][0]["key_id"], "key-1");
    let path = "/.well-known/attribution-reporting/report-aggregate-attribution";
    let received = story.sites.site("ads.test").received(path);
    let body: Value = serde_json::from_str(&received[0].text()).expect("JSON");
    assert_eq!(sent["body"], body, "as it was sent");
}

#[tokio::test]
async fn advancing_sends_what_is_due_on_the_way() {
    let story = Story::start(false).await;
    story.conversion();
    let answer = ok(&story, "advance", r#"{"by": "1d"}"#).await;
    assert_eq!(answer["now"], START.as_millis() + DAY);
    assert_eq!(answer["failed"], 0);
    let answer = ok(&story, "advance", r#"{"by": 2505600000}"#).await;
    assert_eq!(answer, json!({"now": START.as_millis() + 30 * DAY, "sent": 1, "failed": 0}));
    assert_eq!(story.user_agent.now(), START + Duration::from_days(30));
}

#[tokio::test]
async fn what_cannot_be_delivered_says_why() {
    let story = Story::start(false).await;
    for (surface, header) in [
        (Surface::Img, (SOURCE, r#"{"destination": "https://shop.test"}"#)),
        (Surface::Fetch, (TRIGGER, r#"{"event_trigger_data": [{}]}"#)),
    ] {
        let page = if surface == Surface::Img { "https://news.test" } else { "https://shop.test" };
        let url = "https://gone.test/register";
        let eligibility = Eligibility::EventSourceOrTrigger;
        story.respond(&Sent { page, url, surface, eligibility, header });
    }
    let answer = ok(&story, "send-pending-reports", "{}").await;
    assert_eq!(answer, json!({"sent": 0, "failed": 1, "pending": 1}));
    let reports = get(&story.internals, "reports").await;
    let waiting = &reports["pending"][0];
    assert_eq!((&waiting["status"], &waiting["failures"]), (&json!("Pending"), &json!(1)));
    let detail = waiting["detail"].as_str().expect("why");
    assert!(detail.starts_with("Could not be delivered, and is tried again. Attempt 1: "), "{detail}");
    ok(&story, "advance", r#"{"by": "1h"}"#).await;
    let reports = get(&story.internals, "reports").await;
    let given_up = &reports["sent"][0];
    assert_eq!(given_up["status"], "Network error");
    assert!(given_up["detail"].as_str().is_some_and(|d| d.contains("after 3 attempts")), "{given_up}");
}

#[tokio::test]
async fn what_an_earlier_run_kept_is_shown() {
    let directory = tempfile::tempdir().expect("a directory");
    let open = async || {
        let mut options =
            Options { clock: Clock::fixed(START), keep_undeliverable: true, ..Options::default() };
        options.network.host_map = "MAP * ~NOTFOUND".parse().expect("a host map");
        let profile = Profile::Dir(directory.path().join("profile"));
        for _ in 0..100 {
            // What followed the earlier run ends soon, but not at once.
            match UserAgent::open(profile.clone(), options.clone()) {
                Ok(user_agent) => return user_agent,
                Err(OpenError::Journal(JournalError::InUse { .. })) => {}
                Err(error) => panic!("{error}"),
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("the profile stays in use");
    };
    let story = Story::start(false).await;
    let earlier = open().await;
    story.internals.add_context("earlier", "Earlier", earlier.clone());
    for (page, eligibility, header) in [
        ("https://news.test", Eligibility::EventSource, (SOURCE, r#"{"destination": "https://shop.test"}"#)),
        ("https://shop.test", Eligibility::Trigger, (TRIGGER, r#"{"event_trigger_data": [{}]}"#)),
    ] {
        let url = "https://ads.test/register";
        register(&earlier, &Sent { page, url, surface: Surface::Fetch, eligibility, header }, None);
    }
    earlier.send_pending_now().await.expect("tried");
    earlier.advance(Duration::from_days(1)).await.expect("tried again");
    let sent = get(&story.internals, "reports?context=earlier").await["sent"].clone();
    assert_eq!(sent[0]["status"], "Network error");
    story.internals.remove_context("earlier");
    earlier.shutdown().await;
    drop(earlier);

    story.internals.add_context("later", "Later", open().await);
    let kept = get(&story.internals, "reports?context=later").await["sent"].clone();
    assert_eq!((&kept[0]["status"], &kept[0]["id"]), (&json!("Undeliverable"), &sent[0]["id"]));
}

#[tokio::test]
async fn a_report_that_made_room_for_another_is_shown_as_replaced() {
    let story = Story::start(false).await;
    story.click(r#"{"destination": "https://shop.test", "max_event_level_reports": 1}"#);
    story.purchase(r#"{"event_trigger_data": [{"trigger_data": "1"}]}"#);
    let replaced = async || {
        for _ in 0..100 {
            let reports = get(&story.internals, "reports").await;
            let sent = reports["sent"].as_array().expect("reports").clone();
            if let Some(replaced) = sent.into_iter().find(|report| report["status"] == "Replaced") {
                return replaced;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("nothing was replaced");
    };
    // It must have been seen before it vanishes.
    let mut revision = -1;
    while revision < 3 {
        let changes = get(&story.internals, &format!("changes?since={revision}&timeout=1")).await;
        revision = changes["revision"].as_i64().expect("a number");
    }
    story.purchase(r#"{"event_trigger_data": [{"trigger_data": "2", "priority": "1"}]}"#);
    assert_eq!(replaced().await["trigger_data"], 1);
}

#[tokio::test]
async fn fake_reports_are_told_apart_even_when_their_source_is_gone() {
    let story = Story::start(false).await;
    // Without an epsilon, noise chooses nearly every source.
    let noisy = |priority: u32| {
        let source = json!({
            "destination": "https://shop.test",
            "event_level_epsilon": 0,
            "priority": priority.to_string(),
            "max_event_level_reports": 20,
            "trigger_data": [0, 1],
            "event_report_windows": {"end_times": [3600, 7200]},
        });
        story.click(&source.to_string());
    };
    for priority in 0..10 {
        noisy(priority);
    }
    story.click(r#"{"destination": "https://shop.test", "priority": "100"}"#);
    // The losers go, and their reports stay.
    story.purchase(r#"{"event_trigger_data": [{"trigger_data": "7"}]}"#);
    assert_eq!(story.user_agent.view(|engine| engine.state().source_count()), 1);
    let reports = get(&story.internals, "reports").await;
    let reports = reports["pending"].as_array().expect("reports");
    assert!(reports.len() > 10, "{}", reports.len());
    for report in reports {
        assert_eq!(report["fake"], report["trigger_data"] != 7, "{report}");
    }
    ok(&story, "send-pending-reports", "{}").await;
    let sent = get(&story.internals, "reports").await;
    for report in sent["sent"].as_array().expect("reports") {
        assert_eq!(report["fake"], report["trigger_data"] != 7, "{report}");
    }
}

#[tokio::test]
async fn test_switches_exist_in_test_mode_only() {
    let story = Story::start(false).await;
    for (of, body) in
        [("local-testing-mode", r#"{"enabled": true}"#), ("test-switches", r#"{"noise": false}"#)]
    {
        let answer = post(&story.internals, of, body).await;
        assert_eq!((answer.status, &*answer.error()), (403, "not in test mode"), "{of}");
    }
    assert_eq!(get(&story.internals, "state").await["test"]["available"], false);

    let story = Story::start(true).await;
    let test = |noise: bool, delay: bool| json!({"available": true, "noise": noise, "delay": delay, "local_testing_mode": !noise && !delay});
    assert_eq!(get(&story.internals, "state").await["test"], test(true, true));
    assert_eq!(ok(&story, "test-switches", r#"{"noise": false}"#).await, test(false, true));
    assert_eq!(ok(&story, "test-switches", r#"{"delay": false}"#).await, test(false, false));
    assert_eq!(ok(&story, "test-switches", r#"{"noise": true, "delay": false}"#).await, test(true, false));
    assert_eq!(ok(&story, "local-testing-mode", r#"{"enabled": true}"#).await, test(false, false));
    assert_eq!(get(&story.internals, "state").await["test"], test(false, false));
    story.conversion();
    assert_eq!(story.user_agent.view(|engine| engine.next_due()), Some(START), "no delay");
    assert_eq!(ok(&story, "local-testing-mode", r#"{"enabled": false}"#).await, test(true, true));
}

#[tokio::test]
async fn arguments_of_another_kind_are_invalid() {
    let story = Story::start(true).await;
    for (of, body) in [
        ("local-testing-mode", r#"{"enabled": 1}"#),
        ("local-testing-mode", r#"{"enabled": "true"}"#),
        ("local-testing-mode", r#"{"enabled": null}"#),
        ("local-testing-mode", "{}"),
        ("local-testing-mode", r#"{"enabled": true, "more": 1}"#),
        ("local-testing-mode", "[true]"),
        ("local-testing-mode", "{"),
        ("test-switches", r#"{"noise": 0}"#),
        ("advance", r#"{"by": "a month"}"#),
        ("advance", r#"{"by": -5}"#),
        ("advance", "{}"),
        ("send-pending-reports", r#"{"now": true}"#),
        ("clear", r#"{"origin": "http://ads.test"}"#),
        ("clear", r#"{"origin": "ads"}"#),
        ("clear", r#"{"from": "yesterday"}"#),
    ] {
        let answer = post(&story.internals, of, body).await;
        assert_eq!((answer.status, &*answer.error()), (400, "invalid argument"), "{of} {body}");
    }
    assert_eq!(get(&story.internals, "state").await["test"]["noise"], true, "nothing was changed");
}

#[tokio::test]
async fn data_is_cleared_wholly_by_origin_and_by_time() {
    let story = Story::start(false).await;
    let count = async || {
        let state = get(&story.internals, "state").await;
        let attempts = get(&story.internals, "attempts").await;
        let attempts = attempts["attempts"].as_array().map_or(0, Vec::len);
        (state["source_count"].clone(), state["report_count"].clone(), attempts)
    };
    story.conversion();
    ok(&story, "clear", r#"{"origin": "https://other.test"}"#).await;
    assert_eq!(count().await, (json!(1), json!(2), 2));
    ok(&story, "clear", &format!(r#"{{"from": {}}}"#, START.as_millis() + 1)).await;
    ok(&story, "clear", &format!(r#"{{"to": {}}}"#, START.as_millis() - 1)).await;
    assert_eq!(count().await, (json!(1), json!(2), 2));
    let limits = |state: &Value| state["limits"].as_array().map_or(0, Vec::len);
    ok(&story, "clear", r#"{"origin": "https://ads.test", "rate_limits": false}"#).await;
    assert_eq!(count().await, (json!(0), json!(0), 0));
    assert!(limits(&get(&story.internals, "state").await) > 0);
    ok(&story, "clear", "{}").await;
    assert_eq!(limits(&get(&story.internals, "state").await), 0);
}

#[tokio::test]
async fn browser_contexts_are_apart() {
    let story = Story::start(true).await;
    story.add_context("incognito");
    story.conversion();
    let state = get(&story.internals, "state").await;
    let contexts = json!([
        {"id": "default", "label": "Default"}, {"id": "incognito", "label": "Context incognito"}
    ]);
    assert_eq!((&state["contexts"], &state["context"]), (&contexts, &json!("default")));
    let other = get(&story.internals, "state?context=incognito").await;
    assert_eq!((&other["context"], &other["source_count"]), (&json!("incognito"), &json!(0)));
    ok(&story, "local-testing-mode?context=incognito", r#"{"enabled": true}"#).await;
    assert_eq!(get(&story.internals, "state").await["test"]["noise"], true);
    ok(&story, "clear?context=incognito", "{}").await;
    assert_eq!(get(&story.internals, "state").await["source_count"], 1);
    story.internals.remove_context("incognito");
    let answer = post(&story.internals, "clear?context=incognito", "{}").await;
    assert_eq!((answer.status, &*answer.error()), (404, "no such context"));
}

#[tokio::test]
async fn a_wait_for_changes_ends_with_the_next_change() {
    let story = Story::start(false).await;
    let revision = get(&story.internals, "changes?timeout=0").await["revision"].as_i64().expect("a number");
    let started = std::time::Instant::now();
    let same = get(&story.internals, &format!("changes?since={revision}&timeout=0")).await;
    assert_eq!(same["revision"], revision);
    let of = format!("changes?since={revision}&timeout=30");
    let (changed, ()) = tokio::join!(get(&story.internals, &of), async {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        story.click(r#"{"destination": "https://shop.test"}"#);
    });
    assert!(changed["revision"].as_i64().is_some_and(|new| new > revision), "{changed}");
    assert!(started.elapsed().as_secs() < 20);
}
