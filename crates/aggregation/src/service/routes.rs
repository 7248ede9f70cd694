//! The routes of the job API, and those for who runs it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::{Body, to_bytes},
    extract::{RawQuery, Request, State},
    http::StatusCode,
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{
    Inner,
    error::{ApiError, Reason},
    queue::{Inserted, Queue, QueuedJob},
    request::CreateJob,
    summary, view,
};
use crate::LedgerError;

type Answer = Result<Json<Value>, ApiError>;

/// How long a client may take to send its request.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_LIMIT: usize = 100;
const MAX_JOBS: usize = 1000;
const MAX_BUCKETS: usize = 100_000;

/// The job API: nothing of it is for who has no token.
pub(super) fn api(inner: Arc<Inner>) -> Router {
    Router::new()
        .route("/v1alpha/createJob", post(create_job))
        .route("/v1alpha/getJob", get(get_job))
        .route("/v1alpha/listJobs", get(list_jobs))
        .route("/v1alpha/getSummary", get(get_summary))
        .fallback(async || ApiError::new(Reason::PathNotFound, "there is nothing at this path"))
        .method_not_allowed_fallback(async || {
            ApiError::new(Reason::MethodNotAllowed, "this path takes another method")
        })
        .layer(from_fn_with_state(inner.clone(), admit))
        .with_state(inner)
}

/// For those who run it: whether it runs, whether its database answers, and what it counted.
pub(super) fn operations(inner: Arc<Inner>) -> Router {
    Router::new()
        .route("/health", get(async || "ok\n"))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(inner)
}

async fn admit(State(inner): State<Arc<Inner>>, request: Request, next: Next) -> Response {
    let method = match request.uri().path().rsplit('/').next() {
        Some("createJob") => "createJob",
        Some("getJob") => "getJob",
        Some("listJobs") => "listJobs",
        Some("getSummary") => "getSummary",
        _ => "other",
    };
    let response = match inner.tokens.admit(request.headers()) {
        true => next.run(request).await,
        false => {
            let message = "give a token of a client: Authorization: Bearer …";
            ApiError::new(Reason::Unauthenticated, message).into_response()
        }
    };
    let status = response.status().as_u16().to_string();
    inner.metrics.requests.get_or_create(&[("method", method.to_owned()), ("status", status)]).inc();
    response
}

async fn create_job(
    State(inner): State<Arc<Inner>>,
    body: Body,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let invalid = |message: String| ApiError::new(Reason::JsonError, message);
    let body = tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, CreateJob::MAX_BYTES)).await;
    let body = body.map_err(|_| invalid("the body did not come in time".to_owned()))?.map_err(|_| {
        invalid(format!("the body has more than {} bytes, or broke off", CreateJob::MAX_BYTES))
    })?;
    let request = CreateJob::parse(&body)?;
    inner.accept(&request)?;
    let id = request.job_request_id.clone();
    let stored = serde_json::to_string(&request).expect("texts are JSON");
    let max = inner.config.max_jobs;
    let inserted = {
        let id = id.clone();
        ask(&inner, move |queue| queue.insert(&id, &stored, max)).await?
    };
    match inserted {
        Inserted::Queued => {
            inner.stop.nudge();
            Ok((StatusCode::ACCEPTED, Json(json!({}))))
        }
        Inserted::Duplicate => {
            let message = format!("there is or was a job with the job_request_id `{id}`");
            Err(ApiError::new(Reason::DuplicateJobKey, message))
        }
        Inserted::Full => Err(ApiError::new(Reason::QueueFull, format!("{max} jobs wait already"))),
    }
}

async fn get_job(State(inner): State<Arc<Inner>>, RawQuery(query): RawQuery) -> Answer {
    let job = find(&inner, &Parameters::parse(query.as_deref())).await?;
    Ok(Json(view::job(&job)))
}

