//! What every test stands on: made-up sites, a browser, and questions to both.

use std::{
    collections::BTreeSet,
    error::Error,
    ops::Deref,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use ascribe_agent::NetworkOptions;
use ascribe_browser::{Attempt, Browser, LaunchOptions, Page};
use ascribe_engine::{Engine, PendingReport, TestSwitches};
use ascribe_headers::{Coordinators, Eligibility, SuitableOrigin, SupportedRegistrars};
use ascribe_reports::PrivateKeySet;
use ascribe_test_sites::{Log, Received, Reply, Site, Sites};
use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;
use tokio::{runtime::Runtime, sync::broadcast::error::RecvError};

pub(crate) type Tested = Result<(), Box<dyn Error>>;

pub(crate) const ELIGIBLE: &str = "attribution-reporting-eligible";
pub(crate) const SUPPORT: &str = "attribution-reporting-support";
pub(crate) const SOURCE: &str = "attribution-reporting-register-source";
pub(crate) const TRIGGER: &str = "attribution-reporting-register-trigger";

/// Where the coordinator's public keys are, and the secret of the only one.
pub(crate) const COORDINATOR: &str = "coordinator.test";
const PRIVATE_KEYS: &str = r#"{"keys": [{"id": "key of the tests", "private_key": "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="}]}"#;

/// Longer than any test takes; what hangs fails.
const TEST_TIMEOUT: Duration = Duration::from_secs(90);

/// As many requests are shown when a test fails.
const LOGGED: usize = 40;

/// One test and its name.
pub(crate) struct Test {
    name: String,
    run: fn(Stage) -> Pin<Box<dyn Future<Output = Tested>>>,
}

/// The tests of a module, as `fn tests()`.
macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        pub(crate) fn tests() -> Vec<crate::stage::Test> {
            vec![$(crate::stage::Test::new(module_path!(), stringify!($name), |stage| Box::pin($name(stage)))),*]
        }
    };
}
pub(crate) use tests;

impl Test {
    pub(crate) fn new(
        module: &str,
        name: &str,
        run: fn(Stage) -> Pin<Box<dyn Future<Output = Tested>>>,
    ) -> Self {
        let module = module.rsplit("::").next().unwrap_or(module);
        Self { name: format!("{module}::{name}"), run }
    }

    pub(crate) fn trial(self, number: usize, theatre: &Theatre) -> Trial {
        let theatre = theatre.clone();
        Trial::test(self.name, move || theatre.perform(number, self.run))
    }
}

/// The sites and the browser that tests share; both start with the first test.
#[derive(Clone)]
pub(crate) struct Theatre(Arc<Mutex<Option<House>>>);

struct House {
    // Dropped in this order: the browser before what it needs.
    browser: Option<Arc<Driven>>,
    sites: Arc<Sites>,
    ca: Arc<TempDir>,
    runtime: Arc<Runtime>,
}

impl Theatre {
    pub(crate) fn new() -> Self {
        Self(Arc::default())
    }

    fn perform(
        &self,
        number: usize,
        run: fn(Stage) -> Pin<Box<dyn Future<Output = Tested>>>,
    ) -> Result<(), Failed> {
        let mut house = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let house = match &mut *house {
            Some(house) => house,
            none => none.insert(House::open()?),
        };
        let runtime = Arc::clone(&house.runtime);
        // A test that fails takes its browser with it: the next one has another.
        let browser = match house.browser.take() {
            Some(browser) => browser,
            None => Arc::new(runtime.block_on(Driven::launch(options(&house.sites, &house.ca)?))?),
        };
        let stage = Stage::new(number, &house.sites, &house.ca, Arc::clone(&browser));
        let (sites, hosts) = (Arc::clone(&house.sites), stage.hosts());
        let tested = catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(async { tokio::time::timeout(TEST_TIMEOUT, run(stage)).await })
        }));
        let error = match tested {
            Ok(Ok(Ok(()))) => None,
            Ok(Ok(Err(error))) => Some(error.to_string()),
            Ok(Err(_)) => Some("it hangs".to_owned()),
            // Where and why, the panic has said itself.
            Err(_) => Some("an assertion failed".to_owned()),
        };
        if let Some(error) = error {
            let log = sites.log().matching(|request| hosts.iter().any(|host| request.host.ends_with(host)));
            let latest = log.len().saturating_sub(LOGGED);
            let log = log[latest..].iter().map(|request| format!("\n{request}")).collect::<String>();
            return Err(Failed::from(format!("{error}\nreceived:{log}")));
        }
        runtime.block_on(browser.close_pages())?;
        house.browser = Some(browser);
        Ok(())
    }

    /// Ends the browser in order.
    pub(crate) fn close(self) {
        let house = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(House { browser: Some(browser), runtime, .. }) = house else { return };
        if let Some(driven) = Arc::into_inner(browser) {
            runtime.block_on(driven.browser.close());
        }
    }
}

