//! What is printed is read as the same, and is the same when printed again.

mod common;

use ascribe_headers::{SourceRegistration, SourceType, TriggerRegistration, VendorValues};
use common::{clean, source_of, trigger};
use proptest::prelude::*;

fn reprinted_source(json: &str, source_type: SourceType) -> SourceRegistration {
    clean_parse(SourceRegistration::parse(json.as_bytes(), source_type, &VendorValues::default()))
}

fn reprinted_trigger(json: &str) -> TriggerRegistration {
    clean_parse(TriggerRegistration::parse(json.as_bytes(), &VendorValues::default()))
}

/// What is printed may only be warned about as a whole: for it never reports.
fn clean_parse<T: std::fmt::Debug>(parsed: ascribe_headers::Parsed<T>) -> T {
    assert!(
        parsed.warnings.iter().all(|w| w.path.0.is_empty()
            || w.path.to_string().contains("source_type")
            || w.path.to_string().contains("aggregatable_")),
        "{:?}",
        parsed.warnings
    );
    parsed.into_result().expect("what is printed is valid")
}

#[test]
fn effective_sources_have_every_field() {
    let source = clean(source_of(
        SourceType::Event,
        r#""event_level_epsilon":0.1,"debug_key":"5","aggregation_keys":{"b":"0XaF","a":"0x1"},
           "filter_data":{"a":["2","1"]},"named_budgets":{"n":1},"trigger_data":[1,0],
           "attribution_scopes":{"limit":2,"values":["b","a"]},
           "aggregatable_debug_reporting":{"budget":9,"key_piece":"0x3","debug_data":[
               {"types":["source-success","unspecified"],"key_piece":"0x1","value":2}]}"#,
    ));
    let expected = concat!(
        r#"{"source_event_id":"0","destination":["https://shop.example"],"expiry":2592000,"priority":"0","#,
        r#""destination_limit_priority":"0","filter_data":{"a":["1","2"]},"debug_key":"5","#,
        r#""debug_reporting":false,"aggregation_keys":{"a":"0x1","b":"0xaf"},"#,
        r#""aggregatable_report_window":2592000,"#,
        r#""event_report_windows":{"start_time":0,"end_times":[2592000]},"max_event_level_reports":1,"#,
        r#""trigger_data":[0,1],"trigger_data_matching":"modulus","event_level_epsilon":0.1,"#,
        r#""aggregatable_debug_reporting":{"budget":9,"key_piece":"0x3","debug_data":["#,
        r#"{"types":["source-success"],"key_piece":"0x1","value":2},"#,
        r#"{"types":["unspecified"],"key_piece":"0x1","value":2}],"#,
        r#""aggregation_coordinator_origin":"https://publickeyservice.msmt.aws.privacysandboxservices.com"},"#,
        r#""attribution_scopes":{"limit":2,"values":["a","b"],"max_event_states":3},"named_budgets":{"n":1}}"#,
    );
    assert_eq!(source.to_json(), expected);
    assert_eq!(source.to_string(), expected);
    assert_eq!(reprinted_source(expected, SourceType::Event), source);
}

