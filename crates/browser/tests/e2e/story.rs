//! From the click to the reports: a month in the life of an advertisement.

use ascribe_agent::Clock;
use ascribe_browser::Click;
use ascribe_engine::TestSwitches;
use ascribe_reports::{Duration, Payload, Time};
use ascribe_test_sites::{Received, Reply};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::stage::{SOURCE, Stage, TRIGGER, Tested, json, tests};

tests![
    a_click_and_a_purchase_by_each_way_lead_to_reports,
    reports_wait_for_their_time,
    an_unreachable_server_is_tried_again,
    cleared_data_is_not_reported,
];

/// A Monday.
const START: Time = Time::from_millis(1_893_456_000_000);
const EVENT_LEVEL: &str = "/.well-known/attribution-reporting/report-event-attribution";
const AGGREGATABLE: &str = "/.well-known/attribution-reporting/report-aggregate-attribution";

/// A browser without noise whose time stands still until it is advanced.
async fn own_browser(stage: Stage) -> Result<Stage, Box<dyn std::error::Error>> {
    stage
        .with_browser(|options| {
            options.agent.clock = Clock::fixed(START);
            // What is silent is soon given up.
            options.network.timeout = std::time::Duration::from_secs(3);
            options.agent.config.test = TestSwitches { no_noise: true, no_delay: false };
        })
        .await
}

