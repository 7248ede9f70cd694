//! The report for people.

use std::io::{self, Write};

use anstyle::Style;
use ascribe_headers::{HeaderName, Problem, Report};

use super::excerpt::{excerpt, harmless};
use super::place;
use super::pretty::pretty;
use crate::output::{ERROR, FAINT, GOOD, NOTE, STRONG, WARNING};

/// What was checked.
pub(super) struct Input<'i> {
    /// Where it came from.
    pub(super) name: String,
    pub(super) value: &'i [u8],
    pub(super) header: HeaderName,
}

/// Problems of one severity that are printed; `--json` has them all.
const MAX_SHOWN: usize = 50;

/// How many columns of the input are shown.
const WIDTH: usize = 90;

/// Prints every problem at its place, then the effective header and the verdict.
pub(super) fn print(report: &Report, input: &Input<'_>, out: &mut impl Write) -> io::Result<()> {
    let text = String::from_utf8_lossy(input.value);
    let severities = [
        ("error", ERROR, &report.errors),
        ("warning", WARNING, &report.warnings),
        ("note", NOTE, &report.notes),
    ];
    for (severity, style, problems) in severities {
        for problem in problems.iter().take(MAX_SHOWN) {
            print_problem(severity, style, problem, input, &text, out)?;
        }
        if let Some(hidden) = problems.len().checked_sub(MAX_SHOWN + 1) {
            writeln!(out, "{style}{severity}{style:#}: and {} more, which --json prints\n", hidden + 1)?;
        }
    }
    if let Some(effective) = &report.effective {
        writeln!(out, "{STRONG}With every default:{STRONG:#}\n{}\n", spelled_out(input.header, effective))?;
    }
    let (style, verdict) = if report.is_valid() { (GOOD, "valid") } else { (ERROR, "not valid") };
    let errors = counted(report.errors.len(), "error");
    let warnings = counted(report.warnings.len(), "warning");
    writeln!(out, "{}: {style}{verdict}{style:#}, {errors}, {warnings}", input.header)
}

fn print_problem(
    severity: &str,
    style: Style,
    problem: &Problem,
    input: &Input<'_>,
    text: &str,
    out: &mut impl Write,
) -> io::Result<()> {
    let message = harmless(&problem.kind.to_string());
    let path = if problem.path.0.is_empty() { String::new() } else { problem.path.to_string() };
    let colon = if path.is_empty() { "" } else { ": " };
    writeln!(out, "{style}{severity}{style:#}: {STRONG}{}{STRONG:#}{colon}{message}", harmless(&path))?;
    if let Some(range) = place::find(input.header, text, problem) {
        let excerpt = excerpt(text, range, WIDTH);
        let line = excerpt.line.to_string();
        let margin = " ".repeat(line.len());
        writeln!(out, "{margin}{FAINT}-->{FAINT:#} {}:{line}:{}", input.name, excerpt.column)?;
        writeln!(out, "{margin} {FAINT}|{FAINT:#}")?;
        writeln!(out, "{FAINT}{line} |{FAINT:#} {}", excerpt.shown)?;
        writeln!(out, "{margin} {FAINT}|{FAINT:#} {style}{}{style:#}", excerpt.carets)?;
    }
    writeln!(out)
}

/// JSON over several lines; structured fields are one.
fn spelled_out(header: HeaderName, effective: &str) -> String {
    if effective.is_empty() {
        return "(nothing)".to_owned();
    }
    let json = if super::is_json(header) { serde_json::from_str(effective).ok() } else { None };
    json.map_or_else(|| effective.to_owned(), |json| pretty(&json))
}

fn counted(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
