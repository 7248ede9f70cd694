//! Which element makes a request, while the page is still being parsed.

mod common;

use std::time::Duration;

use ascribe_browser::{Browser, Greasing, LaunchOptions};
use ascribe_headers::{Eligibility, SupportedRegistrars};
use ascribe_test_sites::Reply;
use common::{REGISTER_SOURCE, SOURCE, World, eligible};

/// How long a page says that an image took, in milliseconds.
async fn duration(page: &ascribe_browser::Page, url: &str) -> f64 {
    let script = format!("performance.getEntriesByName('{url}')[0]?.duration ?? -1");
    page.evaluate(&script).await.expect("evaluated").as_f64().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_behind_a_slow_script_is_waited_for_and_a_background_is_not() {
    let world = World::new().await;
    let late = Duration::from_millis(1500);
    world.ads.reply("/script", Reply::script("").after(late));
    world.news.reply(
        "/sheet.css",
        Reply::ok()
            .header("content-type", "text/css")
            .body("#outer { background: url(https://ads.test/plain?sheet) }"),
    );
    // The rest of it comes slowly.
    let html = format!(
        "<!doctype html><link rel=stylesheet href=/sheet.css>
         <style>#inner {{ background: url(https://ads.test/plain?style) }}</style>
         <div id=outer>outer</div><div id=inner>inner</div>
         <script src=https://ads.test/script></script>
         <img src=https://ads.test/source attributionsrc><img src=https://ads.test/plain>{:8000}",
        "<!---->"
    );
    world.news.reply("/", Reply::html(html).slowly(2000, Duration::from_millis(400)));
    let page = world.browser.open(&world.news.url("/")).await.expect("opened");
    for (target, expected) in [
        ("/source", Some("event-source, trigger")),
        ("/plain", None),
        ("/plain?sheet", None),
        ("/plain?style", None),
    ] {
        let path = target.split('?').next().expect("a path");
        world.ads.wait_for(path).await.expect("asked for");
        let received = world.sites.log().matching(|r| r.host == "ads.test" && r.target == target);
        assert_eq!(received.len(), 1, "{target}");
        assert_eq!(eligible(&received[0]), expected, "{target}");
    }
    // The image waited for the script; the backgrounds did not.
    let waited = duration(&page, "https://ads.test/source").await;
    for background in ["sheet", "style"] {
        let took = duration(&page, &format!("https://ads.test/plain?{background}")).await;
        assert!((0.0..waited / 2.0).contains(&took), "{background}: {took} ms, and the image {waited} ms");
    }
    world.browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_script_writes_behind_a_slow_script_is_waited_for() {
    let world = World::new().await;
    world.ads.reply("/slow", Reply::script("").after(Duration::from_millis(1200)));
    world.ads.reply(
        "/writer",
        Reply::script(
            "document.write('<script src=https://ads.test/slow><\\/script>\\
             <img src=https://ads.test/source attributionsrc><img src=https://ads.test/plain>')",
        ),
    );
    world.open("<p>before <script src=https://ads.test/writer></script>").await;
    for (path, expected) in [("/source", Some("event-source, trigger")), ("/plain", None)] {
        let received = world.ads.wait_for(path).await.expect("asked for");
        assert_eq!(eligible(&received), expected, "{path}");
    }
    world.browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preload_is_no_elements_request() {
    let world = World::new().await;
    world.ads.reply("/preloaded", Reply::image().header("cache-control", "max-age=600"));
    world
        .open("<link rel=preload as=image href=https://ads.test/preloaded><img src=https://ads.test/preloaded attributionsrc>")
        .await;
    let received = world.ads.wait_for("/preloaded").await.expect("asked for");
    assert_eq!(eligible(&received), None);
    world.browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn greased_headers_vary_on_the_wire_and_mean_the_same() {
    let mut world = World::new().await;
    let options = LaunchOptions { greasing: Greasing::Seeded(1), ..common::options(&world.sites) };
    world.browser = Browser::launch(options).await.expect("launched");
    let images: String =
        (0..20).map(|n| format!("<img src='https://ads.test/source?{n}' attributionsrc>")).collect();
    world.ads.reply("/source", Reply::image().header(REGISTER_SOURCE, SOURCE));
    world.open(images).await;
    let received = world.ads.wait_for_many("/source", 20).await.expect("asked for");
    let mut greased = 0;
    for received in received {
        let header = eligible(&received).expect("sent");
        let meant = Eligibility::parse(header.as_bytes());
        assert_eq!(meant.value, Some(Eligibility::EventSourceOrTrigger), "{header}");
        let support = received.header("attribution-reporting-support").expect("sent");
        let meant = SupportedRegistrars::parse(support.as_bytes());
        assert_eq!(meant.value, Some(SupportedRegistrars { web: true, os: false }), "{support}");
        greased += usize::from(header != "event-source, trigger");
    }
    assert!(greased > 10, "{greased}");
    world.browser.close().await;
}
