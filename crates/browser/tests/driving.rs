//! Launching Chromium and driving pages.

mod common;

use ascribe_browser::{Browser, Button, Click, LaunchError, LaunchOptions, PageError};
use ascribe_test_sites::{Reply, Sites};
use common::{launch, options};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_opened_evaluated_clicked_and_closed() {
    let sites = Sites::start().expect("started");
    let site = sites.site("shop.test");
    site.reply(
        "/",
        Reply::html(
            "<title>first</title><a id=link href='/second'>go</a>
             <button onclick='clicked = [event.isTrusted, event.button, event.ctrlKey]'>do</button>",
        ),
    );
    site.reply("/second", Reply::html("<title>second</title>"));
    let browser = launch(&sites).await;
    let page = browser.open(&site.url("/")).await.expect("opened");
    assert_eq!(page.evaluate("document.title").await.expect("evaluated"), "first");
    assert_eq!(page.evaluate("Promise.resolve({a: [1]})").await.expect("evaluated"), json!({"a": [1]}));
    let thrown = page.evaluate("throw new TypeError('no')").await;
    assert!(matches!(&thrown, Err(PageError::Threw(what)) if what.contains("TypeError: no")), "{thrown:?}");

    page.click("button", Click { control: true, ..Click::default() }).await.expect("clicked");
    assert_eq!(page.evaluate("clicked").await.expect("evaluated"), json!([true, 0, true]));
    page.navigation(page.click("#link", Click::default())).await.expect("navigated");
    assert_eq!(page.evaluate("document.title").await.expect("evaluated"), "second");

    let png = page.screenshot().await.expect("a picture");
    assert!(png.starts_with(b"\x89PNG"));
    page.close().await.expect("closed");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_does_not_load_is_an_error() {
    let sites = Sites::start().expect("started");
    let browser = launch(&sites).await;
    let error = browser.open("http://127.0.0.1:1/").await.map(drop).expect_err("nothing listens there");
    assert!(matches!(&error, PageError::Load { .. }), "{error}");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_middle_click_opens_a_page_that_is_attached_to() {
    let sites = Sites::start().expect("started");
    let site = sites.site("shop.test");
    site.reply("/", Reply::html("<a id=link href='/second'>go</a>"));
    site.reply("/second", Reply::html("<title>second</title>"));
    let browser = launch(&sites).await;
    let page = browser.open(&site.url("/")).await.expect("opened");
    let before = browser.pages().await.expect("pages").len();
    page.click("#link", Click { button: Button::Middle, ..Click::default() }).await.expect("clicked");
    site.wait_for("/second").await.expect("asked for");
    assert_eq!(browser.pages().await.expect("pages").len(), before + 1);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_chromium_complains_about_is_told() {
    let options =
        LaunchOptions { headless: true, chromium: Some("/bin/false".into()), ..LaunchOptions::default() };
    let error = Browser::launch(options).await.map(drop).expect_err("not a browser");
    assert!(matches!(error, LaunchError::Ended { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_browser_ends_it_and_its_temporary_profile() {
    let sites = Sites::start().expect("started");
    let browser = launch(&sites).await;
    let page = browser.open("about:blank").await.expect("opened");
    let marker = page.evaluate("navigator.userAgent").await.expect("evaluated");
    assert!(marker.as_str().is_some_and(|agent| agent.contains("Chrome")));
    let profile = browser.profile().to_owned();
    assert!(profile.exists());
    drop(browser);
    for _ in 0..100 {
        if !profile.exists() && !common::somebody_uses(&profile) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{} is still there, or used", profile.display());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_is_open_only_when_asked_for() {
    let sites = Sites::start().expect("started");
    let browser = launch(&sites).await;
    assert_eq!(browser.port(), None);
    browser.close().await;

    let browser =
        Browser::launch(LaunchOptions { port: Some(0), ..options(&sites) }).await.expect("launched");
    browser.open("about:blank").await.expect("opened");
    let mut port = None;
    for _ in 0..100 {
        port = browser.port();
        if port.is_some() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let port = port.expect("a port");
    tokio::net::TcpStream::connect(("127.0.0.1", port)).await.expect("somebody listens");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_is_free_when_its_browser_is_gone() {
    let sites = Sites::start().expect("started");
    let directory = tempfile::tempdir().expect("a directory");
    let profile = directory.path().join("profile");
    let options = || LaunchOptions { profile: Some(profile.clone()), ..options(&sites) };
    let browser = Browser::launch(options()).await.expect("launched");
    let _kept = browser.user_agent();
    browser.close().await;
    let browser = Browser::launch(options()).await.expect("launched after a browser that was closed");
    let _kept = browser.user_agent();
    drop(browser);
    // It takes a moment.
    for _ in 0..50 {
        if let Ok(browser) = Browser::launch(options()).await {
            return browser.close().await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("a browser that was dropped keeps its profile");
}
