//! Reading plaintext payloads, whoever wrote them.
//!
//! Spec: what is read is its "plaintext payload"; it says nothing about reading. What is accepted is wider
//! than what reports write: see [`Payload::parse`].
//!
//! The input may be hostile: memory and time are linear in its length whatever counts it claims, and
//! nesting is bounded by [`MAX_DEPTH`].

use ascribe_headers::KeyPiece;
use minicbor::{Decoder, data::Type, decode};

use crate::Contribution;

/// How deep lists, maps and tags may nest in a member that is skipped.
const MAX_DEPTH: u8 = 16;

/// The fewest bytes that a contribution can take: a map of an empty value and a bucket of one byte.
const MIN_CONTRIBUTION_BYTES: usize = 17;

/// A plaintext payload as read: its contributions, null ones included, in order.
///
/// ```
/// use ascribe_reports::{Payload, PayloadErrorKind};
///
/// let cbor = b"\xbf\x64data\x9f\xa2\x66bucket\x42\x01\x02\x65value\x41\x05\xff\x69operation\x69histogram\xff";
/// let payload = Payload::parse(cbor)?;
/// assert_eq!(payload.contributions[0].key.0, 0x0102);
/// assert_eq!(payload.contributions[0].value, 5);
/// assert_eq!(payload.contributions[0].filtering_id, 0);
///
/// let error = Payload::parse(&cbor[..cbor.len() - 1]).unwrap_err();
/// assert_eq!((error.position, error.kind), (cbor.len() - 1, PayloadErrorKind::Truncated));
/// # Ok::<(), ascribe_reports::PayloadError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload {
    /// Any number of them; values can be up to `u32::MAX`.
    pub contributions: Vec<Contribution>,
}

/// Why bytes are not a payload, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {position}: {kind}")]
pub struct PayloadError {
    /// Where the item that is wrong begins, in bytes from the start.
    pub position: usize,
    /// What is wrong with it.
    pub kind: PayloadErrorKind,
}

/// What can be wrong with a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadErrorKind {
    /// The input ends inside an item, or before a list or map does.
    #[error("the input ends too early")]
    Truncated,
    /// Not well-formed CBOR, or text that is not UTF-8.
    #[error("malformed CBOR")]
    Malformed,
    /// An item of another type.
    #[error("expected {0}")]
    Expected(&'static str),
    /// `data`, `operation`, `bucket` or `value` is missing from the map that begins here.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A key that is known stands twice in one map.
    #[error("`{0}` stands twice")]
    Duplicate(&'static str),
    /// A byte string that holds no integer of its size.
    #[error("`{key}` has {len} bytes, not {min} to {max}")]
    Length {
        /// `bucket`, `value` or `id`.
        key: &'static str,
        /// How many bytes it has.
        len: usize,
        /// The fewest that it can have.
        min: usize,
        /// The most that it can have.
        max: usize,
    },
    /// The operation is another one than `histogram`.
    #[error("the operation is not `histogram`")]
    UnsupportedOperation,
    /// A member that is to be skipped nests too deep.
    #[error("nested more than {MAX_DEPTH} deep")]
    TooDeep,
    /// The payload is complete, and more follows.
    #[error("bytes follow the payload")]
    TrailingBytes,
}

impl Payload {
    /// Reads a plaintext payload: `{data: [{bucket, value, id?}], operation: "histogram"}`.
    ///
    /// Peers write otherwise than [`AggregatableReport`](crate::AggregatableReport) does. Maps and lists
    /// may have a definite or indefinite length, keys any order, buckets 1 to 16 bytes, values up to 4 and
    /// filtering IDs up to 8; a shorter one has leading zeros left out, an absent ID is 0. Byte and text
    /// strings must have a definite length. Members with unknown keys are skipped, as a later version may
    /// add some; a key that stands twice is an error, since readers would disagree on which one counts.
    ///
    /// # Errors
    /// When the bytes are anything else; see [`PayloadErrorKind`].
    pub fn parse(cbor: &[u8]) -> Result<Self, PayloadError> {
        let mut reader = Reader(Decoder::new(cbor));
        let payload = reader.payload()?;
        if reader.0.position() < cbor.len() {
            return Err(reader.error(PayloadErrorKind::TrailingBytes));
        }
        Ok(payload)
    }
}

struct Reader<'b>(Decoder<'b>);