impl House {
    fn open() -> Result<Self, Failed> {
        let sites = Sites::start()?;
        let keys = PrivateKeySet::parse(PRIVATE_KEYS.as_bytes()).map_err(Failed::from)?;
        let path = "/.well-known/aggregation-service/v1/public-keys";
        sites.site(COORDINATOR).reply(path, Reply::json(keys.public().to_json()));
        let ca = tempfile::tempdir()?;
        std::fs::write(ca.path().join("ca.pem"), sites.ca_pem())?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        Ok(Self { browser: None, sites: Arc::new(sites), ca: Arc::new(ca), runtime: Arc::new(runtime) })
    }
}

/// The options that every browser of the tests is launched with.
fn options(sites: &Sites, ca: &TempDir) -> Result<LaunchOptions, Failed> {
    let mut agent = ascribe_agent::Options::default();
    let coordinator = SuitableOrigin::parse(&sites.site(COORDINATOR).origin()).map_err(Failed::from)?;
    agent.config.vendor.coordinators = Coordinators::new([coordinator]).expect("one is not none");
    agent.supported = SupportedRegistrars { web: true, os: false };
    agent.seed = Some(7);
    let network = NetworkOptions {
        host_map: sites.host_map().parse().map_err(Failed::from)?,
        ca_certificates: vec![ca.path().join("ca.pem")],
        ..NetworkOptions::default()
    };
    // A noised source would report something else, once in some hundreds of clicks.
    agent.config.test = TestSwitches { no_noise: true, no_delay: false };
    Ok(LaunchOptions { headless: true, network, agent, ..LaunchOptions::default() })
}

/// A browser, and all that it said of what could have registered something.
pub(crate) struct Driven {
    pub(crate) browser: Browser,
    attempts: Arc<Mutex<Vec<Attempt>>>,
}

impl Driven {
    async fn launch(options: LaunchOptions) -> Result<Self, Failed> {
        // Its message has the command that installs a browser when there is none.
        let browser = Browser::launch(options).await.map_err(Failed::from)?;
        let attempts = Arc::<Mutex<Vec<_>>>::default();
        let mut receiver = browser.attempts();
        let collected = Arc::clone(&attempts);
        tokio::spawn(async move {
            loop {
                match receiver.recv().await {
                    Ok(attempt) => collected.lock().unwrap_or_else(PoisonError::into_inner).push(attempt),
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                }
            }
        });
        Ok(Self { browser, attempts })
    }

    async fn close_pages(&self) -> Result<(), Failed> {
        for page in self.browser.pages().await? {
            // It may have closed itself.
            let _ = page.close().await;
        }
        Ok(())
    }
}

/// The sites of one test, which no other test has, and the browser.
pub(crate) struct Stage {
    /// Where advertisements are shown.
    pub(crate) publisher: Site,
    /// Where advertisements lead to.
    pub(crate) shop: Site,
    /// Who measures.
    pub(crate) ads: Site,
    /// Who measures too.
    pub(crate) ads2: Site,
    number: usize,
    sites: Arc<Sites>,
    ca: Arc<TempDir>,
    driven: Arc<Driven>,
}

impl Deref for Stage {
    type Target = Browser;

    fn deref(&self) -> &Browser {
        &self.driven.browser
    }
}

impl Stage {
    fn new(number: usize, sites: &Arc<Sites>, ca: &Arc<TempDir>, driven: Arc<Driven>) -> Self {
        let site = |name: &str| sites.site(&format!("{name}{number}.test"));
        Self {
            publisher: site("publisher"),
            shop: site("shop"),
            ads: site("ads"),
            ads2: site("measure"),
            number,
            sites: Arc::clone(sites),
            ca: Arc::clone(ca),
            driven,
        }
    }

