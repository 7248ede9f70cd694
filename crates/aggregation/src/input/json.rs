//! JSON: report bodies as user agents send them, and domains.
//!
//! A file holds one list, one value on each line, or values one after the other. They are read one at a
//! time, and none may be longer than [`MAX_VALUE_BYTES`]. On lines, one that is no JSON is a row that cannot
//! be read; elsewhere the rest of the file has no meaning any more.

use std::{
    cell::Cell,
    fmt,
    io::{self, BufRead, Cursor, Read},
    ops::ControlFlow,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{PayloadColumn, Problem, Row, Sink, Unreadable, bucket, bucket_from_text};
use crate::Record;

/// The longest text of a value: a report with the longest payload that is opened, sealed and clear.
const MAX_VALUE_BYTES: usize = 4 << 20;

pub(super) fn read_reports(
    file: impl BufRead,
    column: PayloadColumn,
    sink: Sink<'_, Row>,
) -> Result<(), Problem> {
    read_values(file, &mut |value| {
        let rows = value.and_then(|value| rows(value, column)).unwrap_or_else(|error| vec![Err(error)]);
        rows.into_iter().try_for_each(&mut *sink)
    })
}

pub(super) fn read_domain(file: impl BufRead, sink: Sink<'_, u128>) -> Result<(), Problem> {
    let mut problem = None;
    read_values(file, &mut |value| match domain_bucket(value) {
        Ok(bucket) => sink(bucket),
        Err(error) => {
            problem = Some(error);
            ControlFlow::Break(())
        }
    })?;
    problem.map_or(Ok(()), Err)
}

/// Takes the text of each value, or that a line is none, until it has had enough.
type ValueSink<'a> = &'a mut dyn FnMut(Result<&str, Unreadable>) -> ControlFlow<()>;

/// A report's body, as far as it is read.
#[derive(Deserialize)]
struct Body {
    shared_info: String,
    aggregation_service_payloads: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    payload: Option<String>,
    debug_cleartext_payload: Option<String>,
    #[serde(default)]
    key_id: String,
}

/// The rows of a body: one for each payload.
fn rows(value: &str, column: PayloadColumn) -> Result<Vec<Row>, Unreadable> {
    let body: Body = serde_json::from_str(value).map_err(|_| Unreadable)?;
    if body.aggregation_service_payloads.is_empty() {
        return Err(Unreadable);
    }
    let row = |entry: Entry| {
        let payload = match column {
            PayloadColumn::Sealed => entry.payload,
            PayloadColumn::Clear => entry.debug_cleartext_payload,
        };
        let payload = BASE64_STANDARD.decode(payload.ok_or(Unreadable)?).map_err(|_| Unreadable)?;
        Ok(Record { payload, key_id: entry.key_id, shared_info: body.shared_info.clone() })
    };
    Ok(body.aggregation_service_payloads.into_iter().map(row).collect())
}

/// A bucket: a text or number as people write it, or a record as Avro's JSON encoding has it, in which each
/// character stands for a byte.
#[derive(Deserialize)]
#[serde(untagged)]
enum DomainBucket {
    Number(u64),
    Text(String),
    Record { bucket: String },
}

fn domain_bucket(value: Result<&str, Unreadable>) -> Result<u128, Problem> {
    let no_bucket =
        "a value is no bucket: a text such as \"0x1f\", or {\"bucket\": \"<a character for each byte>\"}";
    let value = value.map_err(|Unreadable| no_bucket)?;
    match serde_json::from_str(value).map_err(|_| no_bucket)? {
        DomainBucket::Number(number) => Ok(number.into()),
        DomainBucket::Text(text) => bucket_from_text(&text),
        DomainBucket::Record { bucket: characters } => {
            let bytes = characters.chars().map(|character| u8::try_from(u32::from(character)));
            bucket(&bytes.collect::<Result<Vec<u8>, _>>().map_err(|_| no_bucket)?)
        }
    }
}

/// Hands on each value's text, or that a line is none.
fn read_values(mut file: impl BufRead, sink: ValueSink<'_>) -> Result<(), Problem> {
    let first_line = first_line(&mut file)?;
    let is_list = first_line.trim_ascii_start().starts_with(b"[");
    if !is_list && serde_json::from_slice::<IgnoredAny>(&first_line).is_ok() {
        return read_lines(Cursor::new(first_line).chain(file), sink);
    }
    let budget = Cell::new(MAX_VALUE_BYTES);
    let file = Limited { file: Cursor::new(first_line).chain(file), budget: &budget };
    // It reads bytes one by one.
    let mut json = serde_json::Deserializer::from_reader(io::BufReader::new(file));
    if is_list {
        let mut has_enough = false;
        let list = List { sink, budget: &budget, has_enough: &mut has_enough };
        return match json.deserialize_seq(list) {
            Ok(()) => Ok(json.end()?),
            Err(_) if has_enough => Ok(()),
            Err(error) => Err(error.into()),
        };
    }
    for value in json.into_iter::<Box<RawValue>>() {
        budget.set(MAX_VALUE_BYTES);
        if sink(Ok(value?.get())).is_break() {
            break;
        }
    }
    Ok(())
}

/// The first line that is not blank, with its end.
fn first_line(file: &mut impl BufRead) -> Result<Vec<u8>, Problem> {
    let mut line = Vec::new();
    while line.trim_ascii().is_empty() {
        line.clear();
        if file.take(MAX_VALUE_BYTES as u64).read_until(b'\n', &mut line)? == 0 {
            break;
        }
    }
    Ok(line)
}

fn read_lines(mut file: impl BufRead, sink: ValueSink<'_>) -> Result<(), Problem> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if (&mut file).take(MAX_VALUE_BYTES as u64 + 1).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if line.len() > MAX_VALUE_BYTES {
            return Err(too_long().into());
        }
        let text = line.trim_ascii();
        if text.is_empty() {
            continue;
        }
        if sink(str::from_utf8(text).map_err(|_| Unreadable)).is_break() {
            return Ok(());
        }
    }
}

