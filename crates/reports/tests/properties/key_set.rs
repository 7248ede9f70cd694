//! What holds when sets of keys are read, from anybody.

use ascribe_reports::{KeySet, PrivateKeySet};

/// Keys that are read, public or private, print as what is read as the same.
pub(crate) fn key_set(bytes: &[u8]) {
    if let Ok(keys) = KeySet::parse(bytes) {
        assert_eq!(KeySet::parse(keys.to_json().as_bytes()).expect("what is printed can be read"), keys);
    }
    if let Ok(keys) = PrivateKeySet::parse(bytes) {
        let printed = keys.to_json();
        let again = PrivateKeySet::parse(printed.as_bytes()).expect("what is printed can be read");
        assert_eq!(again.to_json(), printed);
        // A public key takes a multiplication on the curve: one is enough.
        let first = &keys.as_slice()[0];
        assert_eq!(again.as_slice()[0].public(), first.public());
    }
}
