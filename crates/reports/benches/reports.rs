//! What it costs to write, seal, open and read reports: `cargo bench -p ascribe-reports`.

use ascribe_headers::{
    Coordinators, Destinations, FilteringIdMaxBytes, KeyPiece, Site, SourceType, SuitableOrigin,
};
use ascribe_reports::{
    AggregatableReport, Contribution, DebugKeys, EventLevelReport, Payload, PrivateKey, ReportId, SharedInfo,
    Time,
};
use divan::{Bencher, counter::ItemsCount};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

fn main() {
    divan::main();
}

fn origin() -> SuitableOrigin {
    SuitableOrigin::parse("https://report.example").expect("a suitable origin")
}

fn site() -> Site {
    Site::parse("https://shop.example").expect("a suitable site")
}

fn event_report() -> EventLevelReport {
    EventLevelReport {
        report_id: ReportId::from_u128(0x0123_4567_89ab_4def_8123_4567_89ab_cdef),
        reporting_origin: origin(),
        destinations: Destinations::new([site()]).expect("one is enough"),
        source_event_id: 412_444_888_111_012,
        source_type: SourceType::Navigation,
        trigger_data: 7,
        randomized_trigger_rate: 0.002_426_291_5,
        report_time: Time::from_secs(1_700_000_000),
        debug_keys: DebugKeys::default(),
    }
}

fn aggregatable_report(contributions: u64) -> AggregatableReport {
    AggregatableReport {
        report_id: ReportId::from_u128(0x0123_4567_89ab_4def_8123_4567_89ab_cdef),
        reporting_origin: origin(),
        destination: site(),
        report_time: Time::from_secs(1_700_000_000),
        source_registration_time: None,
        contributions: (0..contributions)
            .map(|key| Contribution { key: KeyPiece(u128::from(key) << 64), value: 1000, filtering_id: 1 })
            .collect(),
        coordinator: Coordinators::chromium().default_coordinator().clone(),
        trigger_context_id: None,
        filtering_id_max_bytes: FilteringIdMaxBytes::DEFAULT,
        debug_keys: DebugKeys::default(),
    }
}

fn key() -> (PrivateKey, ChaCha20Rng) {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    (PrivateKey::generate("k", &mut rng).expect("a short ID"), rng)
}

#[divan::bench]
fn event_level_body(bencher: Bencher<'_, '_>) {
    let report = event_report();
    let mut out = Vec::new();
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        out.clear();
        report.write_body(&mut out);
        out.len()
    });
}

#[divan::bench]
fn event_level_url(bencher: Bencher<'_, '_>) {
    let report = event_report();
    bencher.counter(ItemsCount::new(1_u32)).bench(|| report.url(false));
}

#[divan::bench]
fn shared_info_write(bencher: Bencher<'_, '_>) {
    let report = aggregatable_report(20);
    bencher.counter(ItemsCount::new(1_u32)).bench(|| report.shared_info());
}

#[divan::bench]
fn shared_info_parse(bencher: Bencher<'_, '_>) {
    let text = aggregatable_report(20).shared_info();
    bencher.counter(ItemsCount::new(1_u32)).bench(|| SharedInfo::parse(&text));
}

#[divan::bench(args = [0, 1, 20])]
fn payload_encode(bencher: Bencher<'_, '_>, contributions: u64) {
    let report = aggregatable_report(contributions);
    bencher.counter(ItemsCount::new(1_u32)).bench(|| report.plaintext_payload());
}

#[divan::bench(args = [20, 1000])]
fn payload_parse(bencher: Bencher<'_, '_>, contributions: u64) {
    let payload = aggregatable_report(contributions).plaintext_payload();
    let read = Payload::parse(&payload).expect("a payload").contributions.len();
    bencher.counter(ItemsCount::new(read)).bench(|| Payload::parse(&payload));
}

#[divan::bench]
fn aggregatable_seal(bencher: Bencher<'_, '_>) {
    let (private, mut rng) = key();
    let (report, public) = (aggregatable_report(20), private.public());
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| report.seal(&public, &mut rng));
}

#[divan::bench]
fn aggregatable_body(bencher: Bencher<'_, '_>) {
    let (private, mut rng) = key();
    let report = aggregatable_report(20);
    let sealed = report.seal(&private.public(), &mut rng).expect("the key is not weak");
    let mut out = Vec::new();
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        out.clear();
        report.write_body(&sealed, &mut out);
        out.len()
    });
}

#[divan::bench]
fn aggregatable_open(bencher: Bencher<'_, '_>) {
    let (private, mut rng) = key();
    let report = aggregatable_report(20);
    let shared_info = report.shared_info();
    let sealed = report.seal(&private.public(), &mut rng).expect("the key is not weak");
    bencher.counter(ItemsCount::new(1_u32)).bench(|| private.open(&shared_info, &sealed.ciphertext));
}
