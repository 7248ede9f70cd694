//! The commands, one module each: `Args` says what can be asked, `run` does it.

mod aggregate;
mod aggregation;
mod browser;
mod browser_options;
mod budget;
mod collector;
mod completions;
mod coordinator;
mod demo;
mod man;
mod passphrase;
mod privacy;
mod serving;
mod simulate;
mod validate;
mod visit;

use clap::Subcommand;

use crate::output::Output;

/// What a command found, if it could do its work at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All is well: exit code 0.
    Passed,
    /// A check failed, and the output says which: exit code 1.
    Failed,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(demo::Args),
    Browser(browser::Args),
    Visit(visit::Args),
    Simulate(simulate::Args),
    Validate(validate::Args),
    Privacy(privacy::Args),
    Collector(collector::Args),
    Coordinator(coordinator::Args),
    Aggregate(aggregate::Args),
    Aggregation(aggregation::Args),
    Budget(budget::Args),
    Completions(completions::Args),
    Man(man::Args),
}

impl Command {
    pub(crate) fn run(self, output: &mut Output) -> anyhow::Result<Verdict> {
        match self {
            Self::Demo(args) => demo::run(args, output),
            Self::Browser(args) => browser::run(args, output),
            Self::Visit(args) => visit::run(args, output),
            Self::Simulate(args) => simulate::run(args, output),
            Self::Validate(args) => validate::run(args, output),
            Self::Privacy(args) => privacy::run(args, output),
            Self::Collector(args) => collector::run(args, output),
            Self::Coordinator(args) => coordinator::run(args, output),
            Self::Aggregate(args) => aggregate::run(args, output),
            Self::Aggregation(args) => aggregation::run(args, output),
            Self::Budget(args) => budget::run(args, output),
            Self::Completions(args) => completions::run(args, output),
            Self::Man(args) => man::run(args, output),
        }
    }
}
