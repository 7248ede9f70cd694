//! Followed links, as the pages tell them without being asked.
//!
//! While a page is being navigated, Chromium passes no command on to it: it cannot be asked where the navigation
//! came from. So each frame has a question pending at all times (`watch.js`), whose answer comes when a link is
//! followed. The process of a page tells of a click's navigation first, then of the click's outcome, and then asks
//! for the document, in this order but for the last two: that is what the host may have to wait for.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use serde::Deserialize;
use serde_json::json;
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use crate::{cdp::SessionId, page::Evaluated};

use super::{
    Host,
    protocol::{FrameId, FrameScheduledNavigation},
    questions::Claim,
};

/// What the frames of each session have told.
#[derive(Default)]
pub(super) struct Follows {
    sessions: HashMap<SessionId, OfSession>,
}

struct OfSession {
    /// Oldest first.
    followed: VecDeque<Followed>,
    /// How many clicks' outcomes are still to be told.
    outcomes: watch::Sender<usize>,
}

struct Followed {
    frame: FrameId,
    at: Instant,
    told: Told,
}

#[derive(Clone, Deserialize)]
pub(super) struct Told {
    url: String,
    #[serde(flatten)]
    claim: Claim,
}

/// No more of these are remembered for a session, nor for longer.
const MAX_FOLLOWED: usize = 64;
const REMEMBERED: Duration = Duration::from_secs(10);
/// A click's outcome is told at once, unless the page is busy.
const OUTCOME: Duration = Duration::from_secs(2);
/// A question that is pending for as long as its document lives.
const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 86_400);

impl Default for OfSession {
    fn default() -> Self {
        Self { followed: VecDeque::new(), outcomes: watch::channel(0).0 }
    }
}

impl Follows {
    fn told(&mut self, session: &SessionId, frame: &FrameId, told: Vec<Option<Told>>) {
        let of_session = self.sessions.entry(Arc::clone(session)).or_default();
        let outcomes = told.len();
        for told in told.into_iter().flatten() {
            if of_session.followed.len() >= MAX_FOLLOWED {
                of_session.followed.pop_front();
            }
            of_session.followed.push_back(Followed { frame: Arc::clone(frame), at: Instant::now(), told });
        }
        of_session.outcomes.send_modify(|expected| *expected = expected.saturating_sub(outcomes));
    }

    fn take(&mut self, session: &str, url: &str) -> Option<(FrameId, Claim)> {
        let followed = &mut self.sessions.get_mut(session)?.followed;
        followed.retain(|followed| followed.at.elapsed() < REMEMBERED);
        let at = followed.iter().position(|followed| followed.told.url == url)?;
        followed.remove(at).map(|followed| (followed.frame, followed.told.claim))
    }

    pub(super) fn forget(&mut self, session: &str) {
        self.sessions.remove(session);
    }
}

impl Host {
    /// A page is about to navigate: when it was a click, its outcome will be told.
    pub(super) fn navigation_scheduled(&self, scheduled: &FrameScheduledNavigation, session: &SessionId) {
        if scheduled.reason == "anchorClick" {
            let mut follows = self.follows();
            let of_session = follows.sessions.entry(Arc::clone(session)).or_default();
            of_session.outcomes.send_replace(1);
        }
    }

    /// The followed link, or opened window, of a page's own that leads to a URL.
    pub(super) async fn followed(&self, session: &SessionId, url: &str) -> Option<(FrameId, Claim)> {
        let mut outcomes = {
            let mut follows = self.follows();
            if let Some(found) = follows.take(session, url) {
                return Some(found);
            }
            follows.sessions.get(session)?.outcomes.subscribe()
        };
        // After that it is late enough for the page to be taken for hung.
        let _ = timeout(OUTCOME, outcomes.wait_for(|expected| *expected == 0)).await;
        self.follows().take(session, url)
    }

    /// Keeps a question pending for as long as a frame's document lives.
    pub(super) fn watch(&self, frame: &FrameId, session: &SessionId) {
        let (host, frame, session) = (self.clone(), Arc::clone(frame), Arc::clone(session));
        self.runtime().spawn(async move {
            let owner = host.owner(&frame, None);
            loop {
                let Ok(world) = host.world(&session, &owner, FOR_EVER).await else { return };
                let call = json!({
                    "functionDeclaration": "() => ascribeFollowed()",
                    "executionContextId": world,
                    "awaitPromise": true,
                    "returnByValue": true,
                });
                let answer = host.client().ask(Some(&session), "Runtime.callFunctionOn", call);
                // The document is gone.
                let Ok(answer) = answer.within::<Evaluated>(FOR_EVER).await else { return };
                let told = answer.value().ok().and_then(|told| serde_json::from_value(told).ok());
                // Another question has replaced this one.
                let Some(told) = told else { return };
                host.follows().told(&session, &frame, told);
            }
        });
    }
}
