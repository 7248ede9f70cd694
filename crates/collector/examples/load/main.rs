//! What a collector bears: a generator here, the collector (or nginx) in a process of its own beside it.
//!
//! ```text
//! cargo run --release -p ascribe-collector --example load -- intake
//! cargo run --release -p ascribe-collector --example load -- intake --store postgres
//! cargo run --release -p ascribe-collector --example load -- registrations
//! cargo run --release -p ascribe-collector --example load -- memory
//! ```
//!
//! `intake` compares with nginx, which reads the same bodies and throws them away; `registrations` with nginx
//! that answers an empty 200. Without nginx on this machine those lines are left out. Each mode prints a table,
//! and fails when what was acknowledged is not what is stored.
#![expect(clippy::print_stdout, reason = "a command")]

mod generator;
mod nginx;
mod requests;
mod served;
mod table;

#[path = "../../tests/support/mod.rs"]
mod support;

use std::{net::SocketAddr, path::PathBuf, process::Child, time::Duration};

use ascribe_collector::{Store, StoreLocation};
use ascribe_reports::Endpoint;
use clap::{Parser, Subcommand, ValueEnum};
use generator::{Pace, Run};
use nginx::Nginx;
use requests::{Registrations, Reports};
use served::Served;
use table::{Table, Usage};

/// As in the program that serves.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug, Parser)]
#[command(name = "load")]
struct Args {
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Clone, Debug, Subcommand)]
enum Mode {
    /// Reports acknowledged a second, and how long each waits at half that.
    Intake(Options),
    /// Sources registered a second, by one thread.
    Registrations(Options),
    /// Memory while very many reports come.
    Memory(Options),
    /// The collector's process; the others start it.
    #[command(hide = true)]
    Serve(served::Args),
}

#[derive(Clone, Debug, clap::Args)]
struct Options {
    /// Where reports are stored; a PostgreSQL server is started for it.
    #[arg(long, default_value = "sqlite")]
    store: Database,

    /// Where the stores are made: the disk counts.
    #[arg(long, value_name = "FOLDER", default_value_os_t = std::env::temp_dir())]
    folder: PathBuf,

    /// How long each line of the table is measured.
    #[arg(long, value_name = "SECONDS", default_value_t = 15)]
    seconds: u64,

    /// How many connections there are at once.
    #[arg(long, value_name = "N", default_value_t = 512)]
    connections: usize,

    /// How many threads serve; registrations have one.
    #[arg(long, value_name = "N", default_value_t = 2)]
    threads: usize,

