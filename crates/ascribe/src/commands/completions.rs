//! `ascribe completions`: what a shell needs to complete this command line.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;

use super::Verdict;
use crate::cli::Cli;
use crate::output::Output;

/// Print completions for a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    ascribe completions bash > ~/.local/share/bash-completion/completions/ascribe\n  \
    ascribe completions zsh > ~/.zfunc/_ascribe\n  \
    ascribe completions fish > ~/.config/fish/completions/ascribe.fish")]
pub(crate) struct Args {
    /// The shell that is to complete.
    shell: Shell,
}

pub(super) fn run(args: Args, output: &mut Output) -> anyhow::Result<Verdict> {
    // `generate` panics if it cannot write; a buffer always can.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "ascribe", &mut script);
    output.write_all(&script)?;
    Ok(Verdict::Passed)
}
