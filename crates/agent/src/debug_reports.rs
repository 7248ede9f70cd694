//! Verbose debug reports that need no engine: header errors, and delegation to the operating system.
//!
//! Spec: "obtain and deliver debug reports on registration header errors", "obtain and deliver debug reports
//! on OS registrations". Neither is gated by cookies or `debug_reporting`; neither comes from fenced frames.

use ascribe_engine::DebugReport;
use ascribe_headers::{OsRegistration, SuitableOrigin};
use ascribe_reports::{VerboseDebugData, VerboseDebugReport};

use crate::{
    Request, Response,
    response::{Candidate, Kind},
};

/// `header-parsing-error`: the header's value as it was received.
pub(crate) fn header_error(
    header: &'static str,
    value: &[u8],
    request: &Request,
    response: &Response<'_>,
) -> VerboseDebugReport {
    let mut body = serde_json::Map::new();
    body.insert("context_site".into(), request.context_origin.site().as_str().into());
    body.insert("header".into(), header.into());
    body.insert("value".into(), String::from_utf8_lossy(value).into());
    let data = vec![VerboseDebugData { data_type: "header-parsing-error", body }];
    VerboseDebugReport { reporting_origin: response.reporting_origin.clone(), data }
}

/// One report for each registration that asks for it, to the origin of its own URL.
pub(crate) fn os_delegated(
    kind: Kind,
    registrations: &[OsRegistration],
    request: &Request,
) -> Vec<DebugReport> {
    if request.fenced {
        return Vec::new();
    }
    let data_type = match kind {
        Kind::Source(_) => "os-source-delegated",
        Kind::Trigger => "os-trigger-delegated",
    };
    let asking = registrations.iter().filter(|registration| registration.debug_reporting);
    asking
        .filter_map(|registration| {
            let reporting_origin = SuitableOrigin::from_url(&registration.url).ok()?;
            let mut body = serde_json::Map::new();
            body.insert("context_site".into(), request.context_origin.site().as_str().into());
            body.insert("registration_url".into(), registration.url.as_str().into());
            let data = vec![VerboseDebugData { data_type, body }];
            Some(DebugReport::Verbose(VerboseDebugReport { reporting_origin, data }))
        })
        .collect()
}

impl Candidate<'_> {
    pub(crate) fn header_name(&self) -> &'static str {
        use ascribe_headers::Registrar::{Os, Web};
        match (self.registrar, self.kind) {
            (Web, Kind::Source(_)) => "Attribution-Reporting-Register-Source",
            (Web, Kind::Trigger) => "Attribution-Reporting-Register-Trigger",
            (Os, Kind::Source(_)) => "Attribution-Reporting-Register-OS-Source",
            (Os, Kind::Trigger) => "Attribution-Reporting-Register-OS-Trigger",
        }
    }
}
