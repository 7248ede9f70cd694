//! The private keys of a coordinator, as files in a directory.
//!
//! One file for each key, so that a rotation adds a file and removes another:
//!
//! ```text
//! {"id": "<at most 128 bytes>", "public_key": "<base64 of 32 bytes>",
//!  "private_key": "<base64 of 32 bytes>", "created": "<RFC 3339>",
//!  "published_from": "<RFC 3339>", "published_until": "<RFC 3339>"}
//! ```
//!
//! The last two may be missing: such a key is published from the start, and without an end. In place of
//! `private_key` there may be `encrypted_private_key`: PKCS#8 in PEM under a passphrase ([`Passphrase`]).
//!
//! Whoever reads such a file reads the contributions of all users. It is written with mode 0600, and one
//! that others could read is refused.

mod passphrase;

use std::{
    collections::HashMap,
    fmt, fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use ascribe_reports::{PrivateKey, PublicKey, Time};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

pub use self::passphrase::Passphrase;
use crate::{open::Recipient, shared_info::iso_8601};

/// A private key with its file's other members. Wiped from memory when dropped; its `Debug` shows no key.
pub struct KeyFile {
    id: Box<str>,
    public_key: [u8; 32],
    private_key: Secret,
    created: Box<str>,
    published: Published,
}

/// When a coordinator serves a key's public half.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// From this moment on, if it is not from the start.
    pub from: Option<Time>,
    /// Until just before this moment, if there is an end.
    pub until: Option<Time>,
}

enum Secret {
    Open(Zeroizing<[u8; 32]>),
    /// PKCS#8 in PEM.
    Locked(Box<str>),
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
    /// The key is encrypted, and no passphrase was given.
    #[error("{}: it needs a passphrase", path.display())]
    Locked {
        /// Which.
        path: PathBuf,
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
        let public_key = *PrivateKey::new(id, private_key.clone())?.public().as_bytes();
        let private_key = Secret::Open(private_key);
        Ok(Self {
            id: id.into(),
            public_key,
            private_key,
            created: created.into(),
            published: Published::default(),
        })
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

    /// When its public half is served.
    #[must_use]
    pub fn published(&self) -> Published {
        self.published
    }

    /// Says when its public half is served.
    pub fn publish(&mut self, published: Published) {
        self.published = published;
    }

    /// What the coordinator serves of it. Of a locked key it is what the file says, until it is unlocked.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey::new(&self.id, self.public_key).expect("the ID was checked")
    }

    /// The key for the portable opening; `None` while it is locked.
    #[must_use]
    pub fn private(&self) -> Option<PrivateKey> {
        let Secret::Open(key) = &self.private_key else { return None };
        Some(PrivateKey::new(&self.id, key.clone()).expect("the ID was checked"))
    }

    /// Whether its file needs a passphrase.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        matches!(self.private_key, Secret::Locked(_))
    }

    /// Encrypts it: what is written from now on needs the passphrase. Takes about half a second.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn lock(&mut self, passphrase: &Passphrase) -> Result<(), crate::NoRandomness> {
        if let Secret::Open(key) = &self.private_key {
            self.private_key = Secret::Locked(passphrase.lock(key)?.into());
        }
        Ok(())
    }

    /// Decrypts it. Takes about half a second.
    ///
    /// # Errors
    /// What is wrong: the passphrase, most likely.
    pub fn unlock(&mut self, passphrase: &Passphrase) -> Result<(), &'static str> {
        let Secret::Locked(pem) = &self.private_key else { return Ok(()) };
        let key = passphrase.unlock(pem)?;
        if *Self::new(&self.id, key.clone(), "").map_err(|_| ID_TOO_LONG)?.public().as_bytes()
            != self.public_key
        {
            return Err(OTHER_PUBLIC_KEY);
        }
        self.private_key = Secret::Open(key);
        Ok(())
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
        let public_key = decode_key(&members.public_key).ok_or("public_key is not the base64 of 32 bytes")?;
        let mut file = match (&members.private_key, &members.encrypted_private_key) {
            (Some(key), None) => {
                let key = decode_key(key).ok_or("private_key is not the base64 of 32 bytes")?;
                Self::new(&members.id, key, &members.created).map_err(|_| ID_TOO_LONG)?
            }
            (None, Some(pem)) => Self {
                public_key: *PublicKey::new(&members.id, *public_key).map_err(|_| ID_TOO_LONG)?.as_bytes(),
                id: members.id.as_str().into(),
                private_key: Secret::Locked(pem.as_str().into()),
                created: members.created.as_str().into(),
                published: Published::default(),
            },
            _ => return Err("it needs one of private_key and encrypted_private_key"),
        };
        if file.public_key != *public_key {
            return Err(OTHER_PUBLIC_KEY);
        }
        file.published = Published {
            from: moment(members.published_from.as_deref())?,
            until: moment(members.published_until.as_deref())?,
        };
        Ok(file)
    }

    /// Writes a new file that only its owner can read.
    ///
    /// # Errors
    /// When it cannot be written, or is there already: a key is never overwritten.
    pub fn write(&self, path: &Path) -> Result<(), KeyError> {
        let text = self.text();
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

    /// Writes a file anew, in one step: whoever stops in between leaves it as it was.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn rewrite(&self, path: &Path) -> Result<(), KeyError> {
        // Without the end that readers look for.
        let beside = path.with_extension("new");
        let _ = fs::remove_file(&beside);
        self.write(&beside)?;
        fs::rename(&beside, path).map_err(|source| KeyError::Io { path: path.to_owned(), source })
    }

    fn text(&self) -> Zeroizing<Vec<u8>> {
        let (private_key, encrypted_private_key) = match &self.private_key {
            Secret::Open(key) => (Some(BASE64_STANDARD.encode(key.as_slice())), None),
            Secret::Locked(pem) => (None, Some(pem.to_string())),
        };
        let members = Members {
            id: self.id.to_string(),
            public_key: BASE64_STANDARD.encode(self.public_key),
            private_key,
            encrypted_private_key,
            created: self.created.to_string(),
            published_from: self.published.from.map(iso_8601),
            published_until: self.published.until.map(iso_8601),
        };
        // Into one allocation, as a grown one would leave the beginning of the key behind.
        let mut text = Zeroizing::new(Vec::with_capacity(2048));
        serde_json::to_writer_pretty(&mut *text, &members).expect("a vector takes every byte");
        text.push(b'\n');
        text
    }
}

