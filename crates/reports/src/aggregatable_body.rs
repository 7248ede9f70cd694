//! The body that both kinds of aggregatable reports have.
//!
//! Spec: "obtain an aggregatable report body", "obtain the aggregation service payloads".

use ascribe_headers::Coordinator;
use base64::{display::Base64Display, prelude::BASE64_STANDARD};
use serde::Serialize;

use crate::{SealedPayload, json::Text};

/// Spec: "obtain an aggregatable report body", and what "serialize an aggregatable attribution report"
/// adds to it.
#[derive(Serialize)]
pub(crate) struct Body<'a> {
    aggregation_coordinator_origin: &'a str,
    aggregation_service_payloads: [PayloadEntry<'a>; 1],
    shared_info: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source_debug_key: Option<Text<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trigger_context_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trigger_debug_key: Option<Text<u64>>,
}

/// Spec: "obtain the aggregation service payloads".
#[derive(Serialize)]
struct PayloadEntry<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    debug_cleartext_payload: Option<Base64<'a>>,
    key_id: &'a str,
    payload: Base64<'a>,
}

type Base64<'a> = Text<Base64Display<'a, 'static, base64::engine::GeneralPurpose>>;

impl<'a> Body<'a> {
    /// What every aggregatable report has.
    pub(crate) fn new(
        coordinator: &'a Coordinator,
        payload: &'a SealedPayload,
        plaintext: Option<&'a [u8]>,
        shared_info: &'a str,
    ) -> Self {
        let base64 = |bytes| Text(Base64Display::new(bytes, &BASE64_STANDARD));
        Self {
            aggregation_coordinator_origin: coordinator.origin().as_str(),
            aggregation_service_payloads: [PayloadEntry {
                debug_cleartext_payload: plaintext.map(base64),
                key_id: &payload.key_id,
                payload: base64(&payload.ciphertext),
            }],
            shared_info,
            source_debug_key: None,
            trigger_context_id: None,
            trigger_debug_key: None,
        }
    }
}
