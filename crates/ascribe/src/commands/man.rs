//! `ascribe man`: the manual pages.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use clap::CommandFactory;
use clap_mangen::Man;

use super::Verdict;
use crate::cli::Cli;
use crate::output::Output;

/// Print the manual page, or write one for each command.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    ascribe man | man -l -\n  \
    ascribe man --out ~/.local/share/man/man1")]
pub(crate) struct Args {
    /// Write `ascribe.1`, `ascribe-privacy.1` and so on into this directory, which is made if need be.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn run(args: Args, output: &mut Output) -> anyhow::Result<Verdict> {
    let command = Cli::command();
    match args.out {
        None => Man::new(command).render(output)?,
        Some(directory) => {
            let write = || {
                fs::create_dir_all(&directory)?;
                clap_mangen::generate_to(command, &directory)
            };
            write().with_context(|| format!("writing manual pages into {}", directory.display()))?;
        }
    }
    Ok(Verdict::Passed)
}
