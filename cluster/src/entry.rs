//! What executors tell of reports: keys of sums, as bytes.
//!
//! One query over the reports answers everything that a job wants to know, since all of it can be summed by a
//! key: buckets, errors, duplicates, groups. An entry is such a key: a byte for its kind, then what it holds.

use ascribe_aggregation::{BudgetGroup, ReportErrors};

/// What a number is the sum of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Entry {
    /// The values of a bucket.
    Bucket(u128),
    /// Rows of batches.
    Rows,
    /// Reports with the ID of another one.
    Duplicates,
    /// Reports that were left out for these reasons.
    Errors(ReportErrors),
    /// Reports of this group.
    Group(BudgetGroup),
    /// Reports of this version, which is yet to come.
    UnsupportedVersion(String),
    /// Files that could not be read.
    Unreadable {
        /// Whether that was for want of permission.
        is_denied: bool,
        /// What was wrong.
        message: String,
    },
}

impl Entry {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let (kind, bytes) = match self {
            Self::Bucket(bucket) => (0, bucket.to_be_bytes().to_vec()),
            Self::Rows => (1, Vec::new()),
            Self::Duplicates => (2, Vec::new()),
            Self::Errors(errors) => (3, errors.bits().to_be_bytes().to_vec()),
            Self::Group(group) => (4, serde_json::to_vec(group).expect("texts and numbers are JSON")),
            Self::UnsupportedVersion(version) => (5, version.clone().into_bytes()),
            Self::Unreadable { is_denied: false, message } => (6, message.clone().into_bytes()),
            Self::Unreadable { is_denied: true, message } => (7, message.clone().into_bytes()),
        };
        [&[kind], bytes.as_slice()].concat()
    }

    /// The reverse; `None` for anything else.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (kind, bytes) = bytes.split_first()?;
        let text = || String::from_utf8(bytes.to_vec()).ok();
        Some(match kind {
            0 => Self::Bucket(u128::from_be_bytes(bytes.try_into().ok()?)),
            1 if bytes.is_empty() => Self::Rows,
            2 if bytes.is_empty() => Self::Duplicates,
            3 => Self::Errors(ReportErrors::from_bits(u16::from_be_bytes(bytes.try_into().ok()?))?),
            4 => Self::Group(serde_json::from_slice(bytes).ok()?),
            5 => Self::UnsupportedVersion(text()?),
            6 => Self::Unreadable { is_denied: false, message: text()? },
            7 => Self::Unreadable { is_denied: true, message: text()? },
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use ascribe_aggregation::ErrorCounter;

    use super::*;

    #[test]
    fn entries_survive_their_encoding() {
        let group =
            r#"{"api":"shared-storage","version":"1.0","reporting_origin":"https://r.test","hour":3600}"#;
        for entry in [
            Entry::Bucket(0),
            Entry::Bucket(u128::MAX),
            Entry::Rows,
            Entry::Duplicates,
            Entry::Errors(ErrorCounter::UnsupportedSharedinfoVersion.into()),
            Entry::Group(serde_json::from_str(group).unwrap()),
            Entry::UnsupportedVersion("2.0".to_owned()),
            Entry::Unreadable { is_denied: false, message: "a: breaks off".to_owned() },
            Entry::Unreadable { is_denied: true, message: String::new() },
        ] {
            assert_eq!(Entry::decode(&entry.encode()), Some(entry));
        }
    }

    #[test]
    fn other_bytes_are_no_entry() {
        for bytes in [&b""[..], b"\x00", b"\x01\x00", b"\x03\xff\xff", b"\x04{}", b"\x05\xff", b"\x08"] {
            assert_eq!(Entry::decode(bytes), None, "{bytes:?}");
        }
    }
}
