//! The private keys of a coordinator, and the file that holds them.
//!
//! Spec: none. It leaves the side of the coordinator open.

use std::borrow::Cow;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::{
    KeySet, KeySetError, PrivateKey, PublicKey,
    json::{self, Object},
    key_set::{Keys, check_ids, decode_key},
};

/// The private keys of a coordinator: at least one, each with its own ID. Wiped from memory when dropped.
///
/// They are kept in a file of JSON: the private counterpart of what the coordinator serves, with another
/// member name, so that neither is ever taken for the other:
///
/// ```text
/// {"keys": [{"id": "<at most 128 bytes>", "private_key": "<base64 of 32 bytes>"}, ...]}
/// ```
///
/// Unknown members are ignored, so that other software may note when a key was made. Whoever reads the
/// file can read all contributions of all users: it belongs to the aggregation process alone.
///
/// ```
/// use ascribe_reports::{PrivateKey, PrivateKeySet};
/// use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
///
/// let mut rng = ChaCha20Rng::seed_from_u64(1); // never seeded like this outside of tests
/// let file = PrivateKeySet::new([PrivateKey::generate("a", &mut rng)?])?.to_json();
///
/// let keys = PrivateKeySet::parse(file.as_bytes())?;
/// let sealed = keys.public().as_slice()[0].seal("{}", b"payload", &mut rng)?;
/// let key = keys.find(&sealed.key_id).expect("the key that it was sealed to");
/// assert_eq!(key.open("{}", &sealed.ciphertext)?, b"payload");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct PrivateKeySet(Box<[PrivateKey]>);

impl PrivateKeySet {
    /// Reads a file of private keys. The caller's bytes are the caller's to wipe.
    ///
    /// # Errors
    /// When it has another shape, or any of its keys is invalid.
    pub fn parse(json: &[u8]) -> Result<Self, KeySetError> {
        let Keys { keys }: Keys<Object<Entry<'_>>> = json::parse_object(json)
            .map_err(|error| KeySetError::PrivateJson { line: error.line(), column: error.column() })?;
        let keys = keys.into_iter().enumerate().map(|(index, Object(entry))| {
            let bytes = decode_key(&entry.private_key).ok_or(KeySetError::InvalidKey { index })?;
            PrivateKey::new(&entry.id, bytes).map_err(|source| KeySetError::IdTooLong { index, source })
        });
        Self::new(keys.collect::<Result<Vec<_>, _>>()?)
    }

    /// The given keys.
    ///
    /// # Errors
    /// When there is none, or two have the same ID.
    pub fn new(keys: impl Into<Box<[PrivateKey]>>) -> Result<Self, KeySetError> {
        let keys = keys.into();
        check_ids(keys.iter().map(PrivateKey::id))?;
        Ok(Self(keys))
    }

    /// The keys, in the order that they were given in.
    #[must_use]
    pub fn as_slice(&self) -> &[PrivateKey] {
        &self.0
    }

    /// The key that a payload names. A set has few keys: it looks at each.
    #[must_use]
    pub fn find(&self, key_id: &str) -> Option<&PrivateKey> {
        self.0.iter().find(|key| key.id() == key_id)
    }

    /// What the coordinator serves: the public key of each, under the same ID, in the same order.
    #[must_use]
    pub fn public(&self) -> KeySet {
        let keys: Vec<PublicKey> = self.0.iter().map(PrivateKey::public).collect();
        KeySet::new(keys).expect("the IDs are those of a set of keys")
    }

    /// The text of the file: wiped from memory when dropped, as it is printed into one allocation.
    #[must_use]
    pub fn to_json(&self) -> Zeroizing<String> {
        let entry = |key: &PrivateKey| Entry {
            id: key.id().to_owned().into(),
            private_key: BASE64_STANDARD.encode(key.as_bytes()).into(),
        };
        let keys = Keys { keys: self.0.iter().map(entry).collect() };
        // A byte of an ID takes at most 6 when it is escaped; the rest of an entry less than 128.
        let len = 16 + self.0.iter().map(|key| 128 + 6 * key.id().len()).sum::<usize>();
        let mut out = Vec::with_capacity(len);
        json::write(&mut out, &keys);
        Zeroizing::new(String::from_utf8(out).expect("JSON of Rust strings is UTF-8"))
    }
}

