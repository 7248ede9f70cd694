//! Verbose debug reports: what happened to a registration, in clear, for those who may know.

use ascribe_headers::SuitableOrigin;

/// Spec: "verbose debug report": the bodies are complete and ready to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct VerboseDebugReport {
    /// Whom it is sent to.
    pub reporting_origin: SuitableOrigin,
    /// What is told; never empty.
    pub data: Vec<VerboseDebugData>,
}

/// Spec: "verbose debug data".
#[derive(Clone, Debug, PartialEq)]
pub struct VerboseDebugData {
    /// `type`: the name of a debug data type.
    pub data_type: &'static str,
    /// `body`.
    pub body: serde_json::Map<String, serde_json::Value>,
}
