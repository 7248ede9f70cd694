//! Where commands read: a file or standard input, never more than a limit.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, ensure};

/// All of a file, or of standard input if the path is `-`; an error if it is longer than `limit` bytes.
pub(crate) fn read(path: &Path, limit: usize) -> anyhow::Result<Vec<u8>> {
    if is_stdin(path) {
        return read_all(io::stdin().lock(), limit).context("reading standard input");
    }
    let open = || read_all(File::open(path)?, limit);
    open().with_context(|| format!("reading {}", path.display()))
}

/// What to call the input in messages.
pub(crate) fn name(path: &Path) -> String {
    if is_stdin(path) { "<stdin>".to_owned() } else { path.display().to_string() }
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn read_all(input: impl Read, limit: usize) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more than allowed tells too long from just long enough.
    input.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    ensure!(bytes.len() <= limit, "longer than {limit} bytes");
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_inclusive() {
        assert_eq!(read_all(&b"abc"[..], 4).expect("shorter"), b"abc");
        assert_eq!(read_all(&b"abcd"[..], 4).expect("just fits"), b"abcd");
        let error = read_all(&b"abcde"[..], 4).expect_err("one too many");
        assert_eq!(error.to_string(), "longer than 4 bytes");
        assert!(read_all(io::repeat(b'a'), 4).is_err(), "does not wait for the end");
    }
}
