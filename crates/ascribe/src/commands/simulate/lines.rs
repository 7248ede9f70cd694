//! JSON Lines: many users, in parallel.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter};
use std::num::NonZeroUsize;
use std::path::Path;

use anyhow::Context;
use ascribe_simulation::{LinesOptions, Noise, Totals, run_lines};
use indicatif::{ProgressBar, ProgressStyle};
use rand::TryRng;

use super::Args;
use crate::commands::Verdict;
use crate::input;
use crate::output::{FAINT, Output};

/// Longer lines are an error: an entry holds a page's registrations, not a file.
const MAX_LINE_BYTES: usize = 16 << 20;

pub(super) fn run(args: &Args, path: &Path, _output: &mut Output) -> anyhow::Result<Verdict> {
    let setup = args.base_setup()?;
    let options = LinesOptions {
        noise: noise(args)?,
        jobs: jobs(args),
        interleaved: args.interleaved,
        max_line_bytes: MAX_LINE_BYTES,
    };
    let (input, size): (Box<dyn BufRead>, _) = if path.as_os_str() == "-" {
        (Box::new(BufReader::with_capacity(1 << 20, io::stdin())), None)
    } else {
        let file = File::open(path).with_context(|| format!("reading {}", path.display()))?;
        let size = file.metadata().ok().map(|metadata| metadata.len());
        (Box::new(BufReader::with_capacity(1 << 20, file)), size)
    };
    let progress = progress_bar(size);
    // Reports go out as the machine-readable lines that they are: no colours to care for.
    let out = BufWriter::with_capacity(1 << 20, io::stdout());
    let result = run_lines(input, out, &setup, &options, |bytes| progress.set_position(bytes));
    progress.finish_and_clear();
    let totals = result.with_context(|| input::name(path))?;
    summarize(&totals, &progress);
    Ok(Verdict::Passed)
}

/// A run with chance can be repeated: its seed is told.
fn noise(args: &Args) -> anyhow::Result<Noise> {
    if args.no_noise {
        return Ok(Noise::Recorded);
    }
    if let Some(seed) = args.seed {
        return Ok(Noise::Random(seed));
    }
    let seed = rand::rngs::SysRng.try_next_u64().context("asking the operating system for a seed")?;
    anstream::eprintln!("{FAINT}noise from --seed {seed}{FAINT:#}");
    Ok(Noise::Random(seed))
}

fn jobs(args: &Args) -> NonZeroUsize {
    let asked = args.jobs.and_then(|jobs| NonZeroUsize::new(jobs.into()));
    asked.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN)
}

/// On standard error, and only on a terminal.
fn progress_bar(size: Option<u64>) -> ProgressBar {
    let (bar, template) = match size {
        Some(size) => (ProgressBar::new(size), "{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}"),
        None => (ProgressBar::no_length(), "{spinner} {bytes} {bytes_per_sec}"),
    };
    bar.with_style(ProgressStyle::with_template(template).expect("a constant template"))
}

fn summarize(totals: &Totals, progress: &ProgressBar) {
    let Totals { users, responses, reports, .. } = totals;
    let seconds = progress.elapsed().as_secs_f64();
    let rate = *responses as f64 / seconds.max(1e-9);
    anstream::eprintln!(
        "{FAINT}{users} users, {responses} responses, {reports} reports in {seconds:.2} s: \
         {rate:.0} responses/s{FAINT:#}"
    );
}