impl<'b> Reader<'b> {
    fn payload(&mut self) -> Result<Payload, PayloadError> {
        let start = self.0.position();
        let (mut contributions, mut operation) = (None, None);
        let len = self.read("a map", Decoder::map)?;
        self.for_each(len, |reader| match reader.key()? {
            ("data", at) => set(&mut contributions, "data", at, reader.contributions()?),
            ("operation", at) => set(&mut operation, "operation", at, reader.operation()?),
            _ => reader.skip(MAX_DEPTH),
        })?;
        require(operation, "operation", start)?;
        Ok(Payload { contributions: require(contributions, "data", start)? })
    }

    fn operation(&mut self) -> Result<(), PayloadError> {
        let position = self.0.position();
        match self.read("a text string", Decoder::str)? {
            "histogram" => Ok(()),
            _ => Err(PayloadError { position, kind: PayloadErrorKind::UnsupportedOperation }),
        }
    }

    fn contributions(&mut self) -> Result<Vec<Contribution>, PayloadError> {
        let len = self.read("a list", Decoder::array)?;
        // The claimed length buys no more memory than the bytes that are there can fill.
        let possible = (self.0.input().len() - self.0.position()) / MIN_CONTRIBUTION_BYTES;
        let capacity = len.map_or(possible, |len| usize::try_from(len).unwrap_or(possible).min(possible));
        let mut contributions = Vec::with_capacity(capacity);
        self.for_each(len, |reader| {
            contributions.push(reader.contribution()?);
            Ok(())
        })?;
        Ok(contributions)
    }

    fn contribution(&mut self) -> Result<Contribution, PayloadError> {
        let start = self.0.position();
        let (mut bucket, mut value, mut id) = (None, None, None);
        let len = self.read("a map", Decoder::map)?;
        self.for_each(len, |reader| match reader.key()? {
            ("bucket", at) => set(&mut bucket, "bucket", at, reader.integer("bucket", 1)?),
            ("value", at) => set(&mut value, "value", at, reader.integer("value", 0)?),
            ("id", at) => set(&mut id, "id", at, reader.integer("id", 0)?),
            _ => reader.skip(MAX_DEPTH),
        })?;
        Ok(Contribution {
            key: KeyPiece(u128::from_be_bytes(require(bucket, "bucket", start)?)),
            value: u32::from_be_bytes(require(value, "value", start)?),
            filtering_id: id.map_or(0, u64::from_be_bytes),
        })
    }

    /// A big-endian byte string of `min` to `N` bytes, with its leading zeros.
    fn integer<const N: usize>(&mut self, key: &'static str, min: usize) -> Result<[u8; N], PayloadError> {
        let position = self.0.position();
        let bytes = self.read("a byte string", Decoder::bytes)?;
        if !(min..=N).contains(&bytes.len()) {
            let kind = PayloadErrorKind::Length { key, len: bytes.len(), min, max: N };
            return Err(PayloadError { position, kind });
        }
        // The usual case, and faster than copying a length that is not known.
        if let Ok(whole) = bytes.try_into() {
            return Ok(whole);
        }
        let mut padded = [0; N];
        padded[N - bytes.len()..].copy_from_slice(bytes);
        Ok(padded)
    }

    /// The key of a member, and where it stands.
    fn key(&mut self) -> Result<(&'b str, usize), PayloadError> {
        let position = self.0.position();
        Ok((self.read("a text string as key", Decoder::str)?, position))
    }

    /// Reads past one item of any type, in which `depth` more may nest.
    fn skip(&mut self, depth: u8) -> Result<(), PayloadError> {
        let position = self.0.position();
        let nested =
            || depth.checked_sub(1).ok_or(PayloadError { position, kind: PayloadErrorKind::TooDeep });
        match self.read("an item", |cbor| cbor.datatype())? {
            Type::Array | Type::ArrayIndef => {
                let depth = nested()?;
                let len = self.read("a list", Decoder::array)?;
                self.for_each(len, |reader| reader.skip(depth))
            }
            Type::Map | Type::MapIndef => {
                let depth = nested()?;
                let len = self.read("a map", Decoder::map)?;
                self.for_each(len, |reader| reader.skip(depth).and_then(|()| reader.skip(depth)))
            }
            Type::Tag => {
                let depth = nested()?;
                self.read("a tag", Decoder::tag)?;
                self.skip(depth)
            }
            Type::Break => Err(self.error(PayloadErrorKind::Expected("an item"))),
            _ => self.read("an item", Decoder::skip),
        }
    }

    /// Reads `len` items, or, without a length, all up to the break. Every item takes a byte at least, so
    /// that a false length ends with the input.
    fn for_each(
        &mut self,
        len: Option<u64>,
        mut item: impl FnMut(&mut Self) -> Result<(), PayloadError>,
    ) -> Result<(), PayloadError> {
        match len {
            Some(len) => (0..len).try_for_each(|_| item(self)),
            None => {
                while self.read("an item", |cbor| cbor.datatype())? != Type::Break {
                    item(self)?;
                }
                self.0.set_position(self.0.position() + 1);
                Ok(())
            }
        }
    }

