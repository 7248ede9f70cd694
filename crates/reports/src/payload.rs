//! The plaintext payload of an aggregatable report: its contributions, in CBOR.
//!
//! Spec: an aggregatable report's "plaintext payload", "encode an unsigned k-byte integer". In the
//! notation of RFC 8610, as written:
//!
//! ```text
//! payload      = { "data": [* contribution], "operation": "histogram" }
//! contribution = { "id": bstr .size 1..8, "value": bstr .size 4, "bucket": bstr .size 16 }
//! ```
//!
//! Lengths are definite, keys stand in the order above (RFC 8949 4.2.3, shorter first), and integers are
//! big-endian byte strings with leading zeros, so that the length of the payload tells nothing: it is
//! padded to a fixed number of contributions of zero.

use std::convert::Infallible;

use ascribe_headers::{FilteringIdMaxBytes, KeyPiece};
use minicbor::{Encoder, encode::Error};
use serde::{Deserialize, Serialize};

/// One contribution to a histogram. Spec: "aggregatable contribution".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contribution {
    /// The bucket.
    pub key: KeyPiece,
    /// What is added to it: at most 65536.
    pub value: u32,
    /// `filtering_id`.
    pub filtering_id: u64,
}

impl Contribution {
    /// What a payload is padded with. Spec: the "null contribution" of "plaintext payload".
    pub const NULL: Self = Self { key: KeyPiece(0), value: 0, filtering_id: 0 };
}

/// Encodes the contributions and as many null ones as it takes to make `padded_len` of them; more than
/// those are all encoded.
///
/// A filtering ID takes `id_bytes`. One that does not fit loses its high bytes, which never happens:
/// registrations are held to the same number of bytes.
pub(crate) fn encode(
    contributions: &[Contribution],
    padded_len: usize,
    id_bytes: FilteringIdMaxBytes,
) -> Vec<u8> {
    let null_len = padded_len.saturating_sub(contributions.len());
    let all = contributions.iter().copied().chain(std::iter::repeat_n(Contribution::NULL, null_len));

    let len = contributions.len() + null_len;
    let mut out =
        Vec::with_capacity(ENVELOPE_BYTES + len * (CONTRIBUTION_BYTES + usize::from(id_bytes.get())));
    write(&mut Encoder::new(&mut out), all, len, id_bytes).expect("a Vec takes every byte");
    out
}

/// What a payload takes besides its contributions: at most, as the length of the list takes 1 to 9 bytes.
const ENVELOPE_BYTES: usize = 35;
/// What a contribution takes besides the bytes of its filtering ID.
const CONTRIBUTION_BYTES: usize = 40;

fn write(
    cbor: &mut Encoder<&mut Vec<u8>>,
    contributions: impl Iterator<Item = Contribution>,
    len: usize,
    id_bytes: FilteringIdMaxBytes,
) -> Result<(), Error<Infallible>> {
    let id_padding = 8 - usize::from(id_bytes.get());
    cbor.map(2)?.str("data")?.array(len as u64)?;
    for Contribution { key, value, filtering_id } in contributions {
        cbor.map(3)?;
        cbor.str("id")?.bytes(&filtering_id.to_be_bytes()[id_padding..])?;
        cbor.str("value")?.bytes(&value.to_be_bytes())?;
        cbor.str("bucket")?.bytes(&key.0.to_be_bytes())?;
    }
    cbor.str("operation")?.str("histogram")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN_TO_THE_THIRD: Contribution = Contribution {
        key: KeyPiece(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10),
        value: 1000,
        filtering_id: 255,
    };

    #[test]
    fn a_payload_is_exact_to_the_byte() {
        let payload = encode(&[TEN_TO_THE_THIRD], 2, FilteringIdMaxBytes::DEFAULT);
        let expected = [
            b"\xa2\x64data\x82".as_slice(),
            b"\xa3\x62id\x41\xff\x65value\x44\x00\x00\x03\xe8\x66bucket\x50",
            b"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10",
            b"\xa3\x62id\x41\x00\x65value\x44\x00\x00\x00\x00\x66bucket\x50",
            b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
            b"\x69operation\x69histogram",
        ];
        assert_eq!(payload, expected.concat());
    }

    #[test]
    fn a_filtering_id_takes_its_bytes() {
        for bytes in 1..=8 {
            let id_bytes = FilteringIdMaxBytes::new(bytes).unwrap();
            for filtering_id in [0, 1, id_bytes.max_filtering_id()] {
                let payload = encode(&[Contribution { filtering_id, ..TEN_TO_THE_THIRD }], 1, id_bytes);
                let mut expected = b"\x62id".to_vec();
                expected.push(0x40 + bytes);
                expected.extend(&filtering_id.to_be_bytes()[8 - usize::from(bytes)..]);
                expected.extend(b"\x65value");
                assert_eq!(payload[8..8 + expected.len()], expected, "{bytes} {filtering_id}");
            }
        }
    }

    #[test]
    fn the_length_depends_on_nothing_but_padding_and_id_bytes() {
        for bytes in 1..=8 {
            let id_bytes = FilteringIdMaxBytes::new(bytes).unwrap();
            let lengths = (0..=20).map(|n| encode(&vec![TEN_TO_THE_THIRD; n], 20, id_bytes).len());
            let expected = 7 + 20 * (CONTRIBUTION_BYTES + usize::from(bytes)) + 20;
            assert!(lengths.clone().all(|len| len == expected), "{bytes}: {:?}", lengths.collect::<Vec<_>>());
        }
    }

    #[test]
    fn one_more_than_the_padding_is_not_lost() {
        let more = encode(&[TEN_TO_THE_THIRD; 21], 20, FilteringIdMaxBytes::DEFAULT);
        assert_eq!(more[6], 0x95, "a list of 21");
        assert_eq!(more.len(), 7 + 21 * (CONTRIBUTION_BYTES + 1) + 20);
    }

    #[test]
    fn no_payload_outgrows_its_first_allocation() {
        for len in [0, 1, 23, 24, 255, 256, 65_535, 65_536] {
            let payload = encode(&[], len, FilteringIdMaxBytes::DEFAULT);
            assert!(payload.len() <= ENVELOPE_BYTES + len * (CONTRIBUTION_BYTES + 1), "{len}");
        }
    }
}
