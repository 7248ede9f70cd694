//! What every JSON header has in common: syntax, limits, duplicate and unknown fields, all errors at once.

mod common;

use ascribe_headers::{ProblemKind, SourceRegistration, SourceType, TriggerRegistration, VendorValues};
use common::{clean, errors, source, trigger, warnings};

fn kinds(json: &[u8]) -> Vec<ProblemKind> {
    let parsed = TriggerRegistration::parse(json, &VendorValues::default());
    assert_eq!(parsed.value.is_none(), !parsed.errors.is_empty());
    parsed.errors.into_iter().map(|problem| problem.kind).collect()
}

#[test]
fn what_is_not_json_is_one_error_about_the_whole() {
    for json in
        ["", " ", "{", "{}}", "{} x", "{'a':1}", r#"{"a":1,}"#, "nul", r#"{"a":01}"#, "{\"a\":\"\t\"}"]
    {
        let kinds = kinds(json.as_bytes());
        assert!(matches!(kinds[..], [ProblemKind::JsonSyntax(_)]), "{json}: {kinds:?}");
    }
}

#[test]
fn only_an_object_is_a_registration() {
    for json in ["null", "true", "1", r#""{}""#, "[]", "[{}]"] {
        assert_eq!(kinds(json.as_bytes()), [ProblemKind::WrongType { expected: "an object" }], "{json}");
    }
    assert_eq!(kinds(b" {} \n"), []);
}

#[test]
fn text_must_be_utf_8_and_may_have_a_byte_order_mark() {
    assert_eq!(kinds(b"\xEF\xBB\xBF{}"), []);
    assert_eq!(kinds(b"{\"a\":\"\xFF\"}"), [ProblemKind::NotUtf8 { valid_up_to: 6 }]);
    assert!(matches!(kinds(br#"{"a":"\ud800"}"#)[..], [ProblemKind::JsonSyntax(_)]));
}

#[test]
fn numbers_beyond_the_doubles_are_syntax_errors() {
    assert_eq!(kinds(br#"{"a":1e308}"#), []);
    assert!(matches!(kinds(br#"{"a":1e309}"#)[..], [ProblemKind::JsonSyntax(_)]));
}

#[test]
fn nesting_is_limited_to_200() {
    // The object is the first; unknown fields count too.
    let nested = |depth: usize| format!(r#"{{"a":{}{}}}"#, "[".repeat(depth - 1), "]".repeat(depth - 1));
    assert_eq!(kinds(nested(199).as_bytes()), []);
    assert_eq!(kinds(nested(200).as_bytes()), []);
    assert_eq!(kinds(nested(201).as_bytes()), [ProblemKind::TooDeep { limit: 200 }]);
    assert_eq!(kinds("[".repeat(1_000_000).as_bytes()), [ProblemKind::TooDeep { limit: 200 }]);
    assert_eq!(kinds(r#"{"a":"#.repeat(200_000).as_bytes()), [ProblemKind::TooDeep { limit: 200 }]);
}

#[test]
fn size_is_limited() {
    let vendor = VendorValues { max_header_bytes: 10, ..Default::default() };
    for (bytes, ok) in [(9, true), (10, true), (11, false)] {
        let json = format!("{{}}{}", " ".repeat(bytes - 2));
        let parsed = TriggerRegistration::parse(json.as_bytes(), &vendor);
        assert_eq!(parsed.value.is_some(), ok, "{bytes}");
        if !ok {
            assert_eq!(parsed.errors[0].kind, ProblemKind::TooLong { bytes: 11, limit: 10 });
        }
    }
}

#[test]
fn of_duplicate_keys_the_last_counts() {
    let parsed = source(r#""priority":"1","priority":5,"priority":"2""#);
    assert_eq!(clean(parsed).priority, 2);
    // Also behind escapes, and among many.
    assert_eq!(clean(source(r#""priority":"1","pri\u006frity":"2""#)).priority, 2);
    let many: String = (0..40).map(|n| format!(r#""filter_data":{{"a":["{n}"]}},"#)).collect();
    let source = clean(source(&format!(r#"{many}"priority":"3""#)));
    assert_eq!((&*source.filter_data.get("a").expect("there")[0], source.priority), ("39", 3));
}

#[test]
fn unknown_fields_are_only_warned_about() {
    let parsed = source(r#""Priority":"1","x":[{"y":1}],"event_report_windows":{"end_times":[3600],"z":1}"#);
    assert_eq!(errors(&parsed), [""; 0]);
    assert_eq!(warnings(&parsed), ["event_report_windows.z", "Priority", "x"]);
}

#[test]
fn every_error_is_found() {
    let json = r#"{
        "source_event_id": 1, "destination": ["https://shop.example", 5, "http://shop.example"],
        "expiry": -1, "aggregatable_report_window": 3600, "event_report_windows": {"end_times": [1]},
        "filter_data": {"source_type": [], "_a": [], "b": [1, "x", null]}, "debug_key": 3,
        "aggregation_keys": {"a": "1", "b": "0x1"}, "trigger_data": [0, 0, 1.5]
    }"#;
    let parsed = SourceRegistration::parse(json.as_bytes(), SourceType::Event, &VendorValues::default());
    assert_eq!(
        errors(&parsed),
        [
            "expiry",
            "aggregatable_report_window",
            "event_report_windows.end_times",
            "source_event_id",
            "destination.1",
            "destination.2",
            "filter_data.source_type",
            "filter_data._a",
            "filter_data.b.0",
            "filter_data.b.2",
            "aggregation_keys.a",
            "trigger_data.2",
            "trigger_data.1",
        ]
    );
    assert_eq!(warnings(&parsed), ["debug_key"]);
}

#[test]
fn problems_are_recorded_up_to_a_limit() {
    let items = |count: usize| format!(r#""attribution_scopes":[{}]"#, vec!["0"; count].join(","));
    for (count, recorded) in [(999, 999), (1000, 1000), (1001, 1000), (200_000, 1000)] {
        assert_eq!(trigger(&items(count)).errors.len(), recorded);
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test may look at the clock")]
fn hostile_headers_take_linear_time() {
    // Quadratic, each of these would take minutes.
    let many = 50_000;
    let keys: String = (0..many).map(|n| format!(r#""k{}":[],"#, n / 2)).collect();
    let values: String = (0..many).map(|n| format!(r#""v{}","#, n % 15_000)).collect();
    let digits = "9".repeat(1_000_000);
    let vendor = VendorValues { max_header_bytes: usize::MAX, ..Default::default() };
    let start = std::time::Instant::now();
    for json in [
        format!(r#"{{"filters":{{{keys}"a":[]}}}}"#),
        format!(r#"{{{keys}"a":[]}}"#),
        format!(r#"{{"attribution_scopes":[{values}"a"]}}"#),
        format!(r#"{{"aggregatable_values":{{{}"a":1}}}}"#, keys.replace("[]", "1")),
        format!(r#"{{"aggregatable_trigger_data":[{{"key_piece":"0x1","source_keys":[{values}"a"]}}]}}"#),
        format!(
            r#"{{"aggregatable_debug_reporting":{{"key_piece":"0x1","debug_data":[
            {{"types":[{values}"a"],"key_piece":"0x1","value":1}}]}}}}"#
        ),
        format!(r#"{{"debug_key":"{digits}","event_trigger_data":[{{"priority":"{digits}"}}]}}"#),
    ] {
        let parsed = TriggerRegistration::parse(json.as_bytes(), &vendor);
        assert_eq!(parsed.value.is_none(), !parsed.errors.is_empty());
    }
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}
