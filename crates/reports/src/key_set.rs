//! The public keys of a coordinator, as it serves them, and the choice of one for each report.
//!
//! Spec: "obtain the public key for encryption", which leaves the response and the choice to the user
//! agent. Both are as in Chromium here.

use std::{borrow::Cow, collections::HashSet, num::NonZeroUsize};

use ascribe_headers::Coordinator;
use base64::{Engine, prelude::BASE64_STANDARD};
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    KeyIdTooLong, PublicKey,
    json::{self, Object},
};

/// The public keys of a coordinator: at least one, each with its own ID.
///
/// It serves them at [`KeySet::PATH`], as JSON of at most 1 MB:
///
/// ```text
/// {"keys": [{"id": "<at most 128 bytes>", "key": "<base64 of 32 bytes>"}, ...]}
/// ```
///
/// The set is taken whole or not at all, and each report picks one of its keys at random.
///
/// ```
/// use ascribe_reports::{KeySet, UniformKey};
/// use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
///
/// let keys = KeySet::parse(br#"{"keys":[{"id":"a","key":"CQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}]}"#)?;
/// let key = keys.choose(&mut UniformKey(ChaCha20Rng::seed_from_u64(1)));
/// assert_eq!(key.id(), "a");
/// # Ok::<(), ascribe_reports::KeySetError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySet(Box<[PublicKey]>);

/// Why keys are not a set of keys. Indexes count from 0.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeySetError {
    /// Longer than [`KeySet::MAX_BYTES`].
    #[error("{0} bytes, at most {max}", max = KeySet::MAX_BYTES)]
    TooLong(usize),
    /// Not JSON of the right shape.
    #[error("not a set of keys: {0}")]
    Json(#[from] serde_json::Error),
    /// Private keys that are not JSON of the right shape: told without the text, which may be a key.
    #[error("not a set of private keys, at line {line} column {column}")]
    PrivateJson {
        /// Which line, from 1.
        line: usize,
        /// Which byte of the line, from 1.
        column: usize,
    },
    /// There is no key.
    #[error("no keys")]
    Empty,
    /// An ID is longer than [`PublicKey::MAX_ID_BYTES`].
    #[error("keys[{index}]: {source}")]
    IdTooLong {
        /// Which key.
        index: usize,
        /// The limit.
        source: KeyIdTooLong,
    },
    /// A key is not the base64 of 32 bytes.
    #[error("keys[{index}]: not the base64 of 32 bytes")]
    InvalidKey {
        /// Which key.
        index: usize,
    },
    /// Two keys have the same ID.
    #[error("keys[{index}]: the ID is that of an earlier key")]
    DuplicateId {
        /// The second of them.
        index: usize,
    },
}

/// The draw that [`KeySet::choose`] asks for.
pub trait KeyDraw {
    /// Which of `keys` public keys seals the next payload: uniform over `0..keys`.
    fn public_key(&mut self, keys: NonZeroUsize) -> usize;
}

/// The draw as it is meant to be: uniform, from a generator of random numbers.
#[derive(Clone, Debug)]
pub struct UniformKey<R>(pub R);

impl<R: Rng> KeyDraw for UniformKey<R> {
    fn public_key(&mut self, keys: NonZeroUsize) -> usize {
        self.0.random_range(0..keys.get())
    }
}

impl KeySet {
    /// The most bytes that a coordinator's response can have.
    pub const MAX_BYTES: usize = 1_000_000;

    /// The path that a coordinator serves its keys at.
    pub const PATH: &str = "/.well-known/aggregation-service/v1/public-keys";

    /// Where a coordinator serves its keys.
    #[must_use]
    pub fn url(coordinator: &Coordinator) -> String {
        [coordinator.origin().as_str(), Self::PATH].concat()
    }

    /// Reads a coordinator's response. Unknown members are ignored.
    ///
    /// # Errors
    /// When it is too long, has another shape, or any of its keys is invalid: the set is taken whole or not
    /// at all.
    pub fn parse(json: &[u8]) -> Result<Self, KeySetError> {
        if json.len() > Self::MAX_BYTES {
            return Err(KeySetError::TooLong(json.len()));
        }
        let Keys { keys }: Keys<Object<Entry<'_>>> = json::parse_object(json)?;
        let keys = keys.into_iter().enumerate().map(|(index, Object(Entry { id, key }))| {
            let bytes = decode_key(&key).ok_or(KeySetError::InvalidKey { index })?;
            PublicKey::new(&id, *bytes).map_err(|source| KeySetError::IdTooLong { index, source })
        });
        Self::new(keys.collect::<Result<Vec<_>, _>>()?)
    }