    /// The same stage with a browser of its own: for tests that move the clock, or want other options.
    pub(crate) async fn with_browser(
        self,
        change: impl FnOnce(&mut LaunchOptions),
    ) -> Result<Self, Box<dyn Error>> {
        let told = |failed: Failed| failed.message().unwrap_or_default().to_owned();
        let mut options = options(&self.sites, &self.ca).map_err(told)?;
        change(&mut options);
        let driven = Arc::new(Driven::launch(options).await.map_err(told)?);
        Ok(Self { driven, ..self })
    }

    /// Another site that this test alone has: `NAME` and the test's number, under `.test`.
    pub(crate) fn site(&self, name: &str) -> Site {
        self.sites.site(&format!("{name}{}.test", self.number))
    }

    /// A site by its whole name, which other tests may use too.
    pub(crate) fn shared_site(&self, host: &str) -> Site {
        self.sites.site(host)
    }

    /// How all sites are found.
    pub(crate) fn host_map(&self) -> String {
        self.sites.host_map()
    }

    /// What all sites received, those of other tests too.
    pub(crate) fn log(&self) -> &Log {
        self.sites.log()
    }

    fn hosts(&self) -> Vec<String> {
        vec![format!("{}.test", self.number), "example.com".into(), "a.example".into()]
    }

    /// Serves a page at the root of `site`, and opens it.
    pub(crate) async fn show(&self, site: &Site, html: &str) -> Result<Page, Box<dyn Error>> {
        site.reply("/", Reply::html(html));
        Ok(self.open(&site.url("/")).await?)
    }

    /// A header that registers a source with this event ID, whose destination is the shop.
    pub(crate) fn source(&self, id: u64) -> String {
        self.source_for(id, &self.shop)
    }

