//! Why a command has no result.

use std::time::Duration;

/// Why a command of the DevTools protocol has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// Chromium is gone, or does not listen any more.
    #[error("the connection to Chromium is closed")]
    Closed,
    /// The page, frame or worker is gone.
    #[error("{method}: the page is gone")]
    SessionGone {
        /// The command.
        method: &'static str,
    },
    /// There was no answer in time.
    #[error("{method}: no answer within {} ms", .after.as_millis())]
    TimedOut {
        /// The command.
        method: &'static str,
        /// How long it was waited for.
        after: Duration,
    },
    /// Chromium refused the command.
    #[error("{method}: {message} ({code})")]
    Refused {
        /// The command.
        method: &'static str,
        /// The error code of JSON-RPC.
        code: i64,
        /// What Chromium says.
        message: String,
    },
    /// The answer is not what the protocol says.
    #[error("{method}: an answer that is not understood: {why}")]
    Unexpected {
        /// The command.
        method: &'static str,
        /// What is wrong with it.
        why: String,
    },
}
