//! Reports as case files show them: as they are sent, but aggregatable payloads in clear and without padding, and
//! without report IDs, which are random.

use std::io::Write;

use ascribe_headers::{KeyPiece, SuitableOrigin};
use ascribe_reports::{Contribution, Time};
use serde::{Serialize, Serializer};

use crate::Sent;

/// Appends `{report_time, report_url, payload}`, with the user of JSON Lines.
pub(crate) fn write(out: &mut Vec<u8>, user: Option<&str>, time: Time, sent: Sent<'_>) {
    let start = out.len();
    out.push(b'{');
    if let Some(user) = user {
        out.extend_from_slice(br#""user":"#);
        write_json(out, &user);
        out.push(b',');
    }
    let url = match sent {
        Sent::Event { report, debug } => report.url(debug),
        Sent::Aggregatable { report, debug } => report.url(debug),
        Sent::AggregatableDebug(report) => report.url(),
        Sent::Verbose(report) => report.url(),
    };
    // An origin is ASCII without quotes, and so is the path of a report.
    let _ = write!(out, r#""report_time":"{}","report_url":"{url}","payload":"#, time.as_millis());
    match sent {
        Sent::Event { report, .. } => report.write_body(out),
        Sent::Verbose(report) => report.write_body(out),
        Sent::Aggregatable { report, .. } => {
            let (coordinator, shared_info) = (report.coordinator.origin(), report.shared_info());
            write_aggregatable(out, coordinator, &report.contributions, &shared_info);
            if let Some((source, trigger)) = report.debug_keys.both() {
                let _ = write!(out, r#","source_debug_key":"{source}","trigger_debug_key":"{trigger}""#);
            }
            if let Some(id) = &report.trigger_context_id {
                out.extend_from_slice(br#","trigger_context_id":"#);
                write_json(out, id);
            }
            out.push(b'}');
        }
        Sent::AggregatableDebug(report) => {
            let (coordinator, shared_info) = (report.coordinator.origin(), report.shared_info());
            write_aggregatable(out, coordinator, &report.contributions, &shared_info);
            out.push(b'}');
        }
    }
    out.push(b'}');
    cut_report_ids(out, start);
}

/// Cuts the members out of the text from `start` on. A quote within a string is escaped, so that what looks like
/// the member is the member; its value is always as long, and another member always follows.
fn cut_report_ids(out: &mut Vec<u8>, start: usize) {
    const MEMBER: &str = r#""report_id":""#;
    const WHOLE: usize = MEMBER.len() + 36 + r#"","#.len();
    let mut from = start;
    while let Some(at) = std::str::from_utf8(&out[from..]).ok().and_then(|text| text.find(MEMBER)) {
        out.drain(from + at..(from + at + WHOLE).min(out.len()));
        from += at;
    }
}

/// The members that all aggregatable reports have, of an object that is still open.
fn write_aggregatable(
    out: &mut Vec<u8>,
    coordinator: &SuitableOrigin,
    contributions: &[Contribution],
    shared_info: &str,
) {
    let _ = write!(out, r#"{{"aggregation_coordinator_origin":"{coordinator}","histograms":"#);
    write_json(out, &Histograms(contributions));
    // What is sent as a string is shown as the object that it holds.
    let _ = write!(out, r#","shared_info":{shared_info}"#);
}

fn write_json(out: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(out, value).expect("a Vec takes every byte, and nothing here has keys");
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

/// A number as a string.
struct Text<T>(T);

impl<T: std::fmt::Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}
