//! What a job is asked for: `job_parameters`, read and checked.

use std::collections::{BTreeMap, BTreeSet};

use ascribe_headers::Site;
use ascribe_privacy::Epsilon;

use crate::{Discovery, Reporter};

/// The parameters of a job that say what is computed.
#[derive(Clone, Debug, PartialEq)]
pub struct JobParameters {
    /// `attribution_report_to` or `reporting_site`: whose reports.
    pub reporter: Reporter,
    /// `debug_privacy_epsilon`: above 0, at most 64.
    pub epsilon: Epsilon,
    /// `report_error_threshold_percentage`, 0 to 100: a job fails in which more reports would be left out.
    pub error_threshold: f64,
    /// `input_report_count`: how many reports there are to be, so that too many errors are noticed early.
    pub input_report_count: Option<u64>,
    /// `filtering_ids`: contributions with others are left out. Never empty.
    pub filtering_ids: BTreeSet<u64>,
    /// `debug_run`: what is in the reports is written too, beside the noised summary.
    pub debug_run: bool,
    /// Not in the job API, and off by default: the batch can be queried again, until the epsilons of its
    /// queries add up to this. Each query must say the same. At most 64.
    pub requery_budget: Option<Epsilon>,
    /// Not in the job API, and off by default: buckets that are not in the domain are shown, too, if their
    /// noised sum is high enough.
    pub discovery: Option<Discovery>,
}

/// Which parameter is invalid, and why: the job ends with `INVALID_JOB`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{parameter}: {problem}")]
pub struct InvalidParameter {
    /// The parameter's name in the job API.
    pub parameter: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

const ATTRIBUTION_REPORT_TO: &str = "attribution_report_to";
const REPORTING_SITE: &str = "reporting_site";
const EPSILON: &str = "debug_privacy_epsilon";
const ERROR_THRESHOLD: &str = "report_error_threshold_percentage";
const INPUT_REPORT_COUNT: &str = "input_report_count";
const FILTERING_IDS: &str = "filtering_ids";
const DEBUG_RUN: &str = "debug_run";

impl JobParameters {
    /// Epsilon, when none is asked for.
    pub const DEFAULT_EPSILON: f64 = 10.0;
    /// The most that epsilon can be.
    pub const MAX_EPSILON: f64 = 64.0;
    /// The share of reports that may be left out, in percent, when none is asked for.
    pub const DEFAULT_ERROR_THRESHOLD: f64 = 10.0;

    /// What is computed when only the reporter is told.
    #[must_use]
    pub fn new(reporter: Reporter) -> Self {
        Self {
            reporter,
            epsilon: Epsilon::new(Self::DEFAULT_EPSILON).expect("not negative"),
            error_threshold: Self::DEFAULT_ERROR_THRESHOLD,
            input_report_count: None,
            filtering_ids: BTreeSet::from([0]),
            debug_run: false,
            requery_budget: None,
            discovery: None,
        }
    }

    /// Reads `job_parameters` as the job API has them. Others are for whoever finds the input and output.
    ///
    /// As with the aggregation service, an epsilon that is no number is the default, while one that is out
    /// of range is an error.
    ///
    /// # Errors
    /// When one is missing or invalid.
    pub fn from_map(parameters: &BTreeMap<String, String>) -> Result<Self, InvalidParameter> {
        let get = |name| parameters.get(name).map(|text| text.trim());
        Self::from_map_with(reporter(get(ATTRIBUTION_REPORT_TO), get(REPORTING_SITE))?, parameters)
    }

    /// Reads what [`from_map`](Self::from_map) does, except for whose reports they are.
    ///
    /// # Errors
    /// When one is invalid.
    pub fn from_map_with(
        reporter: Reporter,
        parameters: &BTreeMap<String, String>,
    ) -> Result<Self, InvalidParameter> {
        let get = |name| parameters.get(name).map(|text| text.trim());
        let mut job = Self::new(reporter);
        if let Some(number) = get(EPSILON).and_then(|text| text.parse().ok()) {
            job.epsilon = epsilon(number)?;
        }
        if let Some(text) = get(ERROR_THRESHOLD) {
            job.error_threshold = percentage(text)?;
        }
        if let Some(text) = get(INPUT_REPORT_COUNT).filter(|text| !text.is_empty()) {
            job.input_report_count = Some(count(text)?);
        }
        if let Some(text) = get(FILTERING_IDS) {
            job.filtering_ids = filtering_ids(text)?;
        }
        job.debug_run = get(DEBUG_RUN).is_some_and(|text| text.eq_ignore_ascii_case("true"));
        Ok(job)
    }
}

/// Reads `attribution_report_to` and `reporting_site`, of which a job has exactly one.
fn reporter(origin: Option<&str>, site: Option<&str>) -> Result<Reporter, InvalidParameter> {
    match (origin, site) {
        (Some(_), Some(_)) => Err(invalid(REPORTING_SITE, "give this or attribution_report_to, not both")),
        (None, None) => Err(invalid(REPORTING_SITE, "give this or attribution_report_to")),
        (Some(""), None) => Err(invalid(ATTRIBUTION_REPORT_TO, "is empty")),
        (Some(origin), None) => Ok(Reporter::Origin(origin.to_owned())),
        (None, Some(text)) => {
            let site = Site::parse(text).map_err(|error| {
                invalid(REPORTING_SITE, format!("no site such as https://r.example: {error}"))
            })?;
            if site.as_str() != text.trim_end_matches('/') {
                return Err(invalid(REPORTING_SITE, format!("no site, but of the site {}", site.as_str())));
            }
            Ok(Reporter::Site(site))
        }
    }
}

/// Checks an epsilon.
pub(crate) fn epsilon(number: f64) -> Result<Epsilon, InvalidParameter> {
    Epsilon::new(number)
        .filter(|epsilon| epsilon.get() > 0.0 && epsilon.get() <= JobParameters::MAX_EPSILON)
        .ok_or_else(|| invalid(EPSILON, "must be above 0, at most 64"))
}

/// Reads a percentage, with its sign or without.
fn percentage(text: &str) -> Result<f64, InvalidParameter> {
    let number = text.trim().trim_end_matches('%').trim_end().parse::<f64>();
    match number {
        Ok(number) if (0.0..=100.0).contains(&number) => Ok(number),
        _ => Err(invalid(ERROR_THRESHOLD, "must be a percentage from 0 to 100")),
    }
}

/// Reads filtering IDs between commas; none are the default, 0.
fn filtering_ids(text: &str) -> Result<BTreeSet<u64>, InvalidParameter> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let ids = parts
        .map(|part| {
            let digits = part.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| part.parse().ok()).flatten().ok_or_else(|| {
                invalid(FILTERING_IDS, format!("`{part}` is no integer from 0 to {}", u64::MAX))
            })
        })
        .collect::<Result<BTreeSet<u64>, _>>()?;
    Ok(if ids.is_empty() { BTreeSet::from([0]) } else { ids })
}

