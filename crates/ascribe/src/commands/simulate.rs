//! `ascribe simulate`: recorded inputs through the engine; the reports that they lead to.

mod cases;
mod explain;
mod lines;

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use ascribe_simulation::{Noise, Setup, apply_api_config};

use super::Verdict;
use crate::{input, output::Output};

/// Play recorded registrations and print the reports that they lead to
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    ascribe simulate examples/guide                 all cases of a folder\n  \
    ascribe simulate --check cases/                 compare with the expected reports of each case\n  \
    ascribe simulate --explain case.json            which check stopped what, with the numbers compared\n  \
    ascribe simulate --seed 7 --jobs 4 users.jsonl  many users, noised, the same every time\n  \
    zcat log.gz | ascribe simulate --no-noise -     JSON Lines from standard input\n\n\
    A case file holds one user's input, and the expected reports if they are known. JSON Lines (.jsonl,\n\
    .ndjson, standard input) hold one entry a line, with its user. A default_config.json beside a case is\n\
    its base configuration. With --json, cases are one list; the reports of JSON Lines are always lines.")]
pub(crate) struct Args {
    /// Case files, folders of them, JSON Lines, or - for JSON Lines from standard input
    #[arg(required = true, value_name = "FILE|DIR")]
    inputs: Vec<PathBuf>,

    /// Compare with the expected output of each case; exit with 1 on a difference
    #[arg(long)]
    check: bool,

    /// Tell what became of each registration, and why; among JSON Lines, as lines of their own
    #[arg(long)]
    explain: bool,

    /// Draw noise, null reports and delays from a generator with this seed. By default, cases have only the
    /// noise that they record, and JSON Lines a seed from the operating system, which is told
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,

    /// Only the noise that the input records, and the longest delays
    #[arg(long, conflicts_with = "seed")]
    no_noise: bool,

    /// A JSON file with parameters, in place of Chromium's and of a default_config.json
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// How many users of JSON Lines are played at the same time [default: one for each core]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,

    /// The lines of different users are mixed: keep every user open until the end. Each user's reports are in
    /// order then, but the order of users is not always the same
    #[arg(long)]
    interleaved: bool,

    /// Read files as JSON Lines, whatever their names
    #[arg(long)]
    lines: bool,
}

/// A configuration is small.
const MAX_CONFIG_BYTES: usize = 1 << 20;

pub(crate) fn run(args: Args, output: &mut Output) -> anyhow::Result<Verdict> {
    let is_lines = |path: &PathBuf| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        args.lines || path.as_os_str() == "-" || matches!(extension, Some("jsonl" | "ndjson"))
    };
    if args.inputs.iter().any(is_lines) {
        ensure!(args.inputs.len() == 1, "JSON Lines are read from one file at a time: join them with cat");
        ensure!(!args.check, "JSON Lines carry no expected reports to check");
        return lines::run(&args, &args.inputs[0], output);
    }
    ensure!(args.jobs.is_none() && !args.interleaved, "--jobs and --interleaved are for JSON Lines");
    cases::run(&args, output)
}

impl Args {
    /// Chromium's parameters, or those of a file.
    fn base_setup(&self) -> anyhow::Result<Setup> {
        let mut setup = Setup::default();
        if let Some(path) = &self.config {
            read_config(path, &mut setup)?;
        }
        setup.config.explain = self.explain;
        Ok(setup)
    }
}

fn read_config(path: &Path, setup: &mut Setup) -> anyhow::Result<()> {
    let text = input::read(path, MAX_CONFIG_BYTES)?;
    let overrides = serde_json::from_slice(&text).map_err(anyhow::Error::from);
    let applied = overrides.and_then(|overrides| Ok(apply_api_config(setup, &overrides)?));
    applied.with_context(|| format!("the configuration {}", path.display()))
}

/// The noise of cases.
fn recorded_or_seeded(args: &Args) -> Noise {
    args.seed.map_or(Noise::Recorded, Noise::Random)
}
