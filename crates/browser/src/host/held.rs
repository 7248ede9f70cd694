//! A request that Chromium holds: it goes on, whatever happens to the host's plans for it.

use std::sync::Arc;

use serde::Serialize;
use serde_json::json;

use crate::cdp::{Client, Reply};

use super::protocol::Header;

/// A request or response that waits for the host. Dropping it lets it go on as it is.
pub(super) struct Held {
    client: Client,
    id: Option<Arc<str>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Continue<'a> {
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<Vec<Header>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    intercept_response: bool,
}

impl Held {
    pub(super) fn new(client: &Client, id: &Arc<str>) -> Self {
        Self { client: client.clone(), id: Some(Arc::clone(id)) }
    }

    /// Sends the request, with other headers if there are any; its response is held again if asked for. Chromium
    /// refuses when the request is gone, with its frame.
    pub(super) fn send(mut self, headers: Option<Vec<Header>>, intercept_response: bool) -> Option<Reply> {
        self.proceed(headers, intercept_response)
    }

    /// The request fails before anything of it reaches the wire.
    pub(super) fn refuse(mut self) {
        let Some(id) = self.id.take() else { return };
        self.client.tell(
            None,
            "Fetch.failRequest",
            json!({"requestId": id, "errorReason": "BlockedByClient"}),
        );
    }

    fn proceed(&mut self, headers: Option<Vec<Header>>, intercept_response: bool) -> Option<Reply> {
        let request_id = self.id.take()?;
        let params = Continue { request_id: &request_id, headers, intercept_response };
        Some(self.client.ask(None, "Fetch.continueRequest", params))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.proceed(None, false));
    }
}