    fn read<T>(
        &mut self,
        expected: &'static str,
        read: impl FnOnce(&mut Decoder<'b>) -> Result<T, decode::Error>,
    ) -> Result<T, PayloadError> {
        let position = self.0.position();
        read(&mut self.0).map_err(|error| {
            let kind = if error.is_end_of_input() {
                PayloadErrorKind::Truncated
            } else if error.is_type_mismatch() {
                PayloadErrorKind::Expected(expected)
            } else {
                PayloadErrorKind::Malformed
            };
            PayloadError { position, kind }
        })
    }

    fn error(&self, kind: PayloadErrorKind) -> PayloadError {
        PayloadError { position: self.0.position(), kind }
    }
}

fn set<T>(slot: &mut Option<T>, key: &'static str, position: usize, value: T) -> Result<(), PayloadError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(PayloadError { position, kind: PayloadErrorKind::Duplicate(key) }),
    }
}

fn require<T>(slot: Option<T>, key: &'static str, position: usize) -> Result<T, PayloadError> {
    slot.ok_or(PayloadError { position, kind: PayloadErrorKind::Missing(key) })
}

#[cfg(test)]
mod tests {
    use ascribe_headers::FilteringIdMaxBytes;

    use super::*;
    use crate::payload;

    /// `{data: [contribution], operation: "histogram"}`, the contribution at byte 7.
    fn payload_of(contribution: &[u8]) -> Vec<u8> {
        [b"\xa2\x64data\x81", contribution, b"\x69operation\x69histogram"].concat()
    }

    /// `{bucket: bytes, value: 1}`, or with another key in place of either.
    fn member(key: &str, bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![0xa2 + u8::from(key == "id")];
        for (name, default) in [("id", b"\x00".as_slice()), ("value", b"\x01"), ("bucket", b"\x02")] {
            if name != "id" || key == "id" {
                let value = if name == key { bytes } else { default };
                out.push(0x60 + name.len() as u8);
                out.extend(name.as_bytes());
                out.extend([0x58, value.len() as u8]);
                out.extend(value);
            }
        }
        out
    }

    fn one(contribution: &[u8]) -> Result<Contribution, PayloadErrorKind> {
        match Payload::parse(&payload_of(contribution)) {
            Ok(payload) => Ok(payload.contributions[0]),
            Err(error) => Err(error.kind),
        }
    }

    fn error(cbor: &[u8]) -> (usize, PayloadErrorKind) {
        let error = Payload::parse(cbor).expect_err("must not parse");
        (error.position, error.kind)
    }

    #[test]
    fn what_is_written_is_read() {
        let contributions = [
            Contribution { key: KeyPiece(u128::MAX), value: u32::MAX, filtering_id: u64::MAX },
            Contribution { key: KeyPiece(1), value: 65_536, filtering_id: 1 << 63 },
        ];
        let cbor = payload::encode(&contributions, 20, FilteringIdMaxBytes::new(8).unwrap());
        let read = Payload::parse(&cbor).unwrap().contributions;
        assert_eq!(read[..2], contributions);
        assert_eq!(read[2..], [Contribution::NULL; 18]);
    }

    #[test]
    fn integers_may_leave_out_leading_zeros_and_no_more() {
        type Read = fn(Contribution) -> u128;
        let cases: [(&str, usize, usize, Read); 3] = [
            ("bucket", 1, 16, |c| c.key.0),
            ("value", 0, 4, |c| c.value.into()),
            ("id", 0, 8, |c| c.filtering_id.into()),
        ];
        for (key, min, max, read) in cases {
            for len in 0..=max + 1 {
                let bytes: Vec<u8> = (1..=len as u8).map(|byte| byte | 0x80).collect();
                let got = one(&member(key, &bytes)).map(read);
                if (min..=max).contains(&len) {
                    let expected = bytes.iter().fold(0, |sum, byte| sum << 8 | u128::from(*byte));
                    assert_eq!(got, Ok(expected), "{key} {len}");
                } else {
                    let key = ["bucket", "value", "id"].into_iter().find(|name| *name == key).unwrap();
                    assert_eq!(got, Err(PayloadErrorKind::Length { key, len, min, max }), "{key} {len}");
                }
            }
        }
    }