#[test]
fn effective_triggers_have_every_field() {
    let trigger = clean(trigger(
        r#""filters":{"b":["2","1"],"_lookback_window":9},"event_trigger_data":[{"deduplication_key":"1"}],
           "aggregatable_trigger_data":[{"key_piece":"0x01","source_keys":["k"]}],"aggregatable_values":{"k":7},
           "named_budgets":[{"name":"n"},{}],"trigger_context_id":"","aggregatable_debug_reporting":{"key_piece":"0x2"}"#,
    ));
    let expected = concat!(
        r#"{"filters":[{"_lookback_window":9,"b":["1","2"]}],"not_filters":[],"debug_reporting":false,"#,
        r#""event_trigger_data":[{"trigger_data":"0","priority":"0","deduplication_key":"1","#,
        r#""filters":[],"not_filters":[]}],"#,
        r#""aggregatable_trigger_data":[{"key_piece":"0x1","source_keys":["k"],"filters":[],"not_filters":[]}],"#,
        r#""aggregatable_values":[{"values":{"k":{"value":7,"filtering_id":"0"}},"filters":[],"not_filters":[]}],"#,
        r#""aggregatable_deduplication_keys":[],"#,
        r#""named_budgets":[{"name":"n","filters":[],"not_filters":[]},{"filters":[],"not_filters":[]}],"#,
        r#""aggregation_coordinator_origin":"https://publickeyservice.msmt.aws.privacysandboxservices.com","#,
        r#""aggregatable_source_registration_time":"exclude","aggregatable_filtering_id_max_bytes":1,"#,
        r#""trigger_context_id":"","aggregatable_debug_reporting":{"key_piece":"0x2","debug_data":[],"#,
        r#""aggregation_coordinator_origin":"https://publickeyservice.msmt.aws.privacysandboxservices.com"},"#,
        r#""attribution_scopes":[]}"#,
    );
    assert_eq!(trigger.to_json(), expected);
    assert_eq!(trigger.to_string(), expected);
    assert_eq!(reprinted_trigger(expected), trigger);
}

