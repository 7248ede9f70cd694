//! The job API: jobs over HTTP, in a queue that survives the process, for clients of the aggregation service.
//!
//! ```text
//! client ── createJob ──> routes ──> queue (the ledger's database) <── claim, renew, finish ── workers
//!    └───── getJob ─────>   │                                                                    │
//!                           └── getSummary ──> buckets (stores) <── publish ── ledger <── run ───┘
//! ```
//!
//! [`Service::start`] starts the workers, [`Service::serve`] answers requests, and dropping the service hands
//! back what is under way. Several processes may share one database: a job is one worker's at a time, and spends
//! once whatever happens. What the routes are is in `docs/aggregation.md`.

mod attempt;
mod buckets;
mod config;
mod error;
mod keeper;
mod metrics;
mod queue;
mod request;
mod routes;
mod server;
mod summary;
mod tokens;
mod view;
mod worker;

use std::{
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ascribe_headers::Site;
use ascribe_reports::Time;
use rand::{TryRng, rngs::SysRng};

pub use self::config::{ServiceConfig, ServiceConfigProblem, ServiceConfigProblems, TlsFiles};
use self::{
    error::{ApiError, Reason},
    metrics::Metrics,
    queue::Queue,
    request::CreateJob,
    tokens::Tokens,
    worker::Worker,
};
use crate::{
    KeyError, Keyring, LedgerError, Location, NoRandomness, Recovered, Storage, open_ledger, recover,
};

/// The job API, and the workers behind it. Dropped, it hands back the jobs that are under way, and waits until
/// that is done.
#[derive(Debug)]
pub struct Service {
    inner: Arc<Inner>,
    threads: Vec<JoinHandle<()>>,
}

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// The keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// A file with a token cannot be used.
    #[error("{}: {problem}", path.display())]
    Token {
        /// Which.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// The ledger cannot be used.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The system gives no random bytes.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// The system gives no threads.
    #[error("starting a thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// What requests and workers share.
#[derive(Debug)]
struct Inner {
    config: ServiceConfig,
    tokens: Tokens,
    storage: Storage,
    /// The connection that requests share; each worker has its own.
    queue: Mutex<Queue>,
    metrics: Metrics,
    stop: Stop,
}

/// Where a request leads.
#[derive(Debug)]
struct Places {
    input: Vec<Location>,
    domain: Option<Location>,
    output: Location,
}

/// Tells threads to end, and wakes those that wait.
#[derive(Debug, Default)]
struct Stop {
    state: Mutex<(bool, u64)>,
    changed: Condvar,
}

impl Service {
    /// Opens what the configuration names, makes the tables that are not there, and starts the workers.
    ///
    /// # Errors
    /// When the keys, a token or the ledger cannot be used.
    pub fn start(config: ServiceConfig) -> Result<Self, ServiceError> {
        // Each job reads them anew; that they cannot be read at all is to be known now.
        Keyring::read(&config.keys)?;
        let hash = |path: &PathBuf| {
            Tokens::read(path).map_err(|problem| ServiceError::Token { path: path.clone(), problem })
        };
        let tokens = Tokens::new(config.tokens.iter().map(hash).collect::<Result<_, _>>()?);
        drop(open_ledger(&config.ledger)?);
        let queue = Mutex::new(Queue::open(&config.ledger)?);
        let (storage, metrics, stop) = (Storage::with_prefixes(), Metrics::default(), Stop::default());
        let inner = Arc::new(Inner { config, tokens, storage, queue, metrics, stop });
        let mut service = Self { inner: inner.clone(), threads: Vec::new() };
        for number in 0..inner.config.workers {
            let worker = Worker {
                inner: inner.clone(),
                name: random_name()?,
                ledger: open_ledger(&inner.config.ledger)?,
                queue: Queue::open(&inner.config.ledger)?,
            };
            let thread = thread::Builder::new().name(format!("worker-{number}"));
            service.threads.push(thread.spawn(|| worker.run())?);
        }
        let chores = thread::Builder::new().name("chores".to_owned());
        service.threads.push(chores.spawn(move || inner.do_chores())?);
        Ok(service)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.inner.stop.set();
        for thread in self.threads.drain(..) {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

impl Inner {
    /// Where a request leads, if its reporter may be asked about and all of it is in buckets.
    fn accept(&self, request: &CreateJob) -> Result<Places, ApiError> {
        if let Some(allowed) = &self.config.reporting_sites {
            let site = request.reporting_site();
            if !site.as_ref().is_some_and(|site| allowed.contains(site)) {
                let whom = site.as_ref().map_or("whoever that is", Site::as_str);
                let message = format!("no job may be about {whom}");
                return Err(ApiError::new(Reason::ReportingSiteNotAllowed, message));
            }
        }
        let buckets = &self.config.buckets;
        let input = |prefix: &String| buckets.locate(&request.input_data_bucket_name, prefix, "the input");
        let output = buckets.locate(
            &request.output_data_bucket_name,
            &request.output_data_blob_prefix,
            "the output",
        )?;
        if request.output_data_blob_prefix.ends_with('/') {
            let message = "output_data_blob_prefix: the beginning of a file's name does not end in `/`";
            return Err(ApiError::new(Reason::ValidationFailed, message));
        }
        let domain = match request.domain() {
            (Some(bucket), Some(prefix)) => Some(buckets.locate(bucket, prefix, "the output domain")?),
            (None, None) => None,
            _ => {
                let message = "give both of output_domain_bucket_name and output_domain_blob_prefix";
                return Err(ApiError::new(Reason::ValidationFailed, message));
            }
        };
        Ok(Places { input: request.input_prefixes().map(input).collect::<Result<_, _>>()?, domain, output })
    }

    /// How many threads a job uses: without a word, the workers share the cores.
    fn threads(&self) -> usize {
        let cores = || thread::available_parallelism().map_or(1, usize::from);
        self.config.threads.unwrap_or_else(|| (cores() / self.config.workers).max(1))
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes what other processes left behind, and forgets old jobs, until the service ends.
    fn do_chores(&self) {
        const EVERY: Duration = Duration::from_secs(600);
        while !self.stop.is_set() {
            if let Err(error) = self.publish_what_is_paid_for() {
                tracing::error!(%error, "the ledger cannot be asked");
            }
            let forgotten = self.queue().forget(self.config.keep);
            match forgotten {
                Ok(0) => {}
                Ok(jobs) => tracing::info!(jobs, "old jobs were forgotten"),
                Err(error) => tracing::error!(%error, "old jobs were not forgotten"),
            }
            self.stop.sleep(EVERY);
        }
    }

    fn publish_what_is_paid_for(&self) -> Result<(), LedgerError> {
        let mut ledger = open_ledger(&self.config.ledger)?;
        for Recovered { job, published } in recover(&mut *ledger, &self.storage, &self.config.staging, now())?
        {
            match published {
                Ok(()) => tracing::info!(job = job.id, "an output that was paid for is published"),
                Err(error) => tracing::warn!(job = job.id, %error, "a job is paid for and not delivered"),
            }
        }
        Ok(())
    }
}

impl Stop {
    fn set(&self) {
        self.lock().0 = true;
        self.changed.notify_all();
    }

    fn is_set(&self) -> bool {
        self.lock().0
    }

    /// Wakes one that waits: there is something to do.
    fn nudge(&self) {
        self.lock().1 += 1;
        self.changed.notify_all();
    }

    /// Waits, but not beyond the end or a nudge.
    fn wait(&self, duration: Duration) {
        let state = self.lock();
        let before = state.1;
        let _ = self.changed.wait_timeout_while(state, duration, |state| !state.0 && state.1 == before);
    }

    /// Waits, but not beyond the end.
    fn sleep(&self, duration: Duration) {
        let state = self.lock();
        let _ = self.changed.wait_timeout_while(state, duration, |state| !state.0);
    }

    fn lock(&self) -> MutexGuard<'_, (bool, u64)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn random_name() -> Result<String, NoRandomness> {
    let name = || SysRng.try_next_u64().map_err(|_| NoRandomness);
    Ok(format!("{:016x}{:016x}", name()?, name()?))
}

/// The time of the system.
fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
