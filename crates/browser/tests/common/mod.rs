//! A browser that reaches made-up sites.

#![allow(dead_code, reason = "each test program uses a part")]

use std::{fs, path::Path, time::Duration};

use ascribe_agent::NetworkOptions;
use ascribe_browser::{Attempt, Browser, LaunchOptions, Page};
use ascribe_test_sites::{Received, Reply, Site, Sites};
use tokio::sync::broadcast::Receiver;

/// Options for a browser without windows that reaches the sites.
pub(crate) fn options(sites: &Sites) -> LaunchOptions {
    let authority = tempfile::Builder::new().suffix(".pem").tempfile().expect("a file");
    let (_, authority) = authority.keep().expect("kept");
    fs::write(&authority, sites.ca_pem()).expect("written");
    let network = NetworkOptions {
        host_map: sites.host_map().parse().expect("host rules"),
        ca_certificates: vec![authority],
        ..NetworkOptions::default()
    };
    LaunchOptions { headless: true, network, ..LaunchOptions::default() }
}

/// A browser without windows that reaches the sites.
pub(crate) async fn launch(sites: &Sites) -> Browser {
    let options = options(sites);
    let authority = options.network.ca_certificates[0].clone();
    let browser = Browser::launch(options).await.unwrap_or_else(|error| panic!("{error}"));
    fs::remove_file(authority).expect("removed");
    browser
}

/// Whether some process has been started with this profile.
pub(crate) fn somebody_uses(profile: &Path) -> bool {
    let profile = profile.to_string_lossy().into_owned();
    fs::read_dir("/proc").expect("Linux").flatten().any(|process| {
        let command = fs::read(process.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&command).contains(&profile)
    })
}

pub(crate) const SOURCE: &str = r#"{"destination": "https://shop.test"}"#;
pub(crate) const TRIGGER: &str = r#"{"event_trigger_data": [{}]}"#;
pub(crate) const REGISTER_SOURCE: &str = "attribution-reporting-register-source";
pub(crate) const REGISTER_TRIGGER: &str = "attribution-reporting-register-trigger";

/// A browser, and sites that register.
pub(crate) struct World {
    pub(crate) sites: Sites,
    pub(crate) news: Site,
    pub(crate) ads: Site,
    pub(crate) browser: Browser,
    pub(crate) attempts: Receiver<Attempt>,
}

impl World {
    pub(crate) async fn new() -> Self {
        let sites = Sites::start().expect("started");
        let (news, ads) = (sites.site("news.test"), sites.site("ads.test"));
        let browser = launch(&sites).await;
        let attempts = browser.attempts();
        ads.reply("/source", Reply::image().header(REGISTER_SOURCE, SOURCE));
        ads.reply("/trigger", Reply::image().header(REGISTER_TRIGGER, TRIGGER));
        ads.reply("/plain", Reply::image());
        Self { sites, news, ads, browser, attempts }
    }

    pub(crate) async fn open(&self, html: impl Into<String>) -> Page {
        self.news.reply("/", Reply::html(html));
        self.browser.open(&self.news.url("/")).await.expect("opened")
    }

    /// What was told until the browser is idle.
    pub(crate) async fn attempts(&mut self) -> Vec<Attempt> {
        tokio::time::timeout(Duration::from_secs(20), self.browser.idle()).await.expect("idle");
        let mut all = Vec::new();
        while let Ok(attempt) = self.attempts.try_recv() {
            all.push(attempt);
        }
        all
    }

    pub(crate) async fn only(&mut self) -> Attempt {
        let mut all = self.attempts().await;
        assert_eq!(all.len(), 1, "{all:#?}");
        all.remove(0)
    }
}

pub(crate) fn eligible(received: &Received) -> Option<&str> {
    received.header("attribution-reporting-eligible")
}