    /// The same for another destination.
    pub(crate) fn source_for(&self, id: u64, destination: &Site) -> String {
        format!(r#"{{"source_event_id": "{id}", "destination": "{}"}}"#, destination.origin())
    }

    /// A header that registers a trigger, which leaves a mark whether attributed or not: a report with this
    /// context ID, without delay.
    pub(crate) fn trigger(&self, context_id: &str) -> String {
        format!(
            r#"{{"aggregatable_trigger_data": [{{"key_piece": "0x1"}}], "aggregatable_values": {{"any": 1}},
            "trigger_context_id": "{context_id}"}}"#
        )
        .replace(['\n', '\r'], " ")
    }

    /// Waits until no request is under way, then lists the event IDs of this test's sources, sorted.
    pub(crate) async fn sources(&self) -> Vec<u64> {
        self.idle().await;
        let mut ids = self.engine(|engine| {
            let sources = engine.state().sources().into_iter().map(|stored| &stored.source);
            let ours = sources.filter(|source| self.is_ours(&source.reporting_origin));
            ours.map(|source| source.registration.source_event_id).collect::<Vec<_>>()
        });
        ids.sort_unstable();
        ids
    }

    /// Where this test's sources are from: the origins of the pages on top, in the order of registration.
    pub(crate) fn source_origins(&self) -> Vec<String> {
        self.engine(|engine| {
            let sources = engine.state().sources().into_iter().map(|stored| &stored.source);
            let ours = sources.filter(|source| self.is_ours(&source.reporting_origin));
            ours.map(|source| source.source_origin.to_string()).collect()
        })
    }

    /// Waits until no request is under way, then lists the context IDs of this test's triggers, sorted.
    pub(crate) async fn triggers(&self) -> Vec<String> {
        // Pending first: a report that leaves meanwhile is in the log.
        let pending = self.pending(|report| match report {
            PendingReport::Aggregatable(pending) if self.is_ours(&pending.report.reporting_origin) => {
                pending.report.trigger_context_id.as_ref().map(ToString::to_string)
            }
            _ => None,
        });
        let pending = pending.await;
        let path = "/.well-known/attribution-reporting/report-aggregate-attribution";
        let sent =
            self.sites.log().matching(|request| request.path() == path && self.is_our_host(&request.host));
        let sent = sent.iter().map(|report| json(report)["trigger_context_id"].as_str().map(str::to_owned));
        let all: BTreeSet<_> = pending.into_iter().chain(sent.flatten()).collect();
        all.into_iter().collect()
    }

    /// Waits until no request is under way, then lists source event ID and trigger data of the event-level
    /// reports about this test's shop that wait to be sent.
    pub(crate) async fn event_reports(&self) -> Vec<(u64, u32)> {
        self.pending(|report| match report {
            PendingReport::Event(pending) => {
                let report = &pending.report;
                let ours =
                    report.destinations.as_slice().iter().any(|site| site.to_string() == self.shop.origin());
                ours.then_some((report.source_event_id, report.trigger_data))
            }
            PendingReport::Aggregatable(_) => None,
        })
        .await
    }

    /// The same for aggregatable reports, null reports left out: the contributions of each, bucket and value.
    pub(crate) async fn histograms(&self) -> Vec<Vec<(u128, u32)>> {
        self.pending(|report| match report {
            PendingReport::Aggregatable(pending) if !pending.is_null() => {
                let report = &pending.report;
                let contributions = report.contributions.iter().map(|one| (one.key.0, one.value));
                (report.destination.to_string() == self.shop.origin()).then(|| contributions.collect())
            }
            _ => None,
        })
        .await
    }

    async fn pending<T>(&self, wanted: impl FnMut(&PendingReport) -> Option<T>) -> Vec<T> {
        self.idle().await;
        self.engine(|engine| {
            engine.state().reports().map(|stored| &stored.report).filter_map(wanted).collect()
        })
    }

    fn engine<T>(&self, look: impl FnOnce(&Engine) -> T) -> T {
        self.user_agent().view(look)
    }

    fn is_ours(&self, origin: &SuitableOrigin) -> bool {
        self.is_our_host(origin.to_string().trim_start_matches("https://"))
    }

    fn is_our_host(&self, host: &str) -> bool {
        let ends = host.strip_suffix(&format!("{}.test", self.number));
        ends.is_some_and(|name| !name.ends_with(|last: char| last.is_ascii_digit()))
    }

    /// The attempts that concern a URL, as far as they are known when no request is under way any more.
    pub(crate) async fn attempts_at(&self, url: &str) -> Vec<Attempt> {
        self.idle().await;
        let attempts = self.driven.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.iter().filter(|attempt| attempt.url.as_str() == url).cloned().collect()
    }

    /// The sentences of the diagnoses of attempts at a URL.
    pub(crate) async fn diagnoses_at(&self, url: &str) -> Vec<String> {
        let attempts = self.attempts_at(url).await;
        attempts.iter().flat_map(|attempt| &attempt.diagnosis).map(ToString::to_string).collect()
    }

    /// Everything that this test's sites received for paths that begin so.
    pub(crate) fn received(&self, prefix: &str) -> Vec<Arc<Received>> {
        let ours = |request: &Received| self.is_our_host(&request.host) && request.target.starts_with(prefix);
        self.sites.log().matching(ours)
    }

    /// The private keys that the test coordinator's public ones belong to.
    pub(crate) fn private_keys(&self) -> PrivateKeySet {
        PrivateKeySet::parse(PRIVATE_KEYS.as_bytes()).expect("a constant")
    }
}

/// What the request said that its response may register. Each of our headers is there once or not at all, and
/// both are there or none.
#[track_caller]
pub(crate) fn eligibility(request: &Received) -> Eligibility {
    let Some(eligible) = request.header(ELIGIBLE) else {
        assert_eq!(request.header(SUPPORT), None, "{request}");
        return Eligibility::Unset;
    };
    let support = request.header(SUPPORT).unwrap_or_else(|| panic!("without {SUPPORT}: {request}"));
    let supported = SupportedRegistrars::parse(support.as_bytes()).value;
    assert_eq!(supported, Some(SupportedRegistrars { web: true, os: false }), "{request}");
    let eligible = Eligibility::parse(eligible.as_bytes());
    eligible.value.unwrap_or_else(|| panic!("{:?}: {request}", eligible.errors))
}

/// The resident memory of this process, which hosts the browser, in MiB.
pub(crate) fn memory() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024)
}

/// The body as JSON.
#[track_caller]
pub(crate) fn json(request: &Received) -> serde_json::Value {
    serde_json::from_slice(&request.body).unwrap_or_else(|error| panic!("{error}: {}", request.text()))
}
