//! Shared info: what a report tells the aggregation service in clear, bound to the sealed payload.
//!
//! Spec: an aggregatable report's "shared info".

use ascribe_headers::{Site, SuitableOrigin};
use serde::Serialize;

use crate::{
    ReportId, Time,
    json::{self, Text},
};

/// What `api` says in an aggregatable attribution report.
pub(crate) const ATTRIBUTION_REPORTING: &str = "attribution-reporting";
/// What `api` says in an aggregatable debug report.
pub(crate) const ATTRIBUTION_REPORTING_DEBUG: &str = "attribution-reporting-debug";

/// The members of version 1.0, in the order that they are written in.
#[derive(Serialize)]
pub(crate) struct Members<'a> {
    pub(crate) api: &'static str,
    pub(crate) attribution_destination: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) debug_mode: Option<&'static str>,
    pub(crate) report_id: Text<ReportId>,
    pub(crate) reporting_origin: &'a str,
    pub(crate) scheduled_report_time: Text<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source_registration_time: Option<Text<i64>>,
    pub(crate) version: &'static str,
}

impl<'a> Members<'a> {
    pub(crate) fn new(
        api: &'static str,
        destination: &'a Site,
        report_id: ReportId,
        reporting_origin: &'a SuitableOrigin,
        report_time: Time,
    ) -> Self {
        Self {
            api,
            attribution_destination: destination.as_str(),
            debug_mode: None,
            report_id: Text(report_id),
            reporting_origin: reporting_origin.as_str(),
            scheduled_report_time: Text(report_time.as_secs()),
            source_registration_time: None,
            version: "1.0",
        }
    }

    pub(crate) fn print(&self) -> String {
        json::to_string(self)
    }
}
