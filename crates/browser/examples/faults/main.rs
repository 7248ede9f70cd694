//! Kills Ascribe and Chromium at random moments, again and again, and counts the reports that arrive.
//!
//! `cargo run --release -p ascribe-browser --example faults -- --cycles 200`. Everything is random by `--seed`, save how
//! fast the machine is. It exits with 1 when a report was lost, or came under two IDs.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it is a command")]

mod run;

use std::{env, error::Error, process::ExitCode};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use rand::TryRng as _;
use tokio::process::Command;

/// Kills Ascribe and Chromium at random moments, and counts the reports that arrive.
#[derive(Parser)]
struct Args {
    /// How many kills.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    cycles: u32,
    /// What chance is made from; a random number by default.
    #[arg(long)]
    seed: Option<u64>,
    /// Prints the figures as JSON.
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    if run::is_child() {
        run::child().await?;
        return Ok(ExitCode::SUCCESS);
    }
    let Args { cycles, seed, json } = Args::parse();
    let seed = match seed {
        Some(seed) => seed,
        None => rand::rngs::SysRng.try_next_u64()?,
    };
    eprintln!("seed {seed}");
    let this = env::current_exe()?;
    let bar = ProgressBar::new(cycles.into());
    let bar = bar.with_style(ProgressStyle::with_template("{bar:40} {pos}/{len} kills {msg} {eta}")?);
    let summary = run::run(
        cycles,
        seed,
        || Command::new(&this),
        |_, reports| {
            bar.inc(1);
            bar.set_message(format!("{reports} reports"));
        },
    )
    .await;
    bar.finish_and_clear();
    let summary = summary?;
    if json {
        println!("{}", serde_json::to_string_pretty(&summary)?);
    } else {
        println!("{summary}");
    }
    Ok(if summary.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
