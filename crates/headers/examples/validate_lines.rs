//! Validates headers in bulk: one JSON object a line in, one report a line out.
//!
//! ```text
//! $ echo '{"header":"Attribution-Reporting-Register-Source","source_type":"event","value":"{}"}' |
//!     cargo run -q -p ascribe-headers --example validate_lines
//! {"errors":[{"path":["destination"],"message":"required"}],"warnings":[],"notes":[]}
//! ```
//!
//! `source_type` is `navigation` unless given.
#![expect(clippy::disallowed_methods, reason = "an example that is a program; the crate does no I/O")]

use std::{
    error::Error,
    io::{self, BufRead, Write},
};

use ascribe_headers::{HeaderName, SourceType, ValidateOptions, validate};
use serde::Deserialize;

#[derive(Deserialize)]
struct Line {
    header: String,
    source_type: Option<String>,
    value: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        let Line { header, source_type, value } = serde_json::from_str(&line?)?;
        let header = HeaderName::from_name(&header).ok_or("no such header")?;
        let source_type = match source_type.as_deref() {
            Some("event") => SourceType::Event,
            Some("navigation") | None => SourceType::Navigation,
            Some(_) => return Err("source_type must be event or navigation".into()),
        };
        let options = ValidateOptions { source_type, note_disclosure: true, ..Default::default() };
        serde_json::to_writer(&mut out, &validate(header, value.as_bytes(), &options))?;
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}
