//! What pages register, by the log of the servers and by what the browser tells.

mod common;

use std::time::Duration;

use ascribe_agent::Registration;
use ascribe_browser::{Button, Click, Diagnosis, Surface};
use ascribe_headers::Eligibility;
use ascribe_test_sites::Reply;
use common::{REGISTER_SOURCE, REGISTER_TRIGGER, SOURCE, TRIGGER, World, eligible};

#[tokio::test(flavor = "multi_thread")]
async fn images_and_scripts_with_attributionsrc_are_eligible_on_the_wire_and_others_are_not() {
    let mut world = World::new().await;
    world.ads.reply("/script", Reply::script("").header(REGISTER_TRIGGER, TRIGGER));
    world.ads.reply("/plain-script", Reply::script(""));
    world
        .open(
            "<img src=https://ads.test/source attributionsrc><img src=https://ads.test/plain>
             <script src=https://ads.test/script attributionsrc></script><script src=https://ads.test/plain-script></script>",
        )
        .await;
    let attempts = world.attempts().await;
    for path in ["/source", "/script"] {
        let received = world.ads.wait_for(path).await.expect("received");
        assert_eq!(eligible(&received), Some("event-source, trigger"), "{path}");
        assert_eq!(received.header("attribution-reporting-support"), Some("web"));
    }
    for path in ["/plain", "/plain-script"] {
        let received = world.ads.wait_for(path).await.expect("received");
        assert_eq!(eligible(&received), None, "{path}");
        assert_eq!(received.header("attribution-reporting-support"), None);
    }
    let registered: Vec<_> =
        attempts.iter().map(|attempt| (attempt.surface, attempt.registration())).collect();
    assert!(
        matches!(
            registered[..],
            [
                (Surface::Img, Some(Registration::Source { .. })),
                (Surface::Script, Some(Registration::Trigger { .. }))
            ] | [
                (Surface::Script, Some(Registration::Trigger { .. })),
                (Surface::Img, Some(Registration::Source { .. }))
            ]
        ),
        "{registered:?}"
    );
    world.browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_hop_has_the_header_and_may_register() {
    let mut world = World::new().await;
    let other = world.sites.site("other.test");
    world.ads.reply("/first", Reply::redirect("https://other.test/second").header(REGISTER_SOURCE, SOURCE));
    other.reply("/second", Reply::redirect("https://ads.test/third").header(REGISTER_SOURCE, SOURCE));
    // What the browser blocks registers all the same.
    world.ads.reply("/third", Reply::json("{}").header(REGISTER_SOURCE, SOURCE));
    world.open("<img src=https://ads.test/first attributionsrc>").await;
    let attempts = world.attempts().await;
    let told: Vec<_> = attempts.iter().map(|a| (a.hop, a.url.as_str(), a.registration().is_some())).collect();
    assert_eq!(
        told,
        [
            (0, "https://ads.test/first", true),
            (1, "https://other.test/second", true),
            (2, "https://ads.test/third", true)
        ]
    );
    for (site, path) in [(&world.ads, "/first"), (&other, "/second"), (&world.ads, "/third")] {
        let received = site.wait_for(path).await.expect("received");
        assert_eq!(eligible(&received), Some("event-source, trigger"), "{path}");
    }
    world.browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_pixel_registers_triggers_and_no_sources() {
    let mut world = World::new().await;
    let page = world.open("<img src=https://ads.test/trigger>").await;
    let attempt = world.only().await;
    assert_eq!((attempt.surface, attempt.eligibility), (Surface::Subresource, Eligibility::Unset));
    assert!(matches!(attempt.registration(), Some(Registration::Trigger { .. })), "{attempt:?}");

    page.evaluate("void(new Image().src = 'https://ads.test/source')").await.expect("evaluated");
    let attempt = world.only().await;
    assert!(matches!(attempt.diagnosis[..], [Diagnosis::Ineligible { .. }]), "{attempt:?}");
    world.browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fetch_says_what_it_is_eligible_for() {
    let mut world = World::new().await;
    world.ads.reply("/fetch", Reply::ok().cors().header(REGISTER_TRIGGER, TRIGGER));
    let page = world.open("").await;
    page.evaluate(
        "fetch('https://ads.test/fetch', {keepalive: true, attributionReporting: {eventSourceEligible: true, triggerEligible: false}})
         .then(response => response.url)",
    )
    .await
    .expect("fetched");
    let received = world.ads.wait_for("/fetch").await.expect("received");
    assert_eq!((received.method.as_str(), eligible(&received)), ("GET", Some("event-source")));
    let attempt = world.only().await;
    let [Diagnosis::Ineligible { .. }] = attempt.diagnosis[..] else { panic!("{attempt:?}") };
    let told = attempt.diagnosis[0].to_string();
    assert!(told.contains("triggerEligible: true"), "{told}");
    world.browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_followed_link_is_a_navigation_source() {
    for button in [Button::Left, Button::Middle] {
        let mut world = World::new().await;
        let shop = world.sites.site("shop.test");
        shop.reply("/landing", Reply::html("landed"));
        world
            .ads
            .reply("/click", Reply::redirect("https://shop.test/landing").header(REGISTER_SOURCE, SOURCE));
        let page = world
            .open("<a href=https://ads.test/click attributionsrc=https://ads.test/source>go</a> <a id=plain href=/plain>go</a>")
            .await;
        page.click("a", Click { button, ..Click::default() }).await.expect("clicked");
        shop.wait_for("/landing").await.expect("landed");
        let attempts = world.attempts().await;
        for (site, path) in [(&world.ads, "/click"), (&world.ads, "/source"), (&shop, "/landing")] {
            let received = site.wait_for(path).await.expect("received");
            assert_eq!(eligible(&received), Some("navigation-source"), "{path} {button:?}");
        }
        let mut registered: Vec<_> = attempts
            .iter()
            .filter(|attempt| matches!(attempt.registration(), Some(Registration::Source { .. })))
            .map(|attempt| attempt.surface.to_string())
            .collect();
        registered.sort();
        assert_eq!(registered, ["link", "link attributionsrc"], "{attempts:#?}");
        world.browser.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_navigation_that_no_eligible_link_led_to_is_none() {
    let mut world = World::new().await;
    world.news.reply("/source", Reply::html("landed").header(REGISTER_SOURCE, SOURCE));
    let page = world.open("<a href=/source>go</a>").await;
    page.navigation(page.click("a", Click::default())).await.expect("navigated");
    let received = world.news.wait_for("/source").await.expect("received");
    assert_eq!(eligible(&received), None);
    assert!(world.attempts().await.iter().all(|attempt| attempt.registration().is_none()
        || matches!(attempt.registration(), Some(Registration::Ignored(_)))));
    world.browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_permission_nothing_is_sent_or_registered() {
    let mut world = World::new().await;
    let page = Reply::html("<img src=https://ads.test/source attributionsrc=https://ads.test/background>");
    world.news.reply("/", page.header("permissions-policy", "attribution-reporting=()"));
    let page = world.browser.open(&world.news.url("/")).await.expect("opened");
    let attempts = world.attempts().await;
    assert!(
        !attempts.is_empty() && attempts.iter().all(|attempt| attempt.registration().is_none()),
        "{attempts:#?}"
    );
    assert!(
        attempts.iter().any(|a| a.diagnosis.contains(&Diagnosis::PermissionPolicyDisabled)),
        "{attempts:#?}"
    );
    let received = world.ads.wait_for("/source").await.expect("received");
    assert_eq!(eligible(&received), None);
    assert!(world.ads.received("/background").is_empty());
    drop(page);

    world.news.reply("/framed", Reply::html("<img src=https://ads.test/framed attributionsrc>"));
    world.ads.reply("/framed", Reply::image().header(REGISTER_SOURCE, SOURCE));
    world
        .news
        .reply("/", Reply::html("<iframe src=/framed allow=\"attribution-reporting 'none'\"></iframe>"));
    world.browser.open(&world.news.url("/")).await.expect("opened");
    let received = world.ads.wait_for("/framed").await.expect("received");
    assert_eq!(eligible(&received), None);
    let attempts = world.attempts().await;
    assert!(attempts.iter().all(|attempt| attempt.registration().is_none()), "{attempts:#?}");
    world.browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_insecure_page_gets_nothing() {
    let mut world = World::new().await;
    world.news.no_tls();
    world.news.reply("/", Reply::html("<img src=https://ads.test/source attributionsrc>"));
    world.browser.open(&world.news.plain_url("/")).await.expect("opened");
    let received = world.ads.wait_for("/source").await.expect("received");
    assert_eq!(eligible(&received), None);
    let attempts = world.attempts().await;
    assert!(attempts.iter().all(|attempt| attempt.registration().is_none()), "{attempts:#?}");
    assert!(attempts.iter().any(|a| a.diagnosis.contains(&Diagnosis::InsecureContext)), "{attempts:#?}");
    world.browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_a_page_sets_do_not_reach_the_wire() {
    let mut world = World::new().await;
    world.news.reply("/", Reply::html(""));
    world.news.reply("/worker.js", Reply::script(
        "onmessage = async () => { await fetch('/forged', {headers: {'Attribution-Reporting-Eligible': 'event-source', 'X-Kept': 'yes'}}); postMessage(1) }",
    ));
    world.news.reply("/forged", Reply::ok());
    let page = world.browser.open(&world.news.url("/")).await.expect("opened");
    page.evaluate(
        "new Promise(done => { const worker = new Worker('/worker.js'); worker.onmessage = done; worker.postMessage(1) }).then(() => 1)",
    )
    .await
    .expect("fetched");
    let received = world.news.wait_for("/forged").await.expect("received");
    assert_eq!((eligible(&received), received.header("x-kept")), (None, Some("yes")));
    world.attempts().await;
    world.browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_31st_background_request_at_once_is_not_sent() {
    let mut world = World::new().await;
    for n in 0..31 {
        world.ads.reply(&format!("/{n}"), Reply::image().after(Duration::from_secs(2)));
    }
    let urls = (0..31).map(|n| format!("https://ads.test/{n}")).collect::<Vec<_>>().join(" ");
    world.open(format!("<img attributionsrc='{urls}'>")).await;
    let attempts = world.attempts().await;
    let sent = (0..31).filter(|n| !world.ads.received(&format!("/{n}")).is_empty()).count();
    assert_eq!(sent, 30);
    let refused =
        attempts.iter().filter(|a| a.diagnosis.contains(&Diagnosis::TooManyConcurrentRequests { limit: 30 }));
    assert_eq!(refused.count(), 1, "{attempts:#?}");
    world.browser.close().await;
}
