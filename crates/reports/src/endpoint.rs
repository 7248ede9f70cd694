//! Where reports go: the six well-known paths of a reporting origin.
//!
//! Spec: "get report request URL".

use ascribe_headers::SuitableOrigin;

/// One of the paths that a reporting origin receives reports on, by POST, as JSON.
///
/// ```
/// use ascribe_headers::SuitableOrigin;
/// use ascribe_reports::Endpoint;
///
/// let origin = SuitableOrigin::parse("https://report.example:8443")?;
/// let url = Endpoint::EventLevel.url(&origin);
/// assert_eq!(url, "https://report.example:8443/.well-known/attribution-reporting/report-event-attribution");
/// assert_eq!(Endpoint::from_path(Endpoint::EventLevel.path()), Some(Endpoint::EventLevel));
/// # Ok::<(), ascribe_headers::UnsuitableOrigin>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// Event-level reports.
    EventLevel,
    /// Copies of event-level reports, sent at once when both debug keys are set.
    EventLevelDebugCopy,
    /// Aggregatable attribution reports.
    Aggregatable,
    /// Copies of aggregatable attribution reports, sent at once when both debug keys are set.
    AggregatableDebugCopy,
    /// Aggregatable debug reports.
    AggregatableDebug,
    /// Verbose debug reports.
    VerboseDebug,
}

impl Endpoint {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::EventLevel,
        Self::EventLevelDebugCopy,
        Self::Aggregatable,
        Self::AggregatableDebugCopy,
        Self::AggregatableDebug,
        Self::VerboseDebug,
    ];

    /// The absolute path.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::EventLevel => "/.well-known/attribution-reporting/report-event-attribution",
            Self::EventLevelDebugCopy => "/.well-known/attribution-reporting/debug/report-event-attribution",
            Self::Aggregatable => "/.well-known/attribution-reporting/report-aggregate-attribution",
            Self::AggregatableDebugCopy => {
                "/.well-known/attribution-reporting/debug/report-aggregate-attribution"
            }
            Self::AggregatableDebug => "/.well-known/attribution-reporting/debug/report-aggregate-debug",
            Self::VerboseDebug => "/.well-known/attribution-reporting/debug/verbose",
        }
    }

    /// The endpoint with exactly this path.
    #[must_use]
    pub fn from_path(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|endpoint| endpoint.path() == path)
    }

    /// Spec: "generate a report URL". The origin is serialized already, so this only joins two strings.
    #[must_use]
    pub fn url(self, reporting_origin: &SuitableOrigin) -> String {
        [reporting_origin.as_str(), self.path()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_endpoint_has_its_own_path_and_is_found_by_it() {
        for endpoint in Endpoint::ALL {
            assert_eq!(Endpoint::from_path(endpoint.path()), Some(endpoint));
        }
    }

    #[test]
    fn other_paths_are_no_endpoint() {
        for path in [
            "",
            "/",
            "/.well-known/attribution-reporting/",
            "/.well-known/attribution-reporting/report-event-attribution/",
            "/.well-known/attribution-reporting/REPORT-EVENT-ATTRIBUTION",
            "/.well-known/attribution-reporting/debug/report-aggregate",
        ] {
            assert_eq!(Endpoint::from_path(path), None, "{path}");
        }
    }

    #[test]
    fn the_url_keeps_a_port_that_is_not_the_default() {
        for (origin, url) in [
            ("https://r.test:443", "https://r.test/.well-known/attribution-reporting/debug/verbose"),
            ("http://localhost:80", "http://localhost/.well-known/attribution-reporting/debug/verbose"),
            ("http://[::1]:8080", "http://[::1]:8080/.well-known/attribution-reporting/debug/verbose"),
        ] {
            let origin = SuitableOrigin::parse(origin).expect(origin);
            assert_eq!(Endpoint::VerboseDebug.url(&origin), url);
        }
    }
}
