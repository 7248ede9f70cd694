//! Shared info: what a report tells the aggregation service in clear, bound to the sealed payload.
//!
//! Spec: an aggregatable report's "shared info".
//!
//! The payload is sealed to the very bytes of this string. Who opens it must use the string as received,
//! never one that was parsed and printed again.

use std::fmt;

use ascribe_headers::{Site, SuitableOrigin};
use serde::Serialize;

use crate::{
    ReportId, Time,
    json::{self, Text},
};

/// Shared info as read: of this API's reports, and of the others that share the aggregation service.
///
/// ```
/// use ascribe_reports::{Api, SharedInfo, Version};
///
/// let text = r#"{"api":"attribution-reporting","attribution_destination":"https://shop.example","report_id":"5f0c4ee4-ed35-4a3c-8c61-0cd3fcb34b3f","reporting_origin":"https://report.example","scheduled_report_time":"1700000000","version":"1.0"}"#;
/// let shared_info = SharedInfo::parse(text)?;
/// assert_eq!(shared_info.api, Api::AttributionReporting);
/// assert_eq!(shared_info.scheduled_report_time.as_secs(), 1_700_000_000);
/// assert_eq!(shared_info.version, Version { major: 1, minor: 0 });
/// assert_eq!(shared_info.to_string(), text);
/// # Ok::<(), ascribe_reports::SharedInfoError>(())
/// ```
///
/// It prints as a report would write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedInfo {
    /// `api`.
    pub api: Api,
    /// `attribution_destination`: always present in reports of the attribution APIs, and never empty.
    /// Text, since it can be an app of another platform, and is only ever compared.
    pub attribution_destination: Option<Box<str>>,
    /// `debug_mode`: whether it is `enabled`; `disabled` and absence mean the same.
    pub debug_mode: bool,
    /// `report_id`.
    pub report_id: ReportId,
    /// `reporting_origin`.
    pub reporting_origin: SuitableOrigin,
    /// `scheduled_report_time`.
    pub scheduled_report_time: Time,
    /// `source_registration_time`: the source's day; absent unless the trigger asked for it.
    pub source_registration_time: Option<Time>,
    /// `version`.
    pub version: Version,
}

/// The APIs whose reports an aggregation service reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Api {
    /// `attribution-reporting`: aggregatable attribution reports.
    AttributionReporting,
    /// `attribution-reporting-debug`: aggregatable debug reports.
    AttributionReportingDebug,
    /// `protected-audience`: another API's reports.
    ProtectedAudience,
    /// `shared-storage`: another API's reports.
    SharedStorage,
}

/// A version of the report format: 0.1 or later, below 2.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// The part before the point: another one is another format.
    pub major: u32,
    /// The part after the point: a higher one adds to the format.
    pub minor: u32,
}

impl fmt::Display for SharedInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members = Members {
            api: self.api.as_str(),
            attribution_destination: self.attribution_destination.as_deref(),
            debug_mode: self.debug_mode.then_some("enabled"),
            report_id: Text(self.report_id),
            reporting_origin: self.reporting_origin.as_str(),
            scheduled_report_time: Text(self.scheduled_report_time.as_secs()),
            source_registration_time: self.source_registration_time.map(|time| Text(time.as_secs())),
            version: Text(self.version),
        };
        f.write_str(&members.print())
    }
}

/// The members in the order that they are written in.
#[derive(Serialize)]
pub(crate) struct Members<'a> {
    pub(crate) api: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) attribution_destination: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) debug_mode: Option<&'static str>,
    pub(crate) report_id: Text<ReportId>,
    pub(crate) reporting_origin: &'a str,
    pub(crate) scheduled_report_time: Text<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source_registration_time: Option<Text<i64>>,
    pub(crate) version: Text<Version>,
}

impl<'a> Members<'a> {
    /// Those that every report of the attribution APIs has.
    pub(crate) fn new(
        api: Api,
        destination: &'a Site,
        report_id: ReportId,
        reporting_origin: &'a SuitableOrigin,
        report_time: Time,
    ) -> Self {
        Self {
            api: api.as_str(),
            attribution_destination: Some(destination.as_str()),
            debug_mode: None,
            report_id: Text(report_id),
            reporting_origin: reporting_origin.as_str(),
            scheduled_report_time: Text(report_time.as_secs()),
            source_registration_time: None,
            version: Text(Version::CURRENT),
        }
    }

    pub(crate) fn print(&self) -> String {
        json::to_string(self)
    }
}

impl Api {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::AttributionReporting,
        Self::AttributionReportingDebug,
        Self::ProtectedAudience,
        Self::SharedStorage,
    ];

    /// The name that shared info uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AttributionReporting => "attribution-reporting",
            Self::AttributionReportingDebug => "attribution-reporting-debug",
            Self::ProtectedAudience => "protected-audience",
            Self::SharedStorage => "shared-storage",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|api| api.as_str() == name)
    }

    /// Whether its reports always have a destination.
    pub(crate) fn has_destination(self) -> bool {
        matches!(self, Self::AttributionReporting | Self::AttributionReportingDebug)
    }
}

impl Version {
    /// What reports are written in.
    pub const CURRENT: Self = Self { major: 1, minor: 0 };

    /// Two decimal numbers around a point.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.')?;
        let number = |digits: &str| {
            digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
        };
        Some(Self { major: number(major)?, minor: number(minor)? })
    }

    pub(crate) fn is_supported(self) -> bool {
        self > Self { major: 0, minor: 0 } && self.major <= Self::CURRENT.major
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}
