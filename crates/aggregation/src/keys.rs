//! The private keys of a coordinator, as files in a directory.
//!
//! One file for each key, so that a rotation adds a file and removes another:
//!
//! ```text
//! {"id": "<at most 128 bytes>", "public_key": "<base64 of 32 bytes>",
//!  "private_key": "<base64 of 32 bytes>", "created": "<RFC 3339>"}
//! ```
//!
//! Whoever reads such a file reads the contributions of all users. It is written with mode 0600, and one
//! that others could read is refused.

use std::{
    collections::HashMap,
    fmt, fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use ascribe_reports::{PrivateKey, PublicKey};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::open::Recipient;

/// A private key with its file's other members. Wiped from memory when dropped; its `Debug` shows no key.
pub struct KeyFile {
    id: Box<str>,
    private_key: Zeroizing<[u8; 32]>,
    created: Box<str>,
}

/// Why keys cannot be used. No message shows a key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A file or the directory cannot be read, or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not a key's.
    #[error("{}: {problem}", path.display())]
    Invalid {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// There is no file of a key in the directory.
    #[error("{}: no key in it: they are files that end in .json", path.display())]
    Empty {
        /// The directory.
        path: PathBuf,
    },
}

/// A file of a key has a few hundred bytes.
const MAX_FILE_BYTES: u64 = 16 << 10;

impl KeyFile {
    /// A key: 32 bytes that nobody can guess, what payloads name it by, and when it was made (RFC 3339, kept
    /// as it is).
    ///
    /// # Errors
    /// When the ID is too long.
    pub fn new(
        id: &str,
        private_key: Zeroizing<[u8; 32]>,
        created: &str,
    ) -> Result<Self, ascribe_reports::KeyIdTooLong> {
        PrivateKey::new(id, private_key.clone())?;
        Ok(Self { id: id.into(), private_key, created: created.into() })
    }

    /// What payloads name the key by.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// When it was made.
    #[must_use]
    pub fn created(&self) -> &str {
        &self.created
    }

    /// What the coordinator serves of it.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.private().public()
    }

    /// The key for the portable opening.
    #[must_use]
    pub fn private(&self) -> PrivateKey {
        PrivateKey::new(&self.id, self.private_key.clone()).expect("the ID was checked")
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, others could read it too, or it is not a key's.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let text = read_private(path).map_err(|source| KeyError::Io { path: path.to_owned(), source })?;
        Self::parse(&text).map_err(|problem| KeyError::Invalid { path: path.to_owned(), problem })
    }

    fn parse(text: &[u8]) -> Result<Self, &'static str> {
        // The text of an error of JSON could be that of the key.
        let members: Members = serde_json::from_slice(text).map_err(|_| "not the JSON of a key")?;
        let private_key =
            decode_key(&members.private_key).ok_or("private_key is not the base64 of 32 bytes")?;
        let file = Self::new(&members.id, private_key, &members.created).map_err(|_| "the ID is too long")?;
        let public_key = BASE64_STANDARD.encode(file.public().as_bytes());
        if public_key != members.public_key {
            return Err("public_key is not that of private_key");
        }
        Ok(file)
    }

    /// Writes a new file that only its owner can read.
    ///
    /// # Errors
    /// When it cannot be written, or is there already: a key is never overwritten.
    pub fn write(&self, path: &Path) -> Result<(), KeyError> {
        let members = Members {
            id: self.id.to_string(),
            public_key: BASE64_STANDARD.encode(self.public().as_bytes()),
            private_key: BASE64_STANDARD.encode(self.private_key.as_slice()),
            created: self.created.to_string(),
        };
        // Into one allocation, as a grown one would leave the beginning of the key behind.
        let mut text = Zeroizing::new(Vec::with_capacity(2048));
        serde_json::to_writer_pretty(&mut *text, &members).expect("a vector takes every byte");
        text.push(b'\n');
        let write = || -> io::Result<()> {
            let mut options = fs::OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(path)?;
            file.write_all(&text)?;
            file.sync_all()
        };
        write().map_err(|source| KeyError::Io { path: path.to_owned(), source })
    }
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyFile")
            .field("id", &self.id)
            .field("created", &self.created)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize, Serialize)]
struct Members {
    id: String,
    public_key: String,
    private_key: String,
    created: String,
}

impl Drop for Members {
    fn drop(&mut self) {
        self.private_key.zeroize();
    }
}

fn read_private(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = fs::File::open(path)?;
    let metadata = file.metadata()?;
    #[cfg(unix)]
    if std::os::unix::fs::MetadataExt::mode(&metadata) & 0o077 != 0 {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "others can read this private key: make it 0600",
        ));
    }
    if metadata.len() > MAX_FILE_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "too long for the file of a key"));
    }
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_FILE_BYTES as usize));
    file.take(MAX_FILE_BYTES).read_to_end(&mut text)?;
    Ok(text)
}

fn decode_key(base64: &str) -> Option<Zeroizing<[u8; 32]>> {
    let mut key = Zeroizing::new([0; 32]);
    // The decoder asks for room for whole groups of three bytes.
    let mut buffer = Zeroizing::new([0; 33]);
    let len = BASE64_STANDARD.decode_slice(base64, buffer.as_mut_slice()).ok()?;
    key.copy_from_slice(buffer.get(..len).filter(|bytes| bytes.len() == 32)?);
    Some(key)
}

