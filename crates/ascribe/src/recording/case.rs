//! The case that a recording is written as.

use std::{collections::BTreeMap, sync::Arc};

use ascribe_agent::{Ignored, RecordedDraws, Registered, Registration, Report};
use ascribe_engine::{Config, DebugReport, PendingReport, TestSwitches};
use ascribe_headers::{HeaderName, TriggerRegistration};
use ascribe_reports::Time;
use ascribe_simulation::{Sent, write_report};
use serde::Serialize;
use serde_json::{Map, Value, json, value::RawValue};

use super::{Happened, Hop, Recorder};

/// A case file.
#[derive(Serialize)]
pub(super) struct Case<'a> {
    description: String,
    #[serde(skip_serializing_if = "Map::is_empty")]
    api_config: &'a Map<String, Value>,
    input: Input<'a>,
    output: Output,
}

#[derive(Serialize)]
struct Input<'a> {
    registrations: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Output {
    reports: Vec<Value>,
}

#[derive(Serialize)]
struct Entry<'a> {
    timestamp: String,
    #[serde(flatten)]
    event: Event<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Event<'a> {
    Registration { registration_request: Request<'a>, responses: Vec<Response<'a>> },
    ClearSiteData { clear_site_data: &'a str },
}

#[derive(Serialize)]
struct Request<'a> {
    context_origin: &'a str,
    #[serde(rename = "Attribution-Reporting-Eligible", skip_serializing_if = "Option::is_none")]
    eligible: Option<&'a str>,
    #[serde(skip_serializing_if = "is_false")]
    fenced: bool,
}

#[derive(Serialize)]
struct Response<'a> {
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
    #[serde(skip_serializing_if = "is_false")]
    debug_permission: bool,
    response: BTreeMap<&'static str, HeaderValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    randomized_response: Option<Vec<Value>>,
    #[serde(skip_serializing_if = "<[u32]>::is_empty")]
    null_aggregatable_reports_days: &'a [u32],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    aggregatable_report_delays: Vec<i64>,
}

/// A header: as the JSON that it is, or as its text.
#[derive(Serialize)]
#[serde(untagged)]
enum HeaderValue {
    Json(Box<RawValue>),
    Text(String),
}

impl HeaderValue {
    /// JSON is kept as it was written.
    fn new(text: String) -> Self {
        match RawValue::from_string(text.trim().to_owned()) {
            Ok(json) if json.get().starts_with('{') => Self::Json(json),
            _ => Self::Text(text),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_false(value: &bool) -> bool {
    !value
}

/// What of a configuration the command line can set and differs from the defaults.
pub(super) fn api_config(config: &Config) -> Map<String, Value> {
    let mut api_config = Map::new();
    let coordinators = &config.vendor.coordinators;
    if *coordinators != Config::default().vendor.coordinators {
        let origins = coordinators.as_slice().iter().map(|coordinator| coordinator.origin().to_string());
        api_config.insert("aggregation_coordinator_origins".into(), origins.collect());
    }
    set_switches(&mut api_config, config.test);
    api_config
}

/// What a test takes away.
pub(super) fn set_switches(api_config: &mut Map<String, Value>, switches: TestSwitches) {
    for (name, on) in [("no_noise", switches.no_noise), ("no_delay", switches.no_delay)] {
        if on {
            api_config.insert(name.into(), true.into());
        } else {
            api_config.remove(name);
        }
    }
}

impl Recorder {
    pub(super) fn case(&self) -> Case<'_> {
        let mut description = "Recorded in a browser by ascribe.".to_owned();
        for gap in &self.gaps {
            description += &format!(" It may not lead to these reports: {gap}.");
        }
        let mut reports: Vec<_> =
            self.reports.iter().map(|(due, report)| (*due, clear(*due, report))).collect();
        let waiting: Vec<_> = self.user_agent.view(|engine| {
            let stored = engine.state().reports().map(|stored| &stored.report);
            stored.filter(|report| !self.known.contains(&report.key())).cloned().collect()
        });
        for report in waiting {
            let due = report.report_time();
            reports.push((due, clear(due, &Report::Stored(report))));
        }
        reports.sort_by_key(|(due, _)| *due);
        Case {
            description,
            api_config: &self.api_config,
            input: Input { registrations: self.entries() },
            output: Output { reports: reports.into_iter().map(|(_, report)| report).collect() },
        }
    }

    /// Consecutive hops of one request are one entry.
    fn entries(&self) -> Vec<Entry<'_>> {
        let mut entries: Vec<Entry<'_>> = Vec::new();
        // The request of the last entry, if more hops of it belong there, and its time.
        let mut open: Option<(&str, Time)> = None;
        let mut deferred: Vec<(&Arc<Registered>, &Hop)> = Vec::new();
        for happened in &self.happened {
            match happened {
                Happened::Responded(registered) => {
                    // Without its request, which the browser tells at once, it is just happening.
                    let Some(hop) = self.requests.get(&Arc::as_ptr(registered)) else { continue };
                    match &registered.registration {
                        Registration::Ignored(Ignored::OtherScopesInNavigation) => continue,
                        Registration::Trigger { outcome: None, .. } => {
                            deferred.push((registered, hop));
                            continue;
                        }
                        _ => {}
                    }
                    let time = registered.time;
                    match (open, entries.last_mut()) {
                        (
                            Some((request, start)),
                            Some(Entry { event: Event::Registration { responses, .. }, .. }),
                        ) if *request == *hop.request_id => {
                            let mut response = response(registered, hop, &registered.draws);
                            response.timestamp = (time != start).then(|| millis(time));
                            responses.push(response);
                        }
                        _ => {
                            entries.push(entry(time, registered, hop, &registered.draws));
                            open = Some((&hop.request_id, time));
                        }
                    }
                }
                Happened::Attributed { time, reporting_origin, destination, registration, draws } => {
                    let waited = deferred.iter().position(|(registered, hop)| {
                        registered.reporting_origin == *reporting_origin
                            && registered.context_origin.site() == destination
                            && self.says(hop, registration)
                    });
                    if let Some(at) = waited {
                        let (registered, hop) = deferred.remove(at);
                        entries.push(entry(*time, registered, hop, draws));
                        open = None;
                    }
                }
                Happened::SiteDataCleared { time, reporting_origin } => {
                    let event = Event::ClearSiteData { clear_site_data: reporting_origin.as_str() };
                    entries.push(Entry { timestamp: millis(*time), event });
                    open = None;
                }
            }
        }
        entries
    }

    /// Whether the trigger of a response is this one.
    fn says(&self, hop: &Hop, registration: &TriggerRegistration) -> bool {
        let header = hop.header(HeaderName::RegisterTrigger).unwrap_or_default();
        TriggerRegistration::parse(header.as_bytes(), &self.vendor).value.as_ref() == Some(registration)
    }
}

impl Hop {
    /// All values of a header, joined as HTTP says.
    fn header(&self, name: HeaderName) -> Option<String> {
        let fields = self.headers.iter().filter(|(field, _)| HeaderName::from_name(field) == Some(name));
        let values: Vec<_> = fields.map(|(_, value)| value.as_str()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }
}

fn entry<'a>(time: Time, registered: &'a Registered, hop: &'a Hop, draws: &'a RecordedDraws) -> Entry<'a> {
    let registration_request = Request {
        context_origin: registered.context_origin.as_str(),
        eligible: hop.eligible.as_deref(),
        fenced: registered.fenced,
    };
    let responses = vec![response(registered, hop, draws)];
    Entry { timestamp: millis(time), event: Event::Registration { registration_request, responses } }
}

