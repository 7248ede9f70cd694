//! What the sites received: the evidence that tests ask.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::Version;
use tokio::sync::watch;

/// A request that does not fit is not logged, and [`Log::overflowed`] says so.
const MAX_REQUESTS: usize = 100_000;
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(20);

/// One request, as it was received.
#[derive(Clone, Debug)]
pub struct Received {
    /// How long after the sites' start it was whole.
    pub at: Duration,
    /// Whether it came over TLS.
    pub secure: bool,
    /// HTTP/1.1 or HTTP/2.
    pub version: Version,
    /// The method, in capitals.
    pub method: String,
    /// The host that was asked, without a port.
    pub host: String,
    /// Path and query, as in the request line.
    pub target: String,
    /// Names in lower case; in the order of the wire, save that values of one name are beside each other.
    pub headers: Vec<(String, String)>,
    /// At most 4 MiB; what is longer is cut.
    pub body: Vec<u8>,
}

impl Received {
    /// The only value of the header `name`, given in lower case.
    ///
    /// # Panics
    /// When the request had more than one: none of the headers that tests ask for may be repeated.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(n, _)| n == name).map(|(_, value)| &**value);
        let value = values.next();
        assert!(values.next().is_none(), "{name} is there more than once: {self}");
        value
    }

    /// The path, without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The query, without the question mark; empty when there is none.
    #[must_use]
    pub fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    /// The URL that was asked for.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}{}", self.host, self.target)
    }

    /// The body as text; what is not UTF-8 in it is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl fmt::Display for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>9.3} s {} {}", self.at.as_secs_f64(), self.method, self.url())?;
        self.headers.iter().try_for_each(|(name, value)| write!(f, "\n    {name}: {value:.200}"))
    }
}

/// Everything that was received, in the order of arrival. Cheap to clone; all clones are the same log.
#[derive(Clone)]
pub struct Log(Arc<Shared>);

struct Shared {
    start: Instant,
    requests: Mutex<Vec<Arc<Received>>>,
    count: watch::Sender<u64>,
    failed_handshakes: AtomicU64,
}

impl Log {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Shared {
            start: Instant::now(),
            requests: Mutex::default(),
            count: watch::Sender::new(0),
            failed_handshakes: AtomicU64::new(0),
        }))
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.0.start.elapsed()
    }

    pub(crate) fn push(&self, request: Arc<Received>) {
        let mut requests = self.lock();
        if requests.len() < MAX_REQUESTS {
            requests.push(request);
        }
        drop(requests);
        self.0.count.send_modify(|count| *count += 1);
    }

    pub(crate) fn handshake_failed(&self) {
        self.0.failed_handshakes.fetch_add(1, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Received>>> {
        self.0.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The requests that `wanted` is true of, in order of arrival.
    #[must_use]
    pub fn matching(&self, mut wanted: impl FnMut(&Received) -> bool) -> Vec<Arc<Received>> {
        self.lock().iter().filter(|request| wanted(request)).cloned().collect()
    }

    /// Whether more than 100,000 requests came, of which the later ones are missing here.
    #[must_use]
    pub fn overflowed(&self) -> bool {
        *self.0.count.borrow() > MAX_REQUESTS as u64
    }

    /// The first request that `wanted` is true of, waiting up to 20 s for it.
    ///
    /// # Errors
    /// When none came; the error lists what did.
    pub async fn wait_for(&self, wanted: impl Fn(&Received) -> bool) -> Result<Arc<Received>, NotReceived> {
        let mut requests = self.wait_for_many(1, DEFAULT_TIMEOUT, wanted).await?;
        Ok(requests.remove(0))
    }

    /// All requests that `wanted` is true of, once there are at least `n`.
    ///
    /// # Errors
    /// When fewer came within `timeout`; the error lists what did.
    pub async fn wait_for_many(
        &self,
        n: usize,
        timeout: Duration,
        wanted: impl Fn(&Received) -> bool,
    ) -> Result<Vec<Arc<Received>>, NotReceived> {
        let mut count = self.0.count.subscribe();
        let found = tokio::time::timeout(timeout, async {
            loop {
                count.borrow_and_update();
                let found = self.matching(&wanted);
                if found.len() >= n {
                    return found;
                }
                // The sender is in `self`: the channel cannot be closed.
                let _ = count.changed().await;
            }
        });
        found.await.map_err(|_| NotReceived {
            wanted: n,
            got: self.matching(&wanted).len(),
            failed_handshakes: self.0.failed_handshakes.load(Ordering::Relaxed),
            received: self.matching(|_| true),
        })
    }
}

/// Something that did not come in time.
#[derive(Debug)]
pub struct NotReceived {
    wanted: usize,
    got: usize,
    failed_handshakes: u64,
    received: Vec<Arc<Received>>,
}

impl fmt::Display for NotReceived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 50;
        let Self { wanted, got, failed_handshakes, received } = self;
        let latest = received.len().min(SHOWN);
        write!(f, "wanted {wanted} requests, got {got}; {failed_handshakes} TLS handshakes failed; ")?;
        write!(f, "{} requests in all, the latest {latest} of them:", received.len())?;
        received[received.len() - latest..].iter().try_for_each(|request| write!(f, "\n{request}"))
    }
}

impl std::error::Error for NotReceived {}