    #[test]
    fn indefinite_lengths_and_any_order_are_accepted() {
        let contribution = b"\xbf\x66bucket\x44key1\x65value\x43\x0f\x42\x40\xff";
        for cbor in [
            [b"\xbf\x64data\x9f", contribution.as_slice(), b"\xff\x69operation\x69histogram\xff"].concat(),
            [b"\xbf\x69operation\x69histogram\x64data\x81", contribution.as_slice(), b"\xff"].concat(),
            [b"\xb8\x02\x69operation\x69histogram\x64data\x99\x00\x01", contribution.as_slice()].concat(),
        ] {
            let payload = Payload::parse(&cbor).unwrap();
            let key = KeyPiece(0x6b65_7931);
            assert_eq!(payload.contributions, [Contribution { key, value: 1_000_000, filtering_id: 0 }]);
        }
    }

    #[test]
    fn a_payload_may_be_empty() {
        assert_eq!(Payload::parse(b"\xa2\x64data\x80\x69operation\x69histogram"), Ok(Payload::default()));
    }

    #[test]
    fn unknown_members_are_skipped() {
        let unknown = [
            b"\x00".as_slice(),
            b"\x3b\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\xfb\x40\x09\x21\xfb\x54\x44\x2d\x18",
            b"\xf6",
            b"\x63abc",
            b"\x7f\x61a\x61b\xff",
            b"\x5f\x41a\x41b\xff",
            b"\x83\x01\x9f\x02\xff\xa1\x03\x04",
            b"\xbf\x61a\x80\x80\xa0\xff",
            b"\xc1\x1a\x00\x00\x00\x00",
        ];
        for value in unknown {
            let cbor = [b"\xa3\x61x", value, b"\x64data\x81\xa3\x61y", value].concat();
            let cbor = [cbor.as_slice(), b"\x66bucket\x41\x07\x65value\x41\x08"].concat();
            let cbor = [cbor.as_slice(), b"\x69operation\x69histogram"].concat();
            let payload = Payload::parse(&cbor).unwrap_or_else(|error| panic!("{value:x?}: {error}"));
            assert_eq!(payload.contributions[0].key, KeyPiece(7));
        }
    }

    #[test]
    fn skipped_members_nest_no_deeper_than_the_limit() {
        let nested = |open: &[u8], depth: usize, close: &[u8]| {
            let mut cbor = b"\xa1\x61x".to_vec();
            (0..depth).for_each(|_| cbor.extend(open));
            cbor.push(0);
            (0..depth).for_each(|_| cbor.extend(close));
            cbor
        };
        let max = usize::from(MAX_DEPTH);
        for (open, close) in [
            (b"\x81".as_slice(), b"".as_slice()),
            (b"\x9f", b"\xff"),
            (b"\xa1\x00", b""),
            (b"\xbf\x00", b"\xff"),
            (b"\xc1", b""),
        ] {
            // Without data and operation none is a payload, but only one is too deep.
            for depth in [max - 1, max] {
                assert_eq!(error(&nested(open, depth, close)), (0, PayloadErrorKind::Missing("operation")));
            }
            let position = 3 + max * open.len();
            assert_eq!(error(&nested(open, max + 1, close)), (position, PayloadErrorKind::TooDeep));
            assert_eq!(error(&nested(open, 100_000, close)), (position, PayloadErrorKind::TooDeep));
        }
    }