/// The user clicks on an advertisement with this number.
async fn click(stage: &Stage, id: u64) -> Tested {
    let source = format!(
        r#"{{"source_event_id": "{id}", "destination": "{}", "aggregation_keys": {{"campaign": "0x{id}00", "region": "0x5"}}}}"#,
        stage.shop.origin()
    );
    stage.ads.reply("/click", Reply::redirect(&stage.shop.url("/product")).header(SOURCE, source));
    stage.shop.reply("/product", Reply::html("a product"));
    let html = format!(r#"<a href="{}" attributionsrc>buy</a>"#, stage.ads.url("/click"));
    let page = stage.show(&stage.publisher, &html).await?;
    page.navigation(page.click("a", Click::default())).await?;
    assert_eq!(stage.sources().await.last(), Some(&id));
    Ok(())
}

/// The ways to register a trigger: the page that thanks for a purchase, for each.
const WAYS: [(u64, &str); 5] = [
    (1, r#"<img attributionsrc src="URL">"#),
    (2, r#"<script attributionsrc src="URL"></script>"#),
    (
        3,
        r#"<script>fetch("URL", {keepalive: true, attributionReporting: {eventSourceEligible: false, triggerEligible: true}})</script>"#,
    ),
    (
        4,
        r#"<script>
        const req = new XMLHttpRequest();
        req.open("GET", "URL");
        req.setAttributionReporting({eventSourceEligible: false, triggerEligible: true});
        req.send();
    </script>"#,
    ),
    (5, r#"<img src="URL">"#),
];

/// The user buys something for `value`, and the shop's page tells in this way.
async fn purchase(stage: &Stage, id: u64, way: &str) -> Tested {
    let trigger = format!(
        r#"{{"event_trigger_data": [{{"trigger_data": "{id}"}}],
        "aggregatable_trigger_data": [{{"key_piece": "0x{id}", "source_keys": ["campaign"]}}, {{"key_piece": "0x{id}0", "source_keys": ["region"]}}],
        "aggregatable_values": {{"campaign": 1, "region": {}}}}}"#,
        id * 100
    );
    let path = format!("/convert{id}");
    stage.ads.reply(&path, Reply::ok().cors().header(TRIGGER, trigger.replace('\n', " ")));
    stage.shop.reply("/thanks", Reply::html(way.replace("URL", &stage.ads.url(&path))));
    let page = stage.open(&stage.shop.url("/thanks")).await?;
    stage.ads.wait_for(&path).await?;
    stage.idle().await;
    page.close().await?;
    Ok(())
}

async fn a_click_and_a_purchase_by_each_way_lead_to_reports(stage: Stage) -> Tested {
    let stage = own_browser(stage).await?;
    stage.ads.reply(EVENT_LEVEL, Reply::ok());
    stage.ads.reply(AGGREGATABLE, Reply::ok());
    for (id, way) in WAYS {
        click(&stage, id).await?;
        purchase(&stage, id, way).await?;
        // The next click is the newer one.
        stage.user_agent().advance(Duration::from_secs(3_600)).await?;
    }
    assert!(stage.ads.received(EVENT_LEVEL).is_empty());
    stage.user_agent().advance(Duration::from_secs(30 * 86_400)).await?;

    let mut events: Vec<_> =
        stage.ads.received(EVENT_LEVEL).iter().map(|report| check_request(report)).collect();
    events.sort_by_key(|report| report["source_event_id"].to_string());
    assert_eq!(events.len(), WAYS.len());
    for ((id, way), report) in WAYS.iter().zip(&events) {
        let report_id = report["report_id"].as_str().ok_or("no ID")?;
        assert_eq!(report_id.len(), 36);
        let expected = json!({
            "attribution_destination": stage.shop.origin(),
            "source_event_id": id.to_string(),
            "trigger_data": id.to_string(),
            "source_type": "navigation",
            "randomized_trigger_rate": 0.0024263,
            // The end of the first window, two days after the click.
            "scheduled_report_time": (1_893_456_000 + 2 * 86_400 + 3_600 * (id - 1)).to_string(),
            "report_id": report_id,
        });
        assert_eq!(*report, expected, "{way}");
    }

    let mut histograms: Vec<_> =
        stage.ads.received(AGGREGATABLE).iter().map(|report| open(&stage, &check_request(report))).collect();
    histograms.sort();
    let expected = WAYS.map(|(id, _)| {
        let (id128, value) = (u128::from(id), u32::try_from(id * 100).expect("small"));
        let mut histogram = vec![(id128 * 0x100 + id128, 1), (0x5 | (id128 * 0x10), value)];
        histogram.sort_unstable();
        histogram
    });
    let mut expected = expected.to_vec();
    expected.sort();
    assert_eq!(histograms, expected);
    assert_eq!(stage.user_agent().view(|engine| engine.state().report_count()), 0);
    Ok(())
}

/// A report is sent without anything that tells who sends it.
#[track_caller]
fn check_request(report: &Received) -> Value {
    assert_eq!(report.method, "POST");
    assert_eq!(report.header("content-type"), Some("application/json"));
    for name in ["cookie", "referer", "authorization"] {
        assert_eq!(report.header(name), None, "{report}");
    }
    json(report)
}

/// The contributions of an aggregatable report, without padding, sorted by bucket.
#[track_caller]
fn open(stage: &Stage, report: &Value) -> Vec<(u128, u32)> {
    let shared_info = report["shared_info"].as_str().expect("text");
    let shared: Value = serde_json::from_str(shared_info).expect("JSON");
    assert_eq!(shared["api"], "attribution-reporting");
    assert_eq!(shared["attribution_destination"], stage.shop.origin());
    assert_eq!(shared["reporting_origin"], stage.ads.origin());
    assert_eq!(shared["version"], "1.0");
    assert_eq!(report["aggregation_coordinator_origin"], "https://coordinator.test");
    let payloads = report["aggregation_service_payloads"].as_array().expect("a list");
    assert_eq!(payloads.len(), 1);
    assert_eq!(payloads[0]["debug_cleartext_payload"], Value::Null);
    let sealed = BASE64_STANDARD.decode(payloads[0]["payload"].as_str().expect("text")).expect("base64");
    let keys = stage.private_keys();
    let key = keys.find(payloads[0]["key_id"].as_str().expect("text")).expect("the coordinator's key");
    let payload =
        Payload::parse(&key.open(shared_info, &sealed).expect("sealed to the key")).expect("a payload");
    assert_eq!(payload.contributions.len(), 20, "padded");
    let contributions = payload.contributions.iter().filter(|one| one.value > 0);
    let mut histogram: Vec<_> = contributions.map(|one| (one.key.0, one.value)).collect();
    histogram.sort_unstable();
    histogram
}

async fn reports_wait_for_their_time(stage: Stage) -> Tested {
    let stage = own_browser(stage).await?;
    stage.ads.reply("/.well-known/*", Reply::ok());
    click(&stage, 1).await?;
    purchase(&stage, 1, WAYS[0].1).await?;
    stage.user_agent().advance(Duration::from_secs(10 * 60)).await?;
    assert_eq!(stage.ads.received(AGGREGATABLE).len(), 1, "within ten minutes");
    stage.user_agent().advance(Duration::from_secs(2 * 86_400 - 12 * 60)).await?;
    assert!(stage.ads.received(EVENT_LEVEL).is_empty(), "two minutes early");
    stage.user_agent().advance(Duration::from_secs(2 * 60)).await?;
    assert_eq!(stage.ads.received(EVENT_LEVEL).len(), 1);
    stage.user_agent().advance(Duration::from_secs(60 * 86_400)).await?;
    assert_eq!(
        (stage.ads.received(EVENT_LEVEL).len(), stage.ads.received(AGGREGATABLE).len()),
        (1, 1),
        "once"
    );
    Ok(())
}

async fn an_unreachable_server_is_tried_again(stage: Stage) -> Tested {
    let stage = own_browser(stage).await?;
    stage.ads.reply(EVENT_LEVEL, Reply::silence());
    stage.ads.reply(AGGREGATABLE, Reply::status(500));
    click(&stage, 1).await?;
    purchase(&stage, 1, WAYS[0].1).await?;
    stage.user_agent().advance(Duration::from_secs(2 * 86_400)).await?;
    let tried = stage.ads.received(EVENT_LEVEL);
    assert!(!tried.is_empty());
    stage.ads.reply(EVENT_LEVEL, Reply::ok());
    stage.user_agent().advance(Duration::from_secs(5 * 60)).await?;
    let all = stage.ads.received(EVENT_LEVEL);
    assert_eq!(all.len(), tried.len() + 1);
    let bodies: Vec<_> = all.iter().map(|report| report.text()).collect();
    assert!(bodies.iter().all(|body| *body == bodies[0]), "it is the same report each time: {bodies:?}");
    stage.user_agent().advance(Duration::from_secs(86_400)).await?;
    assert_eq!(stage.ads.received(EVENT_LEVEL).len(), all.len(), "answered, so never again");
    assert_eq!(stage.ads.received(AGGREGATABLE).len(), 1, "any answer is an answer");
    Ok(())
}

async fn cleared_data_is_not_reported(stage: Stage) -> Tested {
    let stage = own_browser(stage).await?;
    stage.ads.reply("/.well-known/*", Reply::ok());
    click(&stage, 1).await?;
    purchase(&stage, 1, WAYS[0].1).await?;
    // The shop's server asks for it; the header of the ad tech's own origin counts.
    stage.ads.reply("/logout", Reply::image().header("clear-site-data", "\"storage\""));
    stage.show(&stage.shop, &format!(r#"<img src="{}">"#, stage.ads.url("/logout"))).await?;
    stage.ads.wait_for("/logout").await?;
    assert!(stage.sources().await.is_empty());
    stage.user_agent().advance(Duration::from_secs(30 * 86_400)).await?;
    assert!(stage.received("/.well-known/").is_empty());
    Ok(())
}