async fn list_jobs(State(inner): State<Arc<Inner>>, RawQuery(query): RawQuery) -> Answer {
    let limit = Parameters::parse(query.as_deref()).limit(MAX_JOBS)?;
    let jobs = ask(&inner, move |queue| queue.list(limit as i64)).await?;
    Ok(Json(json!({"jobs": jobs.iter().map(view::job).collect::<Vec<_>>()})))
}

async fn get_summary(State(inner): State<Arc<Inner>>, RawQuery(query): RawQuery) -> Answer {
    let parameters = Parameters::parse(query.as_deref());
    let limit = parameters.limit(MAX_BUCKETS)?;
    let job = find(&inner, &parameters).await?;
    let none = |why: &str| ApiError::new(Reason::SummaryNotFound, format!("job `{}`: {why}", job.id));
    if job.finished_at.is_none() {
        return Err(none("there is no summary before it is finished"));
    }
    let total = job.buckets.and_then(|buckets| usize::try_from(buckets).ok());
    let total = total.ok_or_else(|| none("it ended without a summary"))?;
    let request: CreateJob = serde_json::from_str(&job.request).unwrap_or_default();
    let place = summary::summary_place(inner.accept(&request)?.output);
    let read = blocking(move || summary::first_buckets(&inner.storage, &place, total, limit)).await?;
    match read {
        Ok(summary) => Ok(Json(summary)),
        Err(error) if summary::is_gone(&error) => Err(none("its summary is no longer where it was")),
        Err(error) => Err(ApiError::server(&error)),
    }
}

async fn ready(State(inner): State<Arc<Inner>>) -> Response {
    match ask(&inner, Queue::counts).await {
        Ok(_) => "ready\n".into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n").into_response(),
    }
}

async fn metrics(State(inner): State<Arc<Inner>>) -> Response {
    let counts = ask(&inner, Queue::counts).await.unwrap_or_default();
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([("content-type", kind)], inner.metrics.to_text(counts)).into_response()
}

async fn find(inner: &Arc<Inner>, parameters: &Parameters) -> Result<QueuedJob, ApiError> {
    let id = parameters.job_request_id()?.to_owned();
    let found = {
        let id = id.clone();
        ask(inner, move |queue| queue.get(&id)).await?
    };
    found.ok_or_else(|| ApiError::no_job(&id))
}

/// Asks the queue, which may take its time, where it keeps nobody else waiting.
async fn ask<T: Send + 'static>(
    inner: &Arc<Inner>,
    question: impl FnOnce(&mut Queue) -> Result<T, LedgerError> + Send + 'static,
) -> Result<T, ApiError> {
    let inner = inner.clone();
    blocking(move || question(&mut inner.queue())).await?.map_err(|error| ApiError::server(&error))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| ApiError::server(&error))
}

/// The parameters of a query. Of those that are given twice, the last counts.
struct Parameters(HashMap<String, String>);

impl Parameters {
    fn parse(query: Option<&str>) -> Self {
        Self(form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect())
    }

    fn job_request_id(&self) -> Result<&str, ApiError> {
        const NAME: &str = "job_request_id";
        match self.0.get(NAME).map(String::as_str) {
            None => Err(ApiError::new(Reason::ArgumentMissing, format!("the query lacks {NAME}"))),
            Some(id) if id.trim().is_empty() => {
                Err(ApiError::new(Reason::ValidationFailed, format!("{NAME} is empty")))
            }
            // Nobody's ID: PostgreSQL has no text with it.
            Some(id) if id.contains('\0') => Err(ApiError::no_job(&id.replace('\0', "\u{fffd}"))),
            Some(id) => Ok(id),
        }
    }

    fn limit(&self, max: usize) -> Result<usize, ApiError> {
        let Some(limit) = self.0.get("limit") else { return Ok(DEFAULT_LIMIT) };
        match limit.parse() {
            Ok(limit) if (1..=max).contains(&limit) => Ok(limit),
            _ => Err(ApiError::new(Reason::ValidationFailed, format!("limit must be from 1 to {max}"))),
        }
    }
}