    #[test]
    fn claimed_lengths_cost_nothing() {
        for (cbor, position) in [
            (b"\xa2\x64data\x9b\xff\xff\xff\xff\xff\xff\xff\xff".as_slice(), 15),
            (b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff", 9),
            (b"\xa2\x64data\x81\xbb\xff\xff\xff\xff\xff\xff\xff\xff", 16),
            (b"\xa1\x61x\x9b\xff\xff\xff\xff\xff\xff\xff\xff", 12),
            (b"\xa1\x61x\xbb\xff\xff\xff\xff\xff\xff\xff\xff", 12),
            (b"\xa1\x61x\x5b\xff\xff\xff\xff\xff\xff\xff\xff", 3),
        ] {
            assert_eq!(error(cbor), (position, PayloadErrorKind::Truncated), "{cbor:x?}");
        }
    }

    #[test]
    fn room_is_made_for_no_more_contributions_than_can_follow() {
        let smallest = b"\xa2\x66bucket\x41\x01\x65value\x40";
        assert_eq!(smallest.len(), MIN_CONTRIBUTION_BYTES);
        let rest = b"\xff\x69operation\x69histogram";
        let cbor = [b"\xa2\x64data\x9f".as_slice(), smallest, smallest, rest].concat();
        let payload = Payload::parse(&cbor).unwrap();
        assert_eq!(payload.contributions.len(), 2);
        assert_eq!(payload.contributions.capacity(), (2 * 17 + rest.len()) / 17);
        let payload = Payload::parse(&payload_of(smallest)).unwrap();
        assert_eq!(payload.contributions.capacity(), 1);
    }

    #[test]
    fn every_truncation_is_told() {
        let cbor = payload_of(&member("id", b"\x01\x02"));
        assert!(Payload::parse(&cbor).is_ok());
        for len in 0..cbor.len() {
            assert_eq!(error(&cbor[..len]).1, PayloadErrorKind::Truncated, "{len}");
        }
    }

    #[test]
    fn what_is_missing_is_named_where_its_map_begins() {
        use PayloadErrorKind::Missing;
        assert_eq!(error(b"\xa0"), (0, Missing("operation")));
        assert_eq!(error(b"\xa1\x69operation\x69histogram"), (0, Missing("data")));
        assert_eq!(error(b"\xa1\x64data\x80"), (0, Missing("operation")));
        assert_eq!(error(&payload_of(b"\xa1\x65value\x41\x01")), (7, Missing("bucket")));
        assert_eq!(error(&payload_of(b"\xa1\x66bucket\x41\x01")), (7, Missing("value")));
    }

    #[test]
    fn what_stands_twice_is_named_at_its_second_key() {
        use PayloadErrorKind::Duplicate;
        assert_eq!(error(b"\xa3\x64data\x80\x64data\x80\x69operation\x69histogram"), (7, Duplicate("data")));
        let twice = b"\xa2\x69operation\x69histogram\x69operation\x69histogram";
        assert_eq!(error(twice), (21, Duplicate("operation")));
        for (twice, position, key) in [
            (b"\xa3\x65value\x41\x01\x66bucket\x41\x01\x65value\x41\x01".as_slice(), 25, "value"),
            (b"\xa3\x66bucket\x41\x01\x66bucket\x41\x01\x65value\x41\x01", 17, "bucket"),
            (b"\xa3\x62id\x41\x01\x62id\x41\x01\x65value\x41\x01", 13, "id"),
        ] {
            assert_eq!(error(&payload_of(twice)), (position, Duplicate(key)));
        }
    }

    #[test]
    fn other_types_are_named_where_they_stand() {
        use PayloadErrorKind::Expected;
        for (cbor, position, expected) in [
            (b"\x80".as_slice(), 0, "a map"),
            (b"\xd9\xd9\xf7\xa0", 0, "a map"),
            (b"\xa1\x01\x01", 1, "a text string as key"),
            (b"\xa1\x7f\x64data\xff\x80", 1, "a text string as key"),
            (b"\xa1\x64data\xa0", 6, "a list"),
            (b"\xa1\x64data\x81\x01", 7, "a map"),
            (b"\xa1\x64data\x81\xa1\x65value\x01", 14, "a byte string"),
            (b"\xa1\x64data\x81\xa1\x62id\x5f\x41\x01\xff", 11, "a byte string"),
            (b"\xa1\x69operation\x49histogram", 11, "a text string"),
            (b"\xa1\x61x\xff", 3, "an item"),
            (b"\xa1\x61x\x81\xff", 4, "an item"),
            (b"\xbf\x61x\xff", 3, "an item"),
        ] {
            assert_eq!(error(cbor), (position, Expected(expected)), "{cbor:x?}");
        }
    }

    #[test]
    fn malformed_cbor_is_told() {
        for (cbor, position) in [
            (b"\xbc".as_slice(), 0),
            (b"\xa1\x62\xff\xff\x00", 1),
            (b"\xa1\x61x\x1c", 3),
            (b"\xa1\x61x\x7f\x41a\xff", 3),
        ] {
            let (at, kind) = error(cbor);
            assert!(
                matches!(kind, PayloadErrorKind::Malformed | PayloadErrorKind::Expected(_)),
                "{cbor:x?}: {kind}"
            );
            assert_eq!(at, position, "{cbor:x?}");
        }
    }

    #[test]
    fn only_the_histogram_operation_is_supported() {
        for (cbor, position) in [
            (b"\xa2\x64data\x80\x69operation\x69Histogram".as_slice(), 17),
            (b"\xa2\x64data\x80\x69operation\x60", 17),
            (b"\xa2\x64data\x80\x69operation\x63sum", 17),
        ] {
            assert_eq!(error(cbor), (position, PayloadErrorKind::UnsupportedOperation));
        }
    }

    #[test]
    fn nothing_may_follow() {
        let mut cbor = payload_of(&member("value", b"\x01"));
        cbor.push(0);
        assert_eq!(error(&cbor), (cbor.len() - 1, PayloadErrorKind::TrailingBytes));
    }
}
