//! Whole registrations: what they mean with every default filled in.

use ascribe_headers::{
    Coordinators, KeyPiece, ReportOptions, SourceRegistration, SourceType, TriggerDataSet,
    TriggerRegistration, VendorValues,
};

const DAY: u32 = 86_400;

fn source(json: &str, source_type: SourceType) -> SourceRegistration {
    let parsed = SourceRegistration::parse(json.as_bytes(), source_type, &VendorValues::default());
    assert_eq!(parsed.warnings, []);
    parsed.into_result().expect("a valid source")
}

#[test]
fn a_navigation_source_has_its_defaults() {
    let source = source(r#"{"destination":"https://shop.example"}"#, SourceType::Navigation);
    assert_eq!(
        source.destinations.as_slice().iter().map(|d| d.as_str()).collect::<Vec<_>>(),
        ["https://shop.example"]
    );
    assert_eq!((source.source_event_id, source.priority, source.destination_limit_priority), (0, 0, 0));
    assert_eq!((source.expiry, source.aggregatable_report_window), (30 * DAY, 30 * DAY));
    assert_eq!(source.event_report_windows.start(), 0);
    assert_eq!(source.event_report_windows.ends(), [2 * DAY, 7 * DAY, 30 * DAY]);
    assert_eq!(source.max_event_level_reports, 3);
    assert_eq!(source.trigger_data, TriggerDataSet::Modulus(8));
    assert_eq!(source.event_level_epsilon.get(), 14.0);
    assert_eq!(source.filter_data.iter().count(), 0);
    assert!(source.aggregation_keys.as_slice().is_empty());
    assert!(source.named_budgets.as_slice().is_empty());
    assert_eq!((source.debug_key, source.debug_reporting), (None, false));
    assert_eq!(source.aggregatable_debug_reporting, None);
    assert_eq!(source.attribution_scopes, None);
}

#[test]
fn an_event_source_has_its_defaults() {
    let source = source(r#"{"destination":"https://shop.example"}"#, SourceType::Event);
    assert_eq!(source.event_report_windows.ends(), [30 * DAY]);
    assert_eq!(source.max_event_level_reports, 1);
    assert_eq!(source.trigger_data, TriggerDataSet::Modulus(2));
}

#[test]
fn a_trigger_has_its_defaults() {
    let parsed = TriggerRegistration::parse(b"{}", &VendorValues::default());
    assert_eq!(parsed.warnings, []);
    let trigger = parsed.into_result().expect("a valid trigger");
    assert!(trigger.filters.is_empty());
    assert!(trigger.event_triggers.is_empty());
    assert!(!trigger.has_aggregatable_data());
    assert_eq!(&trigger.aggregation_coordinator, Coordinators::chromium().default_coordinator());
    assert!(!trigger.report_options.is_unconditional());
    assert!(!trigger.report_options.includes_source_registration_time());
    assert_eq!((trigger.debug_key, trigger.debug_reporting), (None, false));
    assert_eq!(trigger.aggregatable_debug_reporting, None);
    assert!(trigger.attribution_scopes.is_empty());
}

#[test]
fn a_trigger_with_every_field() {
    let json = r#"{
        "filters": [{"product": ["1234"], "_lookback_window": 86400}],
        "not_filters": {"source_type": ["event"]},
        "debug_key": "7", "debug_reporting": true,
        "event_trigger_data": [{"trigger_data": "4", "priority": "-9", "deduplication_key": "12"}],
        "aggregatable_trigger_data": [{"key_piece": "0x400", "source_keys": ["campaign", "geo"]}],
        "aggregatable_values": [{"values": {"campaign": 32768, "geo": {"value": 1664, "filtering_id": "300"}},
                                 "filters": {"a": []}}],
        "aggregatable_deduplication_keys": [{"deduplication_key": "13"}, {}],
        "named_budgets": [{"name": "budget"}, {}],
        "aggregatable_filtering_id_max_bytes": 2, "trigger_context_id": "ctx",
        "aggregation_coordinator_origin": "https://publickeyservice.msmt.gcp.privacysandboxservices.com",
        "attribution_scopes": ["b", "a"]
    }"#;
    let parsed = TriggerRegistration::parse(json.as_bytes(), &VendorValues::default());
    assert_eq!(parsed.warnings, []);
    let trigger = parsed.into_result().expect("a valid trigger");
    assert_eq!(trigger.filters.positive[0].lookback_window.map(Into::into), Some(86_400));
    assert_eq!(&*trigger.filters.positive[0].map[0].1[0], "1234");
    assert_eq!(trigger.filters.negative.len(), 1);
    assert_eq!((trigger.debug_key, trigger.debug_reporting), (Some(7), true));
    let event = &trigger.event_triggers[0];
    assert_eq!((event.trigger_data, event.priority, event.dedup_key), (4, -9, Some(12)));
    assert_eq!(trigger.aggregatable_trigger_data[0].key_piece, KeyPiece(0x400));
    let values = &trigger.aggregatable_values[0].values;
    assert_eq!((&*values[0].0, values[0].1.value, values[0].1.filtering_id), ("campaign", 32768, 0));
    assert_eq!((&*values[1].0, values[1].1.value, values[1].1.filtering_id), ("geo", 1664, 300));
    let keys: Vec<_> = trigger.aggregatable_dedup_keys.iter().map(|entry| entry.dedup_key).collect();
    assert_eq!(keys, [Some(13), None]);
    let names: Vec<_> = trigger.named_budgets.iter().map(|entry| entry.name.as_deref()).collect();
    assert_eq!(names, [Some("budget"), None]);
    assert!(matches!(&trigger.report_options, ReportOptions::ExcludeSourceRegistrationTime {
        trigger_context_id: Some(id), filtering_id_max_bytes,
    } if &**id == "ctx" && filtering_id_max_bytes.get() == 2));
    assert_eq!(&trigger.aggregation_coordinator, &Coordinators::chromium().as_slice()[1]);
    assert_eq!(trigger.attribution_scopes.iter().map(|scope| &**scope).collect::<Vec<_>>(), ["a", "b"]);
}
