//! Writing summaries, in the formats that batches are read in, and CSV.
//!
//! | format | bucket | annotations of debug output |
//! |---|---|---|
//! | Avro | bytes, big-endian, without leading zeros | a list of symbols |
//! | Parquet | the same | a list of texts |
//! | JSON | Avro's JSON encoding of it: a character for each byte | a list of texts |
//! | CSV | `0x` and hexadecimal digits | texts with a `\|` between them |
//!
//! Output of a test that left out protection says so in itself: in the metadata of Avro and Parquet, in a
//! comment on the first line of CSV, and in a member `unprotected` of each JSON record.

mod avro;
mod columns;
mod text;

use std::ops::Range;

use crate::Location;

/// The format of a summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutputFormat {
    /// Avro, of the aggregation service's schemas.
    Avro,
    /// A JSON list.
    Json,
    /// CSV with a header.
    Csv,
    /// Parquet.
    Parquet,
}

/// Why output cannot be encoded.
#[derive(Debug, thiserror::Error)]
#[error("encoding the output: {0}")]
pub struct OutputError(Box<dyn std::error::Error + Send + Sync>);

/// A bucket of a summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fact {
    pub(crate) bucket: u128,
    /// The sum, with its noise.
    pub(crate) metric: i64,
}

/// A bucket of the debug output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DebugFact {
    pub(crate) bucket: u128,
    pub(crate) unnoised_metric: i64,
    pub(crate) noise: i64,
    pub(crate) in_reports: bool,
    pub(crate) in_domain: bool,
}

impl DebugFact {
    fn annotations(&self) -> impl Iterator<Item = &'static str> {
        let annotations = [(self.in_reports, "in_reports"), (self.in_domain, "in_domain")];
        annotations.into_iter().filter_map(|(is_so, annotation)| is_so.then_some(annotation))
    }
}

impl OutputFormat {
    /// By the end of a name: `.avro`, `.json`, `.csv` or `.parquet`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name.rsplit_once('.')?.1 {
            "avro" => Some(Self::Avro),
            "json" => Some(Self::Json),
            "csv" => Some(Self::Csv),
            "parquet" => Some(Self::Parquet),
            _ => None,
        }
    }

    /// A file with these buckets; `unprotected` says what protection was left out.
    pub(crate) fn summary(
        self,
        facts: impl Iterator<Item = Fact>,
        unprotected: Option<&str>,
    ) -> Result<Vec<u8>, OutputError> {
        match self {
            Self::Avro => avro::summary(facts, unprotected),
            Self::Json => text::summary_json(facts, unprotected),
            Self::Csv => text::summary_csv(facts, unprotected),
            Self::Parquet => columns::summary(facts, unprotected),
        }
        .map_err(OutputError)
    }

    /// A file with what only a debug run shows.
    pub(crate) fn debug(
        self,
        facts: impl Iterator<Item = DebugFact>,
        unprotected: Option<&str>,
    ) -> Result<Vec<u8>, OutputError> {
        match self {
            Self::Avro => avro::debug(facts, unprotected),
            Self::Json => text::debug_json(facts, unprotected),
            Self::Csv => text::debug_csv(facts, unprotected),
            Self::Parquet => columns::debug(facts, unprotected),
        }
        .map_err(OutputError)
    }
}

type Encoded = Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>>;

/// The key that output without protection has in the metadata of its file.
const UNPROTECTED: &str = "ascribe.unprotected";

/// A bucket without its leading zeros.
fn bucket_bytes(bucket: &u128) -> Vec<u8> {
    bucket.to_be_bytes()[bucket.leading_zeros() as usize / 8..].to_vec()
}

/// Where a summary goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputPlace {
    /// The file; or, of several, what their names are made of.
    pub location: Location,
    /// The format.
    pub format: OutputFormat,
    /// Whether even a single file has its number in its name, as the aggregation service has it. Otherwise
    /// only several have.
    pub always_numbered: bool,
}

/// Buckets in one file: 100 MB of Avro, at the 20 bytes for each that the service counts with.
pub(crate) const FACTS_PER_FILE: usize = 5_000_000;

impl OutputPlace {
    /// The files that hold `len` buckets, and which buckets each. There is always a first.
    pub(crate) fn shards(&self, len: usize) -> Vec<(Location, Range<usize>)> {
        let count = len.div_ceil(FACTS_PER_FILE).max(1);
        let shard = |index: usize| {
            let end = ((index + 1) * FACTS_PER_FILE).min(len);
            (self.shard(index + 1, count), index * FACTS_PER_FILE..end)
        };
        (0..count).map(shard).collect()
    }

    /// `name-i-of-n`, with the number padded to the width of the last, before the end of the name.
    fn shard(&self, number: usize, count: usize) -> Location {
        if count == 1 && !self.always_numbered {
            return self.location.clone();
        }
        let name = self.location.file_name();
        let width = count.to_string().len();
        let (stem, end) = match name.rsplit_once('.') {
            Some((stem, end)) if OutputFormat::from_name(name) == Some(self.format) => {
                (stem, format!(".{end}"))
            }
            _ => (name, String::new()),
        };
        self.location.with_file_name(&format!("{stem}-{number:0width$}-of-{count}{end}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(name: &str, always_numbered: bool) -> OutputPlace {
        let location = Location::parse(name).unwrap();
        OutputPlace { location, format: OutputFormat::Avro, always_numbered }
    }

    #[test]
    fn a_summary_is_split_at_its_limit() {
        let names = |len| {
            let shards = place("out/s.avro", false).shards(len);
            shards
                .into_iter()
                .map(|(location, range)| (location.to_string(), range.len()))
                .collect::<Vec<_>>()
        };
        assert_eq!(names(0), [("out/s.avro".to_owned(), 0)]);
        assert_eq!(names(FACTS_PER_FILE), [("out/s.avro".to_owned(), FACTS_PER_FILE)]);
        assert_eq!(
            names(FACTS_PER_FILE + 1),
            [("out/s-1-of-2.avro".to_owned(), FACTS_PER_FILE), ("out/s-2-of-2.avro".to_owned(), 1)]
        );
        assert_eq!(names(10 * FACTS_PER_FILE)[8].0, "out/s-09-of-10.avro");
    }

    #[test]
    fn names_can_always_have_numbers() {
        assert_eq!(place("s3://b/out", true).shards(1)[0].0.to_string(), "s3://b/out-1-of-1");
        assert_eq!(place("day.2026", true).shards(1)[0].0.to_string(), "day.2026-1-of-1");
    }

    #[test]
    fn buckets_lose_their_leading_zeros() {
        assert_eq!(bucket_bytes(&0), b"");
        assert_eq!(bucket_bytes(&0xff), b"\xff");
        assert_eq!(bucket_bytes(&0x100), b"\x01\x00");
        assert_eq!(bucket_bytes(&u128::MAX), [0xff; 16]);
    }

    #[test]
    fn formats_are_told_by_the_end_of_a_name() {
        assert_eq!(OutputFormat::from_name("a.b.csv"), Some(OutputFormat::Csv));
        assert_eq!(OutputFormat::from_name("csv"), None);
        assert_eq!(OutputFormat::from_name("a.txt"), None);
    }
}
