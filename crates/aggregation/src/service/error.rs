//! Errors of the job API: Google's error model, as clients of the aggregation service read it.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

/// Why a request is not answered with what it asks for. Messages never hold a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(super) struct ApiError {
    pub(super) reason: Reason,
    pub(super) message: String,
}

/// `reason`: the aggregation service's, and those of what it leaves to its gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// The body is not what `createJob` takes.
    JsonError,
    /// A value cannot be accepted.
    ValidationFailed,
    /// There is a job with that ID.
    DuplicateJobKey,
    /// A query parameter is missing.
    ArgumentMissing,
    /// There is no such job.
    JobNotFound,
    /// The database fails.
    ServerError,
    /// The token is missing or unknown.
    Unauthenticated,
    /// The reporter is none of those that may be asked about.
    ReportingSiteNotAllowed,
    /// Too many jobs wait.
    QueueFull,
    /// The job has no summary, or none yet.
    SummaryNotFound,
    /// There is nothing at this path.
    PathNotFound,
    /// Not the path's method.
    MethodNotAllowed,
}

impl Reason {
    /// The HTTP status, the number and name of the model's code, and the reason's name.
    fn parts(self) -> (StatusCode, u32, &'static str, &'static str) {
        match self {
            Self::JsonError => (StatusCode::BAD_REQUEST, 3, "INVALID_ARGUMENT", "JSON_ERROR"),
            Self::ValidationFailed => (StatusCode::BAD_REQUEST, 3, "INVALID_ARGUMENT", "VALIDATION_FAILED"),
            Self::ArgumentMissing => (StatusCode::BAD_REQUEST, 3, "INVALID_ARGUMENT", "ARGUMENT_MISSING"),
            Self::DuplicateJobKey => (StatusCode::CONFLICT, 6, "ALREADY_EXISTS", "DUPLICATE_JOB_KEY"),
            Self::JobNotFound => (StatusCode::NOT_FOUND, 5, "NOT_FOUND", "JOB_NOT_FOUND"),
            Self::SummaryNotFound => (StatusCode::NOT_FOUND, 5, "NOT_FOUND", "SUMMARY_NOT_FOUND"),
            Self::PathNotFound => (StatusCode::NOT_FOUND, 5, "NOT_FOUND", "PATH_NOT_FOUND"),
            Self::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, 12, "UNIMPLEMENTED", "METHOD_NOT_ALLOWED")
            }
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, 16, "UNAUTHENTICATED", "UNAUTHENTICATED"),
            Self::ReportingSiteNotAllowed => {
                (StatusCode::FORBIDDEN, 7, "PERMISSION_DENIED", "REPORTING_SITE_NOT_ALLOWED")
            }
            Self::QueueFull => (StatusCode::TOO_MANY_REQUESTS, 8, "RESOURCE_EXHAUSTED", "QUEUE_FULL"),
            Self::ServerError => (StatusCode::INTERNAL_SERVER_ERROR, 13, "INTERNAL", "SERVER_ERROR"),
        }
    }
}

impl ApiError {
    pub(super) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }

    /// The database or the storage fails: the log says how, for it may name what clients need not know.
    pub(super) fn server(error: &dyn std::error::Error) -> Self {
        tracing::error!(%error, "a request failed");
        Self::new(Reason::ServerError, "the server failed; its log says why")
    }

    pub(super) fn no_job(id: &str) -> Self {
        Self::new(Reason::JobNotFound, format!("there is no job with the job_request_id `{id}`"))
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        const DOMAIN: &str = "ascribe-aggregation";
        let (http, code, status, reason) = self.reason.parts();
        let details = [json!({"reason": reason, "domain": DOMAIN, "metadata": {}})];
        let body = json!({"error": {
            "code": code, "message": self.message, "status": status, "details": details,
        }});
        let mut response = (http, Json(body)).into_response();
        if self.reason == Reason::Unauthenticated {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
