//! A month of many users: their browsers, an engine each, register with a running collector and send it their
//! reports over HTTP; what it has in the end is what the engines counted, exactly, for nothing is noised.
//!
//! `ASCRIBE_MONTH_USERS=100000 cargo test --release -p ascribe-collector --test month -- --nocapture`
#![expect(clippy::print_stdout, reason = "what was counted, for who asks for it")]

mod support;

use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    thread,
    time::Instant,
};

use ascribe_collector::{
    BatchOptions, BatchPlace, BatchPlan, Batcher, Campaigns, Clock, Limits, Store, StoreLocation,
};
use ascribe_engine::{
    Attribution, Config, Engine, NewSource, NewTrigger, PendingReport, SourceOutcome, SystemDraws,
    TestSwitches,
};
use ascribe_headers::{SourceRegistration, SourceType, SuitableOrigin, TriggerRegistration, VendorValues};
use ascribe_reports::{Endpoint, Payload, PrivateKey, Time};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;
use support::Serving;

/// What is counted.
#[derive(Debug, Default, PartialEq, Eq)]
struct Totals {
    /// Registered sources, by campaign and whether they are of a click.
    sources: BTreeMap<(u64, bool), u64>,
    /// Event-level reports, by campaign and trigger data.
    event_level: BTreeMap<(u64, u64), u64>,
    aggregatable: u64,
    /// What the contributions add up to, by key and filtering ID.
    histogram: BTreeMap<(u128, u64), u64>,
}

impl Totals {
    fn add(&mut self, other: Self) {
        other.sources.into_iter().for_each(|(key, count)| *self.sources.entry(key).or_default() += count);
        other
            .event_level
            .into_iter()
            .for_each(|(key, count)| *self.event_level.entry(key).or_default() += count);
        other.histogram.into_iter().for_each(|(key, sum)| *self.histogram.entry(key).or_default() += sum);
        self.aggregatable += other.aggregatable;
    }
}

const START: i64 = 1_700_006_400;
const DAY: i64 = 86_400;
/// After the month, and after the windows of what was registered on its last day.
const END: i64 = START + 95 * DAY;
const CAMPAIGNS: [(&str, u64); 2] = [("spring", 1), ("summer", 2)];

fn users() -> u64 {
    std::env::var("ASCRIBE_MONTH_USERS").ok().map_or(150, |text| text.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_of_users_adds_up_to_what_their_browsers_counted() {
    let folder = tempfile::tempdir().unwrap();
    let store = StoreLocation::File(folder.path().join("reports.db"));
    let limits = Limits { reports_per_second: 1_000_000, burst: 1_000_000, ..Limits::default() };
    let serving = Serving::with_clock(limits, store, folder, END).await;
    let key = PrivateKey::generate("key-1", &mut ChaCha12Rng::seed_from_u64(0)).unwrap();
    let address = serving.url.strip_prefix("http://").unwrap();
    let (users, threads) = (users(), 8);
    let started = Instant::now();
    let (counted, requests) = tokio::task::block_in_place(|| {
        thread::scope(|scope| {
            let workers: Vec<_> = (0..threads)
                .map(|worker| {
                    let key = &key;
                    scope.spawn(move || {
                        let mut browsers = Browsers::new(address, key);
                        (worker..users).step_by(threads as usize).for_each(|user| browsers.month_of(user));
                        (browsers.totals, browsers.connection.requests)
                    })
                })
                .collect();
            let mut all = (Totals::default(), 0);
            for worker in workers {
                let (totals, requests) = worker.join().unwrap();
                all.0.add(totals);
                all.1 += requests;
            }
            all
        })
    });
    let seconds = started.elapsed().as_secs_f64();
    let store = serving.store.clone();
    let folder = serving.end().await;
    let received = tokio::task::block_in_place(|| received(&store, folder.path(), &key));
    println!(
        "{users} users, {requests} requests in {seconds:.1} s: {} sources, {} event-level and {} aggregatable reports, \
         contributions of {} to {} buckets",
        counted.sources.values().sum::<u64>(),
        counted.event_level.values().sum::<u64>(),
        counted.aggregatable,
        counted.histogram.values().sum::<u64>(),
        counted.histogram.len(),
    );
    assert!(counted.event_level.len() > 2 && counted.aggregatable > 0 && counted.histogram.len() > 2);
    assert_eq!(received, counted);
}

/// What the collector has: its store's numbers, and its batches opened.
fn received(location: &StoreLocation, folder: &Path, key: &PrivateKey) -> Totals {
    let mut store = Store::open(location).unwrap();
    let mut totals =
        Totals { aggregatable: store.count(Endpoint::Aggregatable).unwrap(), ..Totals::default() };
    for served in store.served().unwrap() {
        let click = served.source_type == SourceType::Navigation;
        *totals.sources.entry((served.campaign, click)).or_default() += served.count;
    }
    for count in store.event_counts().unwrap() {
        let campaign = count.campaign.expect("no source event ID is made up");
        *totals.event_level.entry((campaign, count.trigger_data)).or_default() += count.count;
    }
    let place = folder.join("batches");
    let options = BatchOptions {
        plan: BatchPlan { period_hours: 24, wait_seconds: 600 },
        reports_per_file: 20_000,
        parquet: false,
    };
    let batcher = Batcher::new(
        BatchPlace::parse(place.to_str().unwrap(), []).unwrap(),
        options,
        Clock::new(|| Time::from_secs(END + 2 * DAY)),
    );
    let batches = batcher.run(&mut store, &tokio::runtime::Handle::current()).unwrap();
    assert_eq!(
        batches.iter().map(|batch| batch.reports).sum::<u64>(),
        totals.aggregatable,
        "each in one batch"
    );
    open(&place, key, &mut totals.histogram);
    totals
}

/// Adds up what the reports below a folder contribute.
fn open(folder: &Path, key: &PrivateKey, histogram: &mut BTreeMap<(u128, u64), u64>) {
    use apache_avro::types::Value;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            open(&path, key, histogram);
        } else if path.extension().is_some_and(|extension| extension == "avro") {
            let file = fs::File::open(&path).unwrap();
            for record in apache_avro::Reader::new(std::io::BufReader::new(file)).unwrap() {
                let Value::Record(fields) = record.unwrap() else { panic!("no record") };
                let field =
                    |name: &str| fields.iter().find(|(known, _)| known == name).map(|(_, value)| value);
                let (Some(Value::Bytes(payload)), Some(Value::String(info))) =
                    (field("payload"), field("shared_info"))
                else {
                    panic!("{fields:?}")
                };
                let plaintext = key.open(info, payload).unwrap();
                for contribution in Payload::parse(&plaintext).unwrap().contributions {
                    if contribution.value > 0 {
                        *histogram.entry((contribution.key.0, contribution.filtering_id)).or_default() +=
                            u64::from(contribution.value);
                    }
                }
            }
        }
    }
}

