//! The user: in a real Chromium, or requests as one would send them.

use std::sync::Arc;

use anyhow::{Context, ensure};
use ascribe_agent::{NetworkOptions, Options, Profile, Request, Response, ResponseHeaders, UserAgent};
use ascribe_browser::{Browser, Click, Internals, InternalsSettings, LaunchOptions};
use ascribe_headers::{Coordinators, Eligibility, SuitableOrigin};
use reqwest::header::LOCATION;
use tokio::task::JoinHandle;

use super::{
    Args,
    purchases::Purchase,
    world::{START, World},
};

pub(super) enum User {
    Chromium {
        browser: Arc<Browser>,
        /// Where its internals page is.
        internals: String,
        /// Keeps that up to date.
        follower: JoinHandle<()>,
    },
    Played {
        agent: UserAgent,
        client: reqwest::Client,
    },
}

impl User {
    pub(super) async fn in_chromium(args: &Args, world: &World) -> anyhow::Result<Self> {
        let internals = Internals::start(InternalsSettings { test_mode: false, clock_runs: false }).await?;
        let options = LaunchOptions {
            exempt_origin: Some(internals.origin()),
            headless: args.headless || (!args.headed && !has_display()),
            network: network(world),
            agent: agent_options(args)?,
            ..LaunchOptions::default()
        };
        let browser = Arc::new(Browser::launch(options).await?);
        internals.show(&browser);
        let (page, followed) = (internals.page_address(), browser.clone());
        let follower = tokio::spawn(async move { internals.follow(&followed).await });
        Ok(Self::Chromium { browser, internals: page, follower })
    }

    pub(super) fn played(args: &Args, world: &World) -> anyhow::Result<Self> {
        let options = Options { network: network(world), ..agent_options(args)? };
        let agent = UserAgent::open(Profile::Ephemeral, options)?;
        let mut client = reqwest::Client::builder()
            .tls_certs_only([reqwest::Certificate::from_pem(world.ca_pem.as_bytes())?])
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy();
        for (name, address) in &world.addresses {
            client = client.resolve(name, *address);
        }
        Ok(Self::Played { agent, client: client.build()? })
    }

    pub(super) fn agent(&self) -> UserAgent {
        match self {
            Self::Chromium { browser, .. } => browser.user_agent(),
            Self::Played { agent, .. } => agent.clone(),
        }
    }

    /// The page that shows what the browser stores and sends.
    pub(super) fn internals(&self) -> Option<&str> {
        match self {
            Self::Chromium { internals, .. } => Some(internals),
            Self::Played { .. } => None,
        }
    }

    /// Clicks on the ad, then on a button of the shop.
    pub(super) async fn shop(&self, purchase: &Purchase) -> anyhow::Result<()> {
        match self {
            Self::Chromium { browser, .. } => {
                let page = browser.open("https://publisher.example/").await?;
                page.navigation(page.click("#ad", Click::default())).await?;
                browser.idle().await;
                page.click(&format!("#{}", purchase.way), Click::default()).await?;
                browser.idle().await;
                browser.user_agent().idle().await;
                page.close().await?;
            }
            Self::Played { agent, client } => {
                request(agent, client, "https://publisher.example/", "https://publisher.example", None)
                    .await?;
                let click = "https://ads.example/click/spring";
                let landing = request(
                    agent,
                    client,
                    click,
                    "https://publisher.example",
                    Some(Eligibility::NavigationSource),
                )
                .await?;
                let landing = landing.context("the click leads nowhere")?;
                request(agent, client, &landing, "https://shop.example", None).await?;
                let eligible = match purchase.way {
                    "image" | "script" => Eligibility::EventSourceOrTrigger,
                    _ => Eligibility::Trigger,
                };
                request(agent, client, &purchase.url(), "https://shop.example", Some(eligible)).await?;
                agent.idle().await;
            }
        }
        Ok(())
    }

    pub(super) async fn end(self) {
        match self {
            Self::Chromium { browser, follower, .. } => {
                follower.abort();
                let _ = follower.await;
                if let Some(browser) = Arc::into_inner(browser) {
                    browser.close().await;
                }
            }
            Self::Played { agent, .. } => agent.shutdown().await,
        }
    }
}

/// Sends a request as a browser would; what its response registers is the agent's affair. Where it redirects to.
async fn request(
    agent: &UserAgent,
    client: &reqwest::Client,
    url: &str,
    context_origin: &str,
    eligibility: Option<Eligibility>,
) -> anyhow::Result<Option<String>> {
    let mut request = client.get(url);
    if let Some(eligible) = eligibility.and_then(|eligibility| eligibility.header_value(None)) {
        request = request
            .header("attribution-reporting-eligible", eligible)
            .header("attribution-reporting-support", "web");
    }
    let answer = request.send().await.with_context(|| format!("asking for {url}"))?;
    ensure!(answer.status().as_u16() < 400, "{url}: {}", answer.status());
    if let Some(eligibility) = eligibility {
        let field = |name: &str| answer.headers().get(name).map(|value| value.as_bytes());
        let headers = ResponseHeaders {
            register_source: field("attribution-reporting-register-source"),
            register_trigger: field("attribution-reporting-register-trigger"),
            info: field("attribution-reporting-info"),
            ..ResponseHeaders::default()
        };
        let context_origin = SuitableOrigin::parse(context_origin)?;
        let request = Request { context_origin, eligibility, fenced: false, navigation: None };
        let reporting_origin = SuitableOrigin::parse("https://ads.example")?;
        agent
            .respond(&request, &Response { reporting_origin, cookie_based_debug_allowed: false, headers })?;
    }
    Ok(answer.headers().get(LOCATION).and_then(|value| value.to_str().ok()).map(str::to_owned))
}

fn network(world: &World) -> NetworkOptions {
    NetworkOptions {
        host_map: world.host_map.clone(),
        ca_certificates: vec![world.ca_file()],
        ..NetworkOptions::default()
    }
}

fn agent_options(args: &Args) -> anyhow::Result<Options> {
    let mut options =
        Options { clock: ascribe_agent::Clock::fixed(START), seed: Some(args.seed), ..Options::default() };
    options.config.explain = true;
    options.config.vendor.coordinators =
        Coordinators::new([SuitableOrigin::parse("https://keys.example")?]).context("one is not none")?;
    Ok(options)
}

fn has_display() -> bool {
    ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some())
}
