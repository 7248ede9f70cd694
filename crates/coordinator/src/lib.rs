//! A coordinator of the Attribution Reporting API: who makes the keys that aggregatable reports are sealed to, and
//! serves their public halves.
//!
//! [`KeyDirectory`] makes and rotates keys in files of mode 0600; [`PublicKeys`] serves them, [`serve`] over TLS
//! or behind a proxy. Serving never looks at a private key: encrypted ones stay so. Whoever aggregates opens
//! reports with the same files; a collector has no use for them.

mod directory;
mod public_keys;
mod server;

pub use directory::{Entry, KeyDirectory, NewKey, Rotation, RotationError, State};
pub use public_keys::PublicKeys;
pub use server::serve;
