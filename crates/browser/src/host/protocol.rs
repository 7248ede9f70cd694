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

/// Of the events that a frame begins or ends a navigation.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OfFrame {
    pub(super) frame_id: FrameId,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BindingCalled {
    pub(super) name: String,
    pub(super) payload: String,
    pub(super) execution_context_id: i64,
}

#[derive(Deserialize)]
pub(super) struct ExecutionContextCreated {
    pub(super) context: ExecutionContext,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExecutionContext {
    pub(super) id: i64,
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) aux_data: Option<AuxData>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AuxData {
    #[serde(default)]
    pub(super) frame_id: Option<FrameId>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExecutionContextDestroyed {
    pub(super) execution_context_id: i64,
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
    pub(super) child_frames: Vec<Self>,
}

/// A request or a response that Chromium holds until the host says how it goes on.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RequestPaused {
    pub(super) request_id: Arc<str>,
    pub(super) request: PausedRequest,
    pub(super) frame_id: FrameId,
    pub(super) resource_type: ResourceType,
    #[serde(default)]
    pub(super) response_error_reason: Option<String>,
    #[serde(default)]
    pub(super) response_status_code: Option<u16>,
    #[serde(default)]
    pub(super) response_headers: Vec<Header>,
    #[serde(default)]
    pub(super) network_id: Option<Arc<str>>,
    #[serde(default)]
    pub(super) redirected_request_id: Option<Arc<str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PausedRequest {
    /// Without the fragment.
    pub(super) url: String,
    /// With its `#`.
    #[serde(default)]
    pub(super) url_fragment: String,
    pub(super) method: String,
    pub(super) headers: serde_json::Map<String, serde_json::Value>,
}

#[derive(Clone, Deserialize, serde::Serialize)]
pub(super) struct Header {
    pub(super) name: String,
    pub(super) value: String,
}

/// What a request is for, as far as it matters here.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
pub(super) enum ResourceType {
    Document,
    Image,
    Script,
    Stylesheet,
    Preflight,
    #[default]
    #[serde(other)]
    Other,
}

impl ResourceType {
    /// Whether a parser may wait for it.
    pub(super) fn blocks_parsers(self) -> bool {
        matches!(self, Self::Script | Self::Stylesheet)
    }
}

/// What the process of a frame or worker says of a request that it makes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RequestWillBeSent {
    pub(super) request_id: Arc<str>,
    pub(super) loader_id: LoaderId,
    #[serde(default)]
    pub(super) frame_id: Option<FrameId>,
    #[serde(default, rename = "type")]
    pub(super) resource_type: ResourceType,
    pub(super) request: SentRequest,
    pub(super) initiator: Initiator,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SentRequest {
    pub(super) url: String,
    #[serde(default)]
    pub(super) is_link_preload: bool,
}

/// Why a request is made: by a parser at some place, by a script, or else.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Initiator {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) line_number: Option<f64>,
    #[serde(default)]
    pub(super) column_number: Option<f64>,
}

/// The headers of one response as they came over the wire.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResponseReceivedExtraInfo {
    pub(super) request_id: Arc<str>,
    /// Repeated fields are joined by line feeds.
    pub(super) headers: serde_json::Map<String, serde_json::Value>,
    pub(super) status_code: u16,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResponseReceived {
    pub(super) request_id: Arc<str>,
    pub(super) response: ReceivedResponse,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReceivedResponse {
    #[serde(default)]
    pub(super) from_disk_cache: bool,
    #[serde(default)]
    pub(super) from_service_worker: bool,
    pub(super) headers: serde_json::Map<String, serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LoadingEnded {
    pub(super) request_id: Arc<str>,
}

/// The fields of such a map, one for each line of a value.
pub(super) fn fields(map: &serde_json::Map<String, serde_json::Value>) -> Vec<(String, String)> {
    let lines = |(name, value): (&String, &serde_json::Value)| {
        let value = value.as_str().unwrap_or_default();
        value.split('\n').map(|line| (name.clone(), line.to_owned())).collect::<Vec<_>>()
    };
    map.iter().flat_map(lines).collect()
}