/// Browsers of users, one after the other, and what they counted.
struct Browsers<'a> {
    connection: Connection<'a>,
    key: &'a PrivateKey,
    totals: Totals,
}

/// What a user does.
enum Act {
    See(usize),
    Click(usize),
    Buy,
}

impl<'a> Browsers<'a> {
    fn new(address: &'a str, key: &'a PrivateKey) -> Self {
        Self { connection: Connection::new(address), key, totals: Totals::default() }
    }

    /// Ads seen and clicked, things bought, and reports sent when they are due.
    fn month_of(&mut self, user: u64) {
        let mut rng = ChaCha12Rng::seed_from_u64(user);
        let mut acts: Vec<_> = (0..rng.random_range(1..=5))
            .map(|_| {
                let act = match rng.random_range(0..4) {
                    0 => Act::Click(rng.random_range(0..CAMPAIGNS.len())),
                    3 => Act::Buy,
                    _ => Act::See(rng.random_range(0..CAMPAIGNS.len())),
                };
                (START + rng.random_range(0..30 * DAY), act)
            })
            .collect();
        acts.sort_by_key(|(at, _)| *at);
        let mut engine = Engine::new(Config::default());
        engine.set_test_switches(TestSwitches { no_noise: true, no_delay: false });
        let mut draws = SystemDraws(rng);
        for (n, (at, act)) in acts.into_iter().enumerate() {
            self.send_due(&mut engine, &mut draws.0, Some(at));
            let click = format!("{user}-{n}");
            let now = Time::from_secs(at);
            match act {
                Act::See(campaign) => {
                    self.source(&mut engine, &mut draws, now, campaign, SourceType::Event, &click)
                }
                Act::Click(campaign) => {
                    self.source(&mut engine, &mut draws, now, campaign, SourceType::Navigation, &click)
                }
                Act::Buy => self.buy(&mut engine, &mut draws, now, &click),
            }
        }
        self.send_due(&mut engine, &mut draws.0, None);
    }

