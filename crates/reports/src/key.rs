//! A coordinator's keys: what seals payloads, and what opens them.

use std::fmt;

use rand::CryptoRng;
use zeroize::Zeroizing;

use crate::seal;

/// A coordinator's public key and the name it goes by.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    id: Box<str>,
    bytes: [u8; 32],
}

/// A coordinator's private key and the name it goes by: who has it can read every payload sealed to it.
///
/// The key is wiped from memory when this is dropped, and shown by no `Debug` output.
///
/// ```
/// use ascribe_reports::PrivateKey;
/// use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
///
/// let mut rng = ChaCha20Rng::seed_from_u64(1); // never seeded like this outside of tests
/// let private = PrivateKey::generate("key-1", &mut rng)?;
/// let sealed = private.public().seal("{}", b"payload", &mut rng)?;
/// assert_eq!(sealed.key_id.as_ref(), "key-1");
/// assert_eq!(private.open("{}", &sealed.ciphertext)?, b"payload");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct PrivateKey {
    id: Box<str>,
    bytes: Zeroizing<[u8; 32]>,
}

/// An ID is longer than [`PublicKey::MAX_ID_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key ID has at most {} bytes", PublicKey::MAX_ID_BYTES)]
pub struct KeyIdTooLong;

impl PublicKey {
    /// The most bytes that an ID can have.
    pub const MAX_ID_BYTES: usize = 128;

    /// An X25519 public key, as RFC 7748 encodes it.
    ///
    /// # Errors
    /// When the ID is too long.
    pub fn new(id: &str, bytes: [u8; 32]) -> Result<Self, KeyIdTooLong> {
        Ok(Self { id: checked(id)?, bytes })
    }

    /// `key_id`: what payloads name it by.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The encoded key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }
}

impl PrivateKey {
    /// An X25519 private key: any 32 bytes that nobody can guess.
    ///
    /// # Errors
    /// When the ID is too long.
    pub fn new(id: &str, bytes: Zeroizing<[u8; 32]>) -> Result<Self, KeyIdTooLong> {
        Ok(Self { id: checked(id)?, bytes })
    }

    /// A new key.
    ///
    /// # Errors
    /// When the ID is too long.
    pub fn generate(id: &str, rng: &mut impl CryptoRng) -> Result<Self, KeyIdTooLong> {
        let mut bytes = Zeroizing::new([0; 32]);
        rng.fill_bytes(bytes.as_mut_slice());
        Self::new(id, bytes)
    }

    /// `key_id`: what payloads name it by.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The key that seals what this one opens, under the same ID.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey { id: self.id.clone(), bytes: seal::public_key(&self.bytes) }
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }
}

fn checked(id: &str) -> Result<Box<str>, KeyIdTooLong> {
    if id.len() > PublicKey::MAX_ID_BYTES { Err(KeyIdTooLong) } else { Ok(id.into()) }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_at_most_128_bytes() {
        for (id, fits) in [
            (String::new(), true),
            ("i".repeat(127), true),
            ("i".repeat(128), true),
            ("i".repeat(129), false),
            ("é".repeat(64), true),
            ("é".repeat(65), false),
        ] {
            assert_eq!(PublicKey::new(&id, [9; 32]).is_ok(), fits, "{id}");
            assert_eq!(PrivateKey::new(&id, [9; 32].into()).is_ok(), fits, "{id}");
        }
    }

    #[test]
    fn debug_output_tells_the_id_and_not_the_key() {
        let private = PrivateKey::new("one", [0xa5; 32].into()).unwrap();
        assert_eq!(format!("{private:?}"), r#"PrivateKey { id: "one", .. }"#);
        assert_eq!(format!("{:?}", private.public()), r#"PublicKey { id: "one", .. }"#);
    }
}
