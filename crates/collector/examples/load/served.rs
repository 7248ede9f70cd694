//! The collector in a process of its own.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, ChildStdin, Command, Stdio},
};

use ascribe_collector::{Clock, Collector, Limits, StoreLocation};
use tokio::{io::AsyncReadExt, net::TcpListener};

/// What the process is told.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    store: String,
    threads: usize,
}

/// A running collector.
pub(crate) struct Served {
    pub(crate) process: Child,
    /// It ends when this is closed.
    stdin: Option<ChildStdin>,
    pub(crate) address: SocketAddr,
}

impl Served {
    pub(crate) fn start(store: &StoreLocation, threads: usize) -> Self {
        let store = match store {
            StoreLocation::File(path) => path.display().to_string(),
            StoreLocation::Postgres(url) => url.clone(),
        };
        let mut process = Command::new(std::env::current_exe().expect("this program has a path"))
            .args(["serve", &store, &threads.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program can be run");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line).expect("the collector tells its address");
        let address = line.trim().parse().expect("an address");
        Self { stdin: process.stdin.take(), process, address }
    }

    /// IDs of sources that it registered: reports with others are counted as made up.
    pub(crate) fn source_event_ids(&self, count: u32) -> Vec<u64> {
        (0..count).map(|click| self.source_event_id(click)).collect()
    }

    fn source_event_id(&self, click: u32) -> u64 {
        let mut stream = TcpStream::connect(self.address).expect("the collector listens");
        let request = format!(
            "GET /source/spring?click={click} HTTP/1.1\r\nhost: ads.example\r\nconnection: close\r\n\
             attribution-reporting-eligible: navigation-source\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).expect("the collector reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the collector answers");
        let id = answer.split_once(r#""source_event_id":""#).and_then(|(_, rest)| rest.split_once('"'));
        id.and_then(|(id, _)| id.parse().ok()).unwrap_or_else(|| panic!("no source event ID: {answer}"))
    }

    /// Ends it in good order.
    pub(crate) fn end(mut self) {
        drop(self.stdin.take());
        let status = self.process.wait().expect("it can be waited for");
        assert!(status.success(), "the collector: {status}");
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It has ended already, unless something failed.
        let _ = self.process.kill();
    }
}

/// Serves until the standard input ends.
pub(crate) fn serve(args: &Args) {
    let limits = Limits { reports_per_second: 1_000_000, burst: 1_000_000, ..Limits::default() };
    let store = StoreLocation::parse(&args.store);
    let collector =
        Collector::start(crate::support::campaigns(), store, limits, Clock::system()).expect("a thread");
    let mut runtime = match args.threads {
        1 => tokio::runtime::Builder::new_current_thread(),
        threads => {
            let mut runtime = tokio::runtime::Builder::new_multi_thread();
            runtime.worker_threads(threads);
            runtime
        }
    };
    runtime.enable_all().build().expect("a runtime").block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        println!("{}", listener.local_addr().expect("it is bound"));
        let end = async { drop(tokio::io::stdin().read_to_end(&mut Vec::new()).await) };
        collector.serve(listener, collector.public_routes(), None, end).await;
    });
}
