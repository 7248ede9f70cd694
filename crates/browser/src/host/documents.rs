//! The documents of pages and frames: where a navigation came from, and what its document may do.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use ascribe_agent::NavigationId;
use ascribe_headers::Eligibility;
use serde::Deserialize;
use serde_json::json;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};

use crate::{Surface, cdp::SessionId};

use super::{
    Host,
    held::Held,
    owner::Owner,
    protocol::{FrameId, LoaderId, RequestPaused},
    questions::Claim,
    requests::Request,
};

/// What is known of documents that have not been committed yet.
#[derive(Default)]
pub(super) struct Coming {
    documents: HashMap<LoaderId, ComingDocument>,
    order: VecDeque<LoaderId>,
}

#[derive(Clone, Default)]
pub(super) struct ComingDocument {
    /// The header `Permissions-Policy`.
    pub(super) policy: Option<String>,
    /// The navigation, if an eligible link led to it.
    pub(super) landing: Option<NavigationId>,
}

/// More documents than this are not on their way.
const MAX_COMING: usize = 1024;
/// The page that is navigated, and the one that opened it, have this long to answer.
const RELATED: Duration = Duration::from_secs(2);
/// Every other page has this long: none can hold another's navigation for longer.
const UNRELATED: Duration = Duration::from_millis(150);
/// A frame's parent has this long to describe the element that the frame is in.
const CONTAINER: Duration = Duration::from_millis(500);

impl Coming {
    pub(super) fn expect(&mut self, loader: &LoaderId, document: ComingDocument) {
        if self.documents.insert(Arc::clone(loader), document).is_none() {
            self.order.push_back(Arc::clone(loader));
        }
        if self.order.len() > MAX_COMING
            && let Some(oldest) = self.order.pop_front()
        {
            self.documents.remove(&oldest);
        }
    }

    pub(super) fn take(&mut self, loader: &LoaderId) -> Option<ComingDocument> {
        let document = self.documents.remove(loader)?;
        self.order.retain(|other| other != loader);
        Some(document)
    }
}

impl Host {
    /// Rule 3: the document of a page may be what an eligible link leads to; that of a frame never is.
    pub(super) fn document(&self, paused: RequestPaused, held: Held, owner: Arc<Owner>) {
        let parent = {
            let frames = self.frames();
            let parent = frames.get(&paused.frame_id).and_then(|frame| frame.parent.clone());
            parent.and_then(|parent| frames.get(&parent).map(|parent| Arc::clone(&parent.session)))
        };
        let host = self.clone();
        self.spawn(async move {
            let mut request = Request::new(Arc::clone(&owner), Surface::Navigation, Eligibility::Empty);
            match parent {
                Some(parent) => host.ask_for_container(&parent, &paused.frame_id).await,
                None => {
                    host.navigated(&owner);
                    if let Some((source, claim)) = host.ask_for_source(&paused).await {
                        let surface = if claim.is_window() { Surface::WindowOpen } else { Surface::Link };
                        match &source.standing {
                            Ok(_) => {
                                request =
                                    Request::new(Arc::new(source), surface, Eligibility::NavigationSource);
                                request.navigation = claim.navigation();
                            }
                            Err(barrier) => {
                                let why = barrier.diagnosis().into_iter().collect();
                                let eligibility = Eligibility::NavigationSource;
                                host.diagnose(&Arc::new(source), &paused, surface, eligibility, why);
                            }
                        }
                    }
                }
            }
            host.track(&paused, held, request);
        });
    }

    /// Which frame has a followed link, or an opened window, that leads to this request.
    async fn ask_for_source(&self, paused: &RequestPaused) -> Option<(Owner, Claim)> {
        let (related, others) = self.frames().around(&paused.frame_id, |session| self.context_of(session));
        let start = Instant::now();
        let mut asked = JoinSet::new();
        let mut waiting_for_related = related.len();
        for (frame, is_related) in related
            .into_iter()
            .map(|frame| (frame, true))
            .chain(others.into_iter().map(|frame| (frame, false)))
        {
            let (host, url) = (self.clone(), paused.request.url.clone());
            let patience = if is_related { RELATED } else { UNRELATED };
            asked.spawn(async move {
                let owner = host.owner(&frame, None);
                let claim = host.claim(&owner, &url, patience).await;
                (is_related, claim.map(|claim| (owner, claim)))
            });
        }
        loop {
            let deadline = start + if waiting_for_related > 0 { RELATED } else { UNRELATED };
            tokio::select! {
                answer = asked.join_next() => match answer? {
                    Ok((_, Some(found))) => return Some(found),
                    Ok((is_related, None)) => waiting_for_related -= usize::from(is_related),
                    Err(_) => {}
                },
                () = sleep_until(deadline) => return None,
            }
        }
    }

    /// Learns what the element around a frame allows.
    async fn ask_for_container(&self, parent: &SessionId, frame: &FrameId) {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct FrameOwner {
            backend_node_id: i64,
        }
        #[derive(Deserialize)]
        struct Described {
            node: Node,
        }
        #[derive(Deserialize)]
        struct Node {
            #[serde(default)]
            attributes: Vec<String>,
        }
        let ask = |method, params| self.client().ask(Some(parent), method, params);
        self.client().tell(Some(parent), "DOM.enable", json!({}));
        let owner = ask("DOM.getFrameOwner", json!({"frameId": frame}));
        let Ok(owner) = owner.within::<FrameOwner>(CONTAINER).await else { return };
        let node = ask("DOM.describeNode", json!({"backendNodeId": owner.backend_node_id}));
        let Ok(described) = node.within::<Described>(CONTAINER).await else { return };
        let attribute = |name| {
            let mut pairs = described.node.attributes.chunks_exact(2);
            pairs.find(|pair| pair[0] == name).map(|pair| pair[1].clone())
        };
        self.frames().contained(frame, attribute("allow"), attribute("src"));
    }
}
