//! What holds when shared info is read, from anybody.

use ascribe_reports::{SharedInfo, Time};

/// Shared info that is read prints as what is read as the same, up to fractions of a second.
pub(crate) fn shared_info(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let Ok(info) = SharedInfo::parse(text) else { return };
    let printed = info.to_string();
    let again = SharedInfo::parse(&printed).expect("what is printed can be read");
    assert_eq!(again.to_string(), printed);
    let whole_seconds = |time: Time| Time::from_secs(time.as_secs());
    let expected = SharedInfo {
        scheduled_report_time: whole_seconds(info.scheduled_report_time),
        source_registration_time: info.source_registration_time.map(whole_seconds),
        ..info
    };
    assert_eq!(again, expected);
}
