//! The sites: what the story's clicks and purchases register, and the servers that receive reports.
//!
//! Each click has a number, which its source carries as event ID and as key of the histogram, so that each report
//! tells whose it is.

use std::{
    collections::BTreeSet,
    error::Error,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use ascribe_reports::PrivateKeySet;
use ascribe_test_sites::{Received, Reply, Sites};

const PRIVATE_KEYS: &str =
    r#"{"keys": [{"id": "key", "private_key": "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="}]}"#;
pub(super) const COORDINATOR: &str = "https://coordinator.test";
pub(super) const EVENT_LEVEL: &str = "/.well-known/attribution-reporting/report-event-attribution";
pub(super) const AGGREGATABLE: &str = "/.well-known/attribution-reporting/report-aggregate-attribution";
/// Kills come while reports are on their way.
const ANSWER: Duration = Duration::from_millis(40);

/// A click is followed, an image seen, or a script told, by turns.
const AD: [&str; 3] = [
    "<a href='https://ads.test/click?N' attributionsrc>buy</a>",
    "<img src='https://ads.test/source?N' attributionsrc>",
    "<script>fetch('https://ads.test/source?N', {attributionReporting: {eventSourceEligible: true, triggerEligible: false}})</script>",
];

/// A purchase is told in each of the ways by turns.
const THANKS: [&str; 4] = [
    "<img src='https://ads.test/trigger?N' attributionsrc>",
    "<script src='https://ads.test/trigger?N' attributionsrc></script>",
    "<script>fetch('https://ads.test/trigger?N', {keepalive: true, attributionReporting: {eventSourceEligible: false, triggerEligible: true}})</script>",
    "<script>
        const request = new XMLHttpRequest();
        request.open('GET', 'https://ads.test/trigger?N');
        request.setAttributionReporting({eventSourceEligible: false, triggerEligible: true});
        request.send();
    </script>",
];

/// Whether the ad with a number has to be clicked.
pub(super) fn is_link(n: u64) -> bool {
    page(&AD, n) == AD[0]
}

fn page<'p>(pages: &[&'p str], n: u64) -> &'p str {
    pages[usize::try_from(n).unwrap_or(0) % pages.len()]
}

pub(super) fn trigger_data(n: u64) -> u64 {
    n % 2
}

pub(super) fn value(n: u64) -> u32 {
    1 + u32::try_from(n % 60_000).unwrap_or(0)
}

pub(super) fn private_keys() -> PrivateKeySet {
    PrivateKeySet::parse(PRIVATE_KEYS.as_bytes()).expect("a constant")
}

/// The number in a query.
pub(super) fn number(query: &str) -> Option<u64> {
    query.parse().ok()
}

pub(super) fn is_registration(request: &Received) -> bool {
    request.host == "ads.test" && matches!(request.path(), "/click" | "/source" | "/trigger")
}

pub(super) fn is_report(request: &Received) -> bool {
    request.host == "ads.test" && matches!(request.path(), EVENT_LEVEL | AGGREGATABLE)
}

/// All reports that have arrived.
pub(super) fn reports(sites: &Sites) -> Vec<Arc<Received>> {
    sites.log().matching(is_report)
}

pub(super) fn script(sites: &Sites) -> Result<(), Box<dyn Error>> {
    let public = private_keys().public().to_json();
    sites
        .site("coordinator.test")
        .reply("/.well-known/aggregation-service/v1/public-keys", Reply::json(public));
    let news = |request: &Received| Reply::html(page(&AD, n(request)).replace('N', request.query()));
    sites.site("news.test").answer("/", news);
    let thanks = |request: &Received| Reply::html(page(&THANKS, n(request)).replace('N', request.query()));
    sites.site("shop.test").answer("/thanks", thanks).reply("/product", Reply::html("a product"));
    let ads = sites.site("ads.test");
    ads.answer("/click", |request| {
        registered(Reply::redirect("https://shop.test/product"), SOURCE, source(n(request)))
    });
    ads.answer("/source", |request| registered(Reply::image().cors(), SOURCE, source(n(request))));
    ads.answer("/trigger", |request| registered(Reply::image().cors(), TRIGGER, trigger(n(request))));
    let seen = Arc::<Mutex<BTreeSet<Vec<u8>>>>::default();
    for path in [EVENT_LEVEL, AGGREGATABLE] {
        let seen = Arc::clone(&seen);
        ads.answer(path, move |request| {
            // Each report fails once at most, so that none is given up. Sealed ones are new each time, which hides
            // whether they failed before: they never do.
            let sum: usize = request.body.iter().map(|byte| usize::from(*byte)).sum();
            let first = seen.lock().unwrap_or_else(PoisonError::into_inner).insert(request.body.clone());
            match path == EVENT_LEVEL && sum.is_multiple_of(8) && first {
                true => Reply::silence(),
                false => Reply::ok().after(ANSWER),
            }
        });
    }
    Ok(())
}

const SOURCE: &str = "attribution-reporting-register-source";
const TRIGGER: &str = "attribution-reporting-register-trigger";

fn n(request: &Received) -> u64 {
    number(request.query()).unwrap_or_default()
}

fn registered(reply: Reply, header: &str, registration: String) -> Reply {
    reply.header(header, registration).header("cache-control", "no-store")
}

/// Of two clicks at the same moment, the later one counts.
fn source(n: u64) -> String {
    format!(
        r#"{{"source_event_id": "{n}", "priority": "{n}", "destination": "https://shop.test", "filter_data": {{"n": ["{n}"]}}, "aggregation_keys": {{"k": "0x{n:x}"}}}}"#
    )
}

/// It may be told again after a kill, and counts once.
fn trigger(n: u64) -> String {
    let (data, value) = (trigger_data(n), value(n));
    format!(
        r#"{{"filters": {{"n": ["{n}"]}}, "event_trigger_data": [{{"trigger_data": "{data}", "deduplication_key": "{n}"}}], "aggregatable_trigger_data": [{{"key_piece": "0x0", "source_keys": ["k"]}}], "aggregatable_values": {{"k": {value}}}, "aggregatable_deduplication_keys": [{{"deduplication_key": "{n}"}}]}}"#
    )
}
