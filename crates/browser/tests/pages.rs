//! Pages of every kind: popups, frames of other processes, pages that hang, and pages that are gone.

mod common;

use std::time::Duration;

use ascribe_agent::{Event, Registration};
use ascribe_browser::{Click, Surface};
use ascribe_test_sites::Reply;
use common::{REGISTER_SOURCE, REGISTER_TRIGGER, SOURCE, TRIGGER, World, eligible};

#[tokio::test(flavor = "multi_thread")]
async fn an_opened_window_is_a_navigation_source() {
    for features in
        ["attributionsrc", "attributionsrc,noopener", "attributionsrc=https%3A%2F%2Fads.test%2Fsource"]
    {
        let mut world = World::new().await;
        world.ads.reply("/opened", Reply::html("opened").header(REGISTER_SOURCE, SOURCE));
        let page = world
            .open(format!("<button onclick=\"window.open('https://ads.test/opened', '_blank', '{features}')\">open</button>"))
            .await;
        page.click("button", Click::default()).await.expect("clicked");
        let received = world.ads.wait_for("/opened").await.expect("opened");
        assert_eq!(eligible(&received), Some("navigation-source"), "{features}");
        let attempts = world.attempts().await;
        let sources =
            attempts.iter().filter(|a| matches!(a.registration(), Some(Registration::Source { .. })));
        let mut surfaces: Vec<_> = sources.map(|attempt| attempt.surface).collect();
        surfaces.sort_by_key(ToString::to_string);
        match features.contains('=') {
            false => assert_eq!(surfaces, [Surface::WindowOpen]),
            true => assert_eq!(surfaces, [Surface::WindowOpen, Surface::WindowOpenBackground]),
        }
        world.browser.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_of_another_site_registers_for_the_page_around_it() {
    let mut world = World::new().await;
    world.ads.reply(
        "/frame",
        Reply::html("<img src=/source attributionsrc><script>new Worker('/worker.js')</script>"),
    );
    let worker =
        "fetch('/worker-fetch', {attributionReporting: {eventSourceEligible: true, triggerEligible: true}})";
    world.ads.reply("/worker.js", Reply::script(worker));
    world.ads.reply("/worker-fetch", Reply::ok().header(REGISTER_SOURCE, SOURCE));
    world.open("<iframe src=https://ads.test/frame></iframe>").await;
    for path in ["/source", "/worker-fetch"] {
        let received = world.ads.wait_for(path).await.expect("asked for");
        assert_eq!(eligible(&received), Some("event-source, trigger"), "{path}");
    }
    let attempts = world.attempts().await;
    assert_eq!(attempts.len(), 2, "{attempts:#?}");
    let user_agent = world.browser.user_agent();
    let registered = user_agent.registered();
    assert!(registered.iter().all(|r| r.context_origin.as_str() == "https://news.test"), "{registered:#?}");
    world.browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_hangs_holds_up_no_other() {
    let world = World::new().await;
    let page = world.open("<img id=late>").await;
    let hang =
        page.evaluate("setTimeout(() => { for (const end = Date.now() + 8000; Date.now() < end;); }, 0)");
    hang.await.expect("soon");
    tokio::time::sleep(Duration::from_millis(100)).await;
    let start = std::time::Instant::now();
    world.ads.reply("/other", Reply::html("<img src=/source attributionsrc>"));
    world.browser.open("https://ads.test/other").await.expect("opened");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    let received = world.ads.wait_for("/source").await.expect("asked for");
    assert_eq!(eligible(&received), Some("event-source, trigger"));
    world.browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn background_requests_outlive_their_page() {
    let mut world = World::new().await;
    world
        .ads
        .reply("/slow", Reply::image().header(REGISTER_SOURCE, SOURCE).after(Duration::from_millis(1500)));
    let page = world.open("<img attributionsrc=https://ads.test/slow>").await;
    world.ads.wait_for("/slow").await.expect("asked for");
    page.close().await.expect("closed");
    let attempt = world.only().await;
    assert!(matches!(attempt.registration(), Some(Registration::Source { .. })), "{attempt:#?}");
    world.browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_on_the_landing_page_waits_for_the_click_to_be_registered() {
    let mut world = World::new().await;
    let shop = world.sites.site("shop.test");
    let slow = Reply::image().header(REGISTER_SOURCE, SOURCE).after(Duration::from_secs(2));
    world.ads.reply("/slow", slow);
    world.ads.reply("/pixel", Reply::image().header(REGISTER_TRIGGER, TRIGGER));
    shop.reply("/", Reply::html("<img src=https://ads.test/pixel>"));
    let page = world.open("<a href=https://shop.test/ attributionsrc=https://ads.test/slow>go</a>").await;
    let mut events = world.browser.user_agent().events();
    page.click("a", Click::default()).await.expect("clicked");
    world.ads.wait_for("/pixel").await.expect("asked for");
    world.attempts().await;
    let mut order = Vec::new();
    while let Ok(event) = events.try_recv() {
        match event {
            Event::Registered(registered) => order.push(match &registered.registration {
                Registration::Trigger { outcome: None, .. } => "trigger waits",
                Registration::Source { .. } => "source",
                _ => "other",
            }),
            Event::TriggerAttributed { .. } => order.push("trigger attributed"),
            _ => {}
        }
    }
    assert_eq!(order, ["trigger waits", "source", "trigger attributed"]);
    world.browser.close().await;
}
