//! Followed links and opened windows, as the pages tell them.
//!
//! While a page is being navigated, Chromium passes no command on to it: it cannot be asked where the navigation
//! came from. So the shim tells, before and after every click on a link and every `window.open` with
//! `attributionsrc` (shim/PROTOCOL.md). What is told before arrives before the request for the document; what is
//! told after may arrive later, and is waited for.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use ascribe_agent::NavigationId;
use ascribe_headers::Eligibility;
use serde::Deserialize;
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use crate::{Diagnosis, Surface, cdp::SessionId};

use super::{
    Host,
    marker::background,
    owner::Owner,
    protocol::{BindingCalled, ExecutionContextCreated, ExecutionContextDestroyed, FrameId},
    questions::{Kind, WORLD},
    requests::MAX_BACKGROUND,
};

/// What pages have told.
#[derive(Default)]
pub(super) struct Follows {
    /// Clicks and opened windows whose outcome is still to be told, by their numbers.
    begun: HashMap<u64, Begun>,
    /// Those that may lead to a navigation source, oldest first.
    followed: VecDeque<Followed>,
    /// Counts what was told.
    told: watch::Sender<u64>,
    /// The frames that scripts run in, by session and execution context.
    worlds: HashMap<SessionId, HashMap<i64, FrameId>>,
    /// URLs that elements with `attributionsrc` may request, newest last.
    sources: HashMap<SessionId, VecDeque<(Kind, String)>>,
}

struct Begun {
    owner: Arc<Owner>,
    surface: Surface,
    at: Instant,
}

/// A followed link, or an opened window.
#[derive(Clone)]
pub(super) struct Followed {
    pub(super) owner: Arc<Owner>,
    pub(super) surface: Surface,
    pub(super) navigation: NavigationId,
    url: String,
    at: Instant,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Message {
    Begun { n: String, surface: String },
    Ended { n: String, url: Option<String> },
    Sources { images: Vec<String>, scripts: Vec<String> },
    Dropped { requests: Vec<Dropped>, more: usize },
    Inactive { surface: String, url: String },
    Swallowing { url: String },
}

/// A background request above the limit, which is not sent.
#[derive(Deserialize)]
struct Dropped {
    surface: String,
    url: String,
}

/// An outcome is waited for so long; a page that takes longer hangs.
const OUTCOME: Duration = Duration::from_secs(1);
/// A followed link that led nowhere for so long will not.
const REMEMBERED: Duration = Duration::from_secs(10);
/// No more of each are remembered.
const MAX_BEGUN: usize = 256;
const MAX_FOLLOWED: usize = 256;
const MAX_SOURCES: usize = 1024;

impl Follows {
    fn begin(&mut self, n: u64, begun: Begun) {
        self.begun.retain(|_, begun| begun.at.elapsed() < OUTCOME);
        if self.begun.len() < MAX_BEGUN {
            self.begun.insert(n, begun);
        }
    }

    fn end(&mut self, n: u64, url: Option<String>) {
        let begun = self.begun.remove(&n);
        if let (Some(Begun { owner, surface, .. }), Some(url)) = (begun, url) {
            if self.followed.len() >= MAX_FOLLOWED {
                self.followed.pop_front();
            }
            let url = without_fragment(&url).to_owned();
            let navigation = NavigationId(n);
            self.followed.push_back(Followed { owner, surface, navigation, url, at: Instant::now() });
        }
        self.told.send_modify(|told| *told += 1);
    }

    /// The oldest in a browser context that leads to a URL; each leads to one request.
    fn take(&mut self, context: Option<&Arc<str>>, url: &str) -> Option<Followed> {
        self.followed.retain(|followed| followed.at.elapsed() < REMEMBERED);
        let leads = |followed: &Followed| followed.url == url && followed.owner.context.as_ref() == context;
        let at = self.followed.iter().position(leads)?;
        self.followed.remove(at)
    }

    fn waits(&self, context: Option<&Arc<str>>) -> bool {
        self.begun
            .values()
            .any(|begun| begun.owner.context.as_ref() == context && begun.at.elapsed() < OUTCOME)
    }

    fn may_request(&mut self, session: &SessionId, kind: Kind, urls: Vec<String>) {
        let sources = self.sources.entry(Arc::clone(session)).or_default();
        sources.extend(urls.into_iter().map(|url| (kind, url)));
        let surplus = sources.len().saturating_sub(MAX_SOURCES);
        sources.drain(..surplus);
    }

    /// Whether a page has told that an element with `attributionsrc` may request a URL.
    pub(super) fn is_source(&self, session: &str, kind: Kind, url: &str) -> bool {
        let sources = self.sources.get(session);
        sources.is_some_and(|sources| sources.iter().any(|source| source.0 == kind && source.1 == url))
    }

