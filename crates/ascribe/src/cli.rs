//! What commands have in common: the global options, the exit codes, values that several take.

use ascribe_headers::SourceType;
use clap::{Parser, ValueEnum};

use crate::commands::Command;

/// The Attribution Reporting API, whole and independent.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    max_term_width = 100,
    after_help = "Exit codes: 0 if all is well, 1 if a check failed, 2 for a usage or input/output error.\n\
                  `ascribe COMMAND --help` shows what a command does, with examples."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Print one JSON value instead of text.
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) json: bool,

    /// When to use colours; `auto` is on a terminal, unless NO_COLOR is set.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", help_heading = "Global options")]
    pub(crate) color: Color,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

/// What registers a source.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum SourceTypeArg {
    #[default]
    Navigation,
    Event,
}

impl From<SourceTypeArg> for SourceType {
    fn from(source_type: SourceTypeArg) -> Self {
        match source_type {
            SourceTypeArg::Navigation => Self::Navigation,
            SourceTypeArg::Event => Self::Event,
        }
    }
}

impl Color {
    /// Makes it so for everything that is printed from here on.
    pub(crate) fn apply(self) {
        match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        }
        .write_global();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_examples() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.starts_with("Examples:\n"), "{} has none", command.get_name());
        }
    }
}
