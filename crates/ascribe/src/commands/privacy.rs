//! `ascribe privacy`: how much a source discloses, how noisy it is, and whether it would be accepted.

mod assessment;
mod text;

use std::path::{Path, PathBuf};

use anyhow::{bail, ensure};
use ascribe_headers::{SourceRegistration, SourceType, ValidateOptions};
use ascribe_privacy::{Epsilon, TriggerDataSpec, TriggerStates};
use clap::builder::RangedU64ValueParser;

use super::Verdict;
use crate::cli::SourceTypeArg;
use crate::input;
use crate::output::Output;

use assessment::{Assessment, Limits, Scopes, Source};

/// Show how noisy a source is, and whether it discloses too much to be accepted.
///
/// Counts the outputs that a source can have (which reports, with which trigger data, in which window), and
/// from that number and epsilon computes how many bits it discloses and how often it is replaced by noise.
/// The source is that of a registration file, or that of the options; what these do not give has the default
/// of the source type. Chromium's limits apply unless others are given.
#[derive(Debug, clap::Args)]
#[command(
    allow_negative_numbers = true,
    after_help = "Examples:\n  \
    ascribe privacy                                    the default navigation source\n  \
    ascribe privacy --source-type event\n  \
    ascribe privacy source.json                        that of a registration\n  \
    ascribe privacy --trigger-data 4 --max-reports 5   what other sizes cost\n  \
    ascribe privacy --epsilon 12 --json\n  \
    ascribe privacy --windows 1,3 --buckets 1,2        two trigger data that differ\n  \
    ascribe privacy --scopes-limit 20 --max-event-states 3\n\n\
    Exit code 1 if the source would be rejected."
)]
pub(crate) struct Args {
    /// A source registration, the JSON of `Attribution-Reporting-Register-Source`; `-` for standard input.
    #[arg(conflicts_with_all = ["windows", "trigger_data", "max_reports", "buckets", "epsilon", "scopes_limit",
                                "max_event_states"])]
    file: Option<PathBuf>,

    /// What registers the source: decides the defaults and the limits.
    #[arg(long, value_name = "TYPE", default_value = "navigation")]
    source_type: SourceTypeArg,

    /// How many event report windows, 1 to 5; for all trigger data, or a list for each [default: 3 for
    /// navigation, 1 for event].
    #[arg(long, value_name = "N,...", value_delimiter = ',',
          value_parser = RangedU64ValueParser::<u8>::new().range(1..=5))]
    windows: Vec<u8>,

    /// How many trigger data can be told apart, 0 to 32 [default: 8 for navigation, 2 for event].
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<u8>::new().range(0..=32))]
    trigger_data: Option<u8>,

    /// At most this many event-level reports, 0 to 20 [default: 3 for navigation, 1 for event].
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<u8>::new().range(0..=20))]
    max_reports: Option<u8>,

    /// At most this many reports of a trigger data; for all of them, or a list for each [default: as
    /// many as of the source].
    ///
    /// These are the summary buckets of "flexible event-level configurations": proposed, but no registration
    /// can ask for them, nor for unlike windows.
    #[arg(long, value_name = "N,...", value_delimiter = ',')]
    buckets: Vec<u8>,

    /// The privacy parameter: 0 is all noise.
    #[arg(long, value_name = "X", default_value = "14", value_parser = finite)]
    epsilon: f64,

    /// Attribution scopes: at most this many a destination.
    #[arg(long, value_name = "N", requires = "max_event_states",
          value_parser = RangedU64ValueParser::<u32>::new().range(1..))]
    scopes_limit: Option<u32>,

    /// Attribution scopes: how many outputs the event sources among them have at most.
    #[arg(long, value_name = "N", requires = "scopes_limit",
          value_parser = RangedU64ValueParser::<u32>::new().range(1..))]
    max_event_states: Option<u32>,

    /// At most this many bits [default: 11.5 for navigation, 6.5 for event].
    #[arg(long, value_name = "BITS", help_heading = "Limits", value_parser = finite)]
    max_capacity: Option<f64>,

    /// At most this many bits with attribution scopes [default: 11.55 for navigation, 6.5 for event].
    #[arg(long, value_name = "BITS", help_heading = "Limits", value_parser = finite)]
    max_scopes_capacity: Option<f64>,
}