    /// The given keys.
    ///
    /// # Errors
    /// When there is none, or two have the same ID.
    pub fn new(keys: impl Into<Box<[PublicKey]>>) -> Result<Self, KeySetError> {
        let keys = keys.into();
        check_ids(keys.iter().map(PublicKey::id))?;
        Ok(Self(keys))
    }

    /// The keys, in the order that they were given in.
    #[must_use]
    pub fn as_slice(&self) -> &[PublicKey] {
        &self.0
    }

    /// The key that seals the next payload: drawn anew for each, so that the choice tells nothing.
    ///
    /// A draw out of range wraps around.
    #[must_use]
    pub fn choose(&self, draw: &mut impl KeyDraw) -> &PublicKey {
        let len = NonZeroUsize::new(self.0.len()).expect("a set of keys is never empty");
        &self.0[draw.public_key(len) % len]
    }

    /// The JSON that a coordinator serves.
    #[must_use]
    pub fn to_json(&self) -> String {
        let entry = |key: &PublicKey| Entry {
            id: key.id().to_owned().into(),
            key: BASE64_STANDARD.encode(key.as_bytes()).into(),
        };
        json::to_string(&Keys { keys: self.0.iter().map(entry).collect() })
    }
}

/// The shape of a set of keys, public or private.
#[derive(Deserialize, Serialize)]
pub(crate) struct Keys<T> {
    pub(crate) keys: Vec<T>,
}

#[derive(Deserialize, Serialize)]
struct Entry<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    key: Cow<'a, str>,
}

/// 32 bytes, from base64 with padding; wiped when dropped, for they can be a private key.
pub(crate) fn decode_key(base64: &str) -> Option<Zeroizing<[u8; 32]>> {
    let mut key = Zeroizing::new([0; 32]);
    // The decoder asks for room for whole groups of three bytes.
    let mut buffer = Zeroizing::new([0; 33]);
    let len = BASE64_STANDARD.decode_slice(base64, buffer.as_mut_slice()).ok()?;
    key.copy_from_slice(buffer.get(..len).filter(|bytes| bytes.len() == 32)?);
    Some(key)
}

