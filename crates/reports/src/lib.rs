//! Every report of the Attribution Reporting API: bodies, URLs, payloads, encryption.
//!
//! Spec: "Report delivery", as far as it is about bytes; when and how they are sent is not known here.
//!
//! | report | body | URL |
//! |---|---|---|
//! | [`EventLevelReport`] | [`body`](EventLevelReport::body) | [`url`](EventLevelReport::url) |
//! | [`AggregatableReport`] | [`seal`](AggregatableReport::seal), then [`body`](AggregatableReport::body) | [`url`](AggregatableReport::url) |
//! | [`AggregatableDebugReport`] | [`seal`](AggregatableDebugReport::seal), then [`body`](AggregatableDebugReport::body) | [`url`](AggregatableDebugReport::url) |
//! | [`VerboseDebugReport`] | [`body`](VerboseDebugReport::body) | [`url`](VerboseDebugReport::url) |
//!
//! The same report always has the same body, to the byte; only sealing draws at random, from a generator
//! that is passed in. A user agent picks the key from the coordinator's [`KeySet`]. A reporting origin reads
//! bodies with [`ReceivedEventLevelReport::parse`], [`ReceivedAggregatableReport::parse`] and
//! [`ReceivedVerboseDebugReport::parse`]; an aggregation service reads on with [`SharedInfo::parse`],
//! [`PrivateKeySet::find`], [`PrivateKey::open`] and [`Payload::parse`]. All
//! that reads takes input from anybody: it never panics, and needs no more memory than the input's length
//! allows.
//!
//! ```
//! use ascribe_headers::{Coordinators, FilteringIdMaxBytes, KeyPiece, Site, SuitableOrigin};
//! use ascribe_reports::*;
//! use base64::{Engine, prelude::BASE64_STANDARD};
//! use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
//!
//! let mut rng = ChaCha20Rng::seed_from_u64(1); // a host passes the system's generator
//! let private_keys = PrivateKeySet::new([PrivateKey::generate("key-1", &mut rng)?])?;
//! let served = private_keys.public().to_json();
//!
//! // The user agent seals a report to one of the keys that the coordinator serves.
//! let report = AggregatableReport {
//!     report_id: ReportId::from_u128(0x5f0c4ee4_ed35_4a3c_8c61_0cd3fcb34b3f),
//!     reporting_origin: SuitableOrigin::parse("https://report.example")?,
//!     destination: Site::parse("https://shop.example")?,
//!     report_time: Time::from_secs(1_700_000_000),
//!     source_registration_time: None,
//!     contributions: [Contribution { key: KeyPiece(0x55), value: 32_768, filtering_id: 0 }].into(),
//!     coordinator: Coordinators::chromium().default_coordinator().clone(),
//!     trigger_context_id: None,
//!     filtering_id_max_bytes: FilteringIdMaxBytes::DEFAULT,
//!     debug_keys: DebugKeys::default(),
//! };
//! let keys = KeySet::parse(served.as_bytes())?;
//! let key = keys.choose(&mut UniformKey(&mut rng)).clone();
//! let body = report.body(&report.seal(&key, &mut rng)?);
//!
//! // The aggregation service opens it.
//! let body: serde_json::Value = serde_json::from_str(&body)?;
//! let entry = &body["aggregation_service_payloads"][0];
//! let shared_info = body["shared_info"].as_str().unwrap();
//! let private_key = private_keys.find(entry["key_id"].as_str().unwrap()).unwrap();
//! let ciphertext = BASE64_STANDARD.decode(entry["payload"].as_str().unwrap())?;
//! let payload = Payload::parse(&private_key.open(shared_info, &ciphertext)?)?;
//! assert_eq!(payload.contributions[0], report.contributions[0]);
//! assert_eq!(payload.contributions[1..], [Contribution::NULL; 19]);
//! assert_eq!(SharedInfo::parse(shared_info)?.scheduled_report_time, report.report_time);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use serde::{Deserialize, Serialize};

mod aggregatable;
mod aggregatable_body;
mod aggregatable_debug;
mod aggregatable_reader;
mod endpoint;
mod event_level;
mod event_level_reader;
mod json;
mod key;
mod key_set;
mod payload;
mod payload_reader;
mod private_key_set;
mod received;
mod seal;
mod shared_info;
mod shared_info_reader;
mod stored;
mod time;
mod verbose;
mod verbose_reader;

pub use aggregatable::AggregatableReport;
pub use aggregatable_debug::AggregatableDebugReport;
pub use aggregatable_reader::ReceivedAggregatableReport;
pub use endpoint::Endpoint;
pub use event_level::EventLevelReport;
pub use event_level_reader::ReceivedEventLevelReport;
pub use key::{KeyIdTooLong, PrivateKey, PublicKey};
pub use key_set::{KeyDraw, KeySet, KeySetError, UniformKey};
pub use payload::Contribution;
pub use payload_reader::{Payload, PayloadError, PayloadErrorKind};
pub use private_key_set::PrivateKeySet;
pub use received::BodyError;
pub use seal::{OpenError, SealError, SealedPayload};
pub use shared_info::{Api, SharedInfo, Version};
pub use shared_info_reader::SharedInfoError;
pub use time::{Duration, Time};
pub use verbose::{VerboseDebugData, VerboseDebugReport};
pub use verbose_reader::{ReceivedVerboseDebugData, ReceivedVerboseDebugReport};

/// The external ID of a report: a random (version 4) UUID.
pub type ReportId = uuid::Uuid;

/// Spec: "attribution debug info".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
