//! Opening reports: from rows of a batch to checked contributions.
//!
//! Entry: [`Opener::open`], one function over a batch of rows, which is all that a distributed run has to
//! call. For each row: read the shared info → find the key → open → decode → check. Every row has an
//! outcome; none is dropped.

mod hpke;

use std::collections::BTreeSet;

use ascribe_reports::{Contribution, Payload, PayloadErrorKind};
use zeroize::Zeroizing;

pub(crate) use hpke::Recipient;

use crate::{Checked, Checks, ErrorCounter, Keyring, Record, Rejected, SharedInfo};

/// What payloads are sealed with.
#[derive(Debug)]
pub enum Payloads {
    /// They are sealed to one of these keys.
    Sealed(Keyring),
    /// They are clear: only for tests. Nothing sealed can be opened.
    Clear,
}

/// Opens and checks reports. One serves all threads.
#[derive(Debug)]
pub struct Opener {
    payloads: Payloads,
    checks: Checks,
}

/// A report that passed all checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedReport {
    /// What its shared info says.
    pub checked: Checked,
    /// Its contributions, null ones included.
    pub contributions: Vec<Contribution>,
}

impl OpenedReport {
    /// The buckets and values that count: those with one of these filtering IDs, null contributions not at all.
    pub fn counted(&self, filtering_ids: &BTreeSet<u64>) -> impl Iterator<Item = (u128, u32)> {
        let counts = |contribution: &&Contribution| {
            let is_null = contribution.key.0 == 0 && contribution.value == 0;
            !is_null && filtering_ids.contains(&contribution.filtering_id)
        };
        self.contributions.iter().filter(counts).map(|contribution| (contribution.key.0, contribution.value))
    }
}

impl Opener {
    /// Opens what is sealed so, and checks it against these.
    #[must_use]
    pub fn new(payloads: Payloads, checks: Checks) -> Self {
        Self { payloads, checks }
    }

    /// Opens a batch of rows: one outcome for each, in the same order.
    pub fn open(&self, records: &[Record]) -> Vec<Result<OpenedReport, Rejected>> {
        // Every plaintext passes through here: it is wiped at the end.
        let mut scratch = Zeroizing::new(Vec::with_capacity(1024));
        records.iter().map(|record| self.open_one(record, &mut scratch)).collect()
    }

    fn open_one(&self, record: &Record, scratch: &mut Vec<u8>) -> Result<OpenedReport, Rejected> {
        if record.shared_info.len() > Record::MAX_SHARED_INFO_BYTES {
            return Err(ErrorCounter::DecryptionError.into());
        }
        let info = SharedInfo::parse(&record.shared_info).ok_or(ErrorCounter::DecryptionError)?;
        if record.payload.len() > Record::MAX_PAYLOAD_BYTES {
            return Err(ErrorCounter::ReportParsingError.into());
        }
        let plaintext = self.plaintext(record, scratch)?;
        let payload = Payload::parse(plaintext);
        // A fault of the payload's operation is a check among others; any other keeps it from being read.
        let operation_error = match &payload {
            Err(error) if error.kind == PayloadErrorKind::UnsupportedOperation => true,
            Err(_) => return Err(ErrorCounter::ReportParsingError.into()),
            Ok(_) => false,
        };
        match (self.checks.check(&info), payload) {
            (Ok(checked), Ok(Payload { contributions })) => Ok(OpenedReport { checked, contributions }),
            (Err(Rejected::LeftOut(mut errors)), _) if operation_error => {
                errors.add(ErrorCounter::UnsupportedOperation);
                Err(errors.into())
            }
            (Err(rejected), _) => Err(rejected),
            (Ok(_), Err(_)) => Err(ErrorCounter::UnsupportedOperation.into()),
        }
    }

    fn plaintext<'a>(&self, record: &'a Record, scratch: &'a mut Vec<u8>) -> Result<&'a [u8], ErrorCounter> {
        const INFO_PREFIX: &[u8] = b"aggregation_service";
        let Payloads::Sealed(keys) = &self.payloads else {
            return Ok(&record.payload);
        };
        let recipient = keys.find(&record.key_id).ok_or(ErrorCounter::DecryptionKeyNotFound)?;
        let info = [INFO_PREFIX, record.shared_info.as_bytes()];
        recipient.open(&info, b"", &record.payload, scratch).map_err(|_| ErrorCounter::DecryptionError)
    }
}