/// A set has a key at least, and no ID twice.
pub(crate) fn check_ids<'a>(ids: impl Iterator<Item = &'a str>) -> Result<(), KeySetError> {
    let mut seen = HashSet::new();
    for (index, id) in ids.enumerate() {
        if !seen.insert(id) {
            return Err(KeySetError::DuplicateId { index });
        }
    }
    if seen.is_empty() { Err(KeySetError::Empty) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use ascribe_headers::Coordinators;
    use rand::SeedableRng;
    use rand_chacha::ChaCha20Rng;
    use serde_json::{Value, json};

    use super::*;

    const A: &str = "CQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    const B: &str = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";

    fn parse(json: &Value) -> Result<KeySet, String> {
        KeySet::parse(json.to_string().as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn keys_keep_their_order_and_print_as_served() {
        let text = format!(r#"{{"keys":[{{"id":"b","key":"{B}"}},{{"id":"a","key":"{A}"}}]}}"#);
        let keys = KeySet::parse(text.as_bytes()).unwrap();
        let [b, a] = keys.as_slice() else { panic!("{keys:?}") };
        assert_eq!((b.id(), b.as_bytes()[31]), ("b", 32));
        assert_eq!((a.id(), a.as_bytes()[0]), ("a", 9));
        assert_eq!(keys.to_json(), text);
    }

    #[test]
    fn keys_are_served_at_a_well_known_path() {
        assert_eq!(
            KeySet::url(Coordinators::chromium().default_coordinator()),
            "https://publickeyservice.msmt.aws.privacysandboxservices.com/.well-known/aggregation-service/v1/public-keys"
        );
    }

    #[test]
    fn unknown_members_and_escapes_are_accepted() {
        let text =
            format!(r#" {{"v":[{{}}],"keys":[{{"key":"{A}","x":null,"\u0069d":"\u00e9\"","id2":1}}]}} "#);
        assert_eq!(KeySet::parse(text.as_bytes()).unwrap().as_slice()[0].id(), "é\"");
    }

    #[test]
    fn other_shapes_are_no_set() {
        for json in [
            json!([]),
            json!({}),
            json!({"keys": {}}),
            json!({"keys": [[A, "id"]]}),
            json!([[{"id": "a", "key": A}]]),
            json!({"keys": [{"id": "a"}]}),
            json!({"keys": [{"key": A}]}),
            json!({"keys": [{"id": 1, "key": A}]}),
            json!({"keys": [{"id": "a", "key": null}]}),
            json!({"keys": [{"id": "a", "key": A}, 1]}),
        ] {
            let error = parse(&json).expect_err(&json.to_string());
            assert!(error.starts_with("not a set of keys: "), "{json}: {error}");
        }
        for text in [b"".as_slice(), b"\xff", br#"{"keys":[]}x"#, br#"{"keys":[],"keys":[]}"#] {
            assert!(matches!(KeySet::parse(text), Err(KeySetError::Json(_))), "{text:x?}");
        }
    }

    #[test]
    fn one_key_is_enough_and_none_is_not() {
        assert_eq!(parse(&json!({"keys": []})), Err("no keys".to_owned()));
        assert!(parse(&json!({"keys": [{"id": "", "key": A}]})).is_ok());
    }

    #[test]
    fn an_invalid_key_spoils_the_set() {
        let with =
            |id: &str, key: &str| parse(&json!({"keys": [{"id": "a", "key": A}, {"id": id, "key": key}]}));
        assert!(with(&"i".repeat(127), B).is_ok());
        assert!(with(&"i".repeat(128), B).is_ok());
        assert_eq!(with(&"i".repeat(129), B), Err("keys[1]: a key ID has at most 128 bytes".to_owned()));
        assert_eq!(with("a", B), Err("keys[1]: the ID is that of an earlier key".to_owned()));
        assert!(with("b", A).is_ok(), "one key may go by two IDs");
        for key in [
            "",
            "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHw==",
            "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAh",
            "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIg==",
            "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA",
            "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyB=",
            "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHy_=",
            " AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=",
            &"A".repeat(100_000),
        ] {
            assert_eq!(with("b", key), Err("keys[1]: not the base64 of 32 bytes".to_owned()), "{key}");
        }
    }

    #[test]
    fn a_response_has_at_most_a_million_bytes() {
        let text = format!(r#"{{"keys":[{{"id":"a","key":"{A}"}}]}}"#);
        for (len, fits) in [(999_999, true), (1_000_000, true), (1_000_001, false)] {
            let padded = [text.as_str(), &" ".repeat(len - text.len())].concat();
            match KeySet::parse(padded.as_bytes()) {
                Ok(_) => assert!(fits, "{len}"),
                Err(error) => {
                    assert!(!fits, "{len}");
                    assert_eq!(error.to_string(), "1000001 bytes, at most 1000000");
                }
            }
        }
    }

    fn three() -> KeySet {
        let key = |(id, byte)| PublicKey::new(id, [byte; 32]).unwrap();
        KeySet::new([("a", 1), ("b", 2), ("c", 3)].map(key)).unwrap()
    }

    #[test]
    fn the_named_draw_decides() {
        struct Scripted(usize);

        impl KeyDraw for Scripted {
            fn public_key(&mut self, keys: NonZeroUsize) -> usize {
                assert_eq!(keys.get(), 3);
                self.0
            }
        }

        for (draw, id) in [(0, "a"), (1, "b"), (2, "c"), (3, "a"), (usize::MAX, "a")] {
            assert_eq!(three().choose(&mut Scripted(draw)).id(), id, "{draw}");
        }
    }

    #[test]
    fn every_key_is_drawn_as_often() {
        const DRAWS: usize = 30_000;
        let mut draw = UniformKey(ChaCha20Rng::seed_from_u64(1));
        let mut counts = [0; 3];
        for _ in 0..DRAWS {
            counts[usize::from(three().choose(&mut draw).as_bytes()[0] - 1)] += 1;
        }
        // Six standard deviations of a binomial(30,000, 1/3).
        assert!(counts.iter().all(|count: &usize| count.abs_diff(DRAWS / 3) < 490), "{counts:?}");
    }
}
