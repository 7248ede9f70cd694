//! What Chromium tells, and who handles it: nothing here waits.

use serde_json::json;

use crate::cdp::{Event, Events, SessionId};

use super::Host;

impl Events for Host {
    fn event(&self, event: &Event<'_>) {
        tracing::trace!(method = event.method, session = event.session, "{}", event.beginning());
        match (event.method, event.session.map(SessionId::from)) {
            ("Fetch.requestPaused", _) => with(event, |paused| self.paused(paused)),
            ("Network.requestWillBeSent", Some(session)) => with(event, |sent| self.announced(sent, session)),
            ("Network.responseReceivedExtraInfo", Some(_)) => with(event, |extra| self.extra_info(&extra)),
            ("Network.responseReceived", Some(_)) => {
                with(event, |received| self.response_received(&received))
            }
            ("Network.loadingFinished", Some(_)) => with(event, |ended| self.loading_ended(&ended, true)),
            ("Network.loadingFailed", Some(_)) => with(event, |ended| self.loading_ended(&ended, false)),
            ("Target.attachedToTarget", _) => with(event, |attached| self.attached(attached)),
            ("Target.detachedFromTarget", _) => with(event, |detached| self.detached(&detached)),
            ("Inspector.targetCrashed", Some(session)) => self.crashed(&session),
            ("Page.frameAttached", Some(session)) => {
                with(event, |frame| self.frame_attached(&frame, &session))
            }
            ("Page.frameNavigated", Some(session)) => {
                with(event, |frame| self.frame_navigated(frame, &session))
            }
            ("Page.frameStartedNavigating", _) => with(event, |frame| self.navigating(&frame, true)),
            ("Page.frameStoppedLoading", _) => with(event, |frame| self.navigating(&frame, false)),
            ("Runtime.bindingCalled", Some(session)) => with(event, |called| self.told(&called, &session)),
            ("Runtime.executionContextCreated", Some(session)) => {
                with(event, |created| self.world_created(created, &session));
            }
            ("Runtime.executionContextDestroyed", Some(session)) => {
                with(event, |destroyed| self.world_destroyed(&destroyed, &session));
            }
            ("Runtime.executionContextsCleared", Some(session)) => self.worlds_cleared(&session),
            ("Page.frameDetached", _) => with(event, |detached| self.frame_detached(&detached)),
            ("Page.loadEventFired", Some(session)) => self.loaded(&session),
            _ => {}
        }
    }

    fn skipped(&self, beginning: &[u8]) {
        tracing::warn!("a message of Chromium's is too long");
        // A request that posts that much is held all the same.
        let beginning = String::from_utf8_lossy(beginning);
        if let Some(id) = held_request(&beginning) {
            self.client().tell(None, "Fetch.continueRequest", json!({"requestId": id}));
        }
    }

    fn closed(&self) {
        self.0.closed.send_replace(true);
    }
}

fn with<T: serde::de::DeserializeOwned>(event: &Event<'_>, handle: impl FnOnce(T)) {
    if let Some(params) = event.parse() {
        handle(params);
    }
}

/// The name of the request that a message tells, by how the message begins.
fn held_request(beginning: &str) -> Option<&str> {
    let params = beginning.strip_prefix(r#"{"method":"Fetch.requestPaused","params":{"requestId":""#)?;
    params.split_once('"').map(|(id, _)| id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_request_is_named_by_the_beginning_of_its_message() {
        let message =
            r#"{"method":"Fetch.requestPaused","params":{"requestId":"interception-job-7.0","request":{"u"#;
        assert_eq!(held_request(message), Some("interception-job-7.0"));
        assert_eq!(held_request(r#"{"method":"Network.dataReceived","params":{"requestId":"1"#), None);
    }
}
