//! What goes wrong beside the collector: a database that is gone, clients that are slow, or that are too many.
//! Whatever was acknowledged is stored once.
//!
//! The collector that is killed, and the disk that is full, are in the tests of `ascribe collector`;
//! `scripts/faults.sh` runs all of them for longer.

mod support;

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use ascribe_collector::{Limits, Store, StoreLocation};
use ascribe_reports::Endpoint;
use support::{Serving, client, id};

/// How long what is gone stays away.
fn outage() -> Duration {
    let seconds = std::env::var("ASCRIBE_OUTAGE_SECONDS").ok().map(|text| text.parse().expect("a number"));
    Duration::from_secs(seconds.unwrap_or(3))
}

fn unlimited() -> Limits {
    Limits { reports_per_second: 1_000_000, burst: 1_000_000, ..Limits::default() }
}

fn body(n: u64) -> String {
    format!(
        concat!(
            r#"{{"attribution_destination":"https://shop.example","randomized_trigger_rate":0.0024263,"#,
            r#""report_id":"{}","scheduled_report_time":"1700000000","source_event_id":"1","#,
            r#""source_type":"navigation","trigger_data":"1"}}"#
        ),
        id(n.into())
    )
}

fn request(body: &str) -> String {
    format!(
        "POST {} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        Endpoint::EventLevel.path(),
        body.len()
    )
}

/// Sends reports one after the other, each again until it is acknowledged, as user agents do: how many.
struct Sender<'a> {
    address: &'a str,
    next: &'a AtomicU64,
    enough: &'a AtomicBool,
    /// How many connections ended without an answer.
    resets: &'a AtomicU64,
}

