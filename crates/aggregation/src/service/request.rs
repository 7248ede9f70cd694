//! `createJob`'s request: what is asked for, checked as far as it can be without its files.
//!
//! As with the aggregation service, a request is refused here that no job could be made of; a job whose
//! parameters are invalid is accepted, and ends with `INVALID_JOB`.

use std::collections::BTreeMap;

use ascribe_headers::{Site, SuitableOrigin};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::error::{ApiError, Reason};
use crate::{InvalidParameter, JobParameters, Reporter};

/// The body of `createJob`. Unknown members are ignored; names may be in camel case, too, as readers of
/// Protocol Buffers have it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct CreateJob {
    #[serde(alias = "jobRequestId")]
    pub(super) job_request_id: String,
    #[serde(alias = "inputDataBlobPrefix", skip_serializing_if = "String::is_empty")]
    pub(super) input_data_blob_prefix: String,
    #[serde(alias = "inputDataBlobPrefixes", skip_serializing_if = "Vec::is_empty")]
    pub(super) input_data_blob_prefixes: Vec<String>,
    #[serde(alias = "inputDataBucketName")]
    pub(super) input_data_bucket_name: String,
    #[serde(alias = "outputDataBlobPrefix")]
    pub(super) output_data_blob_prefix: String,
    #[serde(alias = "outputDataBucketName")]
    pub(super) output_data_bucket_name: String,
    /// Told back, and never called: there is nothing to be called from a network without a way out.
    #[serde(alias = "postbackUrl", skip_serializing_if = "String::is_empty")]
    pub(super) postback_url: String,
    #[serde(alias = "jobParameters", deserialize_with = "parameters")]
    pub(super) job_parameters: BTreeMap<String, String>,
}

const OUTPUT_DOMAIN_BUCKET: &str = "output_domain_bucket_name";
const OUTPUT_DOMAIN_PREFIX: &str = "output_domain_blob_prefix";
const REPORTING_SITE: &str = "reporting_site";
const ATTRIBUTION_REPORT_TO: &str = "attribution_report_to";

/// Punctuation of ASCII but for the bar, as the aggregation service has it.
const ID_PUNCTUATION: &[u8] = br##"!"#$%&'()*+,-./:;<=>?@[\]^_`{}~"##;

impl CreateJob {
    /// The longest body of a request.
    pub(super) const MAX_BYTES: usize = 256 << 10;
    const MAX_ID_BYTES: usize = 128;
    const MAX_INPUT_PREFIXES: usize = 50;
    const MAX_PARAMETERS: usize = 64;
    const MAX_NAME_BYTES: usize = 1024;