    pub(super) fn forget(&mut self, session: &str) {
        self.begun.retain(|_, begun| begun.owner.session.as_deref() != Some(session));
        self.worlds.remove(session);
        self.sources.remove(session);
        self.told.send_modify(|told| *told += 1);
    }
}

/// The surface of a navigation, by the shim's name.
fn navigation(surface: &str) -> Surface {
    if surface == "window" { Surface::WindowOpen } else { Surface::Link }
}

fn without_fragment(url: &str) -> &str {
    url.split_once('#').map_or(url, |(url, _fragment)| url)
}

impl Host {
    pub(super) fn world_created(&self, created: ExecutionContextCreated, session: &SessionId) {
        let context = created.context;
        if let Some(frame) = context.aux_data.and_then(|aux| aux.frame_id) {
            if context.name == WORLD {
                let loader = self.frames().get(&frame).and_then(|frame| frame.document.loader.clone());
                return self.questions().found_world(&frame, loader, context.id);
            }
            self.follows().worlds.entry(Arc::clone(session)).or_default().insert(context.id, frame);
        }
    }

    pub(super) fn world_destroyed(&self, destroyed: &ExecutionContextDestroyed, session: &SessionId) {
        if let Some(worlds) = self.follows().worlds.get_mut(session) {
            worlds.remove(&destroyed.execution_context_id);
        }
    }

    pub(super) fn worlds_cleared(&self, session: &SessionId) {
        let mut follows = self.follows();
        follows.worlds.remove(session);
        follows.sources.remove(session);
    }

    /// A page tells something.
    pub(super) fn told(&self, called: &BindingCalled, session: &SessionId) {
        if called.name != self.secret().binding() {
            return;
        }
        let message = match serde_json::from_str(&called.payload) {
            Ok(message) => message,
            Err(error) => {
                tracing::warn!(%error, "the shim is not understood");
                return;
            }
        };
        match message {
            Message::Begun { n, surface } => {
                let Some(owner) = self.teller(called, session) else { return };
                let surface = navigation(&surface);
                if let Ok(n) = n.parse() {
                    self.follows().begin(n, Begun { owner, surface, at: Instant::now() });
                }
            }
            Message::Ended { n, url } => {
                if let Ok(n) = n.parse() {
                    self.follows().end(n, url);
                }
            }
            Message::Sources { images, scripts } => {
                let mut follows = self.follows();
                follows.may_request(session, Kind::Image, images);
                follows.may_request(session, Kind::Script, scripts);
            }
            Message::Dropped { requests, more } => {
                let Some(owner) = self.teller(called, session) else { return };
                if more > 0 {
                    tracing::warn!(more, "a page makes far too many background requests at once");
                }
                for Dropped { surface, url } in requests {
                    let Some(surface) = background(&surface) else { continue };
                    let of_navigation =
                        matches!(surface, Surface::LinkBackground | Surface::WindowOpenBackground);
                    let eligibility = if of_navigation {
                        Eligibility::NavigationSource
                    } else {
                        Eligibility::EventSourceOrTrigger
                    };
                    let why = Diagnosis::TooManyConcurrentRequests { limit: MAX_BACKGROUND };
                    self.diagnose_unsent(&owner, &url, surface, eligibility, why);
                }
            }
            Message::Inactive { surface, url } => {
                let Some(owner) = self.teller(called, session) else { return };
                let (surface, why) = (navigation(&surface), Diagnosis::NavigationWithoutUserActivation);
                self.diagnose_unsent(&owner, &url, surface, Eligibility::NavigationSource, why);
            }
            Message::Swallowing { url } => {
                let Some(owner) = self.teller(called, session) else { return };
                let (eligibility, why) = (Eligibility::EventSourceOrTrigger, Diagnosis::ScriptNotClosed);
                self.diagnose_unsent(&owner, &url, Surface::Script, eligibility, why);
            }
        }
    }

    /// The document whose shim tells something.
    fn teller(&self, called: &BindingCalled, session: &SessionId) -> Option<Arc<Owner>> {
        let frame =
            self.follows().worlds.get(session).and_then(|w| w.get(&called.execution_context_id).cloned());
        let frame = frame.or_else(|| self.targets().get(session).map(|target| Arc::clone(&target.id)))?;
        Some(Arc::new(self.owner(&frame, None, None)))
    }

    /// What was followed in a browser context and leads to a URL. A page that hangs is not waited for for long.
    pub(super) async fn followed(&self, context: Option<&Arc<str>>, url: &str) -> Option<Followed> {
        let deadline = Instant::now() + OUTCOME;
        loop {
            let mut told = {
                let mut follows = self.follows();
                if let Some(followed) = follows.take(context, url) {
                    return Some(followed);
                }
                if !follows.waits(context) {
                    return None;
                }
                follows.told.subscribe()
            };
            // The sender lives as long as the host.
            timeout_at(deadline, told.changed()).await.ok()?.ok()?;
        }
    }
}
