//! Each field of a source registration: what it accepts, rejects, and means, at its limits.

mod common;

use ascribe_headers::{
    Coordinators, DebugContribution, KeyPiece, ProblemKind, SourceDebugType, SourceType, TriggerDataSet,
    VendorValues,
};
use common::{clean, errors, members, numbers, source, source_of, strings, valid, warnings};

const HOUR: u32 = 3600;
const DAY: u32 = 24 * HOUR;

/// Asserts that a field with each value is accepted without a word.
fn accepts(field: &str, values: &[&str]) {
    for value in values {
        let parsed = source(&format!(r#""{field}":{value}"#));
        assert_eq!((parsed.errors, parsed.warnings), (vec![], vec![]), "{field}: {value}");
    }
}

/// Asserts that a field with each value is an error at a place within the field.
fn rejects(field: &str, cases: &[(&str, &str)]) {
    for (value, place) in cases {
        let parsed = source(&format!(r#""{field}":{value}"#));
        let path = if place.is_empty() { field.to_string() } else { format!("{field}.{place}") };
        assert_eq!(errors(&parsed), [path], "{field}: {value}");
    }
}

fn sites(json: &str) -> Vec<String> {
    let source = valid(source(&format!(r#""destination":{json}"#)));
    source.destinations.as_slice().iter().map(ToString::to_string).collect()
}

#[test]
fn destination_is_required() {
    let parsed =
        ascribe_headers::SourceRegistration::parse(b"{}", SourceType::Event, &VendorValues::default());
    assert_eq!(errors(&parsed), ["destination"]);
    assert_eq!(parsed.errors[0].kind, ProblemKind::Missing);
}

#[test]
fn destinations_are_one_to_three_distinct_sites_sorted() {
    rejects(
        "destination",
        &[("null", ""), ("{}", ""), ("1", ""), ("[]", ""), ("[null]", "0"), ("[[]]", "0")],
    );
    assert_eq!(sites(r#""https://a.example""#), ["https://a.example"]);
    assert_eq!(
        sites(r#"["https://b.example","https://a.example"]"#),
        ["https://a.example", "https://b.example"]
    );
    let three = r#"["https://c.example","https://b.example","https://a.example"]"#;
    assert_eq!(sites(three).len(), 3);
    let four = r#"["https://c.example","https://b.example","https://a.example","https://d.example"]"#;
    rejects("destination", &[(four, "")]);
    // Counted after reduction to sites.
    let same = r#"["https://x.a.example","https://y.a.example","https://b.example","https://c.example"]"#;
    assert_eq!(sites(same).len(), 3);
}

#[test]
fn repeated_destinations_and_ignored_url_parts_are_warned_about() {
    let parsed =
        source(r#""destination":["https://a.example","https://x.a.example/p?q#f","https://a.example:8443"]"#);
    assert_eq!(warnings(&parsed), ["destination.1", "destination.2", "destination.1", "destination.2"]);
    let parsed = source(r#""destination":"https://co.uk""#);
    assert_eq!(parsed.warnings[0].kind, ProblemKind::PublicSuffix { host: "co.uk".into() });
    accepts("destination", &[r#""https://1.2.3.4""#, r#""https://[::1]""#, r#""HTTPS://A.EXAMPLE/""#]);
}

#[test]
fn destinations_must_be_suitable() {
    rejects(
        "destination",
        &[
            (r#""""#, ""),
            (r#""shop.example""#, ""),
            (r#""http://shop.example""#, ""),
            (r#""ftp://shop.example""#, ""),
            (r#"["https://shop.example","wss://shop.example"]"#, "1"),
        ],
    );
    for loopback in ["http://127.0.0.1", "http://127.0.0.2:8080", "http://[::1]", "http://a.localhost"] {
        assert_eq!(errors(&source(&format!(r#""destination":"{loopback}""#))), [""; 0], "{loopback}");
    }
}

#[test]
fn unsigned_64_bit_integers_are_decimal_strings() {
    for field in ["source_event_id", "debug_key"] {
        accepts(field, &[r#""0""#, r#""18446744073709551615""#, r#""00018446744073709551615""#]);
    }
    rejects(
        "source_event_id",
        &[
            ("1", ""),
            ("null", ""),
            (r#""""#, ""),
            (r#""-1""#, ""),
            (r#""-0""#, ""),
            (r#""+1""#, ""),
            (r#"" 1""#, ""),
            (r#""1 ""#, ""),
            (r#""1x""#, ""),
            (r#""1.0""#, ""),
            (r#""0x1""#, ""),
            (r#""18446744073709551616""#, ""),
            (r#""99999999999999999999999999999999999999999""#, ""),
        ],
    );
    let source = clean(source(r#""source_event_id":"18446744073709551614""#));
    assert_eq!(source.source_event_id, u64::MAX - 1);
}

#[test]
fn signed_64_bit_integers_are_decimal_strings() {
    for field in ["priority", "destination_limit_priority"] {
        accepts(field, &[r#""9223372036854775807""#, r#""-9223372036854775808""#, r#""-0""#, r#""-007""#]);
        rejects(
            field,
            &[
                ("1", ""),
                (r#""9223372036854775808""#, ""),
                (r#""-9223372036854775809""#, ""),
                (r#""--1""#, ""),
                (r#""-""#, ""),
                (r#""+1""#, ""),
                (r#""- 1""#, ""),
            ],
        );
    }
    let source = clean(source(r#""priority":"-9223372036854775808","destination_limit_priority":"7""#));
    assert_eq!((source.priority, source.destination_limit_priority), (i64::MIN, 7));
}

#[test]
fn expiry_is_clamped_to_1_to_30_days() {
    for (json, expiry, warns) in [
        ("0", DAY, true),
        ("86399", DAY, true),
        ("86400", DAY, false),
        ("86401.0", DAY + 1, false),
        (r#""86401""#, DAY + 1, false),
        ("2591999", 30 * DAY - 1, false),
        ("2592000", 30 * DAY, false),
        ("2592001", 30 * DAY, true),
        (r#""18446744073709551615""#, 30 * DAY, true),
        ("1e300", 30 * DAY, true),
    ] {
        let parsed = source(&format!(r#""expiry":{json}"#));
        assert_eq!(!parsed.warnings.is_empty(), warns, "{json}");
        let source = valid(parsed);
        assert_eq!((source.expiry, source.aggregatable_report_window), (expiry, expiry), "{json}");
    }
    rejects(
        "expiry",
        &[("-1", ""), ("1.5", ""), (r#""-1""#, ""), ("null", ""), (r#""18446744073709551616""#, "")],
    );
}

#[test]
fn expiry_of_event_sources_is_rounded_to_days() {
    for (json, days, warns) in [
        ("86400", 1, false),
        ("129599", 1, true),
        ("129600", 2, true),
        ("172800", 2, false),
        ("2591999", 30, true),
    ] {
        let parsed = source_of(SourceType::Event, &format!(r#""expiry":{json}"#));
        assert_eq!(!parsed.warnings.is_empty(), warns, "{json}");
        let source = valid(parsed);
        assert_eq!((source.expiry, source.event_report_windows.ends()), (days * DAY, &[days * DAY][..]));
    }
}

#[test]
fn aggregatable_report_window_is_clamped_to_1_hour_to_expiry() {
    for (json, window, warns) in [
        ("0", HOUR, true),
        ("3599", HOUR, true),
        ("3600", HOUR, false),
        (r#""3601""#, HOUR + 1, false),
        ("172799", 2 * DAY - 1, false),
        ("172800", 2 * DAY, false),
        ("172801", 2 * DAY, true),
    ] {
        let parsed = source(&format!(r#""expiry":172800,"aggregatable_report_window":{json}"#));
        assert_eq!(!parsed.warnings.is_empty(), warns, "{json}");
        assert_eq!(valid(parsed).aggregatable_report_window, window, "{json}");
    }
    rejects("aggregatable_report_window", &[("-1", ""), ("1.5", ""), ("[]", "")]);
}

#[test]
fn event_report_window_ends_the_default_windows() {
    for (json, ends, warns) in [
        ("3599", &[HOUR][..], true),
        ("3600", &[HOUR], false),
        ("172800", &[2 * DAY], false),
        ("172801", &[2 * DAY, 2 * DAY + 1], false),
        ("604800", &[2 * DAY, 7 * DAY], false),
        (r#""604801""#, &[2 * DAY, 7 * DAY, 7 * DAY + 1], false),
        ("864000", &[2 * DAY, 7 * DAY, 10 * DAY], false),
        ("864001", &[2 * DAY, 7 * DAY, 10 * DAY], true),
    ] {
        let parsed = source(&format!(r#""expiry":864000,"event_report_window":{json}"#));
        assert_eq!(!parsed.warnings.is_empty(), warns, "{json}");
        let source = valid(parsed);
        assert_eq!((source.event_report_windows.start(), source.event_report_windows.ends()), (0, ends));
    }
    rejects("event_report_window", &[("-1", ""), ("null", "")]);
}

#[test]
fn windows_that_depend_on_an_invalid_expiry_are_unchecked() {
    let parsed = source(r#""expiry":-1,"aggregatable_report_window":1,"event_report_window":1"#);
    assert_eq!(errors(&parsed), ["expiry", "aggregatable_report_window", "event_report_window"]);
    assert_eq!(parsed.errors[1].kind, ProblemKind::Unchecked { needs: "expiry" });
    let parsed = source(r#""expiry":-1,"event_report_windows":{"start_time":0,"end_times":[3600]}"#);
    let windows = ["event_report_windows.start_time", "event_report_windows.end_times"];
    assert_eq!(errors(&parsed), ["expiry", windows[0], windows[1]]);
}

#[test]
fn both_kinds_of_windows_exclude_each_other() {
    let parsed = source(r#""event_report_window":3600,"event_report_windows":{"end_times":[3600]}"#);
    assert_eq!(errors(&parsed), [""]);
    assert!(matches!(parsed.errors[0].kind, ProblemKind::MutuallyExclusive(_)));
}

#[test]
fn event_report_windows_are_1_to_5_increasing_ends_after_the_start() {
    let windows = |start: u32, ends: &str| {
        source(&format!(
            r#""expiry":864000,"event_report_windows":{{"start_time":{start},"end_times":{ends}}}"#
        ))
    };
    let ends = |ends: &str| clean(windows(0, ends)).event_report_windows.ends().to_vec();
    assert_eq!(ends("[3600]"), [3600]);
    assert_eq!(ends("[3600,3601,3602.0,3603,864000]"), [3600, 3601, 3602, 3603, 864_000]);
    let at = |windows: &ascribe_headers::Parsed<_>| errors::<ascribe_headers::SourceRegistration>(windows);
    for (json, place) in [
        ("[]", "end_times"),
        ("[3600,3601,3602,3603,3604,3605]", "end_times"),
        ("{}", "end_times"),
        ("[0]", "end_times.0"),
        ("[-1]", "end_times.0"),
        ("[3600.5]", "end_times.0"),
        (r#"["3600"]"#, "end_times.0"),
        ("[3601,3601]", "end_times.1"),
        ("[3601,3600,null]", "end_times.1"),
    ] {
        assert_eq!(at(&windows(0, json)), [format!("event_report_windows.{place}")], "{json}");
    }
    // Clamped first, to the hour below and to the expiry above.
    let parsed = windows(0, "[1,864001]");
    assert_eq!(warnings(&parsed), ["event_report_windows.end_times.0", "event_report_windows.end_times.1"]);
    assert_eq!(valid(parsed).event_report_windows.ends(), [HOUR, 10 * DAY]);
    assert_eq!(at(&windows(0, "[1,2]")), ["event_report_windows.end_times.1"]);
    // The start is below the first end, and at most the expiry.
    assert_eq!(clean(windows(3599, "[3600]")).event_report_windows.start(), 3599);
    assert_eq!(at(&windows(3600, "[3600]")), ["event_report_windows.end_times.0"]);
    assert_eq!(at(&windows(864_000, "[864000]")), ["event_report_windows.end_times.0"]);
    let [start, end] = ["event_report_windows.start_time", "event_report_windows.end_times"];
    assert_eq!(at(&windows(864_001, "[864000]")), [start, end]);
    rejects("event_report_windows", &[("[]", ""), ("{}", "end_times")]);
    let parsed = source(r#""event_report_windows":{"start_time":"0","end_times":[3600]}"#);
    assert_eq!(errors(&parsed), [start, end]);
}

#[test]
fn filter_data_has_at_most_50_keys_with_50_values_of_25_bytes() {
    for (count, ok) in [(49, true), (50, true), (51, false)] {
        let keys = source(&format!(r#""filter_data":{{{}}}"#, members(count, "[]")));
        assert_eq!(errors(&keys).is_empty(), ok, "{count} keys");
        let values = source(&format!(r#""filter_data":{{"a":[{}]}}"#, strings(count)));
        assert_eq!(errors(&values).is_empty(), ok, "{count} values");
    }
    for (bytes, ok) in [(24, true), (25, true), (26, false)] {
        let text = "x".repeat(bytes);
        assert_eq!(errors(&source(&format!(r#""filter_data":{{"{text}":[]}}"#))).is_empty(), ok);
        assert_eq!(errors(&source(&format!(r#""filter_data":{{"a":["{text}"]}}"#))).is_empty(), ok);
    }
    // Bytes of UTF-8: 12 two-byte characters and one more byte, or one more character.
    let (fits, too_long) = (format!("{}x", "é".repeat(12)), "é".repeat(13));
    accepts("filter_data", &[&format!(r#"{{"a":["{fits}"]}}"#)]);
    rejects("filter_data", &[(&format!(r#"{{"a":["{too_long}"]}}"#), "a.0")]);
    // Counted after removing duplicates.
    let twice = format!("{0},{0}", strings(50));
    let parsed = source(&format!(r#""filter_data":{{"a":[{twice}]}}"#));
    assert_eq!((errors(&parsed).len(), warnings(&parsed).len()), (0, 50));
    assert_eq!(parsed.warnings[0].kind, ProblemKind::Duplicate { first: 0 });
}

#[test]
fn filter_data_reserves_source_type_and_underscores() {
    rejects(
        "filter_data",
        &[
            (r#"{"source_type":["event"]}"#, "source_type"),
            (r#"{"_a":[]}"#, "_a"),
            (r#"{"_lookback_window":1}"#, "_lookback_window"),
            (r#"{"a":"b"}"#, "a"),
            (r#"{"a":[1]}"#, "a.0"),
            ("[]", ""),
        ],
    );
    let source = clean(source(r#""filter_data":{"b":["2","1"],"a":[],"a_":["x"]}"#));
    let keys: Vec<_> = source.filter_data.iter().map(|(key, values)| (&**key, values.len())).collect();
    assert_eq!(keys, [("a", 0), ("a_", 1), ("b", 2)]);
    assert_eq!(source.filter_data.get("b").map(|values| &*values[0]), Some("1"));
    assert_eq!(source.filter_data.get("c"), None);
}

#[test]
fn debugging_fields_never_cost_the_registration() {
    for (fields, at) in [
        (r#""debug_key":1"#, "debug_key"),
        (r#""debug_key":"-1""#, "debug_key"),
        (r#""debug_reporting":"true""#, "debug_reporting"),
        (r#""debug_reporting":null"#, "debug_reporting"),
    ] {
        let parsed = source(fields);
        assert_eq!(warnings(&parsed), [at]);
        let source = valid(parsed);
        assert_eq!((source.debug_key, source.debug_reporting), (None, false));
    }
    let source = clean(source(r#""debug_key":"5","debug_reporting":true"#));
    assert_eq!((source.debug_key, source.debug_reporting), (Some(5), true));
}

#[test]
fn key_pieces_are_1_to_32_hexadecimal_digits() {
    let digits = |count: usize| format!(r#"{{"a":"0x{}"}}"#, "f".repeat(count));
    accepts("aggregation_keys", &[&digits(1), &digits(31), &digits(32), r#"{"a":"0X0aF"}"#]);
    rejects(
        "aggregation_keys",
        &[
            (&digits(0), "a"),
            (&digits(33), "a"),
            (&format!(r#"{{"a":"0x{}"}}"#, "0".repeat(33)), "a"),
            (r#"{"a":"1"}"#, "a"),
            (r#"{"a":"x1"}"#, "a"),
            (r#"{"a":"1x1"}"#, "a"),
            (r#"{"a":"0x+1"}"#, "a"),
            (r#"{"a":"0x1g"}"#, "a"),
            (r#"{"a":" 0x1"}"#, "a"),
            (r#"{"a":"0x1 "}"#, "a"),
            (r#"{"a":1}"#, "a"),
        ],
    );
    let source = clean(source(r#""aggregation_keys":{"b":"0xffffffffffffffffffffffffffffffff","a":"0XaF"}"#));
    let keys = source.aggregation_keys.as_slice();
    assert_eq!(keys, [("a".into(), KeyPiece(0xaf)), ("b".into(), KeyPiece(u128::MAX))]);
}

#[test]
fn aggregation_keys_are_at_most_20_of_25_bytes() {
    for (count, ok) in [(19, true), (20, true), (21, false)] {
        let parsed = source(&format!(r#""aggregation_keys":{{{}}}"#, members(count, r#""0x1""#)));
        assert_eq!(errors(&parsed).is_empty(), ok, "{count}");
    }
    for (bytes, ok) in [(0, true), (24, true), (25, true), (26, false)] {
        let parsed = source(&format!(r#""aggregation_keys":{{"{}":"0x1"}}"#, "k".repeat(bytes)));
        assert_eq!(errors(&parsed).is_empty(), ok, "{bytes}");
    }
    rejects("aggregation_keys", &[("[]", ""), ("null", "")]);
}

#[test]
fn max_event_level_reports_is_0_to_20() {
    accepts("max_event_level_reports", &["1", "19", "20", "3.0", "2e1"]);
    rejects("max_event_level_reports", &[("-1", ""), ("21", ""), ("1.5", ""), (r#""1""#, "")]);
    let parsed = source(r#""max_event_level_reports":0"#);
    assert_eq!(parsed.warnings[0].kind, ProblemKind::NoReports);
    assert_eq!(valid(parsed).max_event_level_reports, 0);
}

#[test]
fn trigger_data_is_at_most_32_distinct_32_bit_numbers() {
    for (count, ok) in [(31, true), (32, true), (33, false)] {
        let parsed = source(&format!(r#""trigger_data":[{}]"#, numbers(count)));
        assert_eq!(errors(&parsed).is_empty(), ok, "{count}");
    }
    let exact = |json: &str| source(&format!(r#""trigger_data":{json},"trigger_data_matching":"exact""#));
    let set = clean(exact("[4294967295,0,7.0]")).trigger_data;
    assert_eq!(set, TriggerDataSet::Exact([0, 7, u32::MAX].into()));
    for (json, at) in [
        ("[4294967296]", "trigger_data.0"),
        ("[-1]", "trigger_data.0"),
        ("[0.5]", "trigger_data.0"),
        (r#"["1"]"#, "trigger_data.0"),
        ("[1,2,1]", "trigger_data.2"),
        ("{}", "trigger_data"),
    ] {
        assert_eq!(errors(&exact(json)), [at], "{json}");
    }
    let parsed = exact("[]");
    assert_eq!(parsed.warnings[0].kind, ProblemKind::NoTriggerData);
    assert!(valid(parsed).trigger_data.is_empty());
}

#[test]
fn modulus_needs_contiguous_trigger_data_in_any_order() {
    let data = |json: &str| source(&format!(r#""trigger_data":{json}"#));
    assert_eq!(clean(data("[2,0,1]")).trigger_data, TriggerDataSet::Modulus(3));
    assert_eq!(valid(data("[]")).trigger_data, TriggerDataSet::Modulus(0));
    for json in ["[1]", "[0,2]", "[0,1,3,2,5]"] {
        let parsed = data(json);
        assert_eq!(errors(&parsed), ["trigger_data_matching"], "{json}");
        assert_eq!(parsed.errors[0].kind, ProblemKind::ModulusNotContiguous);
    }
    accepts("trigger_data_matching", &[r#""modulus""#, r#""exact""#]);
    rejects("trigger_data_matching", &[(r#""Exact""#, ""), (r#""""#, ""), ("null", ""), ("1", "")]);
    let exact = clean(source(r#""trigger_data_matching":"exact""#));
    assert_eq!(exact.trigger_data, TriggerDataSet::Exact((0..8).collect()));
}

#[test]
fn event_level_epsilon_is_0_to_14() {
    accepts("event_level_epsilon", &["0", "0.1", "13.99", "14", "14.0"]);
    rejects("event_level_epsilon", &[("-0.1", ""), ("14.000000000000002", ""), (r#""1""#, ""), ("null", "")]);
    let source = clean(source(r#""event_level_epsilon":-0.0"#));
    assert!(source.event_level_epsilon.get().is_sign_positive());
}

#[test]
fn the_vendor_decides_the_maximum_epsilon_and_event_states() {
    let vendor = VendorValues {
        max_settable_event_level_epsilon: 5.0,
        max_trigger_state_cardinality: 100,
        ..Default::default()
    };
    let parse = |fields: &str| {
        let json = format!(r#"{{"destination":"https://shop.example",{fields}}}"#);
        ascribe_headers::SourceRegistration::parse(json.as_bytes(), SourceType::Event, &vendor)
    };
    assert_eq!(clean(parse(r#""priority":"0""#)).event_level_epsilon.get(), 5.0);
    assert_eq!(errors(&parse(r#""event_level_epsilon":5.1"#)), ["event_level_epsilon"]);
    let scopes = |n: u32| {
        parse(&format!(r#""attribution_scopes":{{"limit":1,"values":["a"],"max_event_states":{n}}}"#))
    };
    assert_eq!(errors(&scopes(100)), [""; 0]);
    assert_eq!(errors(&scopes(101)), ["attribution_scopes.max_event_states"]);
}

#[test]
fn attribution_scopes_have_a_limit_and_1_to_20_values_of_50_bytes() {
    let scopes = |limit: &str, values: &str| {
        source(&format!(r#""attribution_scopes":{{"limit":{limit},"values":[{values}]}}"#))
    };
    let at = |place: &str| vec![format!("attribution_scopes.{place}")];
    for (limit, count, ok) in [
        ("1", 0, false),
        ("1", 1, true),
        ("1", 2, false),
        ("19", 19, true),
        ("19", 20, false),
        ("20", 20, true),
        ("4294967295", 20, true),
        ("4294967295", 21, false),
    ] {
        let parsed = scopes(limit, &strings(count));
        assert_eq!(errors(&parsed), if ok { vec![] } else { at("values") }, "{limit} {count}");
    }
    for (bytes, ok) in [(0, true), (49, true), (50, true), (51, false)] {
        let parsed = scopes("1", &format!(r#""{}""#, "s".repeat(bytes)));
        assert_eq!(errors(&parsed), if ok { vec![] } else { at("values.0") }, "{bytes}");
    }
    for limit in ["0", "-1", "1.5", "4294967296", r#""1""#] {
        assert_eq!(errors(&scopes(limit, r#""a""#)), [at("limit"), at("values")].concat(), "{limit}");
    }
    let parsed = source(r#""attribution_scopes":{}"#);
    assert_eq!(errors(&parsed), [at("limit"), at("values")].concat());
    rejects("attribution_scopes", &[("[]", ""), ("null", "")]);
    let parsed = scopes("3", r#""b","a","b""#);
    assert_eq!(warnings(&parsed), at("values.2"));
    let scopes = valid(parsed).attribution_scopes.expect("there");
    assert_eq!((scopes.limit(), scopes.max_event_states()), (3, 3));
    assert_eq!(scopes.values().iter().map(|scope| &**scope).collect::<Vec<_>>(), ["a", "b"]);
    for (states, ok) in
        [("0", false), ("1", true), ("4294967295", true), ("4294967296", false), ("1.5", false)]
    {
        let fields =
            format!(r#""attribution_scopes":{{"limit":1,"values":["a"],"max_event_states":{states}}}"#);
        assert_eq!(errors(&source(&fields)), if ok { vec![] } else { at("max_event_states") }, "{states}");
    }
}

#[test]
fn named_budgets_are_at_most_25_of_0_to_65536() {
    for (count, ok) in [(24, true), (25, true), (26, false)] {
        let parsed = source(&format!(r#""named_budgets":{{{}}}"#, members(count, "1")));
        assert_eq!(errors(&parsed).is_empty(), ok, "{count}");
        let name = "n".repeat(count);
        let parsed = source(&format!(r#""named_budgets":{{"{name}":1}}"#));
        assert_eq!(errors(&parsed).is_empty(), ok, "{count} bytes");
    }
    accepts("named_budgets", &["{}", r#"{"a":0}"#, r#"{"a":65535}"#, r#"{"a":65536.0}"#]);
    rejects(
        "named_budgets",
        &[
            (r#"{"a":-1}"#, "a"),
            (r#"{"a":65537}"#, "a"),
            (r#"{"a":0.5}"#, "a"),
            (r#"{"a":"1"}"#, "a"),
            ("[]", ""),
        ],
    );
    let source = clean(source(r#""named_budgets":{"b":65536,"a":0}"#));
    assert_eq!(source.named_budgets.as_slice(), [("a".into(), 0), ("b".into(), 65536)]);
}

#[test]
fn aggregatable_debug_reporting_maps_types_to_contributions() {
    let source = clean(source(
        r#""aggregatable_debug_reporting":{"budget":1024,"key_piece":"0x3","debug_data":[
            {"types":["source-success","source-noised"],"key_piece":"0x1","value":1024},
            {"types":["unspecified","source-destination-per-day-rate-limit"],"key_piece":"0x2","value":1}],
            "aggregation_coordinator_origin":"https://publickeyservice.msmt.gcp.privacysandboxservices.com"}"#,
    ));
    let debug = source.aggregatable_debug_reporting.expect("there");
    assert_eq!((debug.budget, debug.config.key_piece), (1024, KeyPiece(3)));
    let of = |debug_type| debug.config.contribution(debug_type);
    assert_eq!(of(SourceDebugType::Noised), Some(DebugContribution { key_piece: KeyPiece(1), value: 1024 }));
    assert_eq!(of(SourceDebugType::Success), of(SourceDebugType::Noised));
    assert_eq!(
        of(SourceDebugType::StorageLimit),
        Some(DebugContribution { key_piece: KeyPiece(2), value: 1 })
    );
    assert_eq!(&debug.config.coordinator, &Coordinators::chromium().as_slice()[1]);
}

#[test]
fn an_invalid_aggregatable_debug_reporting_is_dropped_with_a_warning() {
    let data = |types: &str, value: &str| {
        format!(
            r#"{{"budget":100,"key_piece":"0x3","debug_data":[
            {{"types":{types},"key_piece":"0x1","value":{value}}}]}}"#
        )
    };
    for (json, place) in [
        ("[]".into(), ""),
        (r#"{"key_piece":"0x1"}"#.into(), "budget"),
        (r#"{"budget":0,"key_piece":"0x1"}"#.into(), "budget"),
        (r#"{"budget":65537,"key_piece":"0x1"}"#.into(), "budget"),
        (r#"{"budget":1.5,"key_piece":"0x1"}"#.into(), "budget"),
        (r#"{"budget":1}"#.into(), "key_piece"),
        (r#"{"budget":1,"key_piece":"1"}"#.into(), "key_piece"),
        (r#"{"budget":1,"key_piece":"0x1","debug_data":{}}"#.into(), "debug_data"),
        (
            r#"{"budget":1,"key_piece":"0x1","aggregation_coordinator_origin":"https://a.example"}"#.into(),
            "aggregation_coordinator_origin",
        ),
        (data("[]", "1"), "debug_data.0.types"),
        (data(r#"["source-noised","source-noised"]"#, "1"), "debug_data.0.types.1"),
        (data(r#"["unspecified","unspecified"]"#, "1"), "debug_data.0.types.1"),
        (data("[1]", "1"), "debug_data.0.types.0"),
        (data(r#"["source-noised"]"#, "0"), "debug_data.0.value"),
        (data(r#"["source-noised"]"#, "65537"), "debug_data.0.value"),
        // Above the budget: about the whole.
        (data(r#"["source-noised"]"#, "101"), ""),
        (
            r#"{"budget":9,"key_piece":"0x3","debug_data":[
            {"types":["source-noised"],"key_piece":"0x1","value":1},
            {"types":["source-noised"],"key_piece":"0x1","value":1}]}"#
                .into(),
            "debug_data",
        ),
    ] {
        let parsed = source(&format!(r#""aggregatable_debug_reporting":{json}"#));
        let at = format!("aggregatable_debug_reporting.{place}");
        assert_eq!(warnings(&parsed), [at.trim_end_matches('.')], "{json}");
        assert_eq!(valid(parsed).aggregatable_debug_reporting, None, "{json}");
    }
    for json in [data(r#"["source-noised"]"#, "100"), r#"{"budget":65536,"key_piece":"0x1"}"#.into()] {
        let source = clean(source(&format!(r#""aggregatable_debug_reporting":{json}"#)));
        assert!(source.aggregatable_debug_reporting.is_some(), "{json}");
    }
}

#[test]
fn unknown_debug_types_are_tolerated_unless_repeated() {
    let parsed = source(
        r#""aggregatable_debug_reporting":{"budget":9,"key_piece":"0x3","debug_data":[
            {"types":["source-new","trigger-event-noise"],"key_piece":"0x1","value":1}]}"#,
    );
    assert_eq!(
        warnings(&parsed),
        [
            "aggregatable_debug_reporting.debug_data.0.types.0",
            "aggregatable_debug_reporting.debug_data.0.types.1"
        ]
    );
    let debug = valid(parsed).aggregatable_debug_reporting.expect("there");
    assert!(debug.config.is_empty());
    let parsed = source(
        r#""aggregatable_debug_reporting":{"budget":9,"key_piece":"0x3","debug_data":[
            {"types":["source-new"],"key_piece":"0x1","value":1},
            {"types":["source-new"],"key_piece":"0x1","value":1}]}"#,
    );
    assert_eq!(valid(parsed).aggregatable_debug_reporting, None);
}