    /// Reads a request.
    ///
    /// # Errors
    /// When it is not JSON, lacks what every job has, or holds what none may.
    pub(super) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let json = |message: String| ApiError::new(Reason::JsonError, message);
        let request: Self = serde_json::from_slice(body).map_err(|error| json(error.to_string()))?;
        let required = [
            ("job_request_id", &request.job_request_id),
            ("input_data_bucket_name", &request.input_data_bucket_name),
            ("output_data_blob_prefix", &request.output_data_blob_prefix),
            ("output_data_bucket_name", &request.output_data_bucket_name),
        ];
        let missing = required.iter().filter(|(_, value)| value.is_empty()).map(|(name, _)| *name);
        let missing = missing.collect::<Vec<_>>().join(", ");
        if !missing.is_empty() {
            return Err(json(format!("missing: {missing}")));
        }
        if request.input_data_blob_prefix.is_empty() == request.input_data_blob_prefixes.is_empty() {
            return Err(json(
                "give exactly one of input_data_blob_prefix and input_data_blob_prefixes".to_owned(),
            ));
        }
        if request.input_data_blob_prefixes.len() > Self::MAX_INPUT_PREFIXES {
            return Err(json(format!(
                "input_data_blob_prefixes has {} items, at most {}",
                request.input_data_blob_prefixes.len(),
                Self::MAX_INPUT_PREFIXES
            )));
        }
        request.check_reporter().map_err(|problem| json(format!("job_parameters: {problem}")))?;
        request.check_limits().map_err(|problem| ApiError::new(Reason::ValidationFailed, problem))?;
        Ok(request)
    }

    /// That it names one reporter, and a count that is one: what the aggregation service checks at once.
    fn check_reporter(&self) -> Result<(), String> {
        let parameter = |name| self.job_parameters.get(name).map(String::as_str);
        let (name, reporter) = match (parameter(ATTRIBUTION_REPORT_TO), parameter(REPORTING_SITE)) {
            (Some(origin), None) => (ATTRIBUTION_REPORT_TO, origin),
            (None, Some(site)) => (REPORTING_SITE, site),
            _ => return Err(format!("give exactly one of {ATTRIBUTION_REPORT_TO} and {REPORTING_SITE}")),
        };
        if reporter.trim().is_empty() {
            return Err(format!("{name} is empty"));
        }
        if reporter.contains(',') {
            return Err(format!("{name} must be one, not a list"));
        }
        let count = parameter("input_report_count").map_or("", str::trim);
        if !count.is_empty() && !count.parse::<i64>().is_ok_and(|count| count >= 0) {
            return Err("input_report_count must be an integer from 0 on".to_owned());
        }
        Ok(())
    }

    fn check_limits(&self) -> Result<(), String> {
        let id = &self.job_request_id;
        if id.len() > Self::MAX_ID_BYTES {
            return Err(format!("job_request_id has {} bytes, at most {}", id.len(), Self::MAX_ID_BYTES));
        }
        let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || ID_PUNCTUATION.contains(&byte);
        if !id.bytes().all(is_legal) {
            return Err(
                "job_request_id takes letters, digits and punctuation of ASCII, without `|`".to_owned()
            );
        }
        if self.job_parameters.len() > Self::MAX_PARAMETERS {
            return Err(format!("job_parameters has more than {} members", Self::MAX_PARAMETERS));
        }
        let names =
            [&self.input_data_bucket_name, &self.output_data_bucket_name, &self.output_data_blob_prefix];
        let names = names.into_iter().chain(self.input_prefixes()).chain([&self.postback_url]);
        // PostgreSQL's texts have no NUL, and nobody's parameters do.
        let texts =
            self.job_parameters.iter().flat_map(|(name, value)| [name, value]).chain([&self.postback_url]);
        if texts.clone().any(|text| text.contains('\0')) {
            return Err("a text holds U+0000".to_owned());
        }
        if names.clone().any(|name| name.len() > Self::MAX_NAME_BYTES) {
            return Err(format!("a name has more than {} bytes", Self::MAX_NAME_BYTES));
        }
        Ok(())
    }

    pub(super) fn input_prefixes(&self) -> impl Iterator<Item = &String> + Clone {
        let one = (!self.input_data_blob_prefix.is_empty()).then_some(&self.input_data_blob_prefix);
        one.into_iter().chain(&self.input_data_blob_prefixes)
    }

    /// The bucket and prefix of the domain, as far as they are there.
    pub(super) fn domain(&self) -> (Option<&str>, Option<&str>) {
        let parameter =
            |name| self.job_parameters.get(name).map(String::as_str).filter(|text| !text.is_empty());
        (parameter(OUTPUT_DOMAIN_BUCKET), parameter(OUTPUT_DOMAIN_PREFIX))
    }

    /// Whose reports the job is about; `None` if that is nobody, so that the job will be invalid.
    pub(super) fn reporting_site(&self) -> Option<Site> {
        let parameter = |name| self.job_parameters.get(name).map(|text| text.trim());
        if let Some(origin) = parameter(ATTRIBUTION_REPORT_TO) {
            return SuitableOrigin::parse(origin).ok().map(|origin| origin.site().clone());
        }
        Site::parse(parameter(REPORTING_SITE)?).ok()
    }

    /// How many reports the client says there are.
    pub(super) fn report_count(&self) -> Option<u64> {
        self.job_parameters.get("input_report_count")?.trim().parse().ok()
    }

    /// What is computed.
    pub(super) fn parameters(&self) -> Result<JobParameters, InvalidParameter> {
        let parameters = JobParameters::from_map(&self.job_parameters)?;
        debug_assert!(parameters.reporter != Reporter::Any);
        Ok(parameters)
    }
}

