//! A browser that reaches made-up sites.

#![allow(dead_code, reason = "each test program uses a part")]

use std::{fs, path::Path};

use ascribe_agent::NetworkOptions;
use ascribe_browser::{Browser, LaunchOptions};
use ascribe_test_sites::Sites;

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
