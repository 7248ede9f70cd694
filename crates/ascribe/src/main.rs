//! `ascribe`: the Attribution Reporting API on the command line.
//!
//! Thin: [`cli`] says what can be asked, [`commands`] has one module for each command, which decodes, calls
//! a library and prints through [`output`]. Only here are the exit code and the colours decided.

mod cli;
mod commands;
mod input;
mod output;
mod recording;

use std::io;
use std::process::ExitCode;

use clap::Parser;

use crate::cli::Cli;
use crate::commands::Verdict;
use crate::output::{ERROR, Output};

/// What one thread allocates and another frees, as each report that is collected, is cheaper than with the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    cli.color.apply();
    let mut output = Output::new(cli.json);
    let result = cli.command.run(&mut output).and_then(|verdict| Ok(output.finish().map(|()| verdict)?));
    match result {
        Ok(Verdict::Passed) => ExitCode::SUCCESS,
        Ok(Verdict::Failed) => ExitCode::from(1),
        // Whoever was reading has seen enough: `ascribe man | head`.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("{ERROR}error:{ERROR:#} {error:#}");
            ExitCode::from(2)
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let kinds = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    kinds.into_iter().any(|kind| kind == io::ErrorKind::BrokenPipe)
}
