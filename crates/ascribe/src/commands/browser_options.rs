//! What commands that open a browser have in common.

use std::path::PathBuf;

use anyhow::Context;
use ascribe_agent::{HostMap, NetworkOptions, Proxy};
use ascribe_browser::{Greasing, LaunchOptions, ThirdPartyCookies};
use ascribe_engine::TestSwitches;
use ascribe_headers::{Coordinators, SuitableOrigin};
use clap::ValueEnum;

/// How to open a browser, and what its user agents do.
#[derive(Debug, clap::Args)]
pub(crate) struct BrowserArgs {
    /// Keep the profile in this directory, with sources and reports; without it, everything is forgotten at the
    /// end.
    #[arg(long, value_name = "DIR")]
    profile: Option<PathBuf>,

    /// Write what happens as a case, which `ascribe simulate --check` plays to the same reports. It holds the pages'
    /// origins and all headers.
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,

    /// The Chromium to run; otherwise one on the PATH, or what the environment variable CHROMIUM names.
    #[arg(long, value_name = "FILE")]
    chromium: Option<PathBuf>,

    /// Run Chromium without its sandbox. As root, it always does.
    #[arg(long)]
    no_sandbox: bool,

    /// Accept reports for this aggregation coordinator, which serves the keys; the first is the default.
    /// Replaces Chromium's coordinators, which are retired.
    #[arg(long, value_name = "ORIGIN", value_parser = parse_origin)]
    coordinator: Vec<SuitableOrigin>,

    /// Connect to other servers than those that names stand for, in the browser and for reports:
    /// `MAP *.test 127.0.0.1:8443, EXCLUDE real.test`.
    #[arg(long, value_name = "RULES")]
    host_map: Option<HostMap>,

    /// Trust the certificates in this PEM file, too, in the browser and for reports.
    #[arg(long, value_name = "FILE")]
    ca_cert: Vec<PathBuf>,

    /// Reach servers through this proxy, in the browser and for reports: `http://host:port`, `socks5://…`.
    #[arg(long, value_name = "URL")]
    proxy: Option<Proxy>,

    /// Whether sites have their cookies where another site is on top. Debug keys and verbose debug reports need
    /// them.
    #[arg(long, value_name = "WHETHER", default_value = "block")]
    third_party_cookies: Cookies,

    /// Keep reports that cannot be delivered, instead of dropping them after the third attempt.
    #[arg(long)]
    keep_undeliverable: bool,

    /// Allow noise and delays to be switched off, here, on the internals page and through the control endpoint.
    #[arg(long)]
    test_mode: bool,

    /// Add no noise: sources report the truth, and there are no random null reports.
    #[arg(long, requires = "test_mode")]
    no_noise: bool,

    /// Send reports at once.
    #[arg(long, requires = "test_mode")]
    no_delay: bool,

    /// Make everything random the same every time.
    #[arg(long, value_name = "N", requires = "test_mode")]
    seed: Option<u64>,
}

/// Whether sites have third-party cookies.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Cookies {
    Allow,
    Block,
}

fn parse_origin(text: &str) -> Result<SuitableOrigin, ascribe_headers::UnsuitableOrigin> {
    SuitableOrigin::parse(text)
}

impl BrowserArgs {
    /// What to launch the browser with.
    pub(crate) fn launch_options(&self) -> anyhow::Result<LaunchOptions> {
        let mut network = NetworkOptions {
            host_map: self.host_map.clone().unwrap_or_default(),
            proxy: self.proxy.clone(),
            ..NetworkOptions::default()
        };
        for path in &self.ca_cert {
            let path = std::path::absolute(path).with_context(|| format!("{}", path.display()))?;
            network.ca_certificates.push(path);
        }
        let mut agent = ascribe_agent::Options {
            seed: self.seed,
            keep_undeliverable: self.keep_undeliverable,
            ..ascribe_agent::Options::default()
        };
        if let Some(coordinators) = Coordinators::new(self.coordinator.iter().cloned()) {
            agent.config.vendor.coordinators = coordinators;
        }
        agent.config.test = TestSwitches { no_noise: self.no_noise, no_delay: self.no_delay };
        Ok(LaunchOptions {
            chromium: self.chromium.clone(),
            profile: self.profile.clone(),
            no_sandbox: self.no_sandbox,
            network,
            third_party_cookies: match self.third_party_cookies {
                Cookies::Allow => ThirdPartyCookies::Allow,
                Cookies::Block => ThirdPartyCookies::Block,
            },
            // As a user's browser would: servers must bear it.
            greasing: self.seed.map_or(Greasing::Random, Greasing::Seeded),
            agent,
            ..LaunchOptions::default()
        })
    }

    /// Whether noise and delays may be switched off.
    pub(crate) fn is_test(&self) -> bool {
        self.test_mode
    }

    /// Whether the profile stays.
    pub(crate) fn has_profile(&self) -> bool {
        self.profile.is_some()
    }

    /// What protects nobody with these options.
    pub(crate) fn warnings(&self) -> impl Iterator<Item = &'static str> {
        [
            (self.no_noise, "there is no noise: reports tell the truth about whoever browses"),
            (self.seed.is_some(), "everything random is known: noise hides nothing"),
            (
                self.no_sandbox,
                "without its sandbox, Chromium gives pages that break into it the whole account",
            ),
        ]
        .into_iter()
        .filter_map(|(given, warning)| given.then_some(warning))
    }
}

/// Warnings, or what the environment variable RUST_LOG asks for.
pub(crate) fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::builder()
        .with_default_directive(tracing_subscriber::filter::LevelFilter::WARN.into())
        .from_env_lossy();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Another log is as good.
    let _ = log.try_init();
}
