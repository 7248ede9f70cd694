//! `ascribe validate`: what there is to say about a header, and where in it.

mod excerpt;
mod json;
mod place;
mod pretty;
mod text;

use std::path::PathBuf;

use anyhow::ensure;
use ascribe_headers::{HeaderName, ValidateOptions, validate};
use clap::ValueEnum;

use super::Verdict;
use crate::cli::SourceTypeArg;
use crate::input;
use crate::output::Output;

/// Check a request or response header.
///
/// Prints errors (the header does nothing), warnings (something was changed or ignored) and notes, each
/// with the place that it is about, then the header with every default spelled out.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    ascribe validate register-source source.json\n  \
    ascribe validate register-source --source-type event source.json\n  \
    echo '{\"event_trigger_data\": [{\"trigger_data\": 3}]}' | ascribe validate register-trigger\n  \
    echo 'preferred-platform=os' | ascribe validate attribution-reporting-info --json\n  \
    ascribe validate register-trigger --fail-on-warnings trigger.json\n\n\
    Exit code 1 if there are errors or, with --fail-on-warnings, warnings. The JSON has `errors`,\n\
    `warnings` and `notes`, lists of {\"path\": [\"filters\", 0], \"msg\": \"...\"}, and `effective`.")]
pub(crate) struct Args {
    /// The header's name, with or without `Attribution-Reporting-`, in any case.
    #[arg(value_name = "HEADER", ignore_case = true)]
    header: Header,

    /// The file with the header's value; `-` for standard input.
    #[arg(default_value = "-")]
    file: PathBuf,

    /// What registers the source [default: navigation]; for `register-source` only.
    #[arg(long, value_name = "TYPE")]
    source_type: Option<SourceTypeArg>,

    /// Treat warnings like errors.
    #[arg(long)]
    fail_on_warnings: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Header {
    #[value(alias = "attribution-reporting-register-source")]
    RegisterSource,
    #[value(alias = "attribution-reporting-register-trigger")]
    RegisterTrigger,
    #[value(alias = "attribution-reporting-register-os-source")]
    RegisterOsSource,
    #[value(alias = "attribution-reporting-register-os-trigger")]
    RegisterOsTrigger,
    #[value(alias = "attribution-reporting-info")]
    Info,
    #[value(alias = "attribution-reporting-eligible")]
    Eligible,
    #[value(alias = "attribution-reporting-support")]
    Support,
}

/// Far more than a header may have, so that one that is too long is reported as such.
const MAX_INPUT: usize = 16 << 20;

pub(super) fn run(args: Args, output: &mut Output) -> anyhow::Result<Verdict> {
    ensure!(
        args.source_type.is_none() || args.header == Header::RegisterSource,
        "--source-type is for register-source only: no other header depends on it"
    );
    let value = input::read(&args.file, MAX_INPUT)?;
    // A file ends with a line break that the header does not have.
    let value = value.trim_ascii_end();
    let header = HeaderName::from(args.header);
    let source_type = args.source_type.unwrap_or_default().into();
    let options = ValidateOptions { source_type, note_disclosure: true, ..ValidateOptions::default() };
    let report = validate(header, value, &options);
    if output.is_json() {
        output.json(&json::Report::new(header, &report))?;
    } else {
        let input = text::Input { name: input::name(&args.file), value, header };
        text::print(&report, &input, output)?;
    }
    let warnings_pass = report.warnings.is_empty() || !args.fail_on_warnings;
    let passed = report.is_valid() && warnings_pass;
    Ok(if passed { Verdict::Passed } else { Verdict::Failed })
}

/// Whether the header's value is JSON; the others are structured fields.
fn is_json(header: HeaderName) -> bool {
    matches!(header, HeaderName::RegisterSource | HeaderName::RegisterTrigger)
}

impl From<Header> for HeaderName {
    fn from(header: Header) -> Self {
        match header {
            Header::RegisterSource => Self::RegisterSource,
            Header::RegisterTrigger => Self::RegisterTrigger,
            Header::RegisterOsSource => Self::RegisterOsSource,
            Header::RegisterOsTrigger => Self::RegisterOsTrigger,
            Header::Info => Self::Info,
            Header::Eligible => Self::Eligible,
            Header::Support => Self::Support,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_header_is_known_by_both_names() {
        for &header in Header::value_variants() {
            let full = HeaderName::from(header).as_str();
            assert_eq!(Header::from_str(full, true), Ok(header));
            let short = full.trim_start_matches("Attribution-Reporting-").to_lowercase();
            assert_eq!(Header::from_str(&short, true), Ok(header));
        }
        assert_eq!(Header::value_variants().len(), HeaderName::ALL.len());
    }
}