/// Texts, and numbers and truths that clients wrote as such.
fn parameters<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let values = Option::<BTreeMap<String, Value>>::deserialize(deserializer)?.unwrap_or_default();
    let text = |(name, value)| {
        let text = match value {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Bool(truth) => truth.to_string(),
            _ => return Err(serde::de::Error::custom(format!("job_parameters.{name} must be a string"))),
        };
        Ok((name, text))
    };
    values.into_iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn body() -> Value {
        json!({
            "job_request_id": "day-1",
            "input_data_blob_prefix": "reports/day-1/",
            "input_data_bucket_name": "data",
            "output_data_blob_prefix": "summaries/day-1.avro",
            "output_data_bucket_name": "data",
            "job_parameters": {"attribution_report_to": "https://r.test"},
        })
    }

    fn parse(change: impl FnOnce(&mut Value)) -> Result<CreateJob, (Reason, String)> {
        let mut body = body();
        change(&mut body);
        CreateJob::parse(body.to_string().as_bytes()).map_err(|error| (error.reason, error.message))
    }

    #[test]
    fn a_request_is_read_in_both_ways_to_write_names() {
        let snake = parse(|_| {}).unwrap();
        let camel = CreateJob::parse(
            br#"{"jobRequestId":"day-1","inputDataBlobPrefix":"reports/day-1/","inputDataBucketName":"data",
                "outputDataBlobPrefix":"summaries/day-1.avro","outputDataBucketName":"data","unknown":[1],
                "jobParameters":{"attribution_report_to":"https://r.test"}}"#,
        );
        assert_eq!(camel.unwrap(), snake);
        let typed = parse(|body| {
            body["job_parameters"] = json!({"reporting_site": "https://r.test", "debug_run": true,
                "debug_privacy_epsilon": 2.5, "input_report_count": 7});
        });
        let typed = typed.unwrap();
        assert_eq!((typed.job_parameters["debug_run"].as_str(), typed.report_count()), ("true", Some(7)));
        assert_eq!(typed.parameters().unwrap().epsilon.get(), 2.5);
    }

    #[test]
    fn what_no_job_can_be_made_of_is_refused_with_its_reason() {
        let site = json!({"reporting_site": "https://r.test"});
        let cases: [(&str, Value, Reason, &str); 18] = [
            ("job_request_id", json!(""), Reason::JsonError, "missing: job_request_id"),
            ("input_data_bucket_name", json!(""), Reason::JsonError, "missing: input_data_bucket_name"),
            ("output_data_blob_prefix", json!(""), Reason::JsonError, "missing: output_data_blob_prefix"),
            ("job_request_id", json!(7), Reason::JsonError, "expected a string"),
            ("input_data_blob_prefix", json!(""), Reason::JsonError, "exactly one of input_data"),
            ("input_data_blob_prefixes", json!(["a"]), Reason::JsonError, "exactly one of input_data"),
            ("input_data_blob_prefixes", json!("a"), Reason::JsonError, "expected a sequence"),
            ("job_parameters", json!({}), Reason::JsonError, "exactly one of attribution_report_to"),
            ("job_parameters", json!(null), Reason::JsonError, "exactly one of attribution_report_to"),
            ("job_parameters", json!({"reporting_site": " "}), Reason::JsonError, "reporting_site is empty"),
            (
                "job_parameters",
                json!({"reporting_site": "https://a.test,https://b.test"}),
                Reason::JsonError,
                "one",
            ),
            ("job_parameters", json!({"reporting_site": {}}), Reason::JsonError, "must be a string"),
            (
                "job_parameters",
                json!({"reporting_site": "https://r.test", "attribution_report_to": "https://r.test"}),
                Reason::JsonError,
                "exactly one of attribution_report_to",
            ),
            (
                "job_parameters",
                json!({"reporting_site": "https://r.test", "input_report_count": "-1"}),
                Reason::JsonError,
                "input_report_count",
            ),
            ("job_request_id", json!("a|b"), Reason::ValidationFailed, "without `|`"),
            ("job_request_id", json!("é"), Reason::ValidationFailed, "of ASCII"),
            ("job_request_id", json!("a".repeat(129)), Reason::ValidationFailed, "129 bytes"),
            ("output_data_blob_prefix", json!("a".repeat(1025)), Reason::ValidationFailed, "1024"),
        ];
        for (name, value, reason, message) in cases {
            let (found, text) = parse(|body| body[name] = value.clone()).unwrap_err();
            assert_eq!(found, reason, "{name} {value}: {text}");
            assert!(text.contains(message), "{name} {value}: {text}");
        }
        let many = |count: usize| {
            parse(|body| {
                body["input_data_blob_prefix"] = json!("");
                body["input_data_blob_prefixes"] = json!(vec!["a"; count]);
                body["job_parameters"] = site.clone();
            })
        };
        assert_eq!(many(50).unwrap().input_prefixes().count(), 50);
        assert!(many(51).unwrap_err().1.contains("51 items"));
        assert!(parse(|body| body["job_request_id"] = json!("a".repeat(128))).is_ok());
        let punctuation = String::from_utf8(ID_PUNCTUATION.to_vec()).unwrap();
        assert!(parse(|body| body["job_request_id"] = json!(punctuation)).is_ok());
        for not_json in [&b""[..], b"{", b"[]x", b"\xff", b"null"] {
            assert_eq!(CreateJob::parse(not_json).unwrap_err().reason, Reason::JsonError);
        }
    }

    #[test]
    fn whose_reports_are_asked_for_is_known_by_site() {
        let site = |name: &str, value: &str| {
            let request = parse(|body| body["job_parameters"] = json!({name: value})).unwrap();
            request.reporting_site().map(|site| site.as_str().to_owned())
        };
        assert_eq!(site("attribution_report_to", "https://a.r.test:8443").as_deref(), Some("https://r.test"));
        assert_eq!(site("reporting_site", "https://r.test").as_deref(), Some("https://r.test"));
        assert_eq!(site("attribution_report_to", "r.test"), None);
    }

    /// JSON of all kinds under the names that are known.
    fn hostile() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,40}".prop_map(Value::from),
            Just(Value::from("https://r.test")),
        ];
        let name = prop_oneof![
            Just("job_request_id"),
            Just("jobRequestId"),
            Just("input_data_blob_prefix"),
            Just("input_data_blob_prefixes"),
            Just("input_data_bucket_name"),
            Just("output_data_blob_prefix"),
            Just("output_data_bucket_name"),
            Just("job_parameters"),
            Just("reporting_site"),
            Just("attribution_report_to"),
            Just("input_report_count"),
        ];
        leaf.prop_recursive(3, 40, 12, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::hash_map(name.clone(), inner, 0..11).prop_map(|map| {
                    Value::Object(map.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_or_understood(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = CreateJob::parse(&bytes);
        }

        #[test]
        fn what_is_accepted_is_kept_as_it_was_asked(body in hostile()) {
            if let Ok(request) = CreateJob::parse(body.to_string().as_bytes()) {
                let stored = serde_json::to_vec(&request).unwrap();
                prop_assert_eq!(CreateJob::parse(&stored).unwrap(), request);
            }
        }
    }
}
