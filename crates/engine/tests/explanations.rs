//! What a trace tells of a trigger that was not attributed: what comes close, and the values that differ.

mod common;

use ascribe_engine::{Config, Verdict};
use common::World;
use serde_json::{Value, json};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

fn world() -> World {
    let mut config = Config::default();
    config.explain = true;
    World::new(config)
}

/// What stopped the trigger, or each half of it.
fn stopped(world: &mut World, seconds: i64, reporter: &str, trigger: &Value) -> Vec<String> {
    let effects = world.trigger_of(seconds, reporter, trigger);
    let steps = effects.trace.steps().iter().filter(|step| step.verdict == Verdict::Stopped);
    steps.map(|step| step.detail.clone()).collect()
}

fn source(world: &mut World, json: Value) {
    let _ = world.source_of(0, "ads", &json);
}

#[test]
fn without_a_source_it_names_what_comes_close() {
    let event = json!({"event_trigger_data": [{}]});
    let none = "no source of https://ads.example for https://shop.example";

    let effects = world().trigger(1, "ads");
    assert!(effects.trace.steps().iter().any(|s| s.verdict == Verdict::Stopped && s.detail == none));

    let mut other_destination = world();
    source(&mut other_destination, json!({"destination": ["https://a.example", "https://b.example"]}));
    let expected = format!("{none}; it has sources for https://a.example; https://b.example");
    assert_eq!(stopped(&mut other_destination, 1, "ads", &event), [expected]);

    let mut other_origin = world();
    let _ = other_origin.source(0, "ads.www");
    let expected = format!("{none}; sources for that destination are of https://ads.www.example");
    assert_eq!(stopped(&mut other_origin, 1, "ads", &event), [expected]);

    let mut expired = world();
    source(&mut expired, json!({"destination": "https://shop.example", "expiry": "86400"}));
    let expected = format!("{none}; source 0 expired 2 h ago");
    assert_eq!(stopped(&mut expired, DAY + 2 * HOUR, "ads", &event), [expected]);

    let mut scoped = world();
    source(&mut scoped, json!({"destination": "https://shop.example"}));
    let scoped_trigger = json!({"event_trigger_data": [{}], "attribution_scopes": ["a"]});
    let expected = format!("{none} with one of the attribution scopes [\"a\"]; 1 without");
    assert_eq!(stopped(&mut scoped, 1, "ads", &scoped_trigger), [expected]);
}

#[test]
fn filters_that_do_not_match_are_told_with_both_sides() {
    let filtered = |filters: Value| {
        let mut world = world();
        let data = json!({"product": ["1", "2"]});
        source(&mut world, json!({"destination": "https://shop.example", "filter_data": data}));
        let mut trigger = json!({"event_trigger_data": [{}]});
        trigger.as_object_mut().unwrap().extend(filters.as_object().unwrap().clone());
        stopped(&mut world, 90, "ads", &trigger).join("|")
    };
    assert_eq!(
        filtered(json!({"filters": {"product": ["3"]}})),
        r#"of source 0: "product" of the source is ["1", "2"], filters say ["3"]"#
    );
    assert_eq!(
        filtered(json!({"not_filters": {"source_type": ["navigation"]}})),
        r#"of source 0: "source_type" of the source is ["navigation"], not_filters say ["navigation"]"#
    );
    assert_eq!(
        filtered(json!({"filters": [{"_lookback_window": 60}, {"product": ["9"]}]})),
        r#"of source 0: the source is 90 s old, filters say _lookback_window 60 s; "product" of the source is ["1", "2"], filters say ["9"]"#
    );
    assert_eq!(filtered(json!({"filters": {"other": ["3"]}})), "", "keys of one side alone do not count");
}

#[test]
fn each_half_says_what_it_compared() {
    let mut world = world();
    let windows = json!({"start_time": 0, "end_times": [3600, 7200]});
    source(
        &mut world,
        json!({
            "destination": "https://shop.example",
            "event_report_windows": windows,
            "aggregatable_report_window": "3600",
            "aggregation_keys": {"a": "0x1"},
            "trigger_data": [1, 2],
            "trigger_data_matching": "exact",
        }),
    );
    let trigger = json!({"event_trigger_data": [{"trigger_data": "7"}], "aggregatable_values": {"b": 1}});
    assert_eq!(
        stopped(&mut world, 60, "ads", &trigger),
        [
            "7 is none of the source's trigger data [1, 2]",
            r#"the source has the aggregation_keys ["a"], and aggregatable_values are for ["b"]"#,
        ]
    );
    let late = json!({"event_trigger_data": [{"trigger_data": "1"}], "aggregatable_values": {"a": 1}});
    assert_eq!(
        stopped(&mut world, 3 * HOUR, "ads", &late),
        [
            "3 h after the source; its windows begin at once and end after 1 h, after 2 h",
            "3 h after the source; its aggregatable report window ends after 1 h",
        ]
    );
    let filters = json!({"source_type": ["event"]});
    let choosy = json!({"event_trigger_data": [{"filters": filters}, {"filters": filters}]});
    let told = r#""source_type" of the source is ["navigation"], filters say ["event"]"#;
    assert_eq!(
        stopped(&mut world, 60, "ads", &choosy),
        [format!("none of 2 event_trigger_data: {told}; {told}")]
    );
}
