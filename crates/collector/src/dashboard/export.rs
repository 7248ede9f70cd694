//! Tables for programs: CSV and JSON of what a page shows, by the same filter.

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use http::header;
use serde_json::{Map, Value, json};

use super::filter::{Format, Query};

/// A table for programs.
pub(super) struct Export {
    /// The name of the file.
    pub(super) name: &'static str,
    pub(super) columns: &'static [&'static str],
    pub(super) rows: Vec<Vec<Value>>,
    /// Where the next part of the list begins, if there is one.
    pub(super) next: Option<i64>,
}

/// A table is exported in parts of so many rows, or of so many bytes, whichever is reached first.
pub(super) const MAX_ROWS: usize = 20_000;
pub(super) const MAX_BYTES: usize = 32 * 1024 * 1024;
/// Rows are read from the store so many at a time.
pub(super) const AT_A_TIME: u32 = 200;

impl Export {
    /// The table as a file. Where there is more, a `Link` header, and in JSON `next`, lead on.
    pub(super) fn answer(self, format: Format, path: &str, query: &Query) -> Response {
        let next = self.next.map(|before| {
            let format = if format == Format::Csv { "csv" } else { "json" };
            format!("{path}?{}", query.with(&[("format", format), ("before", &before.to_string())]))
        });
        let name = self.name;
        let mut answer = match format {
            Format::Csv => {
                let file = format!("attachment; filename=\"{name}.csv\"");
                (
                    [(header::CONTENT_TYPE, "text/csv; charset=utf-8"), (header::CONTENT_DISPOSITION, &file)],
                    self.csv(),
                )
                    .into_response()
            }
            _ => {
                let file = format!("attachment; filename=\"{name}.json\"");
                let rows: Vec<Value> = self.rows.into_iter().map(|row| object(self.columns, row)).collect();
                let body = json!({ name: rows, "next": next }).to_string();
                ([(header::CONTENT_TYPE, "application/json"), (header::CONTENT_DISPOSITION, &file)], body)
                    .into_response()
            }
        };
        if let Some(link) = next.and_then(|next| format!("<{next}>; rel=\"next\"").try_into().ok()) {
            answer.headers_mut().insert(header::LINK, link);
        }
        answer
    }

    fn csv(&self) -> Vec<u8> {
        let mut csv = csv::Writer::from_writer(Vec::new());
        // Writing to memory does not fail, and all rows are as long as the columns.
        let _ = csv.write_record(self.columns);
        for row in &self.rows {
            let _ = csv.write_record(row.iter().map(|value| cell(value).into_owned()));
        }
        csv.into_inner().unwrap_or_default()
    }
}

fn object(columns: &[&str], row: Vec<Value>) -> Value {
    Value::Object(columns.iter().map(|column| (*column).to_owned()).zip(row).collect::<Map<_, _>>())
}

/// What a value is in CSV. Text that a spreadsheet would take for a formula begins with an apostrophe, which
/// makes it text there.
fn cell(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Null => "".into(),
        Value::String(text) if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) => {
            format!("'{text}").into()
        }
        Value::String(text) => text.as_str().into(),
        other => other.to_string().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_is_quoted_and_has_no_formulas() {
        let export = Export {
            name: "rows",
            columns: &["a", "b"],
            rows: vec![
                vec![json!("=1+1"), json!(-5)],
                vec![json!("x, \"y\"\nz"), Value::Null],
                vec![json!("@SUM(A1)"), json!("+49")],
                vec![json!("-2"), json!("\t=1")],
            ],
            next: None,
        };
        let csv = String::from_utf8(export.csv()).unwrap();
        assert_eq!(csv, "a,b\n'=1+1,-5\n\"x, \"\"y\"\"\nz\",\n'@SUM(A1),'+49\n'-2,'\t=1\n");
    }
}