    /// How many reports `memory` sends.
    #[arg(long, value_name = "N", default_value_t = 5_000_000)]
    reports: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Database {
    Sqlite,
    Postgres,
}

/// The rate at which waiting is measured, of the highest.
const HALF: f64 = 0.5;

fn main() {
    match Args::parse().mode {
        Mode::Serve(args) => served::serve(&args),
        Mode::Intake(options) => intake(&options),
        Mode::Registrations(options) => registrations(&options),
        Mode::Memory(options) => memory(&options),
    }
}

fn intake(options: &Options) {
    let table = Table::start();
    let peer = options.peer(&table, "nginx, discarding", Reports::new(0, &[1]));
    let store = options.store();
    let served = Served::start(&store.location, options.threads);
    let ids = served.source_event_ids(64);
    let fastest = options.measured(
        &table,
        store.name,
        &served.process,
        served.address,
        Reports::new(1, &ids),
        Pace::Fastest,
    );
    let pace = Pace::PerSecond(fastest.per_second() * HALF);
    let half = options.measured(
        &table,
        "  at half that",
        &served.process,
        served.address,
        Reports::new(2, &ids),
        pace,
    );
    served.end();
    store.must_hold(fastest.acknowledged + half.acknowledged);
    if let Some(peer) = peer {
        println!("{:.1} % of nginx", 100.0 * fastest.per_second() / peer.per_second());
    }
}

fn registrations(options: &Options) {
    let table = Table::start();
    let store = options.store();
    let served = Served::start(&store.location, 1);
    // In turns, for the machine is not the same from minute to minute.
    const TURNS: u64 = 3;
    let turn = Options { seconds: options.seconds.div_ceil(TURNS), ..options.clone() };
    let mut ratios = Vec::new();
    for _ in 0..TURNS {
        let peer = turn.peer(&table, "nginx, empty 200", Registrations::default());
        let requests = Registrations::default();
        let ours = turn.measured(&table, "sources", &served.process, served.address, requests, Pace::Fastest);
        ratios.extend(peer.map(|peer| 100.0 * ours.per_second() / peer.per_second()));
    }
    served.end();
    if !ratios.is_empty() {
        let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
        println!("{mean:.1} % of nginx on average; in turns {ratios:.1?}");
    }
}

fn memory(options: &Options) {
    let table = Table::start();
    let store = options.store();
    let served = Served::start(&store.location, options.threads);
    let ids = served.source_event_ids(64);
    const STEPS: u32 = 10;
    let step_reports = options.reports / u64::from(STEPS);
    let mut acknowledged = 0;
    for step in 0..STEPS {
        let (before, reports) = (Usage::of(&served.process), Reports::new(step, &ids));
        let run = generator::run(served.address, reports, options.connections, Pace::Fastest, move |run| {
            run.acknowledged >= step_reports
        });
        acknowledged += run.acknowledged;
        table.line(&format!("{acknowledged} reports"), &run, (before, Usage::of(&served.process)));
    }
    served.end();
    store.must_hold(acknowledged);
}

impl Options {
    /// Sends requests for the time that is asked for, and prints what was measured.
    fn measured(
        &self,
        table: &Table,
        name: &str,
        server: &Child,
        address: SocketAddr,
        requests: impl generator::Requests,
        pace: Pace,
    ) -> Run {
        let (before, duration) = (Usage::of(server), Duration::from_secs(self.seconds));
        let run =
            generator::run(address, requests, self.connections, pace, move |run| run.duration >= duration);
        table.line(name, &run, (before, Usage::of(server)));
        run
    }

    /// The same of nginx, if there is one.
    fn peer(&self, table: &Table, name: &str, requests: impl generator::Requests) -> Option<Run> {
        let nginx = Nginx::start(&self.folder);
        if nginx.is_none() {
            println!("no nginx on this machine: nothing to compare with");
        }
        let nginx = nginx?;
        Some(self.measured(table, name, &nginx.process, nginx.address, requests, Pace::Fastest))
    }

    fn store(&self) -> Stored {
        let folder = tempfile::tempdir_in(&self.folder).expect("the folder can be written");
        match self.store {
            Database::Sqlite => Stored {
                name: "SQLite",
                location: StoreLocation::File(folder.path().join("reports.db")),
                _folder: folder,
                _server: None,
            },
            Database::Postgres => {
                let server = support::Server::start();
                let location = StoreLocation::Postgres(server.database("load"));
                Stored { name: "PostgreSQL", location, _folder: folder, _server: Some(server) }
            }
        }
    }
}

/// A store for one measurement.
struct Stored {
    name: &'static str,
    location: StoreLocation,
    _server: Option<support::Server>,
    _folder: tempfile::TempDir,
}

impl Stored {
    /// Every acknowledged report, and no other, is there once.
    fn must_hold(&self, acknowledged: u64) {
        let mut store = Store::open(&self.location).expect("the store can be opened");
        let stored: u64 = [Endpoint::EventLevel, Endpoint::Aggregatable]
            .into_iter()
            .map(|endpoint| store.count(endpoint).expect("the store answers"))
            .sum();
        assert_eq!(stored, acknowledged, "stored and acknowledged");
        println!("{stored} reports were acknowledged, {stored} are stored");
    }
}
