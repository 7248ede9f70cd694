//! Every report of the Attribution Reporting API: bodies, URLs, payloads, encryption.

mod aggregatable;
mod endpoint;
mod event_level;
mod json;
mod key;
mod key_set;
mod payload;
mod payload_reader;
mod private_key_set;
mod seal;
mod shared_info;
mod time;
mod verbose;

pub use aggregatable::{AggregatableDebugReport, AggregatableReport};
pub use endpoint::Endpoint;
pub use event_level::EventLevelReport;
pub use key::{KeyIdTooLong, PrivateKey, PublicKey};
pub use key_set::{KeyDraw, KeySet, KeySetError, UniformKey};
pub use payload::Contribution;
pub use payload_reader::{Payload, PayloadError, PayloadErrorKind};
pub use private_key_set::PrivateKeySet;
pub use seal::{OpenError, SealError, SealedPayload};
pub use shared_info::{Api, SharedInfo, SharedInfoError, Version};
pub use time::{Duration, Time};
pub use verbose::{VerboseDebugData, VerboseDebugReport};

/// The external ID of a report: a random (version 4) UUID.
pub type ReportId = uuid::Uuid;

/// Spec: "attribution debug info".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DebugKeys {
    /// The source's debug key.
    pub source: Option<u64>,
    /// The trigger's debug key.
    pub trigger: Option<u64>,
}

impl DebugKeys {
    /// Both keys, or `None`: one alone is never sent, since it would tell that the other side has no
    /// access to third-party cookies. Spec: "check if attribution debugging can be enabled".
    #[must_use]
    pub fn both(self) -> Option<(u64, u64)> {
        self.source.zip(self.trigger)
    }
}