pub(super) fn run(args: Args, output: &mut Output) -> anyhow::Result<Verdict> {
    let options = ValidateOptions { source_type: args.source_type.into(), ..ValidateOptions::default() };
    let source = match &args.file {
        Some(file) => registered(file, &options)?,
        None => described(&args)?,
    };
    let assessment = Assessment::new(source, limits(&args, &options))?;
    if output.is_json() {
        output.json(&assessment)?;
    } else {
        text::print(&assessment, output)?;
    }
    Ok(if assessment.fits { Verdict::Passed } else { Verdict::Failed })
}

/// The source that a file registers.
fn registered(file: &Path, options: &ValidateOptions) -> anyhow::Result<Source> {
    let json = input::read(file, options.vendor.max_header_bytes)?;
    let parsed = SourceRegistration::parse(&json, options.source_type, &options.vendor).into_result();
    let registration = match parsed {
        Ok(registration) => registration,
        Err(problems) => bail!(
            "{} does not register a source: {}\n`ascribe validate register-source` shows all problems, and where they are",
            input::name(file),
            problems.first().map(ToString::to_string).unwrap_or_default(),
        ),
    };
    let max_event_level_reports = registration.max_event_level_reports;
    let spec = TriggerDataSpec {
        // At most 5.
        windows: registration.event_report_windows.ends().len() as u8,
        buckets: max_event_level_reports,
    };
    let scopes = registration.attribution_scopes.as_ref();
    Ok(Source {
        source_type: options.source_type,
        max_event_level_reports,
        trigger_data: vec![spec; registration.trigger_data.len()],
        epsilon: registration.event_level_epsilon,
        scopes: scopes
            .map(|scopes| Scopes { limit: scopes.limit(), max_event_states: scopes.max_event_states() }),
    })
}

/// The source that the options describe.
fn described(args: &Args) -> anyhow::Result<Source> {
    let default = match args.source_type {
        SourceTypeArg::Navigation => TriggerStates::NAVIGATION,
        SourceTypeArg::Event => TriggerStates::EVENT,
    };
    let max_event_level_reports = args.max_reports.unwrap_or(default.max_event_level_reports());
    // A list says how many trigger data there are, if nothing else does.
    let listed = [&args.windows, &args.buckets].map(Vec::len).into_iter().find(|&length| length > 1);
    let number = args.trigger_data.map(usize::from).or(listed).unwrap_or(default.trigger_data().into());
    let windows = for_each(&args.windows, default.windows(), number, "--windows")?;
    let buckets = for_each(&args.buckets, max_event_level_reports, number, "--buckets")?;
    let specs = windows
        .into_iter()
        .zip(buckets)
        .map(|(windows, buckets)| TriggerDataSpec { windows, buckets: buckets.min(max_event_level_reports) });
    let scopes = args.scopes_limit.zip(args.max_event_states);
    Ok(Source {
        source_type: args.source_type.into(),
        max_event_level_reports,
        trigger_data: specs.collect(),
        epsilon: Epsilon::new(args.epsilon).expect("`finite` has parsed it"),
        scopes: scopes.map(|(limit, max_event_states)| Scopes { limit, max_event_states }),
    })
}

/// The value of an option for each of so many trigger data.
fn for_each(given: &[u8], default: u8, number: usize, option: &str) -> anyhow::Result<Vec<u8>> {
    match given {
        [] => Ok(vec![default; number]),
        [all] => Ok(vec![*all; number]),
        list if list.len() == number => Ok(list.to_vec()),
        list => bail!(
            "{option} has {} numbers for {number} trigger data: give one for all of them, or one for each",
            list.len()
        ),
    }
}

/// The limits to hold it against.
fn limits(args: &Args, options: &ValidateOptions) -> Limits {
    let limits = match options.source_type {
        SourceType::Navigation => options.navigation_limits,
        SourceType::Event => options.event_limits,
    };
    Limits {
        states: options.vendor.max_trigger_state_cardinality,
        epsilon: options.vendor.max_settable_event_level_epsilon,
        capacity: args.max_capacity.unwrap_or(limits.channel_capacity),
        scopes_capacity: args.max_scopes_capacity.unwrap_or(limits.scopes_channel_capacity),
    }
}

/// A number from 0 on.
fn finite(text: &str) -> anyhow::Result<f64> {
    let number: f64 = text.parse()?;
    ensure!(number.is_finite() && number >= 0.0, "a finite number from 0 on is needed");
    Ok(number)
}
