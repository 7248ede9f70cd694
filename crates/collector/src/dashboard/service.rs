//! An aggregation service, asked over its job API.

use std::{path::PathBuf, time::Duration};

use reqwest::{Client, Method, StatusCode, redirect};
use serde::Deserialize;
use serde_json::Value;
use url::Url;
use zeroize::Zeroizing;

use super::access::{self, AccessError};

/// Where an aggregation service is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAddress {
    /// Its base, `http` or `https`.
    pub url: Url,
    /// The file of the token that it asks for.
    pub token_file: PathBuf,
}

#[derive(Debug)]
pub(super) struct Service {
    url: Url,
    client: Client,
    token_file: PathBuf,
}

/// Why the aggregation service is of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// Its token.
    #[error("the aggregation service's token: {0}")]
    Token(#[from] AccessError),
    /// It cannot be reached, or what it says is no HTTP.
    #[error("the aggregation service cannot be reached: {0}")]
    Http(#[from] reqwest::Error),
    /// It refuses.
    #[error("the aggregation service answers {status}{}{said}", if .said.is_empty() { "" } else { ": " })]
    Refused {
        /// The status.
        status: u16,
        /// What it says, shortened.
        said: String,
    },
    /// What it says is too long, or not what its API says.
    #[error("the aggregation service answers what is not its API: {0}")]
    Answer(&'static str),
}

/// The buckets of a summary.
#[derive(Debug, Deserialize)]
pub(super) struct Summary {
    pub(super) buckets: Vec<Bucket>,
    /// How many there are in all.
    pub(super) total: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Bucket {
    /// 128 bits in decimal.
    pub(super) bucket: String,
    /// The noised sum.
    pub(super) metric: i64,
}

/// What aggregation services ask for.
const MIN_TOKEN_BYTES: usize = 20;
const TIMEOUT: Duration = Duration::from_secs(10);
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;
const MAX_SAID: usize = 300;

impl Service {
    pub(super) fn new(address: ServiceAddress) -> Result<Self, ServiceError> {
        // Read at once, so that mistakes show at the start; and anew each time, so that it can be changed.
        access::read_token(&address.token_file, MIN_TOKEN_BYTES)?;
        let client =
            Client::builder().timeout(TIMEOUT).redirect(redirect::Policy::none()).no_proxy().build()?;
        Ok(Self { url: address.url, client, token_file: address.token_file })
    }

    /// The latest jobs, as `getJob` tells them.
    pub(super) async fn jobs(&self, limit: u32) -> Result<Vec<Value>, ServiceError> {
        let answer = self.ask(Method::GET, "listJobs", &[("limit", &limit.to_string())], None).await?;
        match answer {
            Value::Object(mut fields) => match fields.remove("jobs") {
                Some(Value::Array(jobs)) => Ok(jobs),
                _ => Err(ServiceError::Answer("no list of jobs")),
            },
            _ => Err(ServiceError::Answer("no list of jobs")),
        }
    }

    /// A job; `None` if there is none of that ID.
    pub(super) async fn job(&self, id: &str) -> Result<Option<Value>, ServiceError> {
        known(self.ask(Method::GET, "getJob", &[("job_request_id", id)], None).await)
    }

    /// The summary of a job; `None` before it is published.
    pub(super) async fn summary(&self, id: &str, limit: u32) -> Result<Option<Summary>, ServiceError> {
        let limit = limit.to_string();
        let query = [("job_request_id", id), ("limit", limit.as_str())];
        let Some(answer) = known(self.ask(Method::GET, "getSummary", &query, None).await)? else {
            return Ok(None);
        };
        serde_json::from_value(answer).map(Some).map_err(|_| ServiceError::Answer("no summary"))
    }

    /// Creates a job.
    pub(super) async fn create(&self, job: &Value) -> Result<(), ServiceError> {
        self.ask(Method::POST, "createJob", &[], Some(job)).await.map(drop)
    }

    async fn ask(
        &self,
        method: Method,
        name: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Value, ServiceError> {
        let token: Zeroizing<String> = access::read_token(&self.token_file, MIN_TOKEN_BYTES)?;
        let mut url = self.url.clone();
        url.set_path(&format!("{}/v1alpha/{name}", self.url.path().trim_end_matches('/')));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self.client.request(method, url).bearer_auth(&*token);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        // An error's URL names jobs, and is long.
        let mut answer = request.send().await.map_err(reqwest::Error::without_url)?;
        let status = answer.status();
        let mut text = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(reqwest::Error::without_url)? {
            if text.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(ServiceError::Answer("more than 16 MiB"));
            }
            text.extend_from_slice(&chunk);
        }
        if !status.is_success() {
            return Err(ServiceError::Refused { status: status.as_u16(), said: said(&text) });
        }
        if text.iter().all(u8::is_ascii_whitespace) {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&text).map_err(|_| ServiceError::Answer("no JSON"))
    }
}

/// What is not found is not there.
fn known(answer: Result<Value, ServiceError>) -> Result<Option<Value>, ServiceError> {
    match answer {
        Err(ServiceError::Refused { status, .. }) if status == StatusCode::NOT_FOUND.as_u16() => Ok(None),
        answer => answer.map(Some),
    }
}

/// The message of an error, for people.
fn said(text: &[u8]) -> String {
    let json: Option<Value> = serde_json::from_slice(text).ok();
    let message = json.as_ref().and_then(|json| {
        [json.get("message"), json.pointer("/error/message"), json.get("error")]
            .into_iter()
            .flatten()
            .find_map(Value::as_str)
            .map(str::to_owned)
    });
    let said = message.unwrap_or_else(|| String::from_utf8_lossy(text).into_owned());
    said.chars().filter(|c| !c.is_control()).take(MAX_SAID).collect()
}
