//! Pages of Parquet, decompressed within a limit.
//!
//! The decompression of the `parquet` crate writes as much as a page yields, and only then compares it with
//! what the file claims. Here its reader is told that pages are not compressed, and they are decompressed
//! one by one, each to at most [`MAX_BLOCK_BYTES`].

use std::{
    fs::File,
    io::{self, Read},
    sync::Arc,
};

use parquet::{
    basic::Compression,
    column::page::{Page, PageMetadata, PageReader},
    errors::{ParquetError, Result},
    file::{metadata::ColumnChunkMetaData, serialized_reader::SerializedPageReader},
};

use super::MAX_BLOCK_BYTES;

/// The pages of a column chunk.
pub(super) struct Pages {
    raw: SerializedPageReader<File>,
    compression: Compression,
}

impl Pages {
    pub(super) fn new(file: Arc<File>, chunk: &ColumnChunkMetaData, rows: usize) -> Result<Self> {
        let compression = chunk.compression();
        match compression {
            Compression::UNCOMPRESSED
            | Compression::SNAPPY
            | Compression::GZIP(_)
            | Compression::ZSTD(_)
            | Compression::LZ4_RAW => {}
            other => {
                let problem =
                    "columns are read that are compressed with snappy, gzip, zstd, lz4_raw or not at all";
                return Err(ParquetError::NYI(format!("{problem}; this one has {other}")));
            }
        }
        let as_if_raw = chunk.clone().into_builder().set_compression(Compression::UNCOMPRESSED).build()?;
        Ok(Self { raw: SerializedPageReader::new(file, &as_if_raw, rows, None)?, compression })
    }

    fn decompressed(&self, page: Page) -> Result<Page> {
        let inflate = |from: usize, buf: &[u8]| -> Result<bytes::Bytes> {
            let (start, compressed) =
                buf.split_at_checked(from).ok_or(ParquetError::EOF("a page".to_owned()))?;
            let mut out = start.to_vec();
            decompress(self.compression, compressed, &mut out)?;
            Ok(out.into())
        };
        Ok(match page {
            page if self.compression == Compression::UNCOMPRESSED => page,
            Page::DataPage {
                buf,
                num_values,
                encoding,
                def_level_encoding,
                rep_level_encoding,
                statistics,
            } => {
                let buf = inflate(0, &buf)?;
                Page::DataPage {
                    buf,
                    num_values,
                    encoding,
                    def_level_encoding,
                    rep_level_encoding,
                    statistics,
                }
            }
            Page::DictionaryPage { buf, num_values, encoding, is_sorted } => {
                Page::DictionaryPage { buf: inflate(0, &buf)?, num_values, encoding, is_sorted }
            }
            Page::DataPageV2 { is_compressed: false, .. } => page,
            Page::DataPageV2 {
                buf,
                num_values,
                encoding,
                num_nulls,
                num_rows,
                def_levels_byte_len,
                rep_levels_byte_len,
                is_compressed,
                statistics,
            } => Page::DataPageV2 {
                // The levels are never compressed.
                buf: inflate(def_levels_byte_len as usize + rep_levels_byte_len as usize, &buf)?,
                num_values,
                encoding,
                num_nulls,
                num_rows,
                def_levels_byte_len,
                rep_levels_byte_len,
                is_compressed,
                statistics,
            },
        })
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        self.raw.get_next_page()?.map(|page| self.decompressed(page)).transpose()
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.raw.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.raw.skip_next_page()
    }
}

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

/// Appends what `compressed` yields.
fn decompress(compression: Compression, compressed: &[u8], out: &mut Vec<u8>) -> Result<()> {
    // A page without values has nothing to decompress.
    if compressed.is_empty() {
        return Ok(());
    }
    match compression {
        Compression::SNAPPY => {
            let len = snap::raw::decompress_len(compressed).map_err(external)?;
            let start = out.len();
            out.resize(start + within_limit(len)?, 0);
            snap::raw::Decoder::new().decompress(compressed, &mut out[start..]).map_err(external)?;
            Ok(())
        }
        Compression::GZIP(_) => read_within_limit(flate2::read::MultiGzDecoder::new(compressed), out),
        Compression::ZSTD(_) => read_within_limit(zstd::Decoder::new(compressed)?, out),
        Compression::LZ4_RAW => {
            let mut buffer = vec![0; MAX_BLOCK_BYTES];
            let len = lz4_flex::block::decompress_into(compressed, &mut buffer).map_err(external)?;
            out.extend_from_slice(&buffer[..len]);
            Ok(())
        }
        other => Err(ParquetError::NYI(other.to_string())),
    }
}

fn read_within_limit(decoder: impl Read, out: &mut Vec<u8>) -> Result<()> {
    let len = decoder.take(MAX_BLOCK_BYTES as u64 + 1).read_to_end(out)?;
    within_limit(len).map(|_| ())
}

fn within_limit(len: usize) -> Result<usize> {
    if len > MAX_BLOCK_BYTES {
        return Err(external(io::Error::other(format!("a page has more than {MAX_BLOCK_BYTES} bytes"))));
    }
    Ok(len)
}

fn external(error: impl std::error::Error + Send + Sync + 'static) -> ParquetError {
    ParquetError::External(Box::new(error))
}
