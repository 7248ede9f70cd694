//! Reports on whole headers: disclosure, notes, effective values, and where in the text a problem is.

mod common;

use ascribe_headers::{
    DisclosureLimits, HeaderName, Path, PathItem, ProblemKind, SourceType, ValidateOptions, locate,
    locate_member, validate,
};
use common::paths;

fn options(source_type: SourceType) -> ValidateOptions {
    ValidateOptions { source_type, note_disclosure: true, ..Default::default() }
}

/// The kinds of errors and the texts of notes for a source with a destination and these fields.
fn source(source_type: SourceType, fields: &str) -> (Vec<ProblemKind>, Vec<String>) {
    let json = format!(r#"{{"destination":"https://shop.example"{fields}}}"#);
    let report = validate(HeaderName::RegisterSource, json.as_bytes(), &options(source_type));
    assert!(report.effective.is_some());
    (
        report.errors.into_iter().map(|problem| problem.kind).collect(),
        report.notes.iter().map(|problem| problem.kind.to_string()).collect(),
    )
}

#[test]
fn header_names_are_found_in_any_case() {
    for header in HeaderName::ALL {
        assert_eq!(HeaderName::from_name(header.as_str()), Some(header));
        assert_eq!(HeaderName::from_name(&header.to_string().to_ascii_lowercase()), Some(header));
    }
    assert_eq!(HeaderName::from_name("Attribution-Reporting"), None);
}

#[test]
fn every_header_has_an_effective_value() {
    for (header, value, effective) in [
        (HeaderName::RegisterOsSource, r#""https://a.example"; x"#, r#""https://a.example/""#),
        (
            HeaderName::RegisterOsTrigger,
            r#""https://a.example";debug-reporting"#,
            r#""https://a.example/";debug-reporting"#,
        ),
        (
            HeaderName::Info,
            "report-header-errors,preferred-platform=os",
            "preferred-platform=os, report-header-errors",
        ),
        (HeaderName::Eligible, "trigger=1,event-source", "event-source, trigger"),
        (HeaderName::Support, "os, web", "web, os"),
    ] {
        let report = validate(header, value.as_bytes(), &ValidateOptions::default());
        assert!(report.is_valid(), "{header}");
        assert_eq!(report.effective.as_deref(), Some(effective));
        let report = validate(header, b"(", &ValidateOptions::default());
        assert_eq!((paths(&report.errors), report.effective), (vec![String::new()], None), "{header}");
    }
    let report = validate(HeaderName::RegisterTrigger, b"{}", &ValidateOptions::default());
    assert!(report.effective.is_some_and(|json| json.starts_with(r#"{"filters":[]"#)));
    let report = validate(HeaderName::RegisterSource, b"{}", &ValidateOptions::default());
    assert_eq!((paths(&report.errors), report.effective), (vec!["destination".to_owned()], None));
}

#[test]
fn default_sources_disclose_little_and_say_so() {
    let (errors, notes) = source(SourceType::Navigation, "");
    assert_eq!(errors, []);
    assert_eq!(
        notes,
        [
            "information gain: 11.46 bits",
            "possible output states: 2925",
            "randomized trigger rate: 0.0024263"
        ]
    );
    let (errors, notes) = source(SourceType::Event, "");
    assert_eq!(errors, []);
    assert_eq!(
        notes,
        ["information gain: 1.58 bits", "possible output states: 3", "randomized trigger rate: 0.0000025"]
    );
    let silent = validate(
        HeaderName::RegisterSource,
        br#"{"destination":"https://shop.example"}"#,
        &ValidateOptions::default(),
    );
    assert_eq!(silent.notes, []);
}

#[test]
fn channel_capacity_is_limited() {
    // 3 reports of 8 data in 4 windows are C(35, 3) = 6545 states.
    let fields = r#","event_report_windows":{"end_times":[3600,7200,10800,14400]}"#;
    let (errors, notes) = source(SourceType::Navigation, fields);
    assert!(matches!(errors[..], [ProblemKind::DisclosesTooMuch { bits, limit: 11.5 }] if bits > 11.5));
    assert_eq!(notes.len(), 2);
    // More noise makes it fit.
    let (errors, _) = source(SourceType::Navigation, &format!(r#"{fields},"event_level_epsilon":9"#));
    assert_eq!(errors, []);
    // So does another limit.
    let limits = DisclosureLimits { channel_capacity: 13.0, scopes_channel_capacity: 0.0 };
    let options = ValidateOptions { navigation_limits: limits, ..options(SourceType::Navigation) };
    let json = format!(r#"{{"destination":"https://shop.example"{fields}}}"#);
    assert!(validate(HeaderName::RegisterSource, json.as_bytes(), &options).is_valid());
}

#[test]
fn trigger_states_are_limited() {
    let fields = |data: u32| {
        format!(
            r#","trigger_data":{:?},"max_event_level_reports":20,"event_level_epsilon":0,
               "event_report_windows":{{"end_times":[3600,7200]}}"#,
            (0..data).collect::<Vec<_>>()
        )
    };
    // 20 reports of 8 data in 2 windows: C(36, 20) = 7307872110; of 7: C(34, 20) = 1391975640.
    let (errors, _) = source(SourceType::Navigation, &fields(8));
    assert_eq!(errors, [ProblemKind::TooManyStates { states: 7_307_872_110, limit: u32::MAX }]);
    let (errors, _) = source(SourceType::Navigation, &fields(7));
    assert_eq!(errors, []);
}

#[test]
fn event_states_are_limited_with_scopes_of_event_sources() {
    let fields = |states: u32| {
        format!(r#","attribution_scopes":{{"limit":1,"values":["a"],"max_event_states":{states}}}"#)
    };
    for (states, too_many) in [(2, true), (3, false), (4, false)] {
        let expected: &[_] =
            if too_many { &[ProblemKind::TooManyEventStates { states: 3, limit: states }] } else { &[] };
        assert_eq!(source(SourceType::Event, &fields(states)).0, expected);
        assert_eq!(source(SourceType::Navigation, &fields(states)).0, []);
    }
}

#[test]
fn scopes_channel_capacity_is_limited() {
    // log2(2925 + states * 19) crosses 11.55 between 3 and 4.
    let fields = |states: u32| {
        format!(r#","attribution_scopes":{{"limit":20,"values":["a"],"max_event_states":{states}}}"#)
    };
    let (errors, notes) = source(SourceType::Navigation, &fields(3));
    assert_eq!(errors, []);
    assert_eq!(notes[1], "information gain with attribution scopes: 11.54 bits");
    let (errors, notes) = source(SourceType::Navigation, &fields(4));
    assert!(matches!(errors[..], [ProblemKind::ScopesDiscloseTooMuch { limit: 11.55, .. }]));
    assert_eq!(notes.len(), 3);
}

#[test]
fn reports_are_serializable() {
    let report = validate(HeaderName::RegisterSource, br#"{"destination":[1]}"#, &ValidateOptions::default());
    let json = serde_json::to_string(&report).expect("serializable");
    let error = r#"{"path":["destination",0],"message":"must be a string"}"#;
    assert_eq!(json, format!(r#"{{"errors":[{error}],"warnings":[],"notes":[]}}"#));
    assert_eq!(report.errors[0].to_string(), r#"$["destination"][0]: must be a string"#);
}

fn path(items: &[&str]) -> Path {
    let item =
        |item: &&str| item.parse().map(PathItem::Index).unwrap_or_else(|_| PathItem::Key((*item).into()));
    Path(items.iter().map(item).collect())
}

#[test]
fn problems_are_located_in_the_text() {
    let text = "\u{feff} {\n  \"a\" : [ 1, {\"b:\\u0022\": \"x\\\"y\"} ] , \"a\": [2 ,{\"c\":\t-3.5e1}],\"z\":null } ";
    let value = |items: &[&str]| locate(text, &path(items)).map(|range| &text[range]);
    let key =
        |items: &[&str]| locate_member(text, &path(items)).and_then(|found| found.key).map(|r| &text[r]);
    // The last of duplicates counts.
    assert_eq!(value(&["a"]), Some("[2 ,{\"c\":\t-3.5e1}]"));
    assert_eq!(key(&["a"]), Some("\"a\""));
    assert_eq!(value(&["a", "0"]), Some("2"));
    assert_eq!(key(&["a", "0"]), None);
    assert_eq!((value(&["a", "1", "c"]), key(&["a", "1", "c"])), (Some("-3.5e1"), Some("\"c\"")));
    assert_eq!((value(&["z"]), key(&["z"])), (Some("null"), Some("\"z\"")));
    assert_eq!(value(&[]), Some(text.trim_matches(['\u{feff}', ' '])));
    for missing in [&["b"][..], &["a", "2"], &["a", "0", "x"], &["0"], &["a", "1", "c", "0"]] {
        assert_eq!(value(missing), None, "{missing:?}");
    }
    assert_eq!(locate("{", &path(&[])), None);
    assert_eq!(locate(r#"{"a":1} x"#, &path(&["a"])), None);

    let text = "{\"é:\\\"\" :7,\"k\":[{}]}";
    let found = locate_member(text, &path(&["é:\""])).expect("there");
    assert_eq!((found.key.map(|range| &text[range]), &text[found.value]), (Some("\"é:\\\"\""), "7"));
}

#[test]
fn every_located_error_of_a_header_is_what_it_says() {
    let text = r#"{"destination": 5, "priority": 7, "filter_data": {"_a": [], "b": ["c", 8]}}"#;
    let report = validate(HeaderName::RegisterSource, text.as_bytes(), &ValidateOptions::default());
    let spans: Vec<_> =
        report.errors.iter().map(|error| locate(text, &error.path).map(|range| &text[range])).collect();
    assert_eq!(spans, [Some("5"), Some("7"), Some("[]"), Some("8")]);
}
