//! What is wrong with a campaigns file, where, and what to do about it.

use std::fmt;

/// One thing that is wrong with, or worth knowing about, a campaigns file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The line, from 1.
    pub line: usize,
    /// The column in that line, from 1, in characters.
    pub column: usize,
    /// What is the matter, with the name of the field.
    pub what: String,
    /// What to do about it.
    pub help: String,
}

/// All that is wrong with a campaigns file, in the file's order; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigProblems(pub Vec<ConfigProblem>);

impl ConfigProblem {
    /// A problem at a byte of `text`.
    pub(super) fn at(text: &str, byte: usize, what: impl Into<String>, help: impl Into<String>) -> Self {
        let before = text.get(..byte).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            what: what.into(),
            help: help.into(),
        }
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.what)?;
        if self.help.is_empty() { Ok(()) } else { write!(f, "; {}", self.help) }
    }
}

impl fmt::Display for ConfigProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_are_counted_from_one_in_characters() {
        let text = "é = 1\n  ü = 2\n";
        let position = |byte| {
            let problem = ConfigProblem::at(text, byte, "", "");
            (problem.line, problem.column)
        };
        assert_eq!(position(0), (1, 1));
        assert_eq!(position("é = ".len()), (1, 5));
        assert_eq!(position(text.find('ü').unwrap()), (2, 3));
        assert_eq!(position(text.find('2').unwrap()), (2, 7));
        assert_eq!(position(text.len()), (3, 1));
        assert_eq!(position(1), (3, 1), "within a character: somewhere, without a panic");
    }
}