/// The private keys that reports are opened with, ready for use. Its `Debug` shows their IDs only.
#[derive(Default)]
pub struct Keyring {
    recipients: HashMap<Box<str>, Recipient>,
}

impl Keyring {
    /// The given keys; of those with the same ID, the last.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = KeyFile>) -> Self {
        let recipient = |key: KeyFile| (key.id.clone(), Recipient::new(&key.private_key));
        Self { recipients: keys.into_iter().map(recipient).collect() }
    }

    /// The keys of a directory: of each file in it whose name ends in `.json`.
    ///
    /// # Errors
    /// When any of them cannot be used, two have the same ID, or there is none.
    pub fn read(directory: &Path) -> Result<Self, KeyError> {
        let mut ring = Self::default();
        for path in key_files(directory)? {
            let key = KeyFile::read(&path)?;
            let recipient = Recipient::new(&key.private_key);
            if ring.recipients.insert(key.id.clone(), recipient).is_some() {
                return Err(KeyError::Invalid { path, problem: "the ID is that of another file" });
            }
        }
        if ring.recipients.is_empty() {
            return Err(KeyError::Empty { path: directory.to_owned() });
        }
        Ok(ring)
    }

    pub(crate) fn find(&self, key_id: &str) -> Option<&Recipient> {
        self.recipients.get(key_id)
    }

    /// What the coordinator serves of them, in the order of their IDs.
    #[must_use]
    pub fn public(&self) -> Vec<PublicKey> {
        let mut keys: Vec<_> = self
            .recipients
            .iter()
            .map(|(id, recipient)| PublicKey::new(id, *recipient.public_key()).expect("the ID was checked"))
            .collect();
        keys.sort_by(|a, b| a.id().cmp(b.id()));
        keys
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.recipients.keys()).finish()
    }
}

fn key_files(directory: &Path) -> Result<Vec<PathBuf>, KeyError> {
    let list = || -> io::Result<Vec<PathBuf>> {
        let paths = fs::read_dir(directory)?.map(|entry| Ok(entry?.path()));
        let mut paths = paths.collect::<io::Result<Vec<_>>>()?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
        paths.sort();
        Ok(paths)
    };
    list().map_err(|source| KeyError::Io { path: directory.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str, byte: u8) -> KeyFile {
        KeyFile::new(id, [byte; 32].into(), "2026-01-02T03:04:05Z").unwrap()
    }

    #[test]
    fn a_directory_is_read_as_it_was_written() {
        let directory = tempfile::tempdir().unwrap();
        for (name, id, byte) in [("1.json", "a", 1), ("2.json", "b", 2)] {
            key(id, byte).write(&directory.path().join(name)).unwrap();
        }
        fs::write(directory.path().join("README"), "not a key").unwrap();
        let ring = Keyring::read(directory.path()).unwrap();
        assert_eq!(ring.public(), [key("a", 1).public(), key("b", 2).public()]);
        assert!(ring.find("a").is_some() && ring.find("c").is_none());
        let read = KeyFile::read(&directory.path().join("1.json")).unwrap();
        assert_eq!((read.id(), read.created()), ("a", "2026-01-02T03:04:05Z"));
        assert_eq!(*read.private_key, [1; 32]);
    }

    #[test]
    fn a_key_is_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.json");
        key("a", 1).write(&path).unwrap();
        assert!(key("b", 2).write(&path).is_err());
        assert_eq!(KeyFile::read(&path).unwrap().id(), "a");
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.json");
        key("a", 1).write(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        for mode in [0o640, 0o604, 0o620] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert!(Keyring::read(directory.path()).unwrap_err().to_string().contains("0600"), "{mode:o}");
        }
    }

    #[test]
    fn a_file_that_is_not_a_key_s_is_told_without_its_text() {
        let directory = tempfile::tempdir().unwrap();
        assert!(matches!(Keyring::read(directory.path()), Err(KeyError::Empty { .. })));
        let good = directory.path().join("a.json");
        key("secret", 1).write(&good).unwrap();
        let text = fs::read_to_string(&good).unwrap();
        let base64 = BASE64_STANDARD.encode([1; 32]);
        for (from, to, problem) in [
            (base64.as_str(), "AAAA", "private_key is not the base64 of 32 bytes"),
            ("\"id\"", "\"di\"", "not the JSON of a key"),
            (&base64, &BASE64_STANDARD.encode([2; 32]), "public_key is not that of private_key"),
            ("secret", &"i".repeat(129), "the ID is too long"),
        ] {
            let error = KeyFile::parse(text.replace(from, to).as_bytes()).unwrap_err();
            assert_eq!(error, problem);
        }
        fs::copy(&good, directory.path().join("b.json")).unwrap();
        let error = Keyring::read(directory.path()).unwrap_err().to_string();
        assert!(error.contains("the ID is that of another file"), "{error}");
    }

    #[test]
    fn debug_output_shows_no_key() {
        let shown = format!("{:?} {:?}", key("a", 0xa5), Keyring::new([key("a", 0xa5)]));
        assert!(shown.contains("\"a\"") && !shown.contains("165") && !shown.contains("a5"), "{shown}");
    }
}
