//! One user's stored sources, as the figures in the README describe them.

use ascribe_engine::{Config, Engine, NewSource, SystemDraws};
use ascribe_headers::{SourceRegistration, SourceType, SuitableOrigin};
use ascribe_reports::Time;
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

pub(crate) fn draws() -> SystemDraws<ChaCha12Rng> {
    SystemDraws(ChaCha12Rng::seed_from_u64(7))
}

pub(crate) fn origin(url: &str) -> SuitableOrigin {
    SuitableOrigin::parse(url).expect("a suitable origin")
}

/// Of `stored` sources, 10 match a trigger of `reporter.example` on `shop.example`, 1,000 have its reporting
/// origin, 1,000 its destination; the rest is spread over 100 x 100 others. Capped at `stored`.
pub(crate) fn engine(stored: u64) -> Engine {
    let mut engine = Engine::new(unlimited());
    let mut draws = draws();
    for n in 0..stored {
        let (reporter, destination) = match n {
            0..10 => ("reporter".to_owned(), "shop".to_owned()),
            10..1000 => ("reporter".to_owned(), format!("shop{}", n % 100)),
            1000..1990 => (format!("reporter{}", n % 100), "shop".to_owned()),
            _ => (format!("reporter{}", n % 100), format!("shop{}", n / 100 % 100)),
        };
        let time = Time::from_millis(1_700_000_000_000 + i64::try_from(n).expect("small"));
        let effects = engine.register_source(source(n, &reporter, &destination), time, &mut draws);
        assert!(!effects.changes.is_empty());
    }
    assert_eq!(engine.state().source_count() as u64, stored);
    engine
}

/// Chromium's parameters, but for the limits that would drop so many sources of one user.
fn unlimited() -> Config {
    let mut config = Config::default();
    config.max_sources_per_source_origin = usize::MAX;
    config.max_destinations_per_window = usize::MAX;
    config.max_destinations_per_window_and_reporting_site = usize::MAX;
    config.max_destinations_per_reporting_site_per_day = usize::MAX;
    config.max_unexpired_destinations = usize::MAX;
    config.max_source_reporting_origins = usize::MAX;
    config.max_attributions = usize::MAX;
    config
}

/// A source with two filter keys and two aggregation keys.
pub(crate) fn source(n: u64, reporter: &str, destination: &str) -> NewSource {
    let json = format!(
        concat!(
            r#"{{"destination":"https://{destination}.example","source_event_id":"{n}","#,
            r#""filter_data":{{"campaign":["{n}"],"product":["1","2"]}},"#,
            r#""aggregation_keys":{{"campaignCounts":"0x159","geoValue":"0x5"}}}}"#
        ),
        destination = destination,
        n = n,
    );
    let vendor = Config::default().vendor;
    let parsed = SourceRegistration::parse(json.as_bytes(), SourceType::Navigation, &vendor);
    NewSource {
        registration: parsed.value.expect("a valid registration"),
        source_type: SourceType::Navigation,
        source_origin: origin(&format!("https://news{}.example", n % 50)),
        reporting_origin: origin(&format!("https://{reporter}.example")),
        cookie_based_debug_allowed: false,
        fenced: false,
    }
}
