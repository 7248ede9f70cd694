//! The messages: JSON objects, told apart by whether they have an id.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

/// A command, as it is sent.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Command<'a, P> {
    pub(super) id: u64,
    pub(super) method: &'static str,
    pub(super) params: P,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) session_id: Option<&'a str>,
}

/// Whatever Chromium sends; what is inside is parsed only by those who want it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Incoming<'a> {
    pub(super) id: Option<u64>,
    #[serde(borrow)]
    pub(super) method: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) session_id: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) params: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) result: Option<&'a RawValue>,
    pub(super) error: Option<Refusal>,
}

/// An error of JSON-RPC.
#[derive(Deserialize)]
pub(super) struct Refusal {
    pub(super) code: i64,
    pub(super) message: String,
}

/// Something that happened in Chromium.
pub(crate) struct Event<'a> {
    pub(crate) method: &'a str,
    /// The page, frame or worker that it happened in; none for the browser as a whole.
    pub(crate) session: Option<&'a str>,
    pub(super) params: &'a str,
}

impl Event<'_> {
    /// How what it says begins, for the log.
    pub(crate) fn beginning(&self) -> &str {
        &self.params[..self.params.floor_char_boundary(500)]
    }

    /// What it says; `None`, and a line in the log, when it is not understood.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.params)
            .inspect_err(|error| tracing::warn!(method = self.method, %error, "an event is not understood"))
            .ok()
    }
}
