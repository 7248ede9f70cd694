//! Requests of service workers on behalf of a page's elements.
//!
//! An image or script of a page under a service worker is announced but never held: the worker is asked for it. A request
//! of the worker's for the same URL, `fetch(event.request)`, has the eligibility that the element's request has.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;
use url::Url;

use super::{
    Host,
    announced::{Announced, Element},
    owner::Owner,
    protocol::{FrameId, RequestPaused},
    questions::Kind,
    targets::Kind as TargetKind,
};

/// After so much more each, a service worker's page is looked for again.
const BEHIND: [Duration; 4] =
    [Duration::ZERO, Duration::from_millis(5), Duration::from_millis(15), Duration::from_millis(50)];

/// What a service worker's request would be for, and for pages of which origin.
pub(super) struct PassingOn {
    pub(super) kind: Kind,
    origin: String,
}

impl Host {
    /// Rule 4, for service workers: a request may be what an element has asked for, `fetch(event.request)`. It has
    /// the headers that the element's would have had.
    pub(super) fn may_pass_on(&self, paused: &RequestPaused, announced: &Announced) -> Option<PassingOn> {
        let worker = {
            let targets = self.targets();
            let target = targets.get(&announced.session)?;
            Url::parse(&target.url).ok().filter(|_| target.kind == TargetKind::ServiceWorker)?
        };
        let header = |wanted: &str| {
            let mut headers = paused.request.headers.iter();
            headers.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).and_then(|(_, value)| value.as_str())
        };
        if header("referer") == Some(worker.as_str()) {
            return None;
        }
        let is_for_image = header("accept").is_some_and(|types| types.starts_with("image/"));
        let kind = if is_for_image { Kind::Image } else { Kind::Script };
        Some(PassingOn { kind, origin: worker.origin().ascii_serialization() })
    }

    /// The owner of the element whose request a service worker passes on. The page's word may be behind the worker's.
    pub(super) async fn passed_on(&self, url: &str, passing_on: &PassingOn) -> Option<(Arc<Owner>, Element)> {
        let PassingOn { kind, origin } = passing_on;
        for delay in BEHIND {
            sleep(delay).await;
            let found = {
                let frames = self.frames();
                let is_of_origin =
                    |frame: &FrameId| frames.get(frame).is_some_and(|f| f.document.origin == *origin);
                self.announcements().with_service_worker(url, |of, frame| of == *kind && is_of_origin(frame))
            };
            if let Some((_, frame, announced)) = found {
                return Some((Arc::new(self.owner(&frame, Some(&announced), None)), announced.element));
            }
        }
        None
    }
}