#[test]
fn an_infinite_epsilon_is_left_to_the_vendor() {
    let vendor = VendorValues { max_settable_event_level_epsilon: f64::INFINITY, ..Default::default() };
    let parse = |json: &[u8]| clean(SourceRegistration::parse(json, SourceType::Event, &vendor));
    let source = parse(br#"{"destination":"https://shop.example"}"#);
    assert_eq!(source.event_level_epsilon.get(), f64::INFINITY);
    assert_eq!(parse(source.to_json().as_bytes()), source);
    assert_eq!(SourceRegistration::restore(&source.to_json(), SourceType::Event).expect("printed"), source);
}

/// A field that is sometimes there.
fn field(
    name: &'static str,
    value: impl Strategy<Value = String> + 'static,
) -> BoxedStrategy<Option<String>> {
    proptest::option::weighted(0.4, value.prop_map(move |value| format!(r#""{name}":{value}"#))).boxed()
}

fn object(fields: Vec<BoxedStrategy<Option<String>>>) -> BoxedStrategy<String> {
    let join = |fields: Vec<Option<String>>| {
        format!("{{{}}}", fields.into_iter().flatten().collect::<Vec<_>>().join(","))
    };
    fields.prop_map(join).boxed()
}

fn list(item: impl Strategy<Value = String> + 'static, max: usize) -> BoxedStrategy<String> {
    proptest::collection::vec(item, 0..=max).prop_map(|items| format!("[{}]", items.join(","))).boxed()
}

fn map(value: impl Strategy<Value = String> + 'static, max: usize) -> BoxedStrategy<String> {
    let entries = proptest::collection::btree_map(text(), value, 0..=max);
    let print = |(key, value): (String, String)| format!("{key}:{value}");
    entries
        .prop_map(move |e| format!("{{{}}}", e.into_iter().map(print).collect::<Vec<_>>().join(",")))
        .boxed()
}

/// A short JSON string, sometimes with escapes or other scripts.
fn text() -> BoxedStrategy<String> {
    prop_oneof!["[a-z]{0,8}", "[a-zA-Zé日\"\\\\\n\u{1}😀]{0,6}"]
        .prop_map(|text| serde_json::Value::from(text).to_string())
        .boxed()
}

fn uint() -> BoxedStrategy<String> {
    prop_oneof![(0..20u64).boxed(), any::<u64>().boxed()].prop_map(|n| format!(r#""{n}""#)).boxed()
}

fn int() -> BoxedStrategy<String> {
    any::<i64>().prop_map(|n| format!(r#""{n}""#)).boxed()
}

fn piece() -> BoxedStrategy<String> {
    any::<u128>().prop_map(|n| format!(r#""{n:#x}""#)).boxed()
}

fn number(range: std::ops::RangeInclusive<u32>) -> BoxedStrategy<String> {
    range.prop_map(|n| n.to_string()).boxed()
}

fn boolean() -> BoxedStrategy<String> {
    any::<bool>().prop_map(|b| b.to_string()).boxed()
}

fn one_of(values: &'static [&'static str]) -> BoxedStrategy<String> {
    proptest::sample::select(values).prop_map(|value| format!(r#""{value}""#)).boxed()
}

fn coordinator() -> BoxedStrategy<String> {
    one_of(&[
        "https://publickeyservice.msmt.aws.privacysandboxservices.com",
        "https://publickeyservice.msmt.gcp.privacysandboxservices.com/",
    ])
}

fn debug_config(types: &'static [&'static str], budget: bool) -> BoxedStrategy<String> {
    let data = (proptest::sample::subsequence(types, 1..=types.len()), piece(), 1..=100u32);
    let data = data.prop_map(|(types, piece, value)| {
        format!(r#"[{{"types":{types:?},"key_piece":{piece},"value":{value}}}]"#)
    });
    let budget = if budget { r#""budget":100,"# } else { "" };
    (piece(), data, coordinator())
        .prop_map(move |(piece, data, coordinator)| {
            format!(
                r#"{{{budget}"key_piece":{piece},"debug_data":{data},"aggregation_coordinator_origin":{coordinator}}}"#
            )
        })
        .boxed()
}

fn filters() -> BoxedStrategy<String> {
    let config =
        (map(list(text(), 3), 3), proptest::option::of(1..=u64::MAX)).prop_map(|(map, window)| {
            match (window, map.as_str()) {
                (None, _) => map,
                (Some(window), "{}") => format!(r#"{{"_lookback_window":{window}}}"#),
                (Some(window), _) => format!(r#"{{"_lookback_window":{window},{}"#, &map[1..]),
            }
        });
    prop_oneof![config.clone().boxed(), list(config, 2)].boxed()
}

fn filtered(fields: Vec<BoxedStrategy<Option<String>>>) -> BoxedStrategy<String> {
    object([fields, vec![field("filters", filters()), field("not_filters", filters())]].concat())
}

fn required(
    name: &'static str,
    value: impl Strategy<Value = String> + 'static,
) -> BoxedStrategy<Option<String>> {
    value.prop_map(move |value| Some(format!(r#""{name}":{value}"#))).boxed()
}

fn any_source() -> BoxedStrategy<String> {
    let sites = ["https://a.example", "https://x.b.example:8443/p", "http://127.0.0.2", "https://[::1]"];
    let destination = proptest::sample::subsequence(sites.to_vec(), 1..=3).prop_map(|s| format!("{s:?}"));
    let ends = proptest::collection::btree_set(3600u32..=86_400, 1..=5);
    let windows = (0..3600u32, ends).prop_map(|(start, ends)| {
        format!(r#"{{"start_time":{start},"end_times":{:?}}}"#, Vec::from_iter(ends))
    });
    let exact = proptest::collection::btree_set(any::<u32>(), 0..=32).prop_map(|set| {
        format!(
            r#"{:?},"trigger_data_matching":"exact""#,
            Vec::from_iter(set).iter().rev().collect::<Vec<_>>()
        )
    });
    let modulus = (0..=32u32).prop_map(|n| format!("{:?}", (0..n).rev().collect::<Vec<_>>()));
    let scopes = (20..=u32::MAX, list(text(), 20), 1..=u32::MAX).prop_filter_map("not empty", |(n, v, s)| {
        (v != "[]").then(|| format!(r#"{{"limit":{n},"values":{v},"max_event_states":{s}}}"#))
    });
    object(vec![
        required("destination", destination),
        field("source_event_id", uint()),
        field("expiry", number(0..=3_000_000)),
        field("priority", int()),
        field("destination_limit_priority", int()),
        field("filter_data", map(list(text(), 5), 5)),
        field("debug_key", uint()),
        field("debug_reporting", boolean()),
        field("aggregation_keys", map(piece(), 5)),
        field("aggregatable_report_window", number(0..=3_000_000)),
        prop_oneof![
            field("event_report_window", number(0..=3_000_000)),
            field("event_report_windows", windows)
        ]
        .boxed(),
        field("max_event_level_reports", number(0..=20)),
        field("trigger_data", prop_oneof![exact.boxed(), modulus.boxed()]),
        field("event_level_epsilon", (0.0..=14.0f64).prop_map(|e| e.to_string())),
        field(
            "aggregatable_debug_reporting",
            debug_config(&["source-noised", "unspecified", "source-success"], true),
        ),
        field("attribution_scopes", scopes),
        field("named_budgets", map(number(0..=65536), 5)),
    ])
}

fn any_trigger() -> BoxedStrategy<String> {
    let key_value = prop_oneof![
        number(1..=65536),
        object(vec![
            required("value", number(1..=65536)),
            field("filtering_id", number(0..=255).prop_map(|n| format!(r#""{n}""#)))
        ]),
    ]
    .boxed();
    let values = prop_oneof![
        map(key_value.clone(), 4),
        list(filtered(vec![required("values", map(key_value, 4))]), 3)
    ];
    let options = prop_oneof![
        field("aggregatable_source_registration_time", one_of(&["include", "exclude"])),
        field("aggregatable_filtering_id_max_bytes", number(1..=8)),
        field("trigger_context_id", text()),
    ];
    let event = filtered(vec![
        field("trigger_data", uint()),
        field("priority", int()),
        field("deduplication_key", uint()),
    ]);
    let data = filtered(vec![required("key_piece", piece()), field("source_keys", list(text(), 4))]);
    filtered(vec![
        field("debug_key", uint()),
        field("debug_reporting", boolean()),
        field("event_trigger_data", list(event, 3)),
        field("aggregatable_trigger_data", list(data, 3)),
        field("aggregatable_values", values),
        field("aggregatable_deduplication_keys", list(filtered(vec![field("deduplication_key", uint())]), 3)),
        field("named_budgets", list(filtered(vec![field("name", text())]), 3)),
        field("aggregation_coordinator_origin", coordinator()),
        options.boxed(),
        field("aggregatable_debug_reporting", debug_config(&["trigger-event-noise", "unspecified"], false)),
        field("attribution_scopes", list(text(), 4)),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

    #[test]
    fn printing_a_source_and_reading_it_is_the_identity(json in any_source(), event: bool) {
        let source_type = if event { SourceType::Event } else { SourceType::Navigation };
        let parsed = SourceRegistration::parse(json.as_bytes(), source_type, &VendorValues::default());
        let source = parsed.into_result().map_err(|e| TestCaseError::fail(format!("{e:?}\n{json}")))?;
        let again = reprinted_source(&source.to_json(), source_type);
        prop_assert_eq!(again.to_json(), source.to_json());
        prop_assert_eq!(&again, &source);
        let restored = SourceRegistration::restore(&source.to_json(), source_type);
        prop_assert_eq!(restored.map_err(|why| TestCaseError::fail(why.to_string()))?, source);
    }

    #[test]
    fn printing_a_trigger_and_reading_it_is_the_identity(json in any_trigger()) {
        let parsed = TriggerRegistration::parse(json.as_bytes(), &VendorValues::default());
        let trigger = parsed.into_result().map_err(|e| TestCaseError::fail(format!("{e:?}\n{json}")))?;
        let again = reprinted_trigger(&trigger.to_json());
        prop_assert_eq!(again.to_json(), trigger.to_json());
        prop_assert_eq!(again, trigger);
    }
}
