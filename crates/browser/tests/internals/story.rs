//! A user with clicks and purchases, made without a browser, and the internals page of it.

use std::{io::Write, sync::Arc};

use ascribe_agent::{
    Clock, NavigationId, NetworkOptions, Options, Profile, Registered, Request, Response, ResponseHeaders,
    UserAgent,
};
use ascribe_browser::{Attempt, DEFAULT_CONTEXT, Internals, InternalsSettings, Surface};
use ascribe_headers::{Coordinators, Eligibility, SuitableOrigin};
use ascribe_reports::{PrivateKey, PrivateKeySet, Time};
use ascribe_test_sites::{Reply, Sites};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use tempfile::NamedTempFile;

pub(crate) const SOURCE: &str = "Attribution-Reporting-Register-Source";
pub(crate) const TRIGGER: &str = "Attribution-Reporting-Register-Trigger";
pub(crate) const OS_TRIGGER: &str = "Attribution-Reporting-Register-OS-Trigger";
/// 2026-01-01, to the second.
pub(crate) const START: Time = Time::from_secs(1_767_225_600);

pub(crate) struct Story {
    pub(crate) sites: Sites,
    pub(crate) internals: Internals,
    pub(crate) user_agent: UserAgent,
    _authority: NamedTempFile,
}

/// A response that a page was sent.
pub(crate) struct Sent<'a> {
    pub(crate) page: &'a str,
    pub(crate) url: &'a str,
    pub(crate) surface: Surface,
    pub(crate) eligibility: Eligibility,
    pub(crate) header: (&'a str, &'a str),
}

impl Story {
    /// Nothing has happened yet.
    pub(crate) async fn start(test_mode: bool) -> Self {
        let sites = Sites::start().expect("started");
        let mut authority = NamedTempFile::new().expect("a file");
        authority.write_all(sites.ca_pem().as_bytes()).expect("written");
        serve_keys(&sites);
        sites.site("ads.test").reply("/", Reply::ok());
        for path in ["report-event-attribution", "report-aggregate-attribution", "debug/verbose"] {
            let path = format!("/.well-known/attribution-reporting/{path}");
            sites.site("ads.test").reply(&path, Reply::ok());
        }
        let user_agent = user_agent(&sites, &authority);
        let settings = InternalsSettings { test_mode, clock_runs: false };
        let internals = Internals::start(settings).await.expect("served");
        internals.add_context(DEFAULT_CONTEXT, "Default", user_agent.clone());
        Self { sites, internals, user_agent, _authority: authority }
    }

    /// Another browser context, with nothing in it.
    pub(crate) fn add_context(&self, id: &str) -> UserAgent {
        let user_agent = user_agent(&self.sites, &self._authority);
        self.internals.add_context(id, format!("Context {id}"), user_agent.clone());
        user_agent
    }

    /// A response comes in, as from a browser.
    pub(crate) fn respond(&self, sent: &Sent<'_>) {
        self.respond_in(sent, None);
    }

    /// A response comes in that belongs to a navigation.
    pub(crate) fn respond_in(&self, sent: &Sent<'_>, navigation: Option<NavigationId>) {
        let (name, value) = sent.header;
        let registered = register(&self.user_agent, sent, navigation);
        self.internals.add_attempt(&Attempt {
            time: registered.time,
            context: None,
            surface: sent.surface,
            page_url: sent.page.to_owned(),
            request_id: Arc::from("1"),
            hop: 0,
            url: sent.url.to_owned(),
            eligibility: sent.eligibility,
            headers: vec![(name.to_owned(), value.to_owned())],
            responded: Some(registered),
            diagnosis: Vec::new(),
        });
    }

    pub(crate) fn click(&self, json: &str) {
        self.respond(&Sent {
            page: "https://news.test/article",
            url: "https://ads.test/click",
            surface: Surface::Link,
            eligibility: Eligibility::NavigationSource,
            header: (SOURCE, json),
        });
    }

    pub(crate) fn purchase(&self, json: &str) {
        self.respond(&Sent {
            page: "https://www.shop.test/thanks",
            url: "https://ads.test/pixel",
            surface: Surface::Img,
            eligibility: Eligibility::EventSourceOrTrigger,
            header: (TRIGGER, json),
        });
    }

    /// A click, and a purchase that is attributed both ways.
    pub(crate) fn conversion(&self) {
        self.click(
            r#"{"destination": "https://shop.test", "source_event_id": "412444888111012", "debug_key": "1",
                "debug_reporting": true, "filter_data": {"product": ["1234"]},
                "aggregation_keys": {"value": "0x159", "count": "0x5"}}"#,
        );
        self.purchase(
            r#"{"event_trigger_data": [{"trigger_data": "3", "priority": "10"}], "debug_reporting": true,
                "aggregatable_trigger_data": [{"key_piece": "0x400", "source_keys": ["value"]}],
                "aggregatable_values": {"value": 32768, "count": 1664}}"#,
        );
    }
}

/// A response, as a user agent sees it.
pub(crate) fn register(
    user_agent: &UserAgent,
    sent: &Sent<'_>,
    navigation: Option<NavigationId>,
) -> Arc<Registered> {
    let (name, value) = sent.header;
    let bytes = Some(value.as_bytes());
    let origin = |url: &str| SuitableOrigin::parse(url).expect("a suitable origin");
    let request = Request {
        context_origin: origin(sent.page),
        eligibility: sent.eligibility,
        fenced: false,
        navigation,
    };
    let mut headers = ResponseHeaders::default();
    match name {
        SOURCE => headers.register_source = bytes,
        TRIGGER => headers.register_trigger = bytes,
        OS_TRIGGER => headers.register_os_trigger = bytes,
        other => panic!("{other}"),
    }
    let response = Response { reporting_origin: origin(sent.url), cookie_based_debug_allowed: true, headers };
    user_agent.respond(&request, &response).expect("stored")
}

fn user_agent(sites: &Sites, authority: &NamedTempFile) -> UserAgent {
    let mut options = Options {
        clock: Clock::fixed(START),
        seed: Some(1),
        network: NetworkOptions {
            host_map: format!("MAP gone.test ~NOTFOUND,{}", sites.host_map()).parse().expect("a host map"),
            ca_certificates: vec![authority.path().to_owned()],
            ..NetworkOptions::default()
        },
        ..Options::default()
    };
    options.config.explain = true;
    let coordinator = SuitableOrigin::parse("https://coordinator.test").expect("a suitable origin");
    options.config.vendor.coordinators = Coordinators::new([coordinator]).expect("one is enough");
    options.supported.os = true;
    UserAgent::open(Profile::Ephemeral, options).expect("opened")
}

fn serve_keys(sites: &Sites) {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let key = PrivateKey::generate("key-1", &mut rng).expect("a short name");
    let keys = PrivateKeySet::new([key]).expect("one key").public().to_json();
    let path = "/.well-known/aggregation-service/v1/public-keys";
    sites.site("coordinator.test").reply(path, Reply::json(keys).header("cache-control", "max-age=86400"));
}
