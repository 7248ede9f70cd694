//! Which frame stands in which page, and what its document is.

use std::{collections::HashMap, sync::Arc};

use crate::cdp::SessionId;

use super::{
    Host,
    protocol::{
        FrameAttached, FrameDetached, FrameId, FrameInfo, FrameNavigated, FrameTree, LoaderId, TargetInfo,
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
    /// The frame that opened the page, for a main frame.
    pub(super) opener: Option<FrameId>,
    /// Whether it is a fenced frame, or in one.
    pub(super) fenced: bool,
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
}

impl Document {
    fn of(info: FrameInfo) -> Self {
        Self {
            loader: Some(info.loader_id),
            url: info.url,
            origin: info.security_origin,
            secure: info.secure_context_type.starts_with("Secure"),
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

    /// A target with frames: its first frame has the target's id.
    pub(super) fn hosted(&mut self, info: &TargetInfo, session: &SessionId) {
        let fenced = info.subtype.as_deref() == Some("fenced");
        let frame = self.frame(&info.target_id, info.parent_frame_id.as_ref(), session);
        frame.session = Arc::clone(session);
        frame.opener.clone_from(&info.opener_frame_id);
        frame.fenced |= fenced;
    }

    /// The frames that a target had when it was attached to; what is known already is newer.
    pub(super) fn found(&mut self, tree: FrameTree, session: &SessionId) {
        let parent = tree.frame.parent_id.clone();
        let frame = self.frame(&tree.frame.id.clone(), parent.as_ref(), session);
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
            opener: None,
            fenced,
        })
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
        let id = Arc::clone(&info.id);
        let loader = Arc::clone(&info.loader_id);
        let is_main = info.parent_id.is_none();
        let unreachable = info.unreachable_url.clone();
        {
            let mut frames = self.frames();
            let frame = frames.frame(&id, info.parent_id.as_ref(), session);
            frame.session = Arc::clone(session);
            frame.document = Document::of(info);
        }
        if is_main {
            self.page_navigated(&id, &loader, unreachable);
        }
    }

    pub(super) fn frame_detached(&self, detached: &FrameDetached) {
        // A frame that is swapped goes on in another process.
        if detached.reason != "swap" {
            self.frames().remove(&detached.frame_id);
        }
    }
}
