//! Private keys under a passphrase: PKCS#8 (RFC 5958) with PBES2 (RFC 8018), scrypt and AES-256-CBC, which other
//! software reads, too. The key in it is X25519's (RFC 8410).

use std::fmt;

use pkcs8::{
    EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef,
    der::{SecretDocument, asn1::OctetStringRef, pem::LineEnding},
    pkcs5::pbes2::Kdf,
    spki::{AlgorithmIdentifier, ObjectIdentifier},
};
use zeroize::Zeroizing;

use crate::noise::NoRandomness;

const LABEL: &str = "ENCRYPTED PRIVATE KEY";
/// RFC 8410, section 3.
const X25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.110");
/// RFC 8410, section 7: the key is an octet string of 32 bytes in one of 34.
const OCTET_STRING: [u8; 2] = [0x04, 0x20];
/// What scrypt may cost in a file: eight times what is written here, a gibibyte of memory.
const MAX_SCRYPT_COST: u64 = 1 << 20;

/// What encrypts private keys. Wiped from memory when dropped; its `Debug` shows nothing.
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Any text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The PEM of a key under this passphrase.
    pub(super) fn lock(&self, key: &[u8; 32]) -> Result<String, NoRandomness> {
        let mut octets = Zeroizing::new([0; 34]);
        octets[..2].copy_from_slice(&OCTET_STRING);
        octets[2..].copy_from_slice(key);
        let algorithm = AlgorithmIdentifier { oid: X25519, parameters: None };
        let octets = OctetStringRef::new(octets.as_slice()).expect("34 bytes are not too long");
        let encrypted = PrivateKeyInfoRef::new(algorithm, octets)
            .encrypt_with_rng(&mut rand::rngs::SysRng, self.0.as_bytes())
            .map_err(|_| NoRandomness)?;
        Ok(encrypted.to_pem(LABEL, LineEnding::LF).expect("DER of a few hundred bytes").to_string())
    }

    /// The key in a PEM.
    pub(super) fn unlock(&self, pem: &str) -> Result<Zeroizing<[u8; 32]>, &'static str> {
        const NOT_ENCRYPTED: &str = "encrypted_private_key is not PKCS#8";
        let (label, document) = SecretDocument::from_pem(pem).map_err(|_| NOT_ENCRYPTED)?;
        let encrypted =
            EncryptedPrivateKeyInfoRef::try_from(document.as_bytes()).map_err(|_| NOT_ENCRYPTED)?;
        if label != LABEL {
            return Err(NOT_ENCRYPTED);
        }
        match encrypted.encryption_algorithm.pbes2().map(|parameters| &parameters.kdf) {
            Some(Kdf::Scrypt(scrypt))
                if scrypt.cost_parameter <= MAX_SCRYPT_COST
                    && scrypt.block_size <= 8
                    && scrypt.parallelization <= 4 => {}
            _ => return Err("encrypted_private_key is not under scrypt, or under one that costs too much"),
        }
        // A wrong passphrase leads to a wrong padding, or, once in a few hundred times, to what is no key.
        const WRONG: &str = "the passphrase is wrong";
        let document = encrypted.decrypt(self.0.as_bytes()).map_err(|_| WRONG)?;
        let info = PrivateKeyInfoRef::try_from(document.as_bytes()).map_err(|_| WRONG)?;
        let key = info.private_key.as_bytes().strip_prefix(&OCTET_STRING);
        match key.and_then(|key| <[u8; 32]>::try_from(key).ok()) {
            Some(key) if info.algorithm.oid == X25519 => Ok(Zeroizing::new(key)),
            _ => Err("encrypted_private_key is not a key of X25519"),
        }
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase")
    }
}