/// Reads the values of a list.
struct List<'a> {
    sink: ValueSink<'a>,
    budget: &'a Cell<usize>,
    has_enough: &'a mut bool,
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        while let Some(value) = values.next_element::<Box<RawValue>>()? {
            self.budget.set(MAX_VALUE_BYTES);
            if (self.sink)(Ok(value.get())).is_break() {
                // A list must be read to its end, or be given up.
                *self.has_enough = true;
                return Err(de::Error::custom("enough"));
            }
        }
        Ok(())
    }
}

/// Fails when a value takes more than its budget.
struct Limited<'a, R> {
    file: R,
    budget: &'a Cell<usize>,
}

impl<R: Read> Read for Limited<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // What is buffered belongs to the next values, too: a whole buffer is allowed for.
        let len = self.file.read(buffer)?;
        match self.budget.get().checked_sub(len) {
            Some(rest) => self.budget.set(rest),
            None => return Err(io::Error::new(io::ErrorKind::InvalidData, too_long())),
        }
        Ok(len)
    }
}

fn too_long() -> String {
    format!("a value is longer than {MAX_VALUE_BYTES} bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"shared_info":"{}","aggregation_service_payloads":[{"payload":"AQI=","key_id":"k","debug_cleartext_payload":"Aw=="}]}"#;

    fn read(text: &str, column: PayloadColumn) -> Result<Vec<Option<u8>>, String> {
        let mut rows = Vec::new();
        let mut sink = |row: Row| {
            rows.push(row.ok().map(|record| record.payload[0]));
            ControlFlow::Continue(())
        };
        read_reports(text.as_bytes(), column, &mut sink).map_err(|problem| problem.to_string())?;
        Ok(rows)
    }

    #[test]
    fn bodies_stand_in_lists_on_lines_or_one_after_the_other() {
        let pretty = BODY.replace(',', ",\n  ");
        for (text, count) in [
            (format!("[{BODY}, {pretty}]"), 2),
            ("[]".to_owned(), 0),
            (format!("{BODY}\n\n{BODY}"), 2),
            (format!("\n{pretty}{pretty}\n"), 2),
        ] {
            assert_eq!(read(&text, PayloadColumn::Sealed), Ok(vec![Some(1); count]), "{text}");
            assert_eq!(read(&text, PayloadColumn::Clear), Ok(vec![Some(3); count]), "{text}");
        }
    }

    #[test]
    fn what_is_no_report_is_a_row_that_cannot_be_read() {
        let no_clear = BODY.replace("debug_", "");
        for row in ["{}", "1", r#"{"shared_info":"","aggregation_service_payloads":[]}"#, &no_clear] {
            let text = format!("[{BODY},{row},{BODY}]");
            assert_eq!(read(&text, PayloadColumn::Clear), Ok(vec![Some(3), None, Some(3)]), "{row}");
        }
        let bad_base64 = BODY.replace("AQI=", "AQ*=");
        let lines = format!("{BODY}\n{{broken\n{bad_base64}\n{BODY}");
        assert_eq!(read(&lines, PayloadColumn::Sealed), Ok(vec![Some(1), None, None, Some(1)]));
    }

    #[test]
    fn a_file_that_breaks_off_is_an_error() {
        for text in [format!("[{BODY},"), format!("[{BODY}] 1"), BODY.replace(':', ":\n")[..60].to_owned()] {
            assert!(read(&text, PayloadColumn::Sealed).is_err(), "{text}");
        }
    }

    #[test]
    fn a_value_has_a_limit() {
        let value = |len: usize| format!(r#"{{"x":"{}"}}"#, "a".repeat(len - 8));
        for (before, after) in [("[", "]"), ("{}\n", ""), ("{\n}", "")] {
            let wrap = |value: &str| format!("{before}{value}{after}");
            assert!(read(&wrap(&value(MAX_VALUE_BYTES - 20_000)), PayloadColumn::Sealed).is_ok());
            let error = read(&wrap(&value(MAX_VALUE_BYTES + 20_000)), PayloadColumn::Sealed).unwrap_err();
            assert!(error.contains("a value is longer than"), "{error}");
        }
    }

    #[test]
    fn a_sink_that_has_enough_ends_it() {
        for text in
            [format!("[{BODY},{BODY} broken"), format!("{BODY}\n{BODY}"), format!(" {{\n}}{BODY} broken")]
        {
            let mut count = 0;
            let mut sink = |_: Row| {
                count += 1;
                ControlFlow::Break(())
            };
            read_reports(text.as_bytes(), PayloadColumn::Sealed, &mut sink).unwrap();
            assert_eq!(count, 1);
        }
    }

    #[test]
    fn domains_are_texts_numbers_or_records() {
        let domain = |text: &str| {
            let mut buckets = Vec::new();
            let mut sink = |bucket| {
                buckets.push(bucket);
                ControlFlow::Continue(())
            };
            read_domain(text.as_bytes(), &mut sink).map_err(|problem| problem.to_string())?;
            Ok::<_, String>(buckets)
        };
        let text = r#"["0x10", "10", 10, {"bucket": "\u0001\u00ff"}, {"bucket": "key1", "metric": 1}]"#;
        assert_eq!(domain(text), Ok(vec![16, 10, 10, 0x1ff, u128::from(u32::from_be_bytes(*b"key1"))]));
        for invalid in [
            "[-1]",
            "[1.5]",
            "[null]",
            r#"["key1"]"#,
            r#"[{"bucket":"\u0100"}]"#,
            r#"[{"bucket":"12345678901234567"}]"#,
        ] {
            assert!(domain(invalid).is_err(), "{invalid}");
        }
    }
}
