//! Sealed payloads.

/// A payload that only the holder of one private key can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedPayload {
    /// `key_id`: which of the coordinator's keys it is sealed with.
    pub key_id: Box<str>,
    /// The encapsulated key, 32 bytes, and the ciphertext with its 16-byte tag.
    pub ciphertext: Vec<u8>,
}
