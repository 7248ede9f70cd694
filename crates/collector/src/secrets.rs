//! The collector's secrets: what only it could have made, it can recognize.

use std::{fmt, path::Path};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// A 256-bit key for HMAC-SHA-256. Never printed.
#[derive(Clone)]
pub struct Secret(Zeroizing<[u8; 32]>);

/// The secret that is in use, and those before it, which are still recognized.
#[derive(Clone, Debug)]
pub struct Secrets {
    current: Secret,
    previous: Box<[Secret]>,
}

/// Why a secret cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The file cannot be read or created.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: Box<str>,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// The file does not hold 64 hexadecimal digits.
    #[error("{path}: must hold 64 hexadecimal digits, and nothing else")]
    Malformed {
        /// The file.
        path: Box<str>,
    },
    /// Others than its owner may read the file.
    #[error("{path}: others may read it; allow only its owner to: chmod 600")]
    Readable {
        /// The file.
        path: Box<str>,
    },
}

/// What a keyed hash is for: the same text hashes differently for each.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    EventIdTag,
    EventIdField,
    Deduplication,
}

impl Secret {
    /// 32 bytes that nobody can guess.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Reads a secret from a file of 64 hexadecimal digits.
    ///
    /// # Errors
    /// When the file cannot be read, holds something else, or may be read by others than its owner.
    pub fn read(path: &Path) -> Result<Self, SecretError> {
        let named = || path.display().to_string().into_boxed_str();
        let io = |error| SecretError::Io { path: named(), error };
        let text = Zeroizing::new(std::fs::read_to_string(path).map_err(io)?);
        if readable_by_others(path).map_err(io)? {
            return Err(SecretError::Readable { path: named() });
        }
        let malformed = || SecretError::Malformed { path: named() };
        let digits = text.trim_end_matches(['\r', '\n']);
        if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(malformed());
        }
        let mut bytes = [0; 32];
        for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&digits[at..at + 2], 16).map_err(|_| malformed())?;
        }
        Ok(Self::from_bytes(bytes))
    }

    /// Reads the file, or creates it with these `fresh` bytes, for its owner alone, if there is none.
    ///
    /// # Errors
    /// As [`read`](Self::read); or when the file cannot be created.
    pub fn read_or_create(path: &Path, fresh: [u8; 32]) -> Result<Self, SecretError> {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let written = options.open(path).and_then(|mut file| {
            let digits: String = fresh.iter().map(|byte| format!("{byte:02x}")).collect();
            std::io::Write::write_all(&mut file, Zeroizing::new(digits + "\n").as_bytes())?;
            file.sync_all()
        });
        match written {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Self::read(path),
            Ok(()) => Ok(Self::from_bytes(fresh)),
            Err(error) => Err(SecretError::Io { path: path.display().to_string().into(), error }),
        }
    }

    /// The first 64 bits of HMAC-SHA-256 of the parts, each preceded by its length.
    pub(crate) fn hash(&self, purpose: Purpose, parts: &[&[u8]]) -> u64 {
        let mut mac =
            <Hmac<Sha256> as KeyInit>::new_from_slice(&self.0[..]).expect("HMAC takes keys of any length");
        mac.update(match purpose {
            Purpose::EventIdTag => b"ascribe source event id tag",
            Purpose::EventIdField => b"ascribe source event id field",
            Purpose::Deduplication => b"ascribe deduplication key",
        });
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        let digest = mac.finalize().into_bytes();
        u64::from_be_bytes(digest[..8].try_into().expect("a SHA-256 digest has 32 bytes"))
    }
}

impl Secrets {
    /// The secret in use, and those used before, as long as reports that they marked may come: a month.
    #[must_use]
    pub fn new(current: Secret, previous: impl IntoIterator<Item = Secret>) -> Self {
        Self { current, previous: previous.into_iter().collect() }
    }

    pub(crate) fn current(&self) -> &Secret {
        &self.current
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Secret> {
        std::iter::once(&self.current).chain(&self.previous)
    }

    /// The deduplication key of an order: the same whenever the conversion is told again with that order.
    ///
    /// 64 bits, different for each kind of conversion. It tells nobody the order, who has not the secret.
    #[must_use]
    pub fn deduplication_key(&self, conversion: &str, order: &str) -> u64 {
        self.current.hash(Purpose::Deduplication, &[conversion.as_bytes(), order.as_bytes()])
    }
}

#[cfg(unix)]
pub(crate) fn readable_by_others(path: &Path) -> std::io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    Ok(std::fs::metadata(path)?.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
pub(crate) fn readable_by_others(_: &Path) -> std::io::Result<bool> {
    Ok(false)
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_hmac_sha_256_of_purpose_and_parts() {
        // From Python: hmac.new(bytes(32), b"ascribe deduplication key" + b"\0\0\0\0\0\0\0\x01a" +
        // b"\0\0\0\0\0\0\0\x02bc", "sha256").hexdigest()[:16]
        let hash = Secret::from_bytes([0; 32]).hash(Purpose::Deduplication, &[b"a", b"bc"]);
        assert_eq!(format!("{hash:016x}"), "8a74e0f890abeb69");
    }

    #[test]
    fn deduplication_keys_hold_and_differ_by_conversion_order_and_secret() {
        let secrets = |byte| Secrets::new(Secret::from_bytes([byte; 32]), []);
        let key = secrets(1).deduplication_key("purchase", "order-1");
        assert_eq!(key, secrets(1).deduplication_key("purchase", "order-1"));
        assert_ne!(key, secrets(1).deduplication_key("purchase", "order-2"));
        assert_ne!(key, secrets(1).deduplication_key("signup", "order-1"));
        assert_ne!(key, secrets(1).deduplication_key("purchaseo", "rder-1"), "no part runs into the next");
        assert_ne!(key, secrets(2).deduplication_key("purchase", "order-1"));
    }

    #[test]
    fn a_secret_is_created_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let created = Secret::read_or_create(&path, [7; 32]).unwrap();
        let read = Secret::read_or_create(&path, [8; 32]).unwrap();
        assert_eq!(created.0, read.0);
        assert_eq!(format!("{read:?}"), "Secret");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
            assert!(matches!(Secret::read(&path), Err(SecretError::Readable { .. })));
        }
    }

    #[test]
    fn a_file_of_anything_else_is_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in
            [("short", "ab".repeat(31)), ("long", "ab".repeat(33)), ("other", "zz".repeat(32))]
        {
            let path = folder.path().join(name);
            Secret::read_or_create(&path, [0; 32]).unwrap();
            std::fs::write(&path, text).unwrap();
            assert!(matches!(Secret::read(&path), Err(SecretError::Malformed { .. })), "{name}");
        }
        assert!(matches!(Secret::read(&folder.path().join("none")), Err(SecretError::Io { .. })));
    }
}
