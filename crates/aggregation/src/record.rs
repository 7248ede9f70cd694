//! A report as it stands in a batch.

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
    /// The longest payload that is opened: more than 20,000 contributions.
    pub const MAX_PAYLOAD_BYTES: usize = 1 << 20;
    /// The longest shared info that is read.
    pub const MAX_SHARED_INFO_BYTES: usize = 1 << 16;
}
