//! A report as it stands in a batch.

use ascribe_reports::ReportId;

use crate::{SharedInfo, check::report_id};

/// One row of a batch: what the aggregation service needs of a report, and no more.
///
/// The columns are those of `AggregatableReport` in the service's Avro schema.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The sealed payload: an encapsulated key and a ciphertext; or, in a test that reads clear payloads,
    /// the CBOR itself.
    pub payload: Vec<u8>,
    /// Which of the coordinator's keys it is sealed to.
    pub key_id: String,
    /// The shared info, to the byte: the payload is bound to it.
    pub shared_info: String,
}

impl Record {
    /// The ID that the shared info tells, unchecked: `None` if there is none that can be read. Reports that
    /// could be duplicates have the same.
    #[must_use]
    pub fn report_id(&self) -> Option<ReportId> {
        if self.shared_info.len() > Self::MAX_SHARED_INFO_BYTES {
            return None;
        }
        SharedInfo::parse(&self.shared_info)?.report_id.as_deref().and_then(report_id)
    }

    /// The longest payload that is opened: more than 20,000 contributions.
    pub const MAX_PAYLOAD_BYTES: usize = 1 << 20;
    /// The longest shared info that is read.
    pub const MAX_SHARED_INFO_BYTES: usize = 1 << 16;
}
