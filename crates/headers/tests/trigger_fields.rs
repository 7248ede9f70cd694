//! Each field of a trigger registration: what it accepts, rejects, and means, at its limits.

mod common;

use ascribe_headers::{Coordinators, ProblemKind, ReportOptions, TriggerDebugType};
use common::{clean, errors, members, strings, trigger, valid, warnings};

/// Asserts that a field with each value is accepted without a word.
fn accepts(field: &str, values: &[&str]) {
    for value in values {
        let parsed = trigger(&format!(r#""{field}":{value}"#));
        assert_eq!((parsed.errors, parsed.warnings), (vec![], vec![]), "{field}: {value}");
    }
}

/// Asserts that a field with each value is an error at a place within the field.
fn rejects(field: &str, cases: &[(&str, &str)]) {
    for (value, place) in cases {
        let parsed = trigger(&format!(r#""{field}":{value}"#));
        let path = if place.is_empty() { field.to_string() } else { format!("{field}.{place}") };
        assert_eq!(errors(&parsed), [path], "{field}: {value}");
    }
}

#[test]
fn lists_of_objects_are_just_that() {
    for field in [
        "event_trigger_data",
        "aggregatable_trigger_data",
        "aggregatable_deduplication_keys",
        "named_budgets",
    ] {
        accepts(field, &["[]"]);
        rejects(field, &[("{}", ""), ("null", ""), ("[1]", "0"), ("[[]]", "0")]);
    }
    for field in ["event_trigger_data", "aggregatable_deduplication_keys", "named_budgets"] {
        accepts(field, &["[{}]", "[{},{}]"]);
    }
}

#[test]
fn event_trigger_data_has_64_bit_strings() {
    for (field, ok) in [("trigger_data", r#""18446744073709551615""#), ("deduplication_key", r#""0""#)] {
        accepts("event_trigger_data", &[&format!(r#"[{{"{field}":{ok}}}]"#)]);
        for bad in ["1", r#""18446744073709551616""#, r#""-1""#, "null"] {
            let (json, at) = (format!(r#"[{{}},{{"{field}":{bad}}}]"#), format!("1.{field}"));
            rejects("event_trigger_data", &[(&json, &at)]);
        }
    }
    accepts("event_trigger_data", &[r#"[{"priority":"-9223372036854775808"}]"#]);
    rejects(
        "event_trigger_data",
        &[(r#"[{"priority":"9223372036854775808"}]"#, "0.priority"), (r#"[{"priority":1}]"#, "0.priority")],
    );
    let trigger = clean(trigger(r#""event_trigger_data":[{},{"trigger_data":"412444888111012"}]"#));
    let first = &trigger.event_triggers[0];
    assert_eq!((first.trigger_data, first.priority, first.dedup_key), (0, 0, None));
    assert_eq!(trigger.event_triggers[1].trigger_data, 412_444_888_111_012);
}

#[test]
fn deduplication_keys_may_be_absent() {
    rejects(
        "aggregatable_deduplication_keys",
        &[
            (r#"[{"deduplication_key":1}]"#, "0.deduplication_key"),
            (r#"[{},{"deduplication_key":""}]"#, "1.deduplication_key"),
        ],
    );
    let trigger = clean(trigger(r#""aggregatable_deduplication_keys":[{"deduplication_key":"5"},{}]"#));
    assert_eq!(trigger.aggregatable_dedup_keys[0].dedup_key, Some(5));
    assert_eq!(trigger.aggregatable_dedup_keys[1].dedup_key, None);
}

#[test]
fn named_budgets_may_have_any_name_or_none() {
    rejects("named_budgets", &[(r#"[{"name":1}]"#, "0.name"), (r#"[{"name":null}]"#, "0.name")]);
    let long = "n".repeat(1000);
    let trigger = clean(trigger(&format!(r#""named_budgets":[{{"name":"{long}"}},{{"name":""}},{{}}]"#)));
    let names: Vec<_> = trigger.named_budgets.iter().map(|budget| budget.name.as_deref()).collect();
    assert_eq!(names, [Some(&*long), Some(""), None]);
}

#[test]
fn aggregatable_trigger_data_needs_a_key_piece() {
    rejects(
        "aggregatable_trigger_data",
        &[
            ("[{}]", "0.key_piece"),
            (r#"[{"key_piece":1}]"#, "0.key_piece"),
            (r#"[{"key_piece":"0x"}]"#, "0.key_piece"),
            (r#"[{"key_piece":"0x1","source_keys":"a"}]"#, "0.source_keys"),
            (r#"[{"key_piece":"0x1","source_keys":["a",1]}]"#, "0.source_keys.1"),
        ],
    );
    accepts(
        "aggregatable_trigger_data",
        &[r#"[{"key_piece":"0x1"}]"#, r#"[{"key_piece":"0X1","source_keys":[]}]"#],
    );
}

#[test]
fn source_keys_have_no_limits_and_are_merged() {
    let long = "k".repeat(1000);
    let parsed = trigger(&format!(
        r#""aggregatable_trigger_data":[{{"key_piece":"0x1","source_keys":["{long}",{0},{0}]}}]"#,
        strings(100)
    ));
    assert_eq!(errors(&parsed), [""; 0]);
    assert_eq!(valid(parsed).aggregatable_trigger_data[0].source_keys.len(), 101);
}

#[test]
fn keys_on_one_side_only_are_warned_about() {
    let parsed = trigger(
        r#""aggregatable_trigger_data":[{"key_piece":"0x1","source_keys":["both"]},
                                        {"key_piece":"0x1","source_keys":["both","piece"]}],
           "aggregatable_values":[{"values":{"both":1,"value":1}},{"values":{"value":2}}]"#,
    );
    assert_eq!(warnings(&parsed), ["aggregatable_trigger_data.1.source_keys", "aggregatable_values"]);
    assert_eq!(parsed.warnings[0].kind, ProblemKind::KeyWithoutValue("piece".into()));
    assert_eq!(parsed.warnings[1].kind, ProblemKind::KeyWithoutPiece("value".into()));
    // The same when there are many.
    let parsed = trigger(&format!(
        r#""aggregatable_trigger_data":[{{"key_piece":"0x1","source_keys":[{}]}}],"aggregatable_values":{{{}}}"#,
        strings(30),
        members(20, "1"),
    ));
    assert_eq!(warnings(&parsed).len(), 50);
}

#[test]
fn aggregatable_values_are_1_to_65536() {
    let value = |value: &str| trigger(&format!(r#""aggregatable_values":{{"a":{value}}}"#));
    for (json, ok) in [
        ("0", false),
        ("1", true),
        ("65535", true),
        ("65536", true),
        ("65536.0", true),
        ("65537", false),
        ("1.5", false),
        ("-1", false),
        (r#""1""#, false),
        ("null", false),
        ("[1]", false),
    ] {
        let expected: &[&str] = if ok { &[] } else { &["aggregatable_values.a"] };
        assert_eq!(errors(&value(json)), expected, "{json}");
        let expected: &[&str] = if !ok && !json.starts_with(['"', 'n', '[']) {
            &["aggregatable_values.a.value"]
        } else {
            expected
        };
        if !json.starts_with(['"', 'n', '[']) {
            assert_eq!(errors(&value(&format!(r#"{{"value":{json}}}"#))), expected, "{json}");
        }
    }
    assert_eq!(errors(&value("{}")), ["aggregatable_values.a.value"]);
    assert_eq!(errors(&value(r#"{"value":"1"}"#)), ["aggregatable_values.a.value"]);
    rejects("aggregatable_values", &[("1", ""), (r#""a""#, ""), ("null", "")]);
}

#[test]
fn aggregatable_values_may_be_a_list_of_objects_with_values() {
    rejects(
        "aggregatable_values",
        &[
            ("[1]", "0"),
            ("[{}]", "0.values"),
            (r#"[{"values":[]}]"#, "0.values"),
            (r#"[{"values":1}]"#, "0.values"),
            (r#"[{"values":{"a":0}}]"#, "0.values.a"),
        ],
    );
    accepts("aggregatable_values", &["[]", "{}", r#"[{"values":{}}]"#]);
    let trigger = valid(trigger(
        r#""aggregatable_values":[{"values":{"b":2,"a":1},"filters":{"x":["1"]}},{"values":{}}]"#,
    ));
    assert_eq!(trigger.aggregatable_values.len(), 2);
    let values: Vec<_> = trigger.aggregatable_values[0].values.iter().map(|(k, v)| (&**k, v.value)).collect();
    assert_eq!(values, [("a", 1), ("b", 2)]);
    assert!(!trigger.aggregatable_values[0].filters.is_empty());
}

#[test]
fn filtering_ids_fit_in_their_bytes() {
    let with = |max_bytes: &str, id: &str| {
        trigger(&format!(r#"{max_bytes}"aggregatable_values":{{"a":{{"value":1,"filtering_id":{id}}}}}"#))
    };
    let at = ["aggregatable_values.a.filtering_id"];
    for (bytes, max) in [(1, u64::from(u8::MAX)), (2, 65535), (3, 0xff_ffff), (7, u64::MAX >> 8)] {
        let max_bytes = format!(r#""aggregatable_filtering_id_max_bytes":{bytes},"#);
        for (id, ok) in [(0, true), (max - 1, true), (max, true), (max + 1, false)] {
            let parsed = with(&max_bytes, &format!(r#""{id}""#));
            assert_eq!(errors(&parsed).is_empty(), ok, "{bytes} bytes: {id}");
        }
    }
    let eight = r#""aggregatable_filtering_id_max_bytes":8,"#;
    assert_eq!(errors(&with(eight, r#""18446744073709551615""#)), [""; 0]);
    assert_eq!(errors(&with(eight, r#""18446744073709551616""#)), at);
    assert_eq!(errors(&with("", r#""255""#)), [""; 0]);
    for bad in [r#""256""#, "1", r#""-1""#, r#"" 1""#, r#""1x""#, "null"] {
        assert_eq!(errors(&with("", bad)), at, "{bad}");
    }
    let unchecked = with(r#""aggregatable_filtering_id_max_bytes":9,"#, r#""1""#);
    assert_eq!(errors(&unchecked), ["aggregatable_filtering_id_max_bytes", at[0]]);
    assert!(matches!(unchecked.errors[1].kind, ProblemKind::Unchecked { .. }));
}

#[test]
fn filtering_id_max_bytes_is_1_to_8() {
    accepts("aggregatable_filtering_id_max_bytes", &["1", "2", "7", "8", "8.0"]);
    rejects("aggregatable_filtering_id_max_bytes", &[("0", ""), ("9", ""), ("1.5", ""), (r#""1""#, "")]);
    let unconditional = |json: &str| {
        clean(trigger(&format!(r#""aggregatable_filtering_id_max_bytes":{json}"#)))
            .report_options
            .is_unconditional()
    };
    assert!(!unconditional("1"));
    assert!(unconditional("2"));
}

#[test]
fn trigger_context_ids_have_at_most_64_bytes() {
    for (bytes, ok) in [(0, true), (63, true), (64, true), (65, false)] {
        let parsed = trigger(&format!(r#""trigger_context_id":"{}""#, "c".repeat(bytes)));
        assert_eq!(errors(&parsed).is_empty(), ok, "{bytes}");
        if ok {
            assert!(valid(parsed).report_options.is_unconditional());
        }
    }
    rejects("trigger_context_id", &[(&format!(r#""{}""#, "é".repeat(33)), ""), ("1", ""), ("null", "")]);
}

#[test]
fn what_identifies_a_trigger_excludes_its_source_time() {
    let include = r#""aggregatable_source_registration_time":"include""#;
    let parsed = clean(trigger(include));
    assert_eq!(parsed.report_options, ReportOptions::IncludeSourceRegistrationTime);
    clean(trigger(&format!(r#"{include},"aggregatable_filtering_id_max_bytes":1"#)));
    for other in [r#""trigger_context_id":"""#, r#""aggregatable_filtering_id_max_bytes":2"#] {
        let name = other.split('"').nth(1).expect("a name");
        let parsed = trigger(&format!("{include},{other}"));
        assert_eq!(errors(&parsed), [name]);
        assert_eq!(parsed.errors[0].kind, ProblemKind::ProhibitedWithSourceTime);
        let invalid = trigger(&format!(r#""aggregatable_source_registration_time":"x",{other}"#));
        assert_eq!(errors(&invalid), ["aggregatable_source_registration_time", name]);
    }
    accepts("aggregatable_source_registration_time", &[r#""exclude""#]);
    rejects("aggregatable_source_registration_time", &[(r#""Include""#, ""), ("true", ""), ("null", "")]);
}

#[test]
fn the_coordinator_must_be_allowlisted() {
    accepts(
        "aggregation_coordinator_origin",
        &[
            r#""https://publickeyservice.msmt.aws.privacysandboxservices.com""#,
            r#""https://publickeyservice.msmt.gcp.privacysandboxservices.com:443/""#,
        ],
    );
    rejects(
        "aggregation_coordinator_origin",
        &[
            (r#""https://a.example""#, ""),
            (r#""http://publickeyservice.msmt.gcp.privacysandboxservices.com""#, ""),
            (r#""https://publickeyservice.msmt.gcp.privacysandboxservices.com:444""#, ""),
            (r#""""#, ""),
            ("null", ""),
        ],
    );
    let url = r#""aggregation_coordinator_origin":"https://publickeyservice.msmt.gcp.privacysandboxservices.com/x""#;
    let parsed = trigger(url);
    assert_eq!(warnings(&parsed), ["aggregation_coordinator_origin"]);
    assert_eq!(&valid(parsed).aggregation_coordinator, &Coordinators::chromium().as_slice()[1]);
}

#[test]
fn filters_are_an_object_or_a_list_without_limits() {
    for field in ["filters", "not_filters"] {
        accepts(
            field,
            &[
                "[]",
                "{}",
                "[{},{}]",
                r#"{"a":[],"b":["1","2"],"source_type":["event","navigation"]}"#,
                &format!("{{{}}}", members(200, &format!("[{}]", strings(200)))),
                &format!(r#"{{"{0}":["{0}"]}}"#, "f".repeat(100)),
            ],
        );
        rejects(
            field,
            &[
                ("1", ""),
                (r#""a""#, ""),
                ("null", ""),
                ("[1]", "0"),
                ("[[]]", "0"),
                (r#"{"a":"1"}"#, "a"),
                (r#"{"a":[1]}"#, "a.0"),
                (r#"[{},{"a":{}}]"#, "1.a"),
                (r#"{"_a":[]}"#, "_a"),
                (r#"{"_":[]}"#, "_"),
            ],
        );
    }
    for (place, list) in [
        ("event_trigger_data", r#"[{"FILTER":1}]"#),
        ("aggregatable_trigger_data", r#"[{"key_piece":"0x1","FILTER":1}]"#),
        ("aggregatable_values", r#"[{"values":{},"FILTER":1}]"#),
        ("aggregatable_deduplication_keys", r#"[{"FILTER":1}]"#),
        ("named_budgets", r#"[{"FILTER":1}]"#),
    ] {
        for field in ["filters", "not_filters"] {
            rejects(place, &[(&list.replace("FILTER", field), &format!("0.{field}"))]);
        }
    }
    let parsed = trigger(r#""filters":[{"b":["2","1","2"],"a":[]}],"not_filters":{"source_type":["Event"]}"#);
    assert_eq!(warnings(&parsed), ["filters.0.b.2", "not_filters.source_type.0"]);
    let trigger = valid(parsed);
    let map = &trigger.filters.positive[0].map;
    assert_eq!((&*map[0].0, map[0].1.len(), &*map[1].0, map[1].1.len()), ("a", 0, "b", 2));
    assert_eq!(trigger.filters.negative.len(), 1);
}

#[test]
fn lookback_windows_are_positive_whole_seconds() {
    accepts("filters", &[r#"{"_lookback_window":1}"#, r#"[{"_lookback_window":86400.0}]"#]);
    rejects(
        "filters",
        &[
            (r#"{"_lookback_window":0}"#, "_lookback_window"),
            (r#"{"_lookback_window":-1}"#, "_lookback_window"),
            (r#"{"_lookback_window":0.5}"#, "_lookback_window"),
            (r#"{"_lookback_window":"1"}"#, "_lookback_window"),
            (r#"[{"_lookback_window":[]}]"#, "0._lookback_window"),
        ],
    );
    let window = |json: &str| {
        let trigger = clean(trigger(&format!(r#""filters":{{"_lookback_window":{json}}}"#)));
        trigger.filters.positive[0].lookback_window.map(u64::from)
    };
    assert_eq!(window("86400"), Some(86_400));
    assert_eq!(window("1e300"), Some(u64::MAX));
}

#[test]
fn attribution_scopes_are_any_strings() {
    accepts(
        "attribution_scopes",
        &["[]", &format!("[{}]", strings(1000)), &format!(r#"["{}"]"#, "s".repeat(1000))],
    );
    rejects("attribution_scopes", &[("{}", ""), (r#""a""#, ""), ("[1]", "0"), (r#"["a",null]"#, "1")]);
    let parsed = trigger(r#""attribution_scopes":["b","a","b"]"#);
    assert_eq!(warnings(&parsed), ["attribution_scopes.2"]);
    assert_eq!(valid(parsed).attribution_scopes.len(), 2);
}

#[test]
fn debugging_fields_never_cost_the_registration() {
    for (fields, at) in [
        (r#""debug_key":1"#, "debug_key"),
        (r#""debug_reporting":1"#, "debug_reporting"),
        (r#""aggregatable_debug_reporting":1"#, "aggregatable_debug_reporting"),
        (r#""aggregatable_debug_reporting":{}"#, "aggregatable_debug_reporting.key_piece"),
        (
            r#""aggregatable_debug_reporting":{"key_piece":"0x1","debug_data":[{"types":["trigger-event-noise"],
                "key_piece":"0x1","value":65537}]}"#,
            "aggregatable_debug_reporting.debug_data.0.value",
        ),
    ] {
        let parsed = trigger(fields);
        assert_eq!(warnings(&parsed), [at], "{fields}");
        let trigger = valid(parsed);
        assert_eq!((trigger.debug_key, trigger.debug_reporting), (None, false));
        assert_eq!(trigger.aggregatable_debug_reporting, None);
    }
}

#[test]
fn aggregatable_debug_reporting_needs_no_budget() {
    let parsed = trigger(
        r#""aggregatable_debug_reporting":{"key_piece":"0x1","budget":1,"debug_data":[
            {"types":["trigger-event-noise","source-noised"],"key_piece":"0x1","value":65536}]}"#,
    );
    assert_eq!(
        warnings(&parsed),
        ["aggregatable_debug_reporting.debug_data.0.types.1", "aggregatable_debug_reporting.budget"]
    );
    let config = valid(parsed).aggregatable_debug_reporting.expect("there");
    assert_eq!(config.contribution(TriggerDebugType::EventNoise).map(|c| c.value), Some(65536));
    assert_eq!(config.contribution(TriggerDebugType::NoMatchingSource), None);
}
