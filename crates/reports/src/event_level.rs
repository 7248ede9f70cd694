//! Event-level reports: one conversion, in few bits, in clear.
//!
//! Spec: "event-level report", "obtain an event-level report body", "generate an attribution report URL".

use ascribe_headers::{Destinations, SourceType, SuitableOrigin};
use serde::{Deserialize, Serialize};

use crate::{
    DebugKeys, Endpoint, ReportId, Time,
    json::{self, OneOrMany, Text},
};

/// Spec: "event-level report", as far as it is sent.
///
/// ```
/// use ascribe_headers::{Destinations, Site, SourceType, SuitableOrigin};
/// use ascribe_reports::{DebugKeys, EventLevelReport, ReportId, Time};
///
/// let report = EventLevelReport {
///     report_id: ReportId::from_u128(0x5f0c4ee4_ed35_4a3c_8c61_0cd3fcb34b3f),
///     reporting_origin: SuitableOrigin::parse("https://report.example")?,
///     destinations: Destinations::new([Site::parse("https://shop.example")?]).expect("one is enough"),
///     source_event_id: 412_444_888_111_012,
///     source_type: SourceType::Navigation,
///     trigger_data: 4,
///     randomized_trigger_rate: 0.002_426_291_5,
///     report_time: Time::from_millis(1_700_000_000_999),
///     debug_keys: DebugKeys::default(),
/// };
/// assert_eq!(
///     report.url(false),
///     "https://report.example/.well-known/attribution-reporting/report-event-attribution",
/// );
/// assert_eq!(
///     report.body(),
///     concat!(
///         r#"{"attribution_destination":"https://shop.example","randomized_trigger_rate":0.0024263,"#,
///         r#""report_id":"5f0c4ee4-ed35-4a3c-8c61-0cd3fcb34b3f","scheduled_report_time":"1700000000","#,
///         r#""source_event_id":"412444888111012","source_type":"navigation","trigger_data":"4"}"#,
///     ),
/// );
/// # Ok::<(), ascribe_headers::UnsuitableOrigin>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct EventLevelReport {
    /// `report_id`.
    pub report_id: ReportId,
    /// Whom it is sent to.
    pub reporting_origin: SuitableOrigin,
    /// `attribution_destination`: all destinations of the source, not only the converting one.
    pub destinations: Destinations,
    /// `source_event_id`.
    pub source_event_id: u64,
    /// `source_type`.
    pub source_type: SourceType,
    /// `trigger_data`.
    pub trigger_data: u32,
    /// `randomized_trigger_rate`, as a probability; sent rounded to 7 decimals.
    pub randomized_trigger_rate: f64,
    /// `scheduled_report_time`.
    pub report_time: Time,
    /// `source_debug_key` and `trigger_debug_key`; sent only when both are present.
    pub debug_keys: DebugKeys,
}

impl EventLevelReport {
    /// Where it is sent, or, with `debug`, where its debug copy is sent.
    #[must_use]
    pub fn endpoint(debug: bool) -> Endpoint {
        if debug { Endpoint::EventLevelDebugCopy } else { Endpoint::EventLevel }
    }

    /// Spec: "generate an attribution report URL": of the report, or, with `debug`, of its debug copy.
    #[must_use]
    pub fn url(&self, debug: bool) -> String {
        Self::endpoint(debug).url(&self.reporting_origin)
    }

    /// The body of the report and of its debug copy.
    #[must_use]
    pub fn body(&self) -> String {
        json::to_string(&self.as_json())
    }

    /// Appends the [`body`](Self::body) to `out`: for many reports, with one buffer.
    pub fn write_body(&self, out: &mut Vec<u8>) {
        json::write(out, &self.as_json());
    }

    /// The [`body`](Self::body) as a map. Spec: the verbose debug data of the types
    /// `trigger-event-excessive-reports` and `trigger-event-low-priority`.
    #[must_use]
    pub fn body_map(&self) -> serde_json::Map<String, serde_json::Value> {
        match serde_json::to_value(self.as_json()) {
            Ok(serde_json::Value::Object(map)) => map,
            _ => unreachable!("a struct of strings and numbers is a JSON object"),
        }
    }

    /// Spec: "obtain an event-level report body".
    fn as_json(&self) -> Body<'_> {
        let debug_keys = self.debug_keys.both();
        Body {
            attribution_destination: OneOrMany(self.destinations.as_slice()),
            randomized_trigger_rate: round_to_7_decimals(self.randomized_trigger_rate),
            report_id: Text(self.report_id),
            scheduled_report_time: Text(self.report_time.as_secs()),
            source_debug_key: debug_keys.map(|(source, _)| Text(source)),
            source_event_id: Text(self.source_event_id),
            source_type: self.source_type.as_str(),
            trigger_data: Text(self.trigger_data),
            trigger_debug_key: debug_keys.map(|(_, trigger)| Text(trigger)),
        }
    }
}

#[derive(Serialize)]
struct Body<'a> {
    attribution_destination: OneOrMany<'a>,
    randomized_trigger_rate: f64,
    report_id: Text<ReportId>,
    scheduled_report_time: Text<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_debug_key: Option<Text<u64>>,
    source_event_id: Text<u64>,
    source_type: &'static str,
    trigger_data: Text<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trigger_debug_key: Option<Text<u64>>,
}

/// The double that is nearest to the rate's first 7 decimals, ties away from zero: it prints as those.
fn round_to_7_decimals(rate: f64) -> f64 {
    (rate * 1e7).round() / 1e7
}

