//! Parsing and checking a header, beside what its JSON alone costs. `cargo bench -p ascribe-headers`
//!
//! Each includes freeing what it has made, as the memory of one header serves the next.

use ascribe_headers::{SourceRegistration, SourceType, TriggerRegistration, VendorValues};
use divan::{Bencher, black_box, counter::BytesCount};
use serde::de::IgnoredAny;
use serde_json::Value;

/// A trigger for event-level and summary reports, as a conversion page sends it.
const TRIGGER: &str = concat!(
    r#"{"event_trigger_data":[{"trigger_data":"204816325601234","priority":"2000000000000","#,
    r#""deduplication_key":"7301946582"}],"debug_key":"9042716385","#,
    r#""aggregatable_trigger_data":[{"key_piece":"0x400","source_keys":["campaignVisits"]},"#,
    r#"{"key_piece":"0xA80","source_keys":["spendInEuros","keyThatNoSourceHasEver12345"]}],"#,
    r#""aggregatable_values":{"campaignVisits":16384,"spendInEuros":2048}}"#,
);

/// A click that uses most fields.
const SOURCE: &str = concat!(
    r#"{"source_event_id":"412903817264","destination":["https://shop.example","https://m.shop.test"],"#,
    r#""expiry":"604800","priority":"12","filter_data":{"product":["1234","567"],"format":["video"]},"#,
    r#""aggregation_keys":{"campaignVisits":"0x159","spendInEuros":"0x5"},"debug_key":"71","#,
    r#""debug_reporting":true,"aggregatable_report_window":"86400","#,
    r#""event_report_windows":{"start_time":3600,"end_times":[86400,604800]},"#,
    r#""max_event_level_reports":2,"trigger_data":[0,1,2,3],"trigger_data_matching":"exact"}"#,
);

const HEADERS: [(&str, &str); 2] = [("trigger", TRIGGER), ("source", SOURCE)];

fn main() {
    divan::main();
}

/// What this crate does: parse, check, and keep what it means.
#[divan::bench(args = HEADERS.map(|(name, _)| name), sample_count = 100, sample_size = 1000)]
fn registration(bencher: Bencher, name: &str) {
    let (json, vendor) = (json(name), VendorValues::default());
    let bencher = bencher.counter(BytesCount::of_str(json));
    match name {
        "trigger" => bencher.bench(|| {
            drop(black_box(TriggerRegistration::parse(black_box(json.as_bytes()), &vendor)));
        }),
        _ => bencher.bench(|| {
            let json = black_box(json.as_bytes());
            drop(black_box(SourceRegistration::parse(json, SourceType::Navigation, &vendor)));
        }),
    }
}

/// For scale: an untyped tree, unchecked.
#[divan::bench(args = HEADERS.map(|(name, _)| name), sample_count = 100, sample_size = 1000)]
fn serde_json_value(bencher: Bencher, name: &str) {
    let json = json(name);
    bencher
        .counter(BytesCount::of_str(json))
        .bench(|| drop(black_box(serde_json::from_slice::<Value>(black_box(json.as_bytes())))));
}

/// For scale: is it JSON at all?
#[divan::bench(args = HEADERS.map(|(name, _)| name), sample_count = 100, sample_size = 1000)]
fn serde_json_scan(bencher: Bencher, name: &str) {
    let json = json(name);
    bencher
        .counter(BytesCount::of_str(json))
        .bench(|| drop(black_box(serde_json::from_slice::<IgnoredAny>(black_box(json.as_bytes())))));
}

fn json(name: &str) -> &'static str {
    HEADERS.into_iter().find(|(n, _)| *n == name).map_or("", |(_, json)| json)
}
