//! What holds when plaintext payloads are read, from anybody.

use ascribe_headers::{Coordinators, FilteringIdMaxBytes, Site, SuitableOrigin};
use ascribe_reports::{AggregatableReport, DebugKeys, Payload, ReportId, Time};

/// Reading a payload ends, within its bounds, and what is read can be written and read again.
pub(crate) fn payload(bytes: &[u8]) {
    let payload = match Payload::parse(bytes) {
        Ok(payload) => payload,
        Err(error) => return assert!(error.position <= bytes.len(), "{error}"),
    };
    assert!(payload.contributions.capacity() <= bytes.len() / 17);
    let report = AggregatableReport {
        report_id: ReportId::nil(),
        reporting_origin: SuitableOrigin::parse("https://report.test").expect("a suitable origin"),
        destination: Site::parse("https://d.test").expect("a suitable site"),
        report_time: Time::default(),
        source_registration_time: None,
        contributions: payload.contributions.clone().into(),
        coordinator: Coordinators::chromium().default_coordinator().clone(),
        trigger_context_id: None,
        filtering_id_max_bytes: FilteringIdMaxBytes::new(8).expect("8 is the most"),
        debug_keys: DebugKeys::default(),
    };
    let again = Payload::parse(&report.plaintext_payload()).expect("what is written can be read");
    assert_eq!(again.contributions[..payload.contributions.len()], payload.contributions);
}