#[cfg(test)]
mod tests {
    use ascribe_headers::Site;

    use super::*;

    fn report() -> EventLevelReport {
        EventLevelReport {
            report_id: ReportId::from_u128(0x0123_4567_89ab_4def_8123_4567_89ab_cdef),
            reporting_origin: SuitableOrigin::parse("https://report.test").unwrap(),
            destinations: destinations(&["https://d.test"]),
            source_event_id: u64::MAX,
            source_type: SourceType::Event,
            trigger_data: u32::MAX,
            randomized_trigger_rate: 0.000_002_494,
            report_time: Time::from_millis(1_234_567_890_999),
            debug_keys: DebugKeys::default(),
        }
    }

    fn destinations(urls: &[&str]) -> Destinations {
        Destinations::new(urls.iter().map(|url| Site::parse(url).unwrap())).unwrap()
    }

    #[test]
    fn the_body_is_exact_to_the_byte() {
        assert_eq!(
            report().body(),
            concat!(
                r#"{"attribution_destination":"https://d.test","randomized_trigger_rate":0.0000025,"#,
                r#""report_id":"01234567-89ab-4def-8123-456789abcdef","scheduled_report_time":"1234567890","#,
                r#""source_event_id":"18446744073709551615","source_type":"event","trigger_data":"4294967295"}"#,
            )
        );
    }

    #[test]
    fn the_body_with_debug_keys_is_exact_to_the_byte() {
        let report = EventLevelReport {
            destinations: destinations(&["https://z.test", "https://a.test", "https://m.test"]),
            debug_keys: DebugKeys { source: Some(0), trigger: Some(u64::MAX) },
            source_type: SourceType::Navigation,
            ..report()
        };
        assert_eq!(
            report.body(),
            concat!(
                r#"{"attribution_destination":["https://a.test","https://m.test","https://z.test"],"#,
                r#""randomized_trigger_rate":0.0000025,"report_id":"01234567-89ab-4def-8123-456789abcdef","#,
                r#""scheduled_report_time":"1234567890","source_debug_key":"0","#,
                r#""source_event_id":"18446744073709551615","source_type":"navigation","#,
                r#""trigger_data":"4294967295","trigger_debug_key":"18446744073709551615"}"#,
            )
        );
    }

    #[test]
    fn one_debug_key_alone_is_not_sent() {
        for debug_keys in
            [DebugKeys { source: Some(1), trigger: None }, DebugKeys { source: None, trigger: Some(1) }]
        {
            let report = EventLevelReport { debug_keys, ..report() };
            assert!(!report.body().contains("debug_key"), "{debug_keys:?}");
        }
    }

    #[test]
    fn the_rate_is_rounded_to_7_decimals_and_printed_shortest() {
        for (rate, printed) in [
            (0.0, "0"),
            (0.000_000_04, "0"),
            (0.000_000_049_999, "0"),
            (0.000_000_050_001, "1e-7"),
            (0.000_000_1, "1e-7"),
            (0.000_000_949_999, "9e-7"),
            (0.000_001, "0.000001"),
            (0.002_426_291_498, "0.0024263"),
            (0.123_456_749, "0.1234567"),
            (0.123_456_751, "0.1234568"),
            (0.5, "0.5"),
            (0.999_999_94, "0.9999999"),
            (0.999_999_96, "1"),
            (1.0, "1"),
        ] {
            let body = EventLevelReport { randomized_trigger_rate: rate, ..report() }.body();
            let expected = format!(r#""randomized_trigger_rate":{printed},"report_id""#);
            assert!(body.contains(&expected), "{rate}: {body}");
        }
    }

    #[test]
    fn every_rate_of_7_decimals_is_kept() {
        for rate in (0..=10_000_000_u32).step_by(997) {
            let text = format!("{}.{:07}", rate / 10_000_000, rate % 10_000_000);
            let rate: f64 = text.parse().unwrap();
            assert_eq!(round_to_7_decimals(rate), rate, "{text}");
        }
    }

    #[test]
    fn times_are_whole_seconds_rounded_down() {
        for (millis, secs) in [(0, "0"), (999, "0"), (1000, "1"), (1999, "1"), (-1, "-1")] {
            let body = EventLevelReport { report_time: Time::from_millis(millis), ..report() }.body();
            assert!(body.contains(&format!(r#""scheduled_report_time":"{secs}""#)), "{millis}: {body}");
        }
    }

    #[test]
    fn a_quote_in_a_host_is_escaped() {
        let report = EventLevelReport { destinations: destinations(&[r#"https://a"b.test"#]), ..report() };
        let body: serde_json::Value = serde_json::from_str(&report.body()).unwrap();
        assert_eq!(body["attribution_destination"], r#"https://a"b.test"#);
    }

    #[test]
    fn the_map_and_the_written_body_say_the_same() {
        let report = report();
        let mut written = b"kept ".to_vec();
        report.write_body(&mut written);
        assert_eq!(written, ["kept ", &report.body()].concat().as_bytes());
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&written[5..]).unwrap(), {
            serde_json::Value::Object(report.body_map())
        });
    }

    #[test]
    fn the_debug_copy_goes_under_debug() {
        let url = "https://report.test/.well-known/attribution-reporting";
        assert_eq!(report().url(false), format!("{url}/report-event-attribution"));
        assert_eq!(report().url(true), format!("{url}/debug/report-event-attribution"));
    }
}