impl Sender<'_> {
    fn run(&self) -> u64 {
        let mut sent = 0;
        let mut stream = None;
        while !self.enough.load(Ordering::Relaxed) {
            let report = request(&body(self.next.fetch_add(1, Ordering::Relaxed)));
            while !self.send(&mut stream, &report) {
                self.resets.fetch_add(1, Ordering::Relaxed);
                thread::sleep(Duration::from_millis(100));
            }
            sent += 1;
        }
        sent
    }

    fn send(&self, stream: &mut Option<TcpStream>, report: &str) -> bool {
        let mut open = match stream.take() {
            Some(open) => open,
            None => TcpStream::connect(self.address).expect("the collector listens, whatever else is gone"),
        };
        open.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut answer = [0; 512];
        match open.write_all(report.as_bytes()).and_then(|()| open.read(&mut answer)) {
            Ok(length) if length > 0 => {
                assert!(
                    answer.starts_with(b"HTTP/1.1 200"),
                    "{}",
                    String::from_utf8_lossy(&answer[..length])
                );
                *stream = Some(open);
                true
            }
            Ok(_) => false,
            Err(error) => {
                assert_ne!(error.kind(), ErrorKind::WouldBlock, "neither answered nor refused for a minute");
                false
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_gone_for_a_while_loses_nothing() {
    let server = support::Server::start();
    let store = StoreLocation::parse(&server.database("faults"));
    let serving = Serving::with_store(unlimited(), store.clone(), tempfile::tempdir().unwrap()).await;
    let address = serving.url.strip_prefix("http://").unwrap().to_owned();
    let ready = async || client().get(format!("{}/ready", serving.url)).send().await.unwrap().status();
    let (next, enough, resets) = (AtomicU64::new(0), AtomicBool::new(false), AtomicU64::new(0));
    let sender = Sender { address: &address, next: &next, enough: &enough, resets: &resets };
    let pause = Duration::from_millis(700);
    let (sent, before, during) = tokio::task::block_in_place(|| {
        thread::scope(|scope| {
            let senders: Vec<_> = (0..8).map(|_| scope.spawn(|| sender.run())).collect();
            thread::sleep(pause);
            server.ctl(&["stop", "--mode=immediate"]);
            let before = next.load(Ordering::Relaxed);
            thread::sleep(outage());
            let during = tokio::runtime::Handle::current().block_on(ready());
            server.ctl(&["start", "--wait"]);
            thread::sleep(pause);
            enough.store(true, Ordering::Relaxed);
            let sent: u64 = senders.into_iter().map(|sender| sender.join().unwrap()).sum();
            (sent, before, during)
        })
    });
    assert!(resets.load(Ordering::Relaxed) > 0, "nothing was refused while the database was gone");
    assert_eq!(during, 503);
    assert!(sent > before, "{sent} in all, {before} before");
    assert_eq!(ready().await, 200);
    serving.end().await;
    let stored =
        tokio::task::spawn_blocking(move || Store::open(&store).unwrap().count(Endpoint::EventLevel));
    assert_eq!(stored.await.unwrap().unwrap(), sent);
}

/// A client that sends a byte now and then, for as long as it is listened to: when that ended.
fn drip(address: &str, request: &[u8]) -> Duration {
    let started = Instant::now();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    for byte in request.iter().cycle() {
        if stream.write_all(&[*byte]).is_err() {
            break;
        }
        match stream.read(&mut [0; 512]) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            _ => break,
        }
        assert!(started.elapsed() < Duration::from_secs(30), "it is still listened to");
    }
    started.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_are_cut_off_and_hold_up_nobody() {
    let short = Duration::from_secs(1);
    let limits = Limits { head_timeout: short, body_timeout: short, ..unlimited() };
    let serving = Serving::start(limits).await;
    let address = serving.url.strip_prefix("http://").unwrap();
    // Heads that never end, and bodies that take too long.
    let head = b"POST / HTTP/1.1\r\nx: ";
    let whole = request(&body(0));
    let split = whole.find("\r\n\r\n").unwrap() + 4;
    let slowest = tokio::task::block_in_place(|| {
        thread::scope(|scope| {
            let slow: Vec<_> = (0..200)
                .map(|n| {
                    scope.spawn(move || match n % 2 {
                        0 => drip(address, head),
                        _ => drip_body(address, &whole_of(n, split)),
                    })
                })
                .collect();
            let mut slowest = Duration::ZERO;
            for n in 1..100 {
                let started = Instant::now();
                let status =
                    tokio::runtime::Handle::current().block_on(serving.post(Endpoint::EventLevel, body(n)));
                assert_eq!(status, 200);
                slowest = slowest.max(started.elapsed());
            }
            for slow in slow {
                let listened = slow.join().unwrap();
                assert!(listened < short * 10, "{listened:?}");
            }
            slowest
        })
    });
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
    assert_eq!(serving.stored(Endpoint::EventLevel), 99, "none of the slow ones, all of the others");
    serving.end().await;
}

/// The head of a report, and a body of which only spaces come.
fn whole_of(n: u64, split: usize) -> String {
    request(&body(n))[..split].to_owned()
}

fn drip_body(address: &str, head: &str) -> Duration {
    let started = Instant::now();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    // More time than the timeout has, and fewer bytes than the body.
    for _ in 0..150 {
        if stream.write_all(b" ").is_err() {
            break;
        }
        let mut answer = [0; 512];
        match stream.read(&mut answer) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Ok(length) if length > 0 => {
                assert!(answer.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&answer));
                break;
            }
            _ => break,
        }
    }
    started.elapsed()
}

/// How many connections to try: each takes two files of this process, and the system may not allow so many.
fn idle_connections() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
        .expect("what is allowed may be asked for");
    let allowed = limit.maximum.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX));
    (allowed.saturating_sub(500) / 2).min(10_000)
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_idle_connections_hold_up_nobody() {
    let limits = Limits { head_timeout: Duration::from_secs(120), ..unlimited() };
    let serving = Serving::start(limits).await;
    let address = serving.url.strip_prefix("http://").unwrap();
    let wanted = idle_connections();
    assert!(wanted > 100, "too few files are allowed");
    let mut idle = Vec::new();
    for n in 0..wanted {
        idle.push(tokio::net::TcpStream::connect(address).await.unwrap());
        // No faster than they are accepted: the system would make the next wait.
        while n % 500 == 0 && serving.connections().await < n {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    for n in 0..100 {
        let started = Instant::now();
        assert_eq!(serving.post(Endpoint::EventLevel, body(n)).await, 200);
        assert!(started.elapsed() < Duration::from_secs(2), "beside {wanted} connections");
    }
    let now = serving.connections().await;
    assert!(now >= wanted, "{now} of {wanted}");
    drop(idle);
    serving.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_limit_idle_connections_end_and_others_get_their_turn() {
    let limits = Limits { connections: 50, head_timeout: Duration::from_secs(1), ..unlimited() };
    let serving = Serving::start(limits).await;
    let address = serving.url.strip_prefix("http://").unwrap();
    let idle: Vec<_> = (0..200).map(|_| TcpStream::connect(address).unwrap()).collect();
    let started = Instant::now();
    assert_eq!(serving.post(Endpoint::EventLevel, body(1)).await, 200);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    for mut stream in idle {
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an orderly end");
    }
    serving.end().await;
}
