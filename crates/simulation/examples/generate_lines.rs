//! Writes JSON Lines of many users for `ascribe simulate`: the input of the speed figures.
//!
//! ```text
//! cargo run --release -p ascribe-simulation --example generate_lines -- 200000 5 5 > users.jsonl
//! ```
//! The arguments are users, sources a user, triggers a user. Each user sees ads of a few campaigns, as clicks
//! and views, and converts on some of the advertisers' sites. The output is always the same.
#![expect(clippy::print_stderr, reason = "an example that is a program")]

use std::io::{self, BufWriter, Write};

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn main() -> io::Result<()> {
    let arguments: Vec<u64> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let &[users, sources, triggers] = arguments.as_slice() else {
        eprintln!("usage: generate_lines USERS SOURCES TRIGGERS");
        std::process::exit(2);
    };
    let mut out = BufWriter::with_capacity(1 << 20, io::stdout().lock());
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for user in 0..users {
        let start = 1_700_000_000_000 + rng.random_range(0..30 * 86_400_000u64);
        let mut entries: Vec<(u64, String)> = Vec::new();
        for _ in 0..sources {
            let time = start + rng.random_range(0..5 * 86_400_000);
            entries.push((time, source(&mut rng)));
        }
        for _ in 0..triggers {
            let time = start + rng.random_range(86_400_000..10 * 86_400_000);
            entries.push((time, trigger(&mut rng)));
        }
        entries.sort();
        for (time, entry) in entries {
            writeln!(out, r#"{{"user":"u{user}","timestamp":"{time}",{entry}}}"#)?;
        }
    }
    out.flush()
}

/// Two advertisers, so that most users convert on a site whose ads they saw.
fn advertiser(rng: &mut impl Rng) -> u32 {
    rng.random_range(0..2)
}

fn source(rng: &mut impl Rng) -> String {
    let (advertiser, publisher) = (advertiser(rng), rng.random_range(0..20));
    let eligible = if rng.random_bool(0.5) { "navigation-source" } else { "event-source" };
    let (event_id, campaign): (u64, u32) = (rng.random(), rng.random_range(0..100));
    format!(
        concat!(
            r#""registration_request":{{"context_origin":"https://news{publisher}.example","#,
            r#""Attribution-Reporting-Eligible":"{eligible}"}},"#,
            r#""responses":[{{"url":"https://ads.adtech.example/source?c={campaign}","response":{{"#,
            r#""Attribution-Reporting-Register-Source":{{"destination":"https://shop{advertiser}.example","#,
            r#""source_event_id":"{event_id}","expiry":"2592000","priority":"{campaign}","#,
            r#""filter_data":{{"campaign":["{campaign}"],"product":["1","2"]}},"#,
            r#""aggregation_keys":{{"campaignCounts":"0x159","geoValue":"0x5"}}}}}}}}]"#
        ),
        publisher = publisher,
        eligible = eligible,
        campaign = campaign,
        advertiser = advertiser,
        event_id = event_id,
    )
}

fn trigger(rng: &mut impl Rng) -> String {
    let (advertiser, order) = (advertiser(rng), rng.random::<u64>());
    format!(
        concat!(
            r#""registration_request":{{"context_origin":"https://www.shop{advertiser}.example"}},"#,
            r#""responses":[{{"url":"https://ads.adtech.example/trigger","response":{{"#,
            r#""Attribution-Reporting-Register-Trigger":{{"#,
            r#""event_trigger_data":[{{"trigger_data":"412444888111012","priority":"1000000000000","#,
            r#""deduplication_key":"{order}"}}],"debug_key":"1115698977","#,
            r#""aggregatable_trigger_data":[{{"key_piece":"0x400","source_keys":["campaignCounts"]}},"#,
            r#"{{"key_piece":"0xA80","source_keys":["geoValue","nonMatchingKeyIdsAreIgnored"]}}],"#,
            r#""aggregatable_values":{{"campaignCounts":32768,"geoValue":1664}}}}}}}}]"#
        ),
        advertiser = advertiser,
        order = order,
    )
}