const ID_TOO_LONG: &str = "the ID is too long";
const OTHER_PUBLIC_KEY: &str = "public_key is not that of private_key";

fn moment(text: Option<&str>) -> Result<Option<Time>, &'static str> {
    let read = |text| chrono::DateTime::parse_from_rfc3339(text).map_err(|_| "a time is not in RFC 3339");
    Ok(text.map(read).transpose()?.map(|time| Time::from_millis(time.timestamp_millis())))
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    private_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    encrypted_private_key: Option<String>,
    created: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    published_from: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    published_until: Option<String>,
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
    /// The given keys, without those that are locked; of those with the same ID, the last.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = KeyFile>) -> Self {
        let recipient = |key: KeyFile| match &key.private_key {
            Secret::Open(private) => Some((key.id.clone(), Recipient::new(private))),
            Secret::Locked(_) => None,
        };
        Self { recipients: keys.into_iter().filter_map(recipient).collect() }
    }

    /// The keys of a directory: of each file in it whose name ends in `.json`.
    ///
    /// # Errors
    /// When any of them cannot be used, two have the same ID, or there is none.
    pub fn read(directory: &Path) -> Result<Self, KeyError> {
        Self::read_with(directory, None)
    }

    /// The same, where some may need a passphrase.
    ///
    /// # Errors
    /// As [`read`](Self::read); and when the passphrase is not that of each encrypted key.
    pub fn read_with(directory: &Path, passphrase: Option<&Passphrase>) -> Result<Self, KeyError> {
        let mut ring = Self::default();
        for path in key_files(directory)? {
            let mut key = KeyFile::read(&path)?;
            match passphrase {
                Some(passphrase) => {
                    let invalid = |problem| KeyError::Invalid { path: path.clone(), problem };
                    key.unlock(passphrase).map_err(invalid)?;
                }
                None if key.is_locked() => return Err(KeyError::Locked { path }),
                None => {}
            }
            let Secret::Open(private) = &key.private_key else { continue };
            if ring.recipients.insert(key.id.clone(), Recipient::new(private)).is_some() {
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

/// The files of keys in a directory, by name.
///
/// # Errors
/// When it cannot be read.
pub fn key_files(directory: &Path) -> Result<Vec<PathBuf>, KeyError> {
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
        assert!(matches!(&read.private_key, Secret::Open(bytes) if **bytes == [1; 32]));
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
    fn an_encrypted_key_opens_with_its_passphrase_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.json");
        let mut locked = key("a", 1);
        locked.publish(Published { from: Some(Time::from_secs(5)), until: None });
        locked.lock(&Passphrase::new("right".to_owned())).unwrap();
        assert!(locked.private().is_none());
        locked.write(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.contains("BEGIN ENCRYPTED PRIVATE KEY") && !text.contains(&BASE64_STANDARD.encode([1; 32]))
        );
        let read = KeyFile::read(&path).unwrap();
        assert_eq!((read.public(), read.published()), (key("a", 1).public(), locked.published()));
        assert!(matches!(Keyring::read(directory.path()), Err(KeyError::Locked { .. })));
        let ring =
            |phrase: &str| Keyring::read_with(directory.path(), Some(&Passphrase::new(phrase.to_owned())));
        assert!(ring("wrong").unwrap_err().to_string().ends_with("the passphrase is wrong"));
        assert_eq!(ring("right").unwrap().public(), [key("a", 1).public()]);
    }

    #[test]
    fn debug_output_shows_no_key() {
        let shown = format!("{:?} {:?}", key("a", 0xa5), Keyring::new([key("a", 0xa5)]));
        assert!(shown.contains("\"a\"") && !shown.contains("165") && !shown.contains("a5"), "{shown}");
    }
}
