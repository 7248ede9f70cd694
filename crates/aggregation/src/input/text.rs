//! Domains as text: a bucket on each line, or in the first column of CSV.

use std::io::Read;

use super::{Problem, Sink, bucket_from_text};

/// Reads CSV without quotes in it as well as plain lines. Empty lines and those that begin with `#` are
/// skipped, and so is a first line that says `bucket`.
pub(super) fn read_domain(file: impl Read, sink: Sink<'_, u128>) -> Result<(), Problem> {
    let mut lines = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .comment(Some(b'#'))
        .trim(csv::Trim::All)
        .from_reader(file.take(u64::MAX));
    let mut line = csv::StringRecord::new();
    let mut is_first = true;
    while lines.read_record(&mut line)? {
        let text = line.get(0).unwrap_or_default();
        let is_header = std::mem::take(&mut is_first) && text == "bucket";
        if text.is_empty() || is_header {
            continue;
        }
        let number = line.position().map_or(0, csv::Position::line);
        let bucket = bucket_from_text(text).map_err(|problem| format!("line {number}: {problem}"))?;
        if sink(bucket).is_break() {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;

    fn read(text: &str) -> Result<Vec<u128>, String> {
        let mut buckets = Vec::new();
        let mut sink = |bucket| {
            buckets.push(bucket);
            ControlFlow::Continue(())
        };
        read_domain(text.as_bytes(), &mut sink).map_err(|problem| problem.to_string())?;
        Ok(buckets)
    }

    #[test]
    fn lines_and_csv_are_read() {
        assert_eq!(read("1\n0x2\r\n\n# three\n 3 \n4"), Ok(vec![1, 2, 3, 4]));
        assert_eq!(read("bucket,name\n0x1,\"one, first\"\n2\n"), Ok(vec![1, 2]));
    }

    #[test]
    fn a_line_that_is_no_bucket_is_told() {
        let error = read("1\nkey1\n").unwrap_err();
        assert!(error.starts_with("line 2: `key1` is no bucket"), "{error}");
        assert!(read("1\nbucket\n").is_err(), "a heading stands first");
    }
}
