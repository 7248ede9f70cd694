//! Which frame stands in which page, and what its document is.

use std::{collections::HashMap, sync::Arc};

use ascribe_agent::{Container, NavigationId, PermissionsPolicy};
use ascribe_headers::SuitableOrigin;
use url::Url;

use crate::cdp::SessionId;

use super::{
    Host,
    documents::ComingDocument,
    protocol::{
        FrameAttached, FrameDetached, FrameId, FrameInfo, FrameNavigated, FrameTree, LoaderId, OfFrame,
        TargetInfo,
    },
};

/// Every frame of every page.
#[derive(Default)]
pub(super) struct Frames {
    frames: HashMap<FrameId, Frame>,
}

/// A frame, and the document in it.
#[derive(Clone)]
pub(super) struct Frame {
    pub(super) parent: Option<FrameId>,
    /// The session of the process that it is in.
    pub(super) session: SessionId,
    pub(super) document: Document,
    /// The one before, whose last requests may come after the next one's beginning.
    previous: Option<Document>,
    /// The attributes `allow` and `src` of its element.
    container: (Option<String>, Option<String>),
    /// Whether it is a fenced frame, or in one.
    pub(super) fenced: bool,
    /// Whether a navigation is under way: then Chromium passes no command on to the page.
    navigating: bool,
}

/// A document.
#[derive(Clone, Default)]
pub(super) struct Document {
    /// None for the empty document that a new frame begins with.
    pub(super) loader: Option<LoaderId>,
    pub(super) url: String,
    /// Serialized; `null` or the like for an opaque one.
    pub(super) origin: String,
    pub(super) secure: bool,
    /// Whether it may use the API; not known where no navigation was seen.
    pub(super) policy: Option<PermissionsPolicy>,
    /// The navigation of an eligible link that it is the end of.
    pub(super) landing: Option<NavigationId>,
}

impl Document {
    fn of(info: FrameInfo) -> Self {
        Self {
            loader: Some(info.loader_id),
            url: info.url,
            origin: info.security_origin,
            secure: info.secure_context_type.starts_with("Secure"),
            policy: None,
            landing: None,
        }
    }
}

impl Frame {
    /// The document that a request is of. A document that has been left says nothing of its last requests: they have
    /// its origin for a referrer, which no other document could say.
    pub(super) fn document_of(
        &self,
        loader: Option<&LoaderId>,
        referrer: Option<&SuitableOrigin>,
    ) -> &Document {
        let is_of = |document: &Document| match (loader, referrer) {
            (Some(_), _) => document.loader.as_ref() == loader,
            (None, Some(referrer)) => document.origin == referrer.to_string(),
            (None, None) => false,
        };
        match &self.previous {
            Some(previous) if is_of(previous) && !is_of(&self.document) => previous,
            _ => &self.document,
        }
    }
}

/// Deeper than any page; ends the search in a circle, which would be a mistake of Chromium's.
const MAX_DEPTH: usize = 1000;

impl Frames {
    pub(super) fn get(&self, id: &str) -> Option<&Frame> {
        self.frames.get(id)
    }

    /// The main frame of the page that a frame is in.
    pub(super) fn top(&self, id: &FrameId) -> Option<(&FrameId, &Frame)> {
        let (mut id, mut frame) = self.frames.get_key_value(id)?;
        for _ in 0..MAX_DEPTH {
            let Some(parent) = &frame.parent else { break };
            (id, frame) = self.frames.get_key_value(parent)?;
        }
        Some((id, frame))
    }

    /// Whether the page that a frame is in takes no commands now.
    pub(super) fn is_suspended(&self, id: &FrameId) -> bool {
        self.top(id).is_some_and(|(_, top)| top.navigating)
    }

    /// A target with frames: its first frame has the target's id.
    pub(super) fn hosted(&mut self, info: &TargetInfo, session: &SessionId) {
        let fenced = info.subtype.as_deref() == Some("fenced");
        let frame = self.frame(&info.target_id, info.parent_frame_id.as_ref(), session);
        frame.session = Arc::clone(session);
        frame.fenced |= fenced;
    }

    /// The frames that a target had when it was attached to; what is known already is newer.
    pub(super) fn found(&mut self, tree: FrameTree, session: &SessionId) {
        let (id, parent) = (Arc::clone(&tree.frame.id), tree.frame.parent_id.clone());
        let frame = self.frame(&id, parent.as_ref(), session);
        if frame.document.loader.is_none() {
            frame.document = Document::of(tree.frame);
        }
        for child in tree.child_frames {
            self.found(child, session);
        }
    }

