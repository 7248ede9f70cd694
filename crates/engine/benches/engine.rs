//! `cargo bench -p ascribe-engine --bench engine`: the cost of a registration does not grow with what is stored.

mod common;

use std::cell::{Cell, RefCell};

use ascribe_engine::{Attribution, Engine, NewTrigger};
use ascribe_headers::TriggerRegistration;
use ascribe_reports::{Duration, Time};
use common::{draws, engine, origin, source};
use divan::{Bencher, counter::ItemsCount};

/// A week after the sources.
const NOW: Time = Time::from_millis(1_700_000_000_000 + 7 * 86_400_000);

/// Later than all sources that were stored before.
const REGISTERED: Time = Time::from_millis(1_700_000_000_000 + 6 * 86_400_000);

/// The summary trigger of the guide.
const TRIGGER: &[u8] = concat!(
    r#"{"event_trigger_data":[{"trigger_data":"412444888111012","priority":"1000000000000","#,
    r#""deduplication_key":"2345698765"}],"debug_key":"1115698977","#,
    r#""aggregatable_trigger_data":[{"key_piece":"0x400","source_keys":["campaignCounts"]},"#,
    r#"{"key_piece":"0xA80","source_keys":["geoValue","nonMatchingKeyIdsAreIgnored"]}],"#,
    r#""aggregatable_values":{"campaignCounts":32768,"geoValue":1664}}"#
)
.as_bytes();

fn main() {
    divan::main();
}

/// JSON in, effects out: parsed, attributed at event level and in an aggregatable report, nine losers removed.
/// Between two triggers, and not timed, the losers are registered again and the reports sent.
#[divan::bench(args = [100, 1_000, 10_000], sample_count = 100, sample_size = 1)]
fn trigger_json_in_effects_out(bencher: Bencher<'_, '_>, stored: u64) {
    let engine = RefCell::new(engine(stored));
    let draws = RefCell::new(draws());
    let (reporting_origin, context) =
        (origin("https://reporter.example"), origin("https://www.shop.example"));
    let losers: Vec<_> = (1..10).map(|n| source(n, "reporter", "shop")).collect();
    let (attributed, clock) = (Cell::new(false), Cell::new(REGISTERED));
    let restore = || {
        let (engine, draws) = (&mut *engine.borrow_mut(), &mut *draws.borrow_mut());
        let due: Vec<_> = engine.due(Time::MAX).map(|stored| stored.report.key()).collect();
        for key in due {
            let _ = engine.report_sent(key);
        }
        if attributed.replace(true) {
            for loser in &losers {
                clock.set(clock.get() + Duration::from_millis(1));
                let _ = engine.register_source(loser.clone(), clock.get(), draws);
            }
        }
    };
    bencher.counter(ItemsCount::new(1u32)).with_inputs(restore).bench_local_values(|()| {
        let (engine, draws) = (&mut *engine.borrow_mut(), &mut *draws.borrow_mut());
        let parsed = TriggerRegistration::parse(TRIGGER, &engine.config().vendor);
        let trigger = NewTrigger {
            registration: parsed.value.expect("a valid registration"),
            destination: context.site().clone(),
            reporting_origin: reporting_origin.clone(),
            cookie_based_debug_allowed: false,
            fenced: false,
        };
        let effects = engine.register_trigger(&trigger, NOW, draws);
        assert_eq!(effects.outcome.aggregatable, Attribution::Attributed);
        effects
    });
}

/// Without the parser.
#[divan::bench(args = [100, 1_000, 10_000], sample_count = 200, sample_size = 1)]
fn register_source_into(bencher: Bencher<'_, '_>, stored: u64) {
    let engine = RefCell::new(engine(stored));
    let mut draws = draws();
    bencher
        .counter(ItemsCount::new(1u32))
        .with_inputs(|| source(stored, "reporter", "shop"))
        .bench_local_values(|source| engine.borrow_mut().register_source(source, NOW, &mut draws));
}

/// Loading is replaying.
#[divan::bench(args = [1_000, 10_000])]
fn replay_snapshot(bencher: Bencher<'_, '_>, stored: u64) {
    let engine = engine(stored);
    let snapshot = engine.state().snapshot();
    bencher
        .counter(ItemsCount::new(stored))
        .bench_local(|| Engine::replay(engine.config().clone(), &snapshot));
}
