//! What the control endpoint says when it does not do what it was asked: a status and `{"error", "message"}`.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

/// Why a request was not answered with what it asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The `Host` is not this server: a name that somebody else points here.
    #[error("this server is reached by its own address only")]
    WrongHost,
    /// Another page asks.
    #[error("other pages have no access")]
    ForeignOrigin,
    /// No token, or a wrong one.
    #[error("open the address that was printed on start, or send its token: `Authorization: Bearer …`")]
    Unauthorized,
    /// A body that is not JSON by its type: forms of other pages are not.
    #[error("send `Content-Type: application/json`")]
    NotJson,
    /// The body is too long.
    #[error("a body of at most {0} bytes")]
    TooLarge(usize),
    /// WebDriver's error of this name.
    #[error("{0}")]
    InvalidArgument(String),
    /// Only what was started for tests can be made less private.
    #[error("{0} can only be changed when started with --test-mode")]
    NotInTestMode(&'static str),
    /// There is no such browser context.
    #[error("there is no browser context {0:?}")]
    NoContext(String),
    /// There is nothing at this path.
    #[error("there is nothing here")]
    NotFound,
    /// Another method would be right.
    #[error("this path does not answer to this method")]
    MethodNotAllowed,
    /// The profile could not be written.
    #[error("{0}")]
    Failed(String),
}

impl Error {
    fn parts(&self) -> (StatusCode, &'static str) {
        match self {
            Self::WrongHost => (StatusCode::MISDIRECTED_REQUEST, "wrong host"),
            Self::ForeignOrigin => (StatusCode::FORBIDDEN, "foreign origin"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::NotJson => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported media type"),
            Self::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "too large"),
            Self::InvalidArgument(_) => (StatusCode::BAD_REQUEST, "invalid argument"),
            Self::NotInTestMode(_) => (StatusCode::FORBIDDEN, "not in test mode"),
            Self::NoContext(_) => (StatusCode::NOT_FOUND, "no such context"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not found"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method not allowed"),
            Self::Failed(_) => (StatusCode::INTERNAL_SERVER_ERROR, "failed"),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, error) = self.parts();
        (status, Json(json!({"error": error, "message": self.to_string()}))).into_response()
    }
}
