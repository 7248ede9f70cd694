//! The checks that a report must pass, each with its counter.
//!
//! All are made, so that a report with two faults is counted under both.

use ascribe_headers::{Site, SuitableOrigin};
use ascribe_reports::{Api, Duration, ReportId, Time};

use crate::{ErrorCounter, ReportErrors, SharedInfo, budget::BudgetGroup};

/// Whose reports a job aggregates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reporter {
    /// `attribution_report_to`: the reports of one origin, compared as text.
    Origin(String),
    /// `reporting_site`: the reports of all origins of a site.
    Site(Site),
    /// Anybody's: only for tests over clear payloads.
    Any,
}

/// What the reports of a job are checked against.
#[derive(Clone, Debug)]
pub struct Checks {
    /// Whose reports they must be.
    pub reporter: Reporter,
    /// Whether they must have debug mode.
    pub debug_run: bool,
    /// The time of the job: reports must be younger than [`Checks::MAX_REPORT_AGE`]. `None` takes reports of
    /// any age: only for tests over clear payloads.
    pub now: Option<Time>,
}

/// A report that passed, as far as its shared info goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Its ID: a second report with the same one is not counted.
    pub report_id: ReportId,
    /// What its shared IDs are made of.
    pub group: BudgetGroup,
}

/// Why a report did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// It is left out.
    LeftOut(ReportErrors),
    /// It is of a format that is yet to come: the job fails, rather than to leave out what a later release
    /// could read. The text is its `version`.
    UnsupportedVersion(String),
}

impl<E: Into<ReportErrors>> From<E> for Rejected {
    fn from(errors: E) -> Self {
        Self::LeftOut(errors.into())
    }
}

/// The most that a major version can be.
const LATEST_MAJOR: u32 = 1;

impl Checks {
    /// Reports must be scheduled for less than this before the job.
    pub const MAX_REPORT_AGE: Duration = Duration::from_days(90);

    /// Checks the shared info of a report.
    ///
    /// # Errors
    /// When it does not pass.
    pub fn check(&self, info: &SharedInfo<'_>) -> Result<Checked, Rejected> {
        let mut errors = ReportErrors::default();
        if let Some(error) = self.reporter_error(&info.reporting_origin) {
            errors.add(error);
        }
        if self.now.is_some_and(|now| now.since(info.scheduled_report_time) >= Self::MAX_REPORT_AGE) {
            errors.add(ErrorCounter::OriginalReportTimeTooOld);
        }
        if self.debug_run && !info.is_debug() {
            errors.add(ErrorCounter::DebugNotEnabled);
        }
        let api = info.api.as_deref();
        if api.is_some_and(|api| api_of(api).is_none()) {
            errors.add(ErrorCounter::UnsupportedReportApiType);
        }
        let report_id = info.report_id.as_deref().and_then(report_id);
        if report_id.is_none() {
            errors.add(ErrorCounter::InvalidReportId);
        }
        let version = match version(&info.version) {
            Some((major, _)) if major > LATEST_MAJOR => {
                return Err(Rejected::UnsupportedVersion(info.version.chars().take(40).collect()));
            }
            version => version.filter(|version| *version != (0, 0)),
        };
        if version.is_none() {
            errors.add(ErrorCounter::UnsupportedSharedinfoVersion);
        }
        let group = api.and_then(api_of).and_then(|api| BudgetGroup::new(api, version?, info));
        if group.is_none() {
            errors.add(ErrorCounter::RequiredSharedinfoFieldInvalid);
        }
        match (report_id, group) {
            (Some(report_id), Some(group)) if errors.is_empty() => Ok(Checked { report_id, group }),
            _ => Err(errors.into()),
        }
    }

    fn reporter_error(&self, reporting_origin: &str) -> Option<ErrorCounter> {
        match &self.reporter {
            Reporter::Origin(origin) => {
                (reporting_origin != origin).then_some(ErrorCounter::AttributionReportToMismatch)
            }
            Reporter::Site(site) => match SuitableOrigin::parse(reporting_origin) {
                Ok(origin) => (origin.site() != site).then_some(ErrorCounter::ReportingSiteMismatch),
                Err(_) => Some(ErrorCounter::AttributionReportToMalformed),
            },
            Reporter::Any => None,
        }
    }
}

fn api_of(name: &str) -> Option<Api> {
    Api::ALL.into_iter().find(|api| api.as_str() == name)
}

/// Two decimal numbers around a point. A number too large for its type is larger than any that is known.
fn version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('.')?;
    let number = |digits: &str| {
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse().unwrap_or(u32::MAX))
    };
    Some((number(major)?, number(minor)?))
}

