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

use crate::{Surface, cdp::SessionId};

use super::{
    Host,
    follows::Followed,
    held::Held,
    owner::Owner,
    protocol::{FrameId, RequestPaused},
    requests::Request,
};

/// What is known of documents that have not been committed yet.
#[derive(Default)]
pub(super) struct Coming {
    frames: HashMap<FrameId, ComingDocument>,
    order: VecDeque<FrameId>,
}

#[derive(Clone, Default)]
pub(super) struct ComingDocument {
    pub(super) url: String,
    /// The header `Permissions-Policy`.
    pub(super) policy: Option<String>,
    /// The navigation, if an eligible link led to it.
    pub(super) landing: Option<NavigationId>,
}

/// More documents than this are not on their way.
const MAX_COMING: usize = 1024;
/// A frame's parent has this long to describe the element that the frame is in.
const CONTAINER: Duration = Duration::from_millis(500);

impl Coming {
    /// The document that a frame shows next, unless it is given up for another.
    pub(super) fn expect(&mut self, frame: &FrameId, document: ComingDocument) {
        if self.frames.insert(Arc::clone(frame), document).is_none() {
            self.order.push_back(Arc::clone(frame));
        }
        if self.order.len() > MAX_COMING
            && let Some(oldest) = self.order.pop_front()
        {
            self.frames.remove(&oldest);
        }
    }

    /// A document is there: what was known of it.
    pub(super) fn take(&mut self, frame: &FrameId, url: &str) -> Option<ComingDocument> {
        let url = url.split_once('#').map_or(url, |(url, _fragment)| url);
        if self.frames.get(frame)?.url != url {
            return None;
        }
        self.order.retain(|other| other != frame);
        self.frames.remove(frame)
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
                    if let Some(followed) = host.followed(owner.context.as_ref(), &paused.request.url).await {
                        let Followed { owner: source, surface, navigation, .. } = followed;
                        match &source.standing {
                            Ok(_) => {
                                request = Request::new(source, surface, Eligibility::NavigationSource);
                                request.navigation = Some(navigation);
                            }
                            Err(barrier) => {
                                let why = barrier.diagnosis().into_iter().collect();
                                let eligibility = Eligibility::NavigationSource;
                                host.diagnose(&source, &paused, surface, eligibility, why);
                            }
                        }
                    }
                }
            }
            host.track(&paused, held, request);
        });
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
