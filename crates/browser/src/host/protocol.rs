//! The parts of the protocol's structures that the host reads.

use std::sync::Arc;

use serde::Deserialize;

/// A frame, by the name that all sessions have for it.
pub(crate) type FrameId = Arc<str>;
/// A document in a frame; of a navigation, also the name of its request.
pub(crate) type LoaderId = Arc<str>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AttachedToTarget {
    pub(super) session_id: Arc<str>,
    pub(super) target_info: TargetInfo,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TargetInfo {
    pub(super) target_id: Arc<str>,
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) subtype: Option<String>,
    pub(super) url: String,
    #[serde(default)]
    pub(super) browser_context_id: Option<Arc<str>>,
    #[serde(default)]
    pub(super) opener_frame_id: Option<FrameId>,
    #[serde(default)]
    pub(super) parent_frame_id: Option<FrameId>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DetachedFromTarget {
    pub(super) session_id: Arc<str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FrameAttached {
    pub(super) frame_id: FrameId,
    pub(super) parent_frame_id: FrameId,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FrameDetached {
    pub(super) frame_id: FrameId,
    pub(super) reason: String,
}

#[derive(Deserialize)]
pub(super) struct FrameNavigated {
    pub(super) frame: FrameInfo,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FrameInfo {
    pub(super) id: FrameId,
    #[serde(default)]
    pub(super) parent_id: Option<FrameId>,
    pub(super) loader_id: LoaderId,
    pub(super) url: String,
    #[serde(default)]
    pub(super) unreachable_url: Option<String>,
    #[serde(default)]
    pub(super) security_origin: String,
    #[serde(default)]
    pub(super) secure_context_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FrameTreeAnswer {
    pub(super) frame_tree: FrameTree,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FrameTree {
    pub(super) frame: FrameInfo,
    #[serde(default)]
    pub(super) child_frames: Vec<FrameTree>,
}
