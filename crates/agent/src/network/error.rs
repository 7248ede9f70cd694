//! Why a request had no answer, and whether it is worth another attempt.
//!
//! Chromium tries a report again after the errors that tell of the way to the server; what a server, or
//! whoever answers in its place, did wrong is final.

use std::{error::Error, io};

/// Why a server gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeliveryError {
    /// There is no network. Chromium: `ERR_INTERNET_DISCONNECTED`.
    #[error("no network")]
    Disconnected,
    /// Chromium: `ERR_NAME_NOT_RESOLVED`.
    #[error("the name could not be resolved")]
    NameNotResolved,
    /// The connection or the answer took too long. Chromium: `ERR_TIMED_OUT`, `ERR_CONNECTION_TIMED_OUT`.
    #[error("timed out")]
    TimedOut,
    /// Chromium: `ERR_CONNECTION_ABORTED`.
    #[error("connection aborted")]
    ConnectionAborted,
    /// Chromium: `ERR_CONNECTION_RESET`.
    #[error("connection reset")]
    ConnectionReset,
    /// Nobody listens. Final, as in Chromium: `ERR_CONNECTION_REFUSED`.
    #[error("connection refused")]
    ConnectionRefused,
    /// No way leads there. Chromium: `ERR_ADDRESS_UNREACHABLE`.
    #[error("host unreachable")]
    Unreachable,
    /// The server ended the connection in good order, before its answer. Chromium: `ERR_EMPTY_RESPONSE`,
    /// `ERR_CONNECTION_CLOSED`.
    #[error("connection closed before the answer")]
    ConnectionClosed,
    /// The server is not who it should be, or speaks no TLS.
    #[error("TLS: {0}")]
    Tls(String),
    /// What came is no HTTP answer, or one with too large a header.
    #[error("invalid answer: {0}")]
    InvalidAnswer(String),
    /// The answer sends where reports do not go.
    #[error("redirect: {0}")]
    Redirect(#[from] RedirectError),
    /// Anything else, for example what a proxy said.
    #[error("{0}")]
    Other(String),
}

/// Why a redirect was not followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedirectError {
    /// It leads to another origin.
    #[error("to another origin")]
    CrossOrigin,
    /// It came after too many others.
    #[error("more than {} in a row", super::client::MAX_REDIRECTS)]
    TooMany,
    /// Its `Location` is no URL.
    #[error("its location is no URL")]
    InvalidLocation,
    /// Keys are served where they belong.
    #[error("none is followed here")]
    NotAllowed,
}

impl DeliveryError {
    /// Whether a later attempt may succeed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Disconnected
            | Self::NameNotResolved
            | Self::TimedOut
            | Self::ConnectionAborted
            | Self::ConnectionReset => true,
            Self::ConnectionRefused
            | Self::Unreachable
            | Self::ConnectionClosed
            | Self::Tls(_)
            | Self::InvalidAnswer(_)
            | Self::Redirect(_)
            | Self::Other(_) => false,
        }
    }

    /// The first cause that says which it is; without the URL, which is told beside it.
    pub(crate) fn from_client(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
        let mut last = String::new();
        while let Some(error) = cause {
            if let Some(classified) = classify(error) {
                return classified;
            }
            last = error.to_string();
            cause = inner(error);
        }
        if error.is_timeout() { Self::TimedOut } else { Self::Other(last) }
    }
}

/// An I/O error hides what it was made from.
fn inner<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

fn classify(error: &(dyn Error + 'static)) -> Option<DeliveryError> {
    if let Some(error) = error.downcast_ref::<DeliveryError>() {
        return Some(error.clone());
    }
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return Some(DeliveryError::Tls(error.to_string()));
    }
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        if error.is_incomplete_message() {
            return Some(DeliveryError::ConnectionClosed);
        }
        if error.is_parse() {
            return Some(DeliveryError::InvalidAnswer(error.to_string()));
        }
    }
    let error = error.downcast_ref::<io::Error>()?;
    match error.kind() {
        io::ErrorKind::NetworkDown | io::ErrorKind::NetworkUnreachable => Some(DeliveryError::Disconnected),
        io::ErrorKind::TimedOut => Some(DeliveryError::TimedOut),
        io::ErrorKind::ConnectionAborted => Some(DeliveryError::ConnectionAborted),
        // A pipe breaks when the other side reset it before the request was written.
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Some(DeliveryError::ConnectionReset),
        io::ErrorKind::ConnectionRefused => Some(DeliveryError::ConnectionRefused),
        io::ErrorKind::HostUnreachable => Some(DeliveryError::Unreachable),
        io::ErrorKind::UnexpectedEof => Some(DeliveryError::ConnectionClosed),
        _ => None,
    }
}
