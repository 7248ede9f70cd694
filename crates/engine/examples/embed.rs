//! The engine inside a program of your own: one user, from a click on an ad to the reports that are sent.
//!
//! Four things are yours: to say what time it is, to bring randomness from the operating system, to persist
//! every change before anything leaves, and to delete a report only once it has been delivered.
//!
//! `cargo run -p ascribe-engine --example embed`
#![expect(clippy::disallowed_methods, reason = "the host has a clock; the engine has none")]
#![expect(clippy::print_stdout, reason = "an example")]

use std::{error::Error, fmt::Debug, time::SystemTime};

use ascribe_engine::{
    Change, Config, Effects, Engine, NewSource, NewTrigger, PendingReport, StoredReport, SystemDraws,
};
use ascribe_headers::{Parsed, SourceRegistration, SourceType, SuitableOrigin, TriggerRegistration};
use ascribe_reports::{PrivateKey, PublicKey, Time};
use rand::{SeedableRng, rngs::SysRng};
use rand_chacha::ChaCha12Rng;

const SOURCE: &[u8] = br#"{"destination": "https://shop.example", "source_event_id": "412444888111012",
    "aggregation_keys": {"campaignCounts": "0x159"}}"#;
const TRIGGER: &[u8] = br#"{"event_trigger_data": [{"trigger_data": "4"}],
    "aggregatable_trigger_data": [{"key_piece": "0x400", "source_keys": ["campaignCounts"]}],
    "aggregatable_values": {"campaignCounts": 32768}}"#;

fn main() -> Result<(), Box<dyn Error>> {
    let mut engine = Engine::new(Config::default());
    let mut draws = SystemDraws(ChaCha12Rng::try_from_rng(&mut SysRng)?);
    let mut journal = Vec::new();
    let reporting_origin = SuitableOrigin::parse("https://ads.example/pixel")?;

    // The user clicks an ad on a blog. The response registers a source.
    let vendor = &Config::default().vendor;
    let source = NewSource {
        registration: accept(SourceRegistration::parse(SOURCE, SourceType::Navigation, vendor))?,
        source_type: SourceType::Navigation,
        source_origin: SuitableOrigin::parse("https://blog.example")?,
        reporting_origin: reporting_origin.clone(),
        cookie_based_debug_allowed: false,
        fenced: false,
    };
    persist(&mut journal, "the click", engine.register_source(source, now()?, &mut draws));

    // The user buys something in the shop. The response registers a trigger.
    let trigger = NewTrigger {
        registration: accept(TriggerRegistration::parse(TRIGGER, vendor))?,
        destination: SuitableOrigin::parse("https://www.shop.example")?.site().clone(),
        reporting_origin,
        cookie_based_debug_allowed: false,
        fenced: false,
    };
    persist(&mut journal, "the purchase", engine.register_trigger(&trigger, now()?, &mut draws));

    // The program ends, and starts again: the journal is all that it needs.
    let mut restarted = Engine::replay(Config::default(), &journal);
    assert_eq!(restarted.state(), engine.state());

    // A program sleeps until the next report is due. Here, the time jumps.
    let coordinator = PrivateKey::generate("key-1", &mut draws.0)?.public();
    while let Some(due) = restarted.next_due() {
        let reports: Vec<_> = restarted.due(due).cloned().collect();
        for report in reports {
            send(&report, &coordinator, &mut draws.0)?;
            persist(&mut journal, "a delivery", restarted.report_sent(report.report.key()));
        }
    }
    assert_eq!(Engine::replay(Config::default(), &journal).state(), restarted.state());
    Ok(())
}

fn now() -> Result<Time, Box<dyn Error>> {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(Time::from_millis(since_epoch.as_millis().try_into()?))
}

/// What a header registers, or all that is wrong with it.
fn accept<T>(parsed: Parsed<T>) -> Result<T, String> {
    let errors: Vec<_> = parsed.errors.iter().map(ToString::to_string).collect();
    parsed.value.ok_or_else(|| errors.join("\n"))
}

/// Changes first; a program writes them to disk here. Only then do debug reports leave, at once.
fn persist<T: Debug>(journal: &mut Vec<Change>, what: &str, effects: Effects<T>) {
    println!("{what}: {:?}, {} changes", effects.outcome, effects.changes.len());
    journal.extend(effects.changes);
    assert!(effects.debug_reports.is_empty(), "neither header asks for any");
}

/// A POST request, in a program; with a key that it fetched from `KeySet::url`.
fn send(stored: &StoredReport, key: &PublicKey, rng: &mut ChaCha12Rng) -> Result<(), Box<dyn Error>> {
    let (url, body) = match &stored.report {
        PendingReport::Event(pending) => (pending.report.url(false), pending.report.body()),
        PendingReport::Aggregatable(pending) => {
            (pending.report.url(false), pending.report.body(&pending.report.seal(key, rng)?))
        }
    };
    println!("POST {url}\n{body}");
    Ok(())
}
