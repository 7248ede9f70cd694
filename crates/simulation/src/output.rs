//! Reports as case files show them: aggregatable payloads in clear, without padding and report IDs.

use ascribe_headers::{KeyPiece, Site, SuitableOrigin};
use ascribe_reports::{Contribution, DebugKeys, Time};
use serde::{Serialize, Serializer, ser::SerializeSeq};

use crate::Sent;

/// `{report_time, report_url, payload}`, with the user of JSON Lines.
#[derive(Serialize)]
pub(crate) struct Shown<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    report_time: Text<i64>,
    report_url: String,
    payload: Payload<'a>,
}

impl<'a> Shown<'a> {
    pub(crate) fn new(user: Option<&'a str>, time: Time, sent: Sent<'a>) -> Self {
        let (report_url, payload) = match sent {
            Sent::Event { report, debug } => (report.url(debug), Payload::Event(EventBody::new(report))),
            Sent::Aggregatable { report, debug } => {
                let debug_keys = DebugKeysOfBoth::new(report.debug_keys);
                let payload = AggregatableBody {
                    aggregation_coordinator_origin: report.coordinator.origin().as_str(),
                    histograms: Histograms(&report.contributions),
                    shared_info: SharedInfo {
                        api: "attribution-reporting",
                        attribution_destination: report.destination.as_str(),
                        debug_mode: report.is_debug_mode().then_some("enabled"),
                        reporting_origin: report.reporting_origin.as_str(),
                        scheduled_report_time: Text(report.report_time.as_secs()),
                        source_registration_time: { report.source_registration_time }
                            .map(|time| Text(time.as_whole_days())),
                        version: "1.0",
                    },
                    debug_keys,
                    trigger_context_id: report.trigger_context_id.as_deref(),
                };
                (report.url(debug), Payload::Aggregatable(payload))
            }
            Sent::AggregatableDebug(report) => {
                let payload = debug_body(
                    report.coordinator.origin(),
                    &report.contributions,
                    &report.destination,
                    &report.reporting_origin,
                    report.report_time,
                );
                (report.url(), Payload::Aggregatable(payload))
            }
            Sent::Verbose(report) => (report.url(), Payload::Verbose(VerboseBody(&report.data))),
        };
        Self { user, report_time: Text(time.as_millis()), report_url, payload }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Payload<'a> {
    Event(EventBody<'a>),
    Aggregatable(AggregatableBody<'a>),
    Verbose(VerboseBody<'a>),
}

#[derive(Serialize)]
struct EventBody<'a> {
    attribution_destination: Destinations<'a>,
    randomized_trigger_rate: f64,
    scheduled_report_time: Text<i64>,
    source_event_id: Text<u64>,
    source_type: &'static str,
    trigger_data: Text<u32>,
    #[serde(flatten)]
    debug_keys: DebugKeysOfBoth,
}

impl<'a> EventBody<'a> {
    fn new(report: &'a ascribe_reports::EventLevelReport) -> Self {
        Self {
            attribution_destination: Destinations(report.destinations.as_slice()),
            randomized_trigger_rate: ascribe_privacy::round_trigger_rate(report.randomized_trigger_rate),
            scheduled_report_time: Text(report.report_time.as_secs()),
            source_event_id: Text(report.source_event_id),
            source_type: report.source_type.as_str(),
            trigger_data: Text(report.trigger_data),
            debug_keys: DebugKeysOfBoth::new(report.debug_keys),
        }
    }
}

#[derive(Serialize)]
struct AggregatableBody<'a> {
    aggregation_coordinator_origin: &'a str,
    histograms: Histograms<'a>,
    shared_info: SharedInfo<'a>,
    #[serde(flatten)]
    debug_keys: DebugKeysOfBoth,
    #[serde(skip_serializing_if = "Option::is_none")]
    trigger_context_id: Option<&'a str>,
}

fn debug_body<'a>(
    coordinator: &'a SuitableOrigin,
    contributions: &'a [Contribution],
    destination: &'a Site,
    reporting_origin: &'a SuitableOrigin,
    report_time: Time,
) -> AggregatableBody<'a> {
    AggregatableBody {
        aggregation_coordinator_origin: coordinator.as_str(),
        histograms: Histograms(contributions),
        shared_info: SharedInfo {
            api: "attribution-reporting-debug",
            attribution_destination: destination.as_str(),
            debug_mode: None,
            reporting_origin: reporting_origin.as_str(),
            scheduled_report_time: Text(report_time.as_secs()),
            source_registration_time: None,
            version: "1.0",
        },
        debug_keys: DebugKeysOfBoth::default(),
        trigger_context_id: None,
    }
}

#[derive(Serialize)]
struct SharedInfo<'a> {
    api: &'static str,
    attribution_destination: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    debug_mode: Option<&'static str>,
    reporting_origin: &'a str,
    scheduled_report_time: Text<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_registration_time: Option<Text<i64>>,
    version: &'static str,
}

#[derive(Default, Serialize)]
struct DebugKeysOfBoth {
    #[serde(skip_serializing_if = "Option::is_none")]
    source_debug_key: Option<Text<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trigger_debug_key: Option<Text<u64>>,
}

impl DebugKeysOfBoth {
    fn new(keys: DebugKeys) -> Self {
        let both = keys.both();
        Self {
            source_debug_key: both.map(|(source, _)| Text(source)),
            trigger_debug_key: both.map(|(_, trigger)| Text(trigger)),
        }
    }
}

/// Contributions; a null report shows the zero that pads it.
struct Histograms<'a>(&'a [Contribution]);

#[derive(Serialize)]
struct Histogram {
    id: Text<u64>,
    key: Text<KeyPiece>,
    value: u32,
}

impl Serialize for Histograms<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let null = [Contribution { key: KeyPiece::default(), value: 0, filtering_id: 0 }];
        let contributions = if self.0.is_empty() { &null } else { self.0 };
        serializer.collect_seq(contributions.iter().map(|contribution| Histogram {
            id: Text(contribution.filtering_id),
            key: Text(contribution.key),
            value: contribution.value,
        }))
    }
}

struct Destinations<'a>(&'a [Site]);

impl Serialize for Destinations<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            [one] => serializer.serialize_str(one.as_str()),
            several => serializer.collect_seq(several.iter().map(Site::as_str)),
        }
    }
}

struct VerboseBody<'a>(&'a [ascribe_reports::VerboseDebugData]);

#[derive(Serialize)]
struct VerboseItem<'a> {
    body: &'a serde_json::Map<String, serde_json::Value>,
    r#type: &'a str,
}

impl Serialize for VerboseBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut items = serializer.serialize_seq(Some(self.0.len()))?;
        for data in self.0 {
            items.serialize_element(&VerboseItem { body: &data.body, r#type: data.data_type })?;
        }
        items.end()
    }
}

/// A number as a string.
#[derive(Clone, Copy)]
struct Text<T>(T);

impl<T: std::fmt::Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}
