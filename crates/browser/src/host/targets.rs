//! Pages, frames and workers: attached to before anything of theirs runs.
//!
//! Chromium holds every new target until the host says that it may run. Commands of one session are carried out
//! in order, so that nothing has to be waited for: what the target needs is sent, and then the word to run.

use std::{collections::HashMap, sync::Arc, time::Duration};

use serde_json::json;
use tokio::sync::watch;

use crate::cdp::{ProtocolError, SessionId};

use super::{
    Host,
    protocol::{AttachedToTarget, DetachedFromTarget, FrameId, FrameTreeAnswer, LoaderId, TargetInfo},
    questions::WORLD,
    requests::MAX_BACKGROUND,
};

/// What is attached to.
#[derive(Default)]
pub(super) struct Targets {
    sessions: HashMap<SessionId, Target>,
    /// By the target's id; made when somebody asks for a page, or when it attaches.
    pages: HashMap<Arc<str>, watch::Sender<PageState>>,
    /// How many pages there have been.
    opened: u64,
}

/// A page, an out-of-process frame, or a worker.
pub(super) struct Target {
    pub(super) id: Arc<str>,
    pub(super) kind: Kind,
    /// The browser context, which is a profile of its own; none where Chromium does not say.
    pub(super) context: Option<Arc<str>>,
    /// The frame that a worker was started by.
    pub(super) owner: Option<FrameId>,
    pub(super) url: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Page,
    Iframe,
    DedicatedWorker,
    SharedWorker,
    ServiceWorker,
    /// Nothing that pages run in.
    Other,
}

/// What a page is doing.
#[derive(Clone, Debug, Default)]
pub(crate) struct PageState {
    /// How many pages there were before it.
    pub(crate) number: u64,
    /// The session with it, once attached to.
    attached: Option<SessionId>,
    /// The same, once it has what it needs. A navigation to another process before that would leave
    /// it without.
    pub(crate) session: Option<SessionId>,
    /// Its document.
    pub(crate) loader: Option<LoaderId>,
    /// The document that has fired its load event.
    pub(crate) loaded: Option<LoaderId>,
    /// Its document is only an error page.
    pub(crate) unreachable: bool,
    /// It was closed or crashed.
    pub(crate) gone: bool,
}

impl Kind {
    fn of(info: &TargetInfo) -> Self {
        match &*info.kind {
            "page" | "webview" | "background_page" => Self::Page,
            "iframe" => Self::Iframe,
            "worker" => Self::DedicatedWorker,
            "shared_worker" => Self::SharedWorker,
            "service_worker" => Self::ServiceWorker,
            _ => Self::Other,
        }
    }

    pub(super) fn is_worker(self) -> bool {
        matches!(self, Self::DedicatedWorker | Self::SharedWorker | Self::ServiceWorker)
    }

    fn has_frames(self) -> bool {
        matches!(self, Self::Page | Self::Iframe)
    }
}

impl Targets {
    pub(super) fn get(&self, session: &str) -> Option<&Target> {
        self.sessions.get(session)
    }

    /// The worker with this name.
    pub(super) fn worker(&self, id: &str) -> Option<&Target> {
        self.sessions.values().find(|target| target.kind.is_worker() && &*target.id == id)
    }

    fn page(&mut self, id: &Arc<str>) -> &watch::Sender<PageState> {
        let (pages, opened) = (&mut self.pages, &mut self.opened);
        pages.entry(Arc::clone(id)).or_insert_with(|| {
            *opened += 1;
            watch::channel(PageState { number: *opened - 1, ..PageState::default() }).0
        })
    }
}

const SHIM: &str = include_str!("../../shim/shim.js");
/// The target's tree of frames has this long to arrive.
const FRAME_TREE: Duration = Duration::from_secs(10);

impl Host {
    pub(super) async fn attach_to_everything(&self) -> Result<(), ProtocolError> {
        let answer = self.client().ask(None, "Target.setAutoAttach", auto_attach());
        answer.within::<serde_json::Value>(Duration::from_secs(30)).await?;
        Ok(())
    }

    /// Follows a page, which need not be attached to yet.
    pub(crate) fn page_state(&self, id: &Arc<str>) -> watch::Receiver<PageState> {
        self.targets().page(id).subscribe()
    }

    /// The pages that are attached to, in the order in which they were opened.
    pub(crate) fn page_ids(&self) -> Vec<Arc<str>> {
        let targets = self.targets();
        let attached = targets.pages.iter().filter(|(_, page)| page.borrow().attached.is_some());
        let mut pages: Vec<_> = attached.map(|(id, page)| (page.borrow().number, Arc::clone(id))).collect();
        pages.sort_unstable();
        pages.into_iter().map(|(_, id)| id).collect()
    }

    pub(super) fn attached(&self, attached: AttachedToTarget) {
        let AttachedToTarget { session_id: session, target_info: info } = attached;
        let kind = Kind::of(&info);
        let target = Target {
            id: Arc::clone(&info.target_id),
            kind,
            context: info.browser_context_id.clone(),
            owner: info.parent_frame_id.clone(),
            url: info.url.clone(),
        };
        self.targets().sessions.insert(Arc::clone(&session), target);
        if kind.has_frames() {
            self.first_context(info.browser_context_id.as_ref());
            self.frames().hosted(&info, &session);
        }
        if kind == Kind::Page {
            let attached = Some(Arc::clone(&session));
            self.targets().page(&info.target_id).send_modify(|state| state.attached = attached);
        }
        self.prepare(&session, &info.target_id, kind);
    }

