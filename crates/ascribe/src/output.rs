//! Where commands print: text with colours, or one JSON value.

use std::io::{self, Stdout, Write};

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};
use serde::Serialize;

/// What is wrong.
pub(crate) const ERROR: Style = AnsiColor::Red.on_default().bold();
/// What deserves attention.
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default().bold();
/// What is worth knowing.
pub(crate) const NOTE: Style = AnsiColor::Cyan.on_default().bold();
/// What is right.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// What to read first.
pub(crate) const STRONG: Style = Style::new().bold();

/// What to overlook.
pub(crate) const FAINT: Style = Style::new().dimmed();

/// Standard output: drops the colours where they are not wanted. Not locked: long outputs are written by
/// threads of their own.
pub(crate) struct Output {
    out: AutoStream<Stdout>,
    json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { out: anstream::stdout(), json }
    }

    /// Whether [`json`](Self::json) is to be used instead of text.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Prints a value on lines of its own.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut self.out, value)?;
        writeln!(self.out)
    }

    /// Makes sure that everything has been written.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Write for Output {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.out.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