    fn source(
        &mut self,
        engine: &mut Engine,
        draws: &mut SystemDraws<ChaCha12Rng>,
        now: Time,
        campaign: usize,
        source_type: SourceType,
        click: &str,
    ) {
        let (name, number) = CAMPAIGNS[campaign];
        let is_click = source_type == SourceType::Navigation;
        let (path, eligible) =
            if is_click { ("click", "navigation-source") } else { ("source", "event-source") };
        let header = self.connection.get(
            &format!("/{path}/{name}?placement=3&country=fr&click={click}"),
            eligible,
            "attribution-reporting-register-source",
        );
        let parsed = SourceRegistration::parse(header.as_bytes(), source_type, &VendorValues::default());
        let source = NewSource {
            registration: parsed.value.expect("the collector registers what is valid"),
            source_type,
            source_origin: SuitableOrigin::parse("https://news.example").unwrap(),
            reporting_origin: SuitableOrigin::parse("https://ads.example").unwrap(),
            cookie_based_debug_allowed: false,
            fenced: false,
        };
        let outcome = engine.register_source(source, now, draws).outcome;
        assert!(matches!(outcome, SourceOutcome::Stored(_)), "{outcome:?}");
        *self.totals.sources.entry((number, is_click)).or_default() += 1;
    }

    fn buy(&mut self, engine: &mut Engine, draws: &mut SystemDraws<ChaCha12Rng>, now: Time, order: &str) {
        let value = draws.0.random_range(1..=600);
        let path = match value % 3 {
            0 => "/conversion/signup".to_owned(),
            _ => format!("/conversion/purchase?order={order}&value={value}&category={}", value % 16),
        };
        let header = self.connection.get(&path, "trigger", "attribution-reporting-register-trigger");
        let trigger = NewTrigger {
            registration: TriggerRegistration::parse(header.as_bytes(), &VendorValues::default())
                .value
                .expect("the collector registers what is valid"),
            destination: SuitableOrigin::parse("https://www.shop.example").unwrap().site().clone(),
            reporting_origin: SuitableOrigin::parse("https://ads.example").unwrap(),
            cookie_based_debug_allowed: false,
            fenced: false,
        };
        let outcome = engine.register_trigger(&trigger, now, draws).outcome;
        assert_ne!(outcome.event_level, Attribution::Noised);
    }

    /// Sends what is due until a time, or all, and counts it as the engine has it.
    fn send_due(&mut self, engine: &mut Engine, rng: &mut ChaCha12Rng, until: Option<i64>) {
        while let Some(due) = engine.next_due().filter(|due| until.is_none_or(|until| due.as_secs() <= until))
        {
            let reports: Vec<_> = engine.due(due).map(|stored| stored.report.clone()).collect();
            for report in reports {
                match &report {
                    PendingReport::Event(pending) => {
                        // The first bits are the campaign's: see the campaigns file.
                        let campaign = pending.report.source_event_id >> 52;
                        let key = (campaign, u64::from(pending.report.trigger_data));
                        *self.totals.event_level.entry(key).or_default() += 1;
                        self.connection.post(Endpoint::EventLevel, &pending.report.body());
                    }
                    PendingReport::Aggregatable(pending) => {
                        self.totals.aggregatable += 1;
                        for contribution in &pending.report.contributions {
                            let key = (contribution.key.0, contribution.filtering_id);
                            *self.totals.histogram.entry(key).or_default() += u64::from(contribution.value);
                        }
                        let sealed = pending.report.seal(&self.key.public(), rng).unwrap();
                        self.connection.post(Endpoint::Aggregatable, &pending.report.body(&sealed));
                    }
                }
                let _ = engine.report_sent(report.key());
            }
        }
    }
}

/// One connection that stays.
struct Connection<'a> {
    stream: TcpStream,
    address: &'a str,
    requests: u64,
}

impl<'a> Connection<'a> {
    fn new(address: &'a str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, address, requests: 0 }
    }

    /// The value of a header that a request is answered with.
    fn get(&mut self, path: &str, eligible: &str, name: &str) -> String {
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: {}\r\nattribution-reporting-eligible: {eligible}\r\n\r\n",
            self.address
        );
        let head = self.ask(&request);
        let line = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_else(|| panic!("{path}: {head}")).to_owned()
    }

    fn post(&mut self, endpoint: Endpoint, body: &str) {
        let request = format!(
            "POST {} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            endpoint.path(),
            self.address,
            body.len()
        );
        let head = self.ask(&request);
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    }

    /// The head of an answer that has no body.
    fn ask(&mut self, request: &str) -> String {
        self.requests += 1;
        self.stream.write_all(request.as_bytes()).unwrap();
        let (mut answer, mut read) = (vec![0; 16_384], 0);
        while !answer[..read].ends_with(b"\r\n\r\n") {
            let more = self.stream.read(&mut answer[read..]).unwrap();
            assert!(more > 0, "the connection ended");
            read += more;
        }
        String::from_utf8_lossy(&answer[..read]).into_owned()
    }
}

/// The bits of the campaign in source event IDs, which this test counts by.
#[test]
fn campaigns_are_the_first_12_bits() {
    let campaigns: Campaigns = support::campaigns();
    assert_eq!(campaigns.event_ids.campaign_bits(), 12);
}