fn count(text: &str) -> Result<u64, InvalidParameter> {
    let count: Option<i64> = text.parse().ok();
    count
        .and_then(|count| u64::try_from(count).ok())
        .ok_or_else(|| invalid(INPUT_REPORT_COUNT, "must be an integer from 0 on"))
}

fn invalid(parameter: &'static str, problem: impl Into<String>) -> InvalidParameter {
    InvalidParameter { parameter, problem: problem.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(parameters: &[(&str, &str)]) -> Result<JobParameters, &'static str> {
        let map = [("attribution_report_to", "https://r.test")].iter().chain(parameters);
        let map = map.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        JobParameters::from_map(&map).map_err(|error| error.parameter)
    }

    #[test]
    fn what_is_not_asked_for_has_its_default() {
        let job = parse(&[]).unwrap();
        assert_eq!(job, JobParameters::new(Reporter::Origin("https://r.test".to_owned())));
        assert_eq!((job.epsilon.get(), job.error_threshold), (10.0, 10.0));
        assert_eq!(job.filtering_ids, BTreeSet::from([0]));
    }

    #[test]
    fn a_job_has_an_origin_or_a_site() {
        let problem = |origin, site| reporter(origin, site).map_err(|error| error.problem);
        assert_eq!(
            problem(None, Some("https://r.test/")),
            Ok(Reporter::Site(Site::parse("https://r.test").unwrap()))
        );
        assert!(problem(Some("https://r.test"), Some("https://r.test")).is_err());
        assert!(problem(None, None).is_err() && problem(Some(""), None).is_err());
        assert!(problem(None, Some("")).is_err() && problem(None, Some("r.test")).is_err());
        let error = problem(None, Some("https://a.r.test")).unwrap_err();
        assert_eq!(error, "no site, but of the site https://r.test");
    }

    #[test]
    fn epsilon_is_above_0_and_at_most_64() {
        let epsilon = |text| parse(&[(EPSILON, text)]).map(|job| job.epsilon.get());
        assert_eq!(epsilon("64"), Ok(64.0));
        assert_eq!(epsilon("5e-324"), Ok(5e-324));
        for out_of_range in ["0", "-1", "64.00000000000001", "inf", "NaN"] {
            assert_eq!(epsilon(out_of_range), Err(EPSILON), "{out_of_range}");
        }
        assert_eq!(epsilon("many"), Ok(10.0), "as the service has it");
    }

    #[test]
    fn thresholds_are_percentages() {
        let threshold = |text| parse(&[(ERROR_THRESHOLD, text)]).map(|job| job.error_threshold);
        for (text, expected) in [("0", 0.0), ("100", 100.0), ("12.5%", 12.5), (" 1 % ", 1.0)] {
            assert_eq!(threshold(text), Ok(expected), "{text}");
        }
        for invalid in ["-0.1", "100.1", "", "%", "ten", "NaN"] {
            assert_eq!(threshold(invalid), Err(ERROR_THRESHOLD), "{invalid}");
        }
    }

    #[test]
    fn counts_are_not_negative() {
        let count = |text| parse(&[(INPUT_REPORT_COUNT, text)]).map(|job| job.input_report_count);
        assert_eq!(count(" 0 "), Ok(Some(0)));
        assert_eq!(count("9223372036854775807"), Ok(Some(i64::MAX as u64)));
        assert_eq!(count(""), Ok(None));
        for invalid in ["-1", "1.5", "9223372036854775808", "x"] {
            assert_eq!(count(invalid), Err(INPUT_REPORT_COUNT), "{invalid}");
        }
    }

    #[test]
    fn filtering_ids_are_64_bits_between_commas() {
        let ids = |text| parse(&[(FILTERING_IDS, text)]).map(|job| Vec::from_iter(job.filtering_ids));
        assert_eq!(ids("18446744073709551615, 3,3,0"), Ok(vec![0, 3, u64::MAX]));
        assert_eq!(ids(""), Ok(vec![0]));
        assert_eq!(ids(",5,"), Ok(vec![5]));
        for invalid in ["18446744073709551616", "-1", "+1", "1.0", "a"] {
            assert_eq!(ids(invalid), Err(FILTERING_IDS), "{invalid}");
        }
    }

    #[test]
    fn only_true_is_a_debug_run() {
        for (text, expected) in
            [("true", true), ("TRUE", true), ("false", false), ("yes", false), ("1", false)]
        {
            assert_eq!(parse(&[(DEBUG_RUN, text)]).unwrap().debug_run, expected, "{text}");
        }
    }
}