fn response<'a>(registered: &Registered, hop: &'a Hop, draws: &'a RecordedDraws) -> Response<'a> {
    let names = [
        HeaderName::RegisterSource,
        HeaderName::RegisterTrigger,
        HeaderName::RegisterOsSource,
        HeaderName::RegisterOsTrigger,
        HeaderName::Info,
    ];
    // An invalid header is reported as its text, if the server wants to know of it.
    let as_json = !matches!(registered.registration, Registration::Invalid { .. });
    let header = |name: HeaderName| {
        let text = hop.header(name)?;
        Some((name.as_str(), if as_json { HeaderValue::new(text) } else { HeaderValue::Text(text) }))
    };
    let fakes = |fakes: &Vec<ascribe_engine::FakeReport>| {
        let fake = |fake: &ascribe_engine::FakeReport| json!({"trigger_data": fake.trigger_data, "report_window_index": fake.window});
        fakes.iter().map(fake).collect()
    };
    Response {
        url: hop.url.split(['?', '#']).next().unwrap_or_default(),
        timestamp: None,
        debug_permission: registered.cookie_based_debug_allowed,
        response: names.into_iter().filter_map(header).collect(),
        randomized_response: draws.randomized_response.as_ref().map(fakes),
        null_aggregatable_reports_days: &draws.null_report_days,
        aggregatable_report_delays: draws.aggregatable_delays.iter().map(|delay| delay.as_millis()).collect(),
    }
}

fn millis(time: Time) -> String {
    time.as_millis().to_string()
}

/// A report as case files show it.
pub(crate) fn clear(time: Time, report: &Report) -> Value {
    let sent = match report {
        Report::Stored(PendingReport::Event(pending)) => {
            Sent::Event { report: &pending.report, debug: false }
        }
        Report::Stored(PendingReport::Aggregatable(pending)) => {
            Sent::Aggregatable { report: &pending.report, debug: false }
        }
        Report::Debug(DebugReport::Event(report)) => Sent::Event { report, debug: true },
        Report::Debug(DebugReport::Aggregatable(report)) => Sent::Aggregatable { report, debug: true },
        Report::Debug(DebugReport::AggregatableDebug(report)) => Sent::AggregatableDebug(report),
        Report::Debug(DebugReport::Verbose(report)) => Sent::Verbose(report),
    };
    let mut line = Vec::new();
    write_report(&mut line, None, time, sent);
    serde_json::from_slice(&line).expect("reports are written as JSON")
}