#[derive(Deserialize, Serialize)]
struct Entry<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    private_key: Cow<'a, str>,
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        if let Cow::Owned(key) = &mut self.private_key {
            key.zeroize();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";

    fn key(id: &str, byte: u8) -> PrivateKey {
        PrivateKey::new(id, [byte; 32].into()).unwrap()
    }

    fn error(json: &str) -> String {
        PrivateKeySet::parse(json.as_bytes()).expect_err(json).to_string()
    }

    #[test]
    fn a_file_is_read_as_it_was_written() {
        let text = format!(r#"{{"keys":[{{"id":"one","private_key":"{KEY}"}}]}}"#);
        let keys = PrivateKeySet::parse(text.as_bytes()).unwrap();
        assert_eq!(keys.as_slice()[0].as_bytes()[..3], [1, 2, 3]);
        assert_eq!(*keys.to_json(), text);
        let escaped = text.replace("AQ", r"\u0041Q").replace("}]", r#","made":"today"}]"#);
        assert_eq!(*PrivateKeySet::parse(escaped.as_bytes()).unwrap().to_json(), text);
    }

    #[test]
    fn printing_never_grows_the_allocation() {
        let id = "\u{1}".repeat(128);
        let text = PrivateKeySet::new([key(&id, 1)]).unwrap().to_json();
        assert_eq!(text.capacity(), 16 + 128 + 6 * 128);
        assert_eq!(PrivateKeySet::parse(text.as_bytes()).unwrap().as_slice()[0].id(), id);
    }

    #[test]
    fn public_and_private_files_are_not_taken_for_each_other() {
        let keys = PrivateKeySet::new([key("a", 1)]).unwrap();
        assert!(error(&keys.public().to_json()).starts_with("not a set of private keys, at line 1 column "));
        let error = KeySet::parse(keys.to_json().as_bytes()).unwrap_err().to_string();
        assert!(error.contains("missing field `key`"), "{error}");
    }

    #[test]
    fn a_payload_s_key_is_found_by_its_id() {
        let keys = PrivateKeySet::new([key("a", 1), key("b", 2)]).unwrap();
        assert_eq!(keys.find("b").unwrap().as_bytes()[0], 2);
        assert!(keys.find("c").is_none());
        assert_eq!(keys.public().as_slice()[1], key("b", 2).public());
    }

    #[test]
    fn an_invalid_key_spoils_the_file() {
        let long = "i".repeat(129);
        for (entries, expected) in [
            (String::new(), "no keys"),
            (r#"{"id":"a","private_key":"AAAA"}"#.to_owned(), "keys[0]: not the base64 of 32 bytes"),
            (
                format!(r#"{{"id":"a","private_key":"{KEY}"}},{{"id":"a","private_key":"{KEY}"}}"#),
                "keys[1]: the ID is that of an earlier key",
            ),
            (
                format!(r#"{{"id":"{long}","private_key":"{KEY}"}}"#),
                "keys[0]: a key ID has at most 128 bytes",
            ),
        ] {
            assert_eq!(error(&format!(r#"{{"keys":[{entries}]}}"#)), expected);
        }
    }

    #[test]
    fn errors_show_no_key() {
        for json in [
            format!(r#"["{KEY}"]"#),
            format!(r#"{{"keys":"{KEY}"}}"#),
            format!(r#"{{"keys":["{KEY}"]}}"#),
            format!(r#"{{"keys":[{{"id":["{KEY}"]}}]}}"#),
            format!(r#"{{"keys":[{{"id":"{KEY}","private_key":{{"{KEY}":1}}}}]}}"#),
            format!("{{\"keys\":\n[{{\"{KEY}\"]}}"),
        ] {
            let error = PrivateKeySet::parse(json.as_bytes()).expect_err(&json);
            assert!(!format!("{error} {error:?}").contains(KEY), "{error:?}");
        }
        assert_eq!(error("{\n  \"keys\": 1}"), "not a set of private keys, at line 2 column 11");
    }

    #[test]
    fn debug_output_shows_no_key() {
        let keys = PrivateKeySet::new([key("a", 0xa5)]).unwrap();
        assert_eq!(format!("{keys:?}"), r#"PrivateKeySet([PrivateKey { id: "a", .. }])"#);
    }
}