/// A UUID in its hyphenated form.
pub(crate) fn report_id(text: &str) -> Option<ReportId> {
    const HYPHENATED_LEN: usize = 36;
    ReportId::try_parse(text).ok().filter(|_| text.len() == HYPHENATED_LEN)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: Time = Time::from_secs(1_700_000_000);

    fn checks() -> Checks {
        let reporter = Reporter::Origin("https://report.test".to_owned());
        Checks { reporter, debug_run: false, now: Some(NOW) }
    }

    fn info() -> Value {
        json!({
            "api": "attribution-reporting",
            "attribution_destination": "https://d.test",
            "debug_mode": "enabled",
            "report_id": "01234567-89ab-4def-8123-456789abcdef",
            "reporting_origin": "https://report.test",
            "scheduled_report_time": 1_699_999_999,
            "version": "1.0",
        })
    }

    fn check(checks: &Checks, changes: &[(&str, Value)]) -> Result<Checked, Vec<&'static str>> {
        let mut value = info();
        for (key, change) in changes {
            value[*key] = change.clone();
        }
        let text = value.to_string();
        checks.check(&SharedInfo::parse(&text).expect("readable")).map_err(|rejected| match rejected {
            Rejected::LeftOut(errors) => errors.iter().map(ErrorCounter::as_str).collect(),
            Rejected::UnsupportedVersion(_) => vec!["the job fails"],
        })
    }

    #[test]
    fn a_report_that_passes_tells_its_id_and_group() {
        let checked = check(&checks(), &[]).unwrap();
        assert_eq!(checked.report_id, ReportId::from_u128(0x0123_4567_89ab_4def_8123_4567_89ab_cdef));
        assert_eq!(checked.group.hour(), Time::from_secs(1_699_999_200));
    }

    #[test]
    fn every_fault_is_counted() {
        let faulty = [
            ("api", json!("topics")),
            ("report_id", json!("1")),
            ("reporting_origin", json!("https://other.test")),
            ("scheduled_report_time", json!(0)),
            ("version", json!("0.0")),
            ("debug_mode", json!(null)),
        ];
        let checks = Checks { debug_run: true, ..checks() };
        let errors = check(&checks, &faulty).unwrap_err();
        assert_eq!(
            errors,
            [
                "ATTRIBUTION_REPORT_TO_MISMATCH",
                "DEBUG_NOT_ENABLED",
                "ORIGINAL_REPORT_TIME_TOO_OLD",
                "UNSUPPORTED_REPORT_API_TYPE",
                "REQUIRED_SHAREDINFO_FIELD_INVALID",
                "INVALID_REPORT_ID",
                "UNSUPPORTED_SHAREDINFO_VERSION",
            ]
        );
    }

    #[test]
    fn reports_are_younger_than_90_days() {
        let oldest = 1_700_000_000 - 90 * 86_400;
        for (time, expected) in [(oldest, false), (oldest + 1, true), (i64::from(u32::MAX), true)] {
            let passed = check(&checks(), &[("scheduled_report_time", json!(time))]).is_ok();
            assert_eq!(passed, expected, "{time}");
        }
        let any_age = Checks { now: None, ..checks() };
        assert!(check(&any_age, &[("scheduled_report_time", json!(0))]).is_ok());
    }

    #[test]
    fn origins_are_compared_as_text_and_sites_as_sites() {
        let origin = |text: &str| [("reporting_origin", json!(text))];
        assert_eq!(
            check(&checks(), &origin("https://report.test/")),
            Err(vec!["ATTRIBUTION_REPORT_TO_MISMATCH"])
        );
        let site = Reporter::Site(Site::parse("https://report.test").unwrap());
        let checks = Checks { reporter: site, ..checks() };
        for covered in ["https://report.test", "https://a.b.report.test", "https://a.report.test:8443/"] {
            assert!(check(&checks, &origin(covered)).is_ok(), "{covered}");
        }
        for other in ["https://report.example", "https://areport.test"] {
            assert_eq!(check(&checks, &origin(other)), Err(vec!["REPORTING_SITE_MISMATCH"]), "{other}");
        }
        for malformed in ["report.test", "http://report.test", ""] {
            let errors = check(&checks, &origin(malformed)).unwrap_err();
            assert!(errors.contains(&"ATTRIBUTION_REPORT_TO_MALFORMED"), "{malformed}");
        }
    }

    #[test]
    fn versions_from_0_1_to_below_2_pass_and_later_ones_fail_the_job() {
        for passing in ["0.1", "0.99", "1.0", "1.99999999999"] {
            assert!(check(&checks(), &[("version", json!(passing))]).is_ok(), "{passing}");
        }
        for later in ["2.0", "99999999999.0"] {
            assert_eq!(check(&checks(), &[("version", json!(later))]), Err(vec!["the job fails"]), "{later}");
        }
        for invalid in ["0.0", "", "1", "1.", ".1", "1.0.0", "+1.0", "-1.0", "one.two"] {
            assert_eq!(
                check(&checks(), &[("version", json!(invalid))]),
                Err(vec!["REQUIRED_SHAREDINFO_FIELD_INVALID", "UNSUPPORTED_SHAREDINFO_VERSION"]),
                "{invalid}"
            );
        }
    }

    #[test]
    fn the_four_apis_pass_and_only_attribution_needs_a_destination() {
        for api in Api::ALL {
            let with = [("api", json!(api.as_str()))];
            assert!(check(&checks(), &with).is_ok(), "{api:?}");
            for nothing in [json!(null), json!("")] {
                let without = [("api", json!(api.as_str())), ("attribution_destination", nothing)];
                let is_attribution = api.as_str().starts_with("attribution-reporting");
                assert_eq!(check(&checks(), &without).is_err(), is_attribution, "{api:?}");
            }
        }
        for (api, expected) in [
            (json!(null), vec!["REQUIRED_SHAREDINFO_FIELD_INVALID"]),
            (json!(""), vec!["UNSUPPORTED_REPORT_API_TYPE", "REQUIRED_SHAREDINFO_FIELD_INVALID"]),
        ] {
            assert_eq!(check(&checks(), &[("api", api)]), Err(expected));
        }
    }

    #[test]
    fn a_debug_run_takes_only_reports_in_debug_mode() {
        let debug_run = Checks { debug_run: true, ..checks() };
        assert!(check(&debug_run, &[]).is_ok());
        assert!(check(&checks(), &[("debug_mode", json!(null))]).is_ok());
        assert_eq!(check(&debug_run, &[("debug_mode", json!("disabled"))]), Err(vec!["DEBUG_NOT_ENABLED"]));
    }
}
