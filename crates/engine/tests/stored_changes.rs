//! Changes as they are stored: the text is what it was, and damage never becomes an unsound state.

mod common;
mod properties;

use std::collections::HashSet;

use ascribe_engine::{Change, Config, Engine};
use ascribe_reports::Time;
use common::{World, at};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

fn journal(seed: u64) -> Vec<Change> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut bytes = vec![0; 3000];
    rng.fill_bytes(&mut bytes);
    properties::engine_ops(&bytes)
}

/// What a journal may contain: a change of each kind but the rare ones.
fn stored() -> Vec<Value> {
    let mut world = World::new(Config::default());
    let mut changes = world.source(0, "ads").changes;
    changes.extend(world.trigger(60, "ads").changes);
    changes.extend(world.engine.state().snapshot());
    changes.iter().map(|change| serde_json::to_value(change).expect("JSON")).collect()
}

fn named(changes: &[Value], name: &str) -> Value {
    changes.iter().find(|change| change.get(name).is_some()).unwrap_or_else(|| panic!("a {name}")).clone()
}

fn read(change: &Value) -> Result<Change, String> {
    serde_json::from_str(&change.to_string()).map_err(|why| why.to_string())
}

/// Whoever renames something here makes journals unreadable: that takes a migration.
#[test]
fn the_text_of_the_first_version_is_read() {
    let texts = include_str!("stored_changes/version-1.jsonl");
    let kinds = texts.lines().map(|text| {
        let change: Change = serde_json::from_str(text).unwrap_or_else(|why| panic!("{why}: {text}"));
        assert_eq!(serde_json::to_string(&change).expect("JSON"), text);
        std::mem::discriminant(&change)
    });
    assert_eq!(kinds.collect::<HashSet<_>>().len(), 21, "each kind of change");
}

#[test]
fn what_no_header_can_say_is_not_read() {
    let changes = stored();
    let (source, event, aggregatable) = (
        named(&changes, "SourceStored"),
        named(&changes, "EventReportStored"),
        named(&changes, "AggregatableReportStored"),
    );
    let registration = |field: &str| format!("/SourceStored/registration/{field}");
    let report = |kind: &str, field: &str| format!("/{kind}ReportStored/report/{field}");
    for (change, at, value, why) in [
        (&source, "/SourceStored/source_origin".to_owned(), json!("https://news.example/"), "not an origin"),
        (&source, "/SourceStored/source_origin".to_owned(), json!("http://news.example"), "must use HTTPS"),
        (&source, "/SourceStored/source_type".to_owned(), json!("click"), "not a source type"),
        (&source, "/SourceStored/randomized_trigger_rate".to_owned(), json!(1.5), "not a probability"),
        (&source, "/SourceStored/noise".to_owned(), json!(4), "more reports"),
        (&source, registration("expiry"), json!(86_399), "end_times"),
        (&source, registration("expiry"), json!(2_592_001), "not as it was printed"),
        (&source, registration("destination"), json!([]), "1 to 3 sites"),
        (&source, registration("destination"), json!(["https://b.example", "https://a.example"]), "in order"),
        (&source, registration("destination"), json!(["https://a.example:8443"]), "not a site"),
        (&source, registration("max_event_level_reports"), json!(21), "max_event_level_reports"),
        (&source, registration("trigger_data"), json!([0, 2]), "trigger_data"),
        (&source, registration("event_level_epsilon"), json!(-0.5), "event_level_epsilon"),
        (&source, registration("priority"), json!("high"), "priority"),
        (&source, registration("named_budgets"), json!({"n": 65_537}), "named_budgets"),
        (&source, registration("aggregatable_debug_reporting/budget"), json!(0), "not as it was printed"),
        (
            &source,
            registration("aggregatable_debug_reporting/aggregation_coordinator_origin"),
            json!("http://keys.example"),
            "must use HTTPS",
        ),
        (&event, report("Event", "report_id"), json!("1"), "UUID"),
        (&event, report("Event", "randomized_trigger_rate"), json!(-0.1), "not a probability"),
        (&event, report("Event", "randomized_trigger_rate"), json!(null), "null"),
        (&event, report("Event", "destinations"), json!(["https://a.b.example/c"]), "not an origin"),
        (&aggregatable, report("Aggregatable", "filtering_id_max_bytes"), json!(0), "1 to 8"),
        (&aggregatable, report("Aggregatable", "filtering_id_max_bytes"), json!(9), "1 to 8"),
        (&aggregatable, report("Aggregatable", "contributions/0/value"), json!(65_537), "65536"),
        (&aggregatable, report("Aggregatable", "contributions/0/filtering_id"), json!(256), "filtering ID"),
        (&aggregatable, report("Aggregatable", "contributions/0/key"), json!("1"), "not a key piece"),
        (&aggregatable, report("Aggregatable", "trigger_context_id"), json!("i".repeat(65)), "64 bytes"),
    ] {
        read(change).expect("what was stored is read");
        let mut damaged = change.clone();
        *damaged.pointer_mut(&at).unwrap_or_else(|| panic!("{at} in {change}")) = value.clone();
        let error = read(&damaged).expect_err(&format!("{at} = {value}"));
        assert!(error.contains(why), "{at} = {value}: {error}");
    }
    let mut contributions = aggregatable.clone();
    let list = &mut contributions["AggregatableReportStored"]["report"]["contributions"];
    let one = list[0].clone();
    *list = vec![one.clone(); 20].into();
    read(&contributions).expect("20 contributions");
    contributions["AggregatableReportStored"]["report"]["contributions"] = vec![one; 21].into();
    assert!(read(&contributions).expect_err("21 contributions").contains("more than 20"));
}