    fn frame(&mut self, id: &FrameId, parent: Option<&FrameId>, session: &SessionId) -> &mut Frame {
        let fenced = parent.and_then(|parent| self.frames.get(parent)).is_some_and(|parent| parent.fenced);
        self.frames.entry(Arc::clone(id)).or_insert_with(|| Frame {
            parent: parent.cloned(),
            session: Arc::clone(session),
            document: Document::default(),
            previous: None,
            container: (None, None),
            fenced,
            navigating: false,
        })
    }

    /// What a frame's element says.
    pub(super) fn contained(&mut self, id: &FrameId, allow: Option<String>, src: Option<String>) {
        let parent = self.frames.get(id).and_then(|frame| frame.parent.as_ref());
        let base = parent.and_then(|parent| Url::parse(&self.frames.get(parent)?.document.url).ok());
        let absolute = |src: String| Url::options().base_url(base.as_ref()).parse(&src).ok();
        let src = src.and_then(absolute).map(String::from);
        if let Some(frame) = self.frames.get_mut(id) {
            frame.container = (allow, src);
        }
    }

    /// Puts a document into a frame, and gives back the one before.
    fn commit(&mut self, info: FrameInfo, coming: ComingDocument, session: &SessionId) -> Document {
        let (id, parent) = (Arc::clone(&info.id), info.parent_id.clone());
        let header = coming.policy.as_deref().map(str::as_bytes);
        let around = parent.as_ref().and_then(|parent| self.frames.get(parent)?.document.policy.clone());
        let mut document = Document { landing: coming.landing, ..Document::of(info) };
        let frame = self.frame(&id, parent.as_ref(), session);
        frame.session = Arc::clone(session);
        frame.navigating = false;
        let (allow, src) = &frame.container;
        let container = Container { allow: allow.as_deref(), src: src.as_deref() };
        document.policy = Some(match around {
            Some(around) => PermissionsPolicy::of_nested(&around, container, &document.origin, header),
            None => PermissionsPolicy::of_top_level(&document.origin, header),
        });
        let before = std::mem::replace(&mut frame.document, document);
        frame.previous = Some(before.clone());
        before
    }

    fn remove(&mut self, id: &str) {
        let mut gone = vec![Arc::<str>::from(id)];
        while let Some(id) = gone.pop() {
            self.frames.remove(&id);
            gone.extend(
                self.frames
                    .iter()
                    .filter(|(_, f)| f.parent.as_ref() == Some(&id))
                    .map(|(id, _)| Arc::clone(id)),
            );
        }
    }

    /// The session has ended, and the frames of its process with it.
    pub(super) fn session_gone(&mut self, session: &str) {
        self.frames.retain(|_, frame| &*frame.session != session);
    }
}

impl Host {
    pub(super) fn frame_attached(&self, attached: &FrameAttached, session: &SessionId) {
        self.frames().frame(&attached.frame_id, Some(&attached.parent_frame_id), session);
    }

    pub(super) fn frame_navigated(&self, navigated: FrameNavigated, session: &SessionId) {
        let info = navigated.frame;
        let (id, loader) = (Arc::clone(&info.id), Arc::clone(&info.loader_id));
        let is_main = info.parent_id.is_none();
        let unreachable = info.unreachable_url.is_some();
        let coming = self.coming().take(&id, &info.url).unwrap_or_default();
        let before = self.frames().commit(info, coming, session);
        self.questions().forget(&id);
        let left = self.requests().left_behind(&id, Some(&loader));
        left.into_iter().for_each(|request| self.ends_soon(request));
        if is_main {
            self.page_navigated(&id, &loader, unreachable);
            if let Some(landing) = before.landing {
                self.left(&Arc::new(self.owner(&id, None, None)), landing);
            }
        }
    }

    /// Whether another document is on its way to the page of a frame.
    pub(crate) fn is_navigating(&self, frame: &FrameId) -> bool {
        self.frames().is_suspended(frame)
    }

    /// A navigation of a frame begins, or is over.
    pub(super) fn navigating(&self, of: &OfFrame, navigating: bool) {
        if let Some(frame) = self.frames().frames.get_mut(&of.frame_id) {
            frame.navigating = navigating;
        }
    }

    pub(super) fn frame_detached(&self, detached: &FrameDetached) {
        // A frame that is swapped goes on in another process.
        if detached.reason != "swap" {
            self.frames().remove(&detached.frame_id);
            let left = self.requests().left_behind(&detached.frame_id, None);
            left.into_iter().for_each(|request| self.ends_soon(request));
        }
    }
}