    /// Gives a target what it needs, and lets it run.
    fn prepare(&self, session: &SessionId, id: &Arc<str>, kind: Kind) {
        let tell = |method, params| self.client().tell(Some(session), method, params);
        if kind != Kind::Other {
            // Nothing is kept for later questions about bodies.
            let buffers = json!({"maxTotalBufferSize": 0, "maxResourceBufferSize": 0, "maxPostDataSize": 0});
            tell("Network.enable", buffers);
            tell("Target.setAutoAttach", auto_attach());
        }
        if kind.is_worker() {
            tell("Runtime.evaluate", json!({"expression": self.shim()}));
        }
        if kind.has_frames() {
            let shim = json!({"source": self.shim(), "runImmediately": true});
            tell("Page.addScriptToEvaluateOnNewDocument", shim);
            // Every document will be asked for its elements: its isolated world is made with it.
            tell("Page.addScriptToEvaluateOnNewDocument", json!({"source": "", "worldName": WORLD}));
            tell("Runtime.enable", json!({}));
            tell("Runtime.addBinding", json!({"name": self.secret().binding()}));
            tell("Page.enable", json!({}));
            let tree = self.client().ask(Some(session), "Page.getFrameTree", json!({}));
            let (host, session, id) = (self.clone(), Arc::clone(session), Arc::clone(id));
            tokio::spawn(async move {
                // When this is answered, so is everything before it.
                if let Ok(answer) = tree.within::<FrameTreeAnswer>(FRAME_TREE).await {
                    host.frames().found(answer.frame_tree, &session);
                }
                if kind == Kind::Page {
                    host.page_is_ready(&id, session);
                }
            });
        }
        tell("Runtime.runIfWaitingForDebugger", json!({}));
    }

    /// The page side of the API.
    fn shim(&self) -> String {
        let secret = self.secret();
        let config = json!({"secret": secret.as_str(), "binding": secret.binding(), "limit": MAX_BACKGROUND});
        self.exempt().unless_exempt(&format!("({SHIM})({config})"))
    }

    pub(super) fn detached(&self, detached: &DetachedFromTarget) {
        let session = &detached.session_id;
        self.client().session_gone(session);
        let Some(kind) = self.targets().get(session).map(|target| target.kind) else { return };
        if kind == Kind::Page {
            self.page_left(session);
        }
        let Some(target) = self.targets().sessions.remove(session) else { return };
        self.frames().session_gone(session);
        self.follows().forget(session);
        let unended = self.requests().of_session(session);
        for id in unended {
            self.ends_soon(id);
        }
        self.forget_contexts();
        if target.kind == Kind::Page {
            self.page_is_gone(&target.id, session);
        }
    }

    /// A page is closed: the navigation that landed on it has ended.
    fn page_left(&self, session: &SessionId) {
        let Some(id) = self.targets().get(session).map(|target| Arc::clone(&target.id)) else { return };
        let owner = Arc::new(self.owner(&id, None, None));
        if let Some(landing) = owner.landing {
            self.left(&owner, landing);
        }
    }

    pub(super) fn crashed(&self, session: &SessionId) {
        let page = self.targets().get(session).filter(|t| t.kind == Kind::Page).map(|t| Arc::clone(&t.id));
        if let Some(id) = page {
            self.page_is_gone(&id, session);
        }
    }

    fn page_is_ready(&self, id: &Arc<str>, session: SessionId) {
        let targets = self.targets();
        let page = targets.pages.get(id).filter(|page| page.borrow().attached.as_ref() == Some(&session));
        if let Some(page) = page {
            page.send_modify(|state| state.session = Some(session));
        }
    }

    fn page_is_gone(&self, id: &Arc<str>, session: &SessionId) {
        let mut targets = self.targets();
        let Some(page) = targets.pages.get(id) else { return };
        if page.borrow().attached.as_ref() == Some(session) {
            page.send_modify(|state| state.gone = true);
            targets.pages.remove(id);
        }
    }

    /// The document of a page's main frame was replaced.
    pub(super) fn page_navigated(&self, frame: &FrameId, loader: &LoaderId, unreachable: bool) {
        if let Some(page) = self.targets().pages.get(frame) {
            page.send_modify(|state| {
                state.loader = Some(Arc::clone(loader));
                state.unreachable = unreachable;
            });
        }
    }

    /// The main frame of a session's target has loaded.
    pub(super) fn loaded(&self, session: &SessionId) {
        let targets = self.targets();
        let Some(target) = targets.get(session).filter(|target| target.kind == Kind::Page) else { return };
        if let Some(page) = targets.pages.get(&target.id) {
            page.send_modify(|state| state.loaded.clone_from(&state.loader));
        }
    }
}

fn auto_attach() -> serde_json::Value {
    json!({
        "autoAttach": true,
        "waitForDebuggerOnStart": true,
        "flatten": true,
        "filter": [
            {"type": "tab", "exclude": true},
            {"type": "browser", "exclude": true},
            {"type": "browser_ui", "exclude": true},
            {},
        ],
    })
}