#[test]
fn what_another_configuration_allowed_is_read() {
    let mut source = named(&stored(), "SourceStored");
    let registration = &mut source["SourceStored"]["registration"];
    registration["aggregatable_debug_reporting"]["aggregation_coordinator_origin"] =
        json!("https://keys.example");
    registration["event_level_epsilon"] = json!(20.0);
    // Under a list on which `hosting.example` is a suffix, as `github.io` is now.
    registration["destination"] = json!(["https://a.hosting.example"]);
    let change = read(&source).expect("a source");
    let Change::SourceStored(read) = &change else { panic!("{change:?}") };
    assert_eq!(read.registration.destinations.as_slice()[0].as_str(), "https://a.hosting.example");
    assert_eq!(serde_json::to_value(&change).expect("JSON"), source);
}

#[test]
fn a_field_that_an_earlier_version_did_not_print_has_its_default() {
    let mut source = named(&stored(), "SourceStored");
    let whole = read(&source).expect("a source");
    let registration = source["SourceStored"]["registration"].as_object_mut().expect("an object");
    registration.remove("named_budgets").expect("printed");
    assert_eq!(read(&source).expect("a source"), whole);
}

#[test]
fn a_restored_source_has_no_more_budget_than_it_was_given() {
    let mut world = World::new(Config::default());
    let registered = world.source_of(
        0,
        "ads",
        &json!({
            "destination": "https://shop.example",
            "named_budgets": {"a": 100, "b": 200},
            "aggregatable_debug_reporting": {"budget": 1000, "key_piece": "0x1"},
        }),
    );
    let progress = |aggregatable: u32, named: &[u32], debug: u32| {
        let restored = json!({"SourceProgressRestored": [0, {
            "event_level_reports": 0, "event_level_attributable": true, "dedup_keys": [],
            "aggregatable_reports": 0, "aggregatable_dedup_keys": [],
            "remaining_aggregatable_budget": aggregatable, "remaining_named_budgets": named,
            "remaining_debug_budget": debug, "debug_reports": 0, "scopes_cleared": false,
        }]});
        let changes = [registered.changes.clone(), vec![read(&restored).expect("readable")]].concat();
        let engine = Engine::replay(Config::default(), &changes);
        let progress = engine.state().sources()[0].progress.clone();
        let named = progress.remaining_named_budgets.to_vec();
        (progress.remaining_aggregatable_budget, named, progress.remaining_debug_budget)
    };
    assert_eq!(progress(64_535, &[99, 199], 999), (64_535, vec![99, 199], 999));
    assert_eq!(progress(64_536, &[100, 200], 1000), (64_536, vec![100, 200], 1000));
    assert_eq!(progress(64_537, &[101, 201], 1001), (64_536, vec![100, 200], 1000));
    assert_eq!(progress(0, &[1], 0), (0, vec![1, 0], 0));
    assert_eq!(progress(0, &[1, 2, 3], 0), (0, vec![1, 2], 0));
}

/// One number, string or flag of a journal becomes another, or changes are lost, repeated or swapped.
#[test]
fn damage_is_noticed_or_harmless() {
    let (mut noticed, mut harmless) = (0, 0);
    for seed in 0..60 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let journal = journal(seed % 10);
        if journal.is_empty() {
            continue;
        }
        let mut rows: Vec<Value> =
            journal.iter().map(|change| serde_json::to_value(change).expect("JSON")).collect();
        for _ in 0..20 {
            let (a, b) = (rng.random_range(0..rows.len()), rng.random_range(0..rows.len()));
            match rng.random_range(0..6) {
                0 => rows.swap(a, b),
                1 => rows.insert(a, rows[b].clone()),
                _ => damage(&mut rows[a], &mut rng),
            }
        }
        let read: Vec<_> = rows.iter().map(read).collect();
        noticed += read.iter().filter(|change| change.is_err()).count();
        let changes: Vec<_> = read.into_iter().flatten().collect();
        harmless += changes.len();
        let mut world = World::new(Config::default());
        world.engine = Engine::replay(Config::default(), &changes);
        let _ = world.source(86_400, "a.reporter");
        let _ = world.trigger(90_000, "a.reporter");
        let due: Vec<_> = world.engine.due(Time::MAX).map(|stored| stored.report.key()).collect();
        for (n, key) in due.into_iter().enumerate() {
            let _ = world.engine.report_postponed(key, at(100_000));
            if n % 2 == 0 {
                let _ = world.engine.report_sent(key);
            }
        }
        let snapshot = world.engine.state().snapshot();
        let restored = Engine::replay(Config::default(), &snapshot);
        assert_eq!(restored.state().report_count(), world.engine.state().report_count());
        assert_eq!(restored.state().source_count(), world.engine.state().source_count());
    }
    assert!(noticed > 50 && harmless > 1000, "{noticed} noticed, {harmless} harmless");
}

/// Changes one leaf.
fn damage(value: &mut Value, rng: &mut impl Rng) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            let at = rng.random_range(0..members.len());
            damage(members.values_mut().nth(at).expect("in range"), rng);
        }
        Value::Array(items) if !items.is_empty() => {
            let at = rng.random_range(0..items.len());
            damage(&mut items[at], rng);
        }
        Value::Number(_) => {
            let extremes =
                [json!(0), json!(1), json!(u64::MAX), json!(i64::MIN), json!(i64::MAX), json!(u32::MAX)];
            *value = extremes[rng.random_range(0..extremes.len())].clone();
        }
        Value::Bool(flag) => *flag = !*flag,
        Value::String(text) => {
            *text = if rng.random_bool(0.5) { "1".into() } else { "https://x.example".into() }
        }
        _ => *value = json!(1),
    }
}
