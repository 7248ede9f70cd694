//! Reading batches and domains, whoever wrote them.
//!
//! Formats are told by how files begin, not by their names: Avro and Parquet have their marks, JSON its
//! brackets. What a file claims buys no memory: blocks and pages are held to [`MAX_BLOCK_BYTES`] when they
//! are decompressed, rows to the limits of [`Record`]. A row that cannot be read is handed on as one, so
//! that it is counted; a file that breaks off is an error of the job.

mod avro;
mod columns;
mod json;
mod pages;
mod text;

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek},
    ops::ControlFlow,
};

use crate::{Blob, Location, Record, Storage, StorageError, output::Fact};

/// The most bytes that a block or page of a file may have, decompressed.
pub(crate) const MAX_BLOCK_BYTES: usize = 64 << 20;

/// A row of a batch: a report, or what could not be read as one.
pub(crate) type Row = Result<Record, Unreadable>;

/// A row that is there but no report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable;

/// Takes rows or buckets until it has had enough.
pub(crate) type Sink<'a, T> = &'a mut dyn FnMut(T) -> ControlFlow<()>;

/// Why input cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// A file cannot be found or opened.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A file is not of a format that is read, or breaks off.
    #[error("{location}: {problem}")]
    Invalid {
        /// Which.
        location: Box<Location>,
        /// What is wrong with it.
        problem: String,
    },
}

/// Which of a report's payloads is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PayloadColumn {
    /// `payload`.
    Sealed,
    /// `debug_cleartext_payload` of JSON; `payload` elsewhere, where tools for tests put it.
    Clear,
}

enum Format {
    Avro,
    Parquet,
    Json,
    Other,
}

/// Reads the reports of a file that was opened: one row for each, until the sink has had enough.
pub(crate) fn read_reports(
    mut file: File,
    blob: &Blob,
    column: PayloadColumn,
    sink: Sink<'_, Row>,
) -> Result<(), InputError> {
    let read = || match sniff(&mut file)? {
        None => Ok(()),
        Some(Format::Avro) => avro::read_reports(BufReader::new(file), sink),
        Some(Format::Parquet) => columns::read_reports(file, sink),
        Some(Format::Json) => json::read_reports(BufReader::new(file), column, sink),
        Some(Format::Other) => Err("neither Avro nor Parquet nor JSON".into()),
    };
    read().map_err(|problem: Problem| invalid(blob, &problem))
}

/// Reads the buckets of a domain, until the sink has had enough.
pub(crate) fn read_domain(storage: &Storage, blob: &Blob, sink: Sink<'_, u128>) -> Result<(), InputError> {
    let mut file = storage.open(blob)?;
    let read = || match sniff(&mut file)? {
        None => Ok(()),
        Some(Format::Avro) => avro::read_domain(BufReader::new(file), sink),
        Some(Format::Parquet) => columns::read_domain(file, sink),
        Some(Format::Json) => json::read_domain(BufReader::new(file), sink),
        Some(Format::Other) => text::read_domain(BufReader::new(file), sink),
    };
    read().map_err(|problem: Problem| invalid(blob, &problem))
}

/// Reads the buckets of a summary in Avro, until the sink has had enough.
pub(crate) fn read_summary(storage: &Storage, blob: &Blob, sink: Sink<'_, Fact>) -> Result<(), InputError> {
    let file = storage.open(blob)?;
    avro::read_summary(BufReader::new(file), sink).map_err(|problem| invalid(blob, &problem))
}

type Problem = Box<dyn std::error::Error + Send + Sync>;

fn invalid(blob: &Blob, problem: &Problem) -> InputError {
    InputError::Invalid { location: blob.location.clone().into(), problem: problem.to_string() }
}

/// The format of a file by its beginning; `None` for an empty one, which stands for no rows.
fn sniff(file: &mut File) -> io::Result<Option<Format>> {
    let mut start = Vec::new();
    file.take(512).read_to_end(&mut start)?;
    file.rewind()?;
    Ok(match start.trim_ascii_start() {
        [] => None,
        [b'O', b'b', b'j', 1, ..] => Some(Format::Avro),
        [b'P', b'A', b'R', b'1', ..] => Some(Format::Parquet),
        [b'[' | b'{', ..] => Some(Format::Json),
        _ => Some(Format::Other),
    })
}

/// A bucket of a domain as big-endian bytes. A summary leaves out leading zeros, so that its bucket 0 has no
/// bytes: a summary can be the next domain.
fn bucket(bytes: &[u8]) -> Result<u128, Problem> {
    if bytes.len() > 16 {
        return Err(format!("a bucket of {} bytes, at most 16", bytes.len()).into());
    }
    Ok(bytes.iter().fold(0, |bucket, byte| bucket << 8 | u128::from(*byte)))
}

/// A bucket as people write it: hexadecimal after `0x`, or decimal.
fn bucket_from_text(text: &str) -> Result<u128, Problem> {
    let parsed = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            u128::from_str_radix(digits, 16).ok()
        }
        None if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    };
    parsed.ok_or_else(|| {
        format!("`{:.60}` is no bucket of 128 bits: write it as 0x and hexadecimal digits, or decimal", text)
            .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_at_most_16_bytes() {
        assert_eq!(bucket(b"\x01\x02").unwrap(), 0x102);
        assert_eq!(bucket(&[0xff; 16]).unwrap(), u128::MAX);
        assert_eq!(bucket(&[]).unwrap(), 0);
        assert!(bucket(&[0; 17]).is_err());
    }

    #[test]
    fn buckets_in_text_are_hexadecimal_or_decimal() {
        for (text, expected) in [
            ("0", Some(0)),
            ("10", Some(10)),
            ("0x10", Some(16)),
            ("0XfF", Some(255)),
            ("340282366920938463463374607431768211455", Some(u128::MAX)),
            ("340282366920938463463374607431768211456", None),
            ("0xffffffffffffffffffffffffffffffff", Some(u128::MAX)),
            ("0x100000000000000000000000000000000", None),
            ("0x", None),
            ("", None),
            ("+1", None),
            ("0x+1", None),
            ("key1", None),
        ] {
            assert_eq!(bucket_from_text(text).ok(), expected, "{text}");
        }
    }
}
