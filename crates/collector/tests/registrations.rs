//! What tags are answered, over HTTP.

mod support;

use std::sync::LazyLock;

use ascribe_headers::{SourceRegistration, SourceType, TriggerRegistration, VendorValues};
use proptest::prelude::*;
use reqwest::{Response, header::HeaderMap};
use support::{Serving, campaigns, client};

const SOURCE: &str = "attribution-reporting-register-source";
const TRIGGER: &str = "attribution-reporting-register-trigger";

async fn get(serving: &Serving, path: &str, headers: &[(&'static str, &str)]) -> Response {
    let mut request = client().get(format!("{}{path}", serving.url));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

async fn start() -> Serving {
    Serving::start(ascribe_collector::Limits::default()).await
}

fn source(headers: &HeaderMap, source_type: SourceType) -> SourceRegistration {
    let parsed = SourceRegistration::parse(headers[SOURCE].as_bytes(), source_type, &VendorValues::default());
    assert_eq!((parsed.errors.as_slice(), parsed.warnings.as_slice()), (&[][..], &[][..]));
    parsed.value.unwrap()
}

fn trigger(headers: &HeaderMap) -> TriggerRegistration {
    let parsed = TriggerRegistration::parse(headers[TRIGGER].as_bytes(), &VendorValues::default());
    assert_eq!((parsed.errors.as_slice(), parsed.warnings.as_slice()), (&[][..], &[][..]));
    parsed.value.unwrap()
}

const VIEW: (&str, &str) = ("attribution-reporting-eligible", "event-source;junk=1, not-navigation-source");
const CLICK: (&str, &str) = ("attribution-reporting-eligible", "navigation-source");
const TRIGGERS: (&str, &str) = ("attribution-reporting-eligible", "trigger");

#[tokio::test]
async fn a_view_registers_by_pixel_script_and_fetch() {
    let serving = start().await;
    for (path, kind, body) in [
        ("/source/spring.gif?placement=7&click=c1&country=fr", "image/gif", 43),
        ("/source/spring.js?placement=7&click=c1&country=fr", "text/javascript", 0),
        ("/source/spring?placement=7&click=c1&country=fr", "text/plain", 0),
    ] {
        let response = get(&serving, path, &[VIEW, ("origin", "https://news.example")]).await;
        assert_eq!(response.status(), 200);
        let headers = response.headers().clone();
        for (name, value) in [
            ("content-type", kind),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("cross-origin-resource-policy", "cross-origin"),
            ("access-control-allow-origin", "https://news.example"),
            ("access-control-allow-credentials", "true"),
            ("vary", "Origin"),
            ("attribution-reporting-info", "report-header-errors"),
        ] {
            assert_eq!(headers[name], value, "{path}: {name}");
        }
        assert!(!headers.contains_key("set-cookie") && !headers.contains_key(TRIGGER));
        let source = source(&headers, SourceType::Event);
        assert_eq!(source.priority, 10);
        let opened = campaigns().event_ids.open(source.source_event_id, &support::secrets()).unwrap();
        assert_eq!((opened.campaign, opened.fields[0]), (1, 7));
        // campaign 1, country 3 (of 4 and 0), measure 1 and 2, in bits 16.., 12.., 10..
        let keys: Vec<_> =
            source.aggregation_keys.as_slice().iter().map(|(id, key)| (id.as_str(), key.0)).collect();
        assert_eq!(keys, [("purchases", 0x1_3400), ("revenue", 0x1_3800)]);
        assert_eq!(response.bytes().await.unwrap().len(), body);
    }
    // Asked for again, the same; asked for another click, another.
    let id = async |query: &str| {
        let response = get(&serving, &format!("/source/spring?{query}"), &[VIEW]).await;
        source(response.headers(), SourceType::Event).source_event_id
    };
    assert_eq!(id("placement=7&click=c1").await, id("click=c1&placement=7&other=1").await);
    assert_ne!(id("placement=7&click=c1").await, id("placement=7&click=c2").await);
    serving.end().await;
}

#[tokio::test]
async fn a_click_registers_on_its_way_to_a_landing_page() {
    let serving = start().await;
    let response = get(&serving, "/click/spring?placement=1", &[CLICK]).await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["location"]),
        (302, &"https://www.shop.example/spring".parse().unwrap())
    );
    assert_eq!(source(response.headers(), SourceType::Navigation).priority, 100);
    // The background request of the same click registers the same.
    let background = get(&serving, "/source/spring.gif?placement=1", &[CLICK]).await;
    assert_eq!(background.headers()[SOURCE], response.headers()[SOURCE]);
    // Whoever is not eligible still gets to the page, and to no other.
    for (query, location) in [
        ("to=https://www.shop.example/spring/shoes", "https://www.shop.example/spring/shoes"),
        ("to=https://evil.example/", "https://www.shop.example/spring"),
    ] {
        let response = get(&serving, &format!("/click/spring?{query}"), &[]).await;
        assert_eq!(
            (response.status().as_u16(), response.headers()["location"].to_str().unwrap()),
            (302, location)
        );
        assert!(!response.headers().contains_key(SOURCE));
    }
    assert!(serving.metrics().await.contains("ascribe_collector_refused_redirects_total 1"));
    serving.end().await;
}

#[tokio::test]
async fn further_origins_are_gone_to_one_after_the_other_and_then_back() {
    let serving = start().await;
    let response = get(&serving, "/click/summer?to=https://www.shop.example/summer/hats", &[CLICK]).await;
    assert!(response.headers().contains_key(SOURCE));
    let next = "https%3A%2F%2Fads.example%2Fclick%2Fsummer%3Fstep%3D1%26to%3Dhttps%253A%252F%252Fwww.shop.example%252Fsummer%252Fhats";
    let location = format!("https://partner.example/register?campaign=summer&next={next}");
    assert_eq!(response.headers()["location"], location);
    let back =
        get(&serving, "/click/summer?step=1&to=https%3A%2F%2Fwww.shop.example%2Fsummer%2Fhats", &[CLICK])
            .await;
    assert_eq!(back.headers()["location"], "https://www.shop.example/summer/hats");
    assert!(!back.headers().contains_key(SOURCE), "registered once");

    let pixel = get(&serving, "/source/summer.gif", &[VIEW]).await;
    assert_eq!(pixel.status(), 302);
    let end = get(&serving, "/source/summer.gif?step=1", &[VIEW]).await;
    assert_eq!((end.status().as_u16(), &end.headers()["content-type"]), (200, &"image/gif".parse().unwrap()));
    for step in ["2", "99999999999999999999", "-1", "x"] {
        assert!(
            get(&serving, &format!("/source/summer.gif?step={step}"), &[VIEW]).await.status().as_u16() < 400
        );
    }
    serving.end().await;
}

#[tokio::test]
async fn triggers_go_on_to_further_origins_too() {
    let serving = start().await;
    let first = get(&serving, "/conversion/signup.gif", &[TRIGGERS]).await;
    assert!(first.headers().contains_key(TRIGGER));
    let location = "https://partner.example/register?next=https%3A%2F%2Fads.example%2Fconversion%2Fsignup.gif%3Fstep%3D1&conversion=signup";
    assert_eq!((first.status().as_u16(), &first.headers()["location"]), (302, &location.parse().unwrap()));
    let end = get(&serving, "/conversion/signup.gif?step=1", &[TRIGGERS]).await;
    assert_eq!((end.status().as_u16(), &end.headers()["content-type"]), (200, &"image/gif".parse().unwrap()));
    assert!(!end.headers().contains_key(TRIGGER), "registered once");
    serving.end().await;
}

#[tokio::test]
async fn the_operating_system_registers_where_it_alone_can() {
    const OS_SOURCE: &str = "attribution-reporting-register-os-source";
    const OS_TRIGGER: &str = "attribution-reporting-register-os-trigger";
    let serving = start().await;
    let registered = async |path: &str, eligible, support: &str| {
        let support = ("attribution-reporting-support", support);
        let response = get(&serving, path, &[eligible, support]).await;
        let headers = response.headers().clone();
        [SOURCE, OS_SOURCE, TRIGGER, OS_TRIGGER]
            .into_iter()
            .filter(|name| headers.contains_key(*name))
            .collect::<Vec<_>>()
    };
    for (support, expected) in [("os", OS_SOURCE), ("os, web", SOURCE), ("web", SOURCE)] {
        assert_eq!(registered("/source/summer", VIEW, support).await, [expected], "{support}");
    }
    assert_eq!(registered("/conversion/signup", TRIGGERS, "os").await, [OS_TRIGGER]);
    assert!(registered("/source/spring", VIEW, "os").await.is_empty(), "nowhere to register");
    let source =
        get(&serving, "/source/summer?click=a&x=\"%22", &[VIEW, ("attribution-reporting-support", "os")])
            .await;
    let urls = ascribe_headers::OsRegistration::parse_list(source.headers()[OS_SOURCE].as_bytes());
    assert!(urls.errors.is_empty() && urls.warnings.is_empty(), "{urls:?}");
    assert_eq!(
        source.headers()[OS_SOURCE],
        "\"https://os.ads.example/source?campaign=summer&tag=click%3Da%26x%3D%2522%2522\""
    );
    // Preferred, it registers where both can.
    let text = support::EXAMPLE.replace(r#"preferred_platform = "web""#, r#"preferred_platform = "os""#);
    let preferring = ascribe_collector::Campaigns::parse(&text, support::secrets()).unwrap();
    serving.collector.replace_campaigns(preferring);
    for (support, expected) in [("os", OS_SOURCE), ("os, web", OS_SOURCE), ("web", SOURCE)] {
        assert_eq!(registered("/click/summer", CLICK, support).await, [expected], "{support}");
    }
    let wrong = text.replace(r#"preferred_platform = "os""#, r#"preferred_platform = "car""#);
    let problems = ascribe_collector::Campaigns::parse(&wrong, support::secrets()).unwrap_err();
    assert!(problems.to_string().contains("preferred_platform is no platform"), "{problems}");
    let served = serving.store.clone();
    let folder = serving.end().await;
    let served = ascribe_collector::Store::open(&served).unwrap().served().unwrap();
    let count: u64 = served.iter().map(|served| served.count).sum();
    assert_eq!(count, 3, "what the system registers, it reports elsewhere");
    drop(folder);
}

#[tokio::test]
async fn a_conversion_triggers_with_values_and_an_order_only_once() {
    let serving = start().await;
    let path = "/conversion/purchase.gif?order=A-1&value=125.50&category=3";
    let response = get(&serving, path, &[TRIGGERS]).await;
    let trigger = trigger(response.headers());
    assert_eq!((trigger.event_triggers[0].trigger_data, trigger.event_triggers[0].priority), (1, 100));
    let key = trigger.event_triggers[0].dedup_key;
    assert_eq!(key, Some(support::secrets().deduplication_key("purchase", "A-1")));
    assert_eq!(trigger.aggregatable_dedup_keys[0].dedup_key, key);
    let data = &trigger.aggregatable_trigger_data[0];
    assert_eq!((data.key_piece.0, data.source_keys.len()), (0x13, 2), "conversion 1 in bits 4.., category 3");
    let values: Vec<_> = trigger.aggregatable_values[0]
        .values
        .iter()
        .map(|(name, value)| (name.as_str(), value.value, value.filtering_id))
        .collect();
    assert_eq!(values, [("purchases", 16_384, 0), ("revenue", 12_337, 1)]);
    // A retry triggers the same.
    assert_eq!(get(&serving, path, &[TRIGGERS]).await.headers()[TRIGGER], response.headers()[TRIGGER]);
    // A plain pixel, without the header, triggers too.
    assert!(get(&serving, path, &[]).await.headers().contains_key(TRIGGER));
    let signup = get(&serving, "/conversion/signup", &[TRIGGERS]).await;
    assert!(!signup.headers()[TRIGGER].to_str().unwrap().contains("key_piece"));
    serving.end().await;
}

#[tokio::test]
async fn what_is_not_eligible_is_not_registered() {
    let serving = start().await;
    // The pair that the guide's examples give a trigger's request.
    let response =
        get(&serving, "/conversion/purchase", &[("attribution-reporting-eligible", "event-source")]).await;
    assert_eq!(response.status(), 200);
    assert!(!response.headers().contains_key(TRIGGER));
    for headers in [
        &[][..],
        &[TRIGGERS],
        &[("attribution-reporting-eligible", "")],
        &[("attribution-reporting-eligible", "event-source event-source")],
        &[VIEW, ("attribution-reporting-support", "os")],
    ] {
        let response = get(&serving, "/source/spring.gif", headers).await;
        assert_eq!(response.status(), 200, "{headers:?}");
        assert!(!response.headers().contains_key(SOURCE), "{headers:?}");
    }
    let metrics = serving.metrics().await;
    assert!(
        metrics.contains(r#"registrations_total{kind="source",outcome="web_not_supported"} 1"#),
        "{metrics}"
    );
    serving.end().await;
}

#[tokio::test]
async fn pages_of_other_origins_may_ask_first_and_send_by_post() {
    let serving = start().await;
    let url = format!("{}/conversion/purchase", serving.url);
    let preflight = client()
        .request(reqwest::Method::OPTIONS, &url)
        .header("origin", "https://shop.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type,x-more")
        .send()
        .await
        .unwrap();
    assert_eq!(preflight.status(), 204);
    assert_eq!(preflight.headers()["access-control-allow-origin"], "https://shop.example");
    assert_eq!(preflight.headers()["access-control-allow-headers"], "content-type,x-more");
    let post = client().post(&url).header(TRIGGERS.0, TRIGGERS.1).body("{}").send().await.unwrap();
    assert!(post.headers().contains_key(TRIGGER));
    serving.end().await;
}

#[tokio::test]
async fn unknown_names_and_methods_are_told() {
    let serving = start().await;
    for path in ["/source/none.gif", "/click/none", "/conversion/none", "/source/", "/", "/source/spring.png"]
    {
        assert_eq!(get(&serving, path, &[VIEW]).await.status(), 404, "{path}");
    }
    let put = client().put(format!("{}/source/spring", serving.url)).send().await.unwrap();
    assert_eq!(put.status(), 405);
    assert_eq!(get(&serving, ascribe_reports::Endpoint::EventLevel.path(), &[]).await.status(), 405);
    serving.end().await;
}

#[tokio::test]
async fn sources_served_are_counted_in_the_store() {
    let serving = start().await;
    for _ in 0..3 {
        get(&serving, "/source/spring.gif", &[VIEW]).await;
    }
    get(&serving, "/click/spring", &[CLICK]).await;
    get(&serving, "/click/spring", &[]).await;
    let store = serving.store.clone();
    let folder = serving.end().await;
    let served = ascribe_collector::Store::open(&store).unwrap().served().unwrap();
    let counts: Vec<_> = served.iter().map(|s| (s.source_type, s.max_event_level_reports, s.count)).collect();
    assert_eq!(counts, [(SourceType::Event, 1, 3), (SourceType::Navigation, 3, 1)]);
    drop(folder);
}

/// One for all cases of the property tests.
static SHARED: LazyLock<(tokio::runtime::Runtime, Serving)> = LazyLock::new(|| {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let serving = runtime.block_on(start());
    (runtime, serving)
});

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a tag says, what leaves registers without an error or warning.
    #[test]
    fn no_invalid_registration_leaves(
        kind in "source|click|conversion",
        name in "spring|summer|purchase|signup|[a-z%./]{0,8}",
        parameters in proptest::collection::vec(
            ("order|value|category|country|placement|click|to|step|[ -~é]{0,6}", any::<String>()), 0..6),
        eligible in proptest::option::of(
            "event-source|navigation-source|trigger|event-source, trigger|[ -~]{0,20}"),
    ) {
        let (runtime, serving) = &*SHARED;
        let query: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&parameters).finish();
        let path = format!("/{kind}/{name}?{query}");
        let headers: Vec<_> = eligible.iter().map(|e| (VIEW.0, e.as_str())).collect();
        let response = runtime.block_on(get(serving, &path, &headers));
        prop_assert!(response.status().as_u16() < 500, "{}: {}", path, response.status());
        if response.headers().contains_key(SOURCE) {
            let navigation = eligible.as_deref() == Some("navigation-source");
            source(response.headers(), if navigation { SourceType::Navigation } else { SourceType::Event });
        }
        if response.headers().contains_key(TRIGGER) {
            trigger(response.headers());
        }
        if kind == "click" && response.status() == 302 {
            let location = response.headers()["location"].to_str().unwrap();
            let known = ["https://www.shop.example/s", "https://partner.example/"];
            prop_assert!(known.iter().any(|known| location.starts_with(known)), "{}", location);
        }
    }
}
