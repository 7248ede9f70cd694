//! Sends requests over many connections that stay, and measures when each is answered. It shares the machine
//! with what it measures: requests are rendered before, answers hardly read.

use std::{
    cell::RefCell,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::LocalSet,
};

/// What is sent.
pub(crate) trait Requests: 'static {
    /// Renders the next request, in place of the one before.
    fn next(&mut self, request: &mut Vec<u8>);
}

/// How fast.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// The next on each connection as soon as the one before is answered.
    Fastest,
    /// So many a second, however long answers take: waiting for a connection counts as waiting for the answer.
    PerSecond(f64),
}

/// What was measured.
#[derive(Debug)]
pub(crate) struct Run {
    /// Answers with status 200.
    pub(crate) acknowledged: u64,
    /// How long it took until now.
    pub(crate) duration: Duration,
    /// How many answers took so many times [`STEP`], the last of them longer.
    waited: Vec<u32>,
}

const STEP: Duration = Duration::from_micros(10);
/// Up to two seconds.
const STEPS: usize = 200_000;

impl Run {
    pub(crate) fn per_second(&self) -> f64 {
        self.acknowledged as f64 / self.duration.as_secs_f64()
    }

    /// How long answers took at most, in milliseconds, in such a part of all cases.
    pub(crate) fn quantile(&self, part: f64) -> f64 {
        let wanted = (self.acknowledged as f64 * part).ceil() as u64;
        let mut seen = 0;
        let at = self.waited.iter().position(|count| {
            seen += u64::from(*count);
            seen >= wanted
        });
        at.map_or(f64::INFINITY, |at| (at + 1) as f64 * STEP.as_secs_f64() * 1000.0)
    }

    fn answered(&mut self, waited: Duration) {
        self.acknowledged += 1;
        let at = (waited.as_nanos() / STEP.as_nanos()) as usize;
        self.waited[at.min(STEPS - 1)] += 1;
    }
}

/// What connections share.
struct Shared<R, E> {
    requests: R,
    run: Run,
    started: Instant,
    pace: Pace,
    sent: u64,
    enough: E,
}

/// Sends until it is enough, then waits for what is under way.
///
/// # Panics
/// When a connection fails, or an answer is not 200.
pub(crate) fn run(
    address: SocketAddr,
    requests: impl Requests,
    connections: usize,
    pace: Pace,
    enough: impl Fn(&Run) -> bool + 'static,
) -> Run {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let started = Instant::now();
    let run = Run { acknowledged: 0, duration: Duration::ZERO, waited: vec![0; STEPS] };
    let shared = Shared { requests, run, started, pace, sent: 0, enough };
    let shared = Rc::new(RefCell::new(shared));
    let tasks = LocalSet::new();
    let connections: Vec<_> = (0..connections)
        .map(|_| {
            let shared = shared.clone();
            tasks.spawn_local(async move { connection(address, &shared).await })
        })
        .collect();
    tasks.block_on(&runtime, async {
        for connection in connections {
            connection.await.expect("no connection panics").expect("the connection holds");
        }
    });
    let shared = Rc::into_inner(shared).expect("all tasks have ended").into_inner();
    Run { duration: started.elapsed(), ..shared.run }
}

async fn connection<R: Requests, E: Fn(&Run) -> bool>(
    address: SocketAddr,
    shared: &RefCell<Shared<R, E>>,
) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut request, mut answer) = (Vec::new(), vec![0; 8192]);
    loop {
        let Some(due) = shared.borrow_mut().next(&mut request) else { return Ok(()) };
        if due > Instant::now() {
            tokio::time::sleep_until(due.into()).await;
        }
        stream.write_all(&request).await?;
        read_answer(&mut stream, &mut answer).await?;
        shared.borrow_mut().answered(due);
    }
}

impl<R: Requests, E: Fn(&Run) -> bool> Shared<R, E> {
    /// Renders the next request: when it is due.
    fn next(&mut self, request: &mut Vec<u8>) -> Option<Instant> {
        let now = Instant::now();
        self.run.duration = now - self.started;
        if (self.enough)(&self.run) {
            return None;
        }
        self.requests.next(request);
        self.sent += 1;
        Some(match self.pace {
            Pace::Fastest => now,
            Pace::PerSecond(rate) => self.started + Duration::from_secs_f64(self.sent as f64 / rate),
        })
    }

    fn answered(&mut self, due: Instant) {
        self.run.answered(due.elapsed());
    }
}

/// Reads an answer whole.
async fn read_answer(stream: &mut TcpStream, buffer: &mut [u8]) -> std::io::Result<()> {
    let (mut read, mut whole) = (0, None);
    while whole.is_none_or(|whole| read < whole) {
        match stream.read(&mut buffer[read..]).await? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            more => read += more,
        }
        whole = whole.or_else(|| length(&buffer[..read]));
    }
    let status = &buffer[..12];
    assert_eq!(status, b"HTTP/1.1 200", "{}", String::from_utf8_lossy(&buffer[..read]));
    Ok(())
}

/// How long an answer is in all, once its head is there.
fn length(answer: &[u8]) -> Option<usize> {
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let name = b"content-length:";
    let line = answer[..head]
        .split(|byte| *byte == b'\n')
        .find(|line| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)));
    let body: usize =
        line.map_or(Some(0), |line| str::from_utf8(&line[name.len()..]).ok()?.trim().parse().ok())?;
    Some(head + body)
}
