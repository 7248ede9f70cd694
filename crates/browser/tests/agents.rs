//! What the user agents are told beside registrations: pages that close, sites that clear their data, cookies.

mod common;

use std::time::Duration;

use ascribe_agent::{Event, Registration};
use ascribe_browser::{Browser, Click, LaunchOptions, ThirdPartyCookies};
use ascribe_test_sites::Reply;
use common::{REGISTER_SOURCE, REGISTER_TRIGGER, SOURCE, TRIGGER, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_landing_page_that_closes_leaves_its_trigger_to_wait_for_the_click() {
    let world = World::new().await;
    let shop = world.sites.site("shop.test");
    let slow = Reply::image().header(REGISTER_SOURCE, SOURCE).after(Duration::from_secs(3));
    world.ads.reply("/slow", slow);
    shop.reply("/", Reply::html("<img src=https://ads.test/trigger>"));
    let page = world.open("<a href=https://shop.test/ attributionsrc=https://ads.test/slow>go</a>").await;
    let mut events = world.browser.user_agent().events();
    page.click("a", Click::default()).await.expect("clicked");
    let mut next = async || loop {
        let event = tokio::time::timeout(Duration::from_secs(30), events.recv()).await.expect("soon");
        match event.expect("told") {
            Event::Registered(registered) => {
                break match &registered.registration {
                    Registration::Trigger { outcome: None, .. } => "trigger waits",
                    Registration::Source { .. } => "source",
                    _ => "other",
                };
            }
            Event::TriggerAttributed { .. } => break "trigger attributed",
            _ => {}
        }
    };
    assert_eq!(next().await, "trigger waits");
    page.close().await.expect("closed");
    assert_eq!(next().await, "source");
    assert_eq!(next().await, "trigger attributed");
    world.browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_clears_its_storage_clears_its_sources() {
    let mut world = World::new().await;
    let others = world.sites.site("other.test");
    others.reply("/source", Reply::image().header(REGISTER_SOURCE, SOURCE));
    for (path, value) in [("/cookies", "\"cookies\""), ("/storage", "\"cache\", \"storage\"")] {
        world.ads.reply(path, Reply::image().header("clear-site-data", value));
    }
    let page = world
        .open("<img src=https://ads.test/source attributionsrc><img src=https://other.test/source attributionsrc>")
        .await;
    world.attempts().await;
    let agent = world.browser.user_agent();
    let sources = || agent.view(|engine| engine.state().source_count());
    assert_eq!(sources(), 2);
    for (path, left) in [("/cookies", 2), ("/storage", 1)] {
        page.evaluate(&format!("void(new Image().src = 'https://ads.test{path}')")).await.expect("evaluated");
        world.ads.wait_for(path).await.expect("asked for");
        world.attempts().await;
        assert_eq!(sources(), left, "{path}");
    }
    world.browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn debug_keys_need_cookies_where_another_site_is_on_top() {
    for (cookies, third_party, first_party) in
        [(ThirdPartyCookies::Allow, true, true), (ThirdPartyCookies::Block, false, true)]
    {
        let mut world = World::new().await;
        let options = LaunchOptions { third_party_cookies: cookies, ..common::options(&world.sites) };
        world.browser = Browser::launch(options).await.expect("launched");
        world.attempts = world.browser.attempts();
        let source = r#"{"destination": "https://shop.test", "debug_key": "7"}"#;
        world.ads.reply("/keyed", Reply::image().header(REGISTER_SOURCE, source));
        world.news.reply("/keyed", Reply::image().header(REGISTER_SOURCE, source));
        for (host, allowed) in [("ads.test", third_party), ("news.test", first_party)] {
            world.open(format!("<img src=https://{host}/keyed attributionsrc>")).await;
            world.attempts().await;
            let agent = world.browser.user_agent();
            let stored = agent.view(|engine| {
                let sources = engine.state().sources();
                let stored = sources.last().expect("a source");
                (stored.source.cookie_based_debug_allowed, stored.source.registration.debug_key)
            });
            assert_eq!(stored, (allowed, allowed.then_some(7)), "{host} {cookies:?}");
        }
        world.browser.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_closes_while_its_icon_is_asked_for_leaves_nothing_under_way() {
    let mut world = World::new().await;
    let shop = world.sites.site("shop.test");
    shop.reply("/favicon.ico", Reply::silence());
    shop.reply("/", Reply::html("landed").header(REGISTER_TRIGGER, TRIGGER));
    let page = world.open("<a href=https://shop.test/ attributionsrc=https://ads.test/source>go</a>").await;
    page.click("a", Click::default()).await.expect("clicked");
    shop.wait_for("/").await.expect("landed");
    page.close().await.expect("closed");
    world.attempts().await;
    world.browser.close().await;
}
