//! Everything between Chromium's events and the agent.
//!
//! The host attaches to every page, frame and worker before it runs and gives it the shim ([`targets`]); it knows
//! which frame stands in which page and what its document may do ([`frames`], [`documents`]). It holds every
//! request until it is clear what it is eligible for ([`intercept`], [`questions`]), and hands each response,
//! once, to the agent ([`responses`], [`registrar`]) of its browser context ([`contexts`]).
//!
//! Events are handled where they are read and wait for nothing; what has to wait is a task of its own.

mod announced;
mod console;
mod contexts;
mod documents;
mod events;
mod exempt;
mod follows;
mod frames;
mod greasing;
mod held;
mod intercept;
mod marker;
mod owner;
mod protocol;
mod questions;
mod registrar;
mod request;
mod requests;
mod responses;
mod service_workers;
mod targets;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use ascribe_agent::{OpenError, Options, Profile};
use ascribe_headers::{Eligibility, RequestHeaders, SupportedRegistrars};
use serde_json::{Value, json};
use tokio::{
    runtime::Handle,
    sync::{broadcast, watch},
    time::{Instant, sleep},
};

use crate::{
    Attempt, Greasing, ThirdPartyCookies,
    cdp::{Client, ProtocolError},
};

use self::{
    announced::Announcements, contexts::Contexts, documents::Coming, exempt::Exempt, follows::Follows,
    frames::Frames, greasing::Dice, marker::Secret, questions::Questions, registrar::Registrar,
    requests::Requests, targets::Targets,
};

pub(crate) use self::targets::PageState;

/// The host of one browser; cloning gives another handle to it.
#[derive(Clone)]
pub(crate) struct Host(Arc<Inner>);

struct Inner {
    client: Client,
    runtime: Handle,
    secret: Secret,
    cookies: ThirdPartyCookies,
    exempt: Exempt,
    supported: SupportedRegistrars,
    dice: Mutex<Option<Dice>>,
    targets: Mutex<Targets>,
    frames: Mutex<Frames>,
    coming: Mutex<Coming>,
    follows: Mutex<Follows>,
    announcements: Mutex<Announcements>,
    requests: Mutex<Requests>,
    questions: Mutex<Questions>,
    contexts: Mutex<Contexts>,
    registrar: Registrar,
    attempts: broadcast::Sender<Attempt>,
    /// Console messages on their way.
    messages: AtomicUsize,
    /// Tasks that are not done.
    busy: AtomicUsize,
    closed: watch::Sender<bool>,
}

/// Chromium has this long to answer for the first time.
const START: Duration = Duration::from_secs(60);
/// The browser is idle when nothing was under way for so long.
const QUIET: Duration = Duration::from_millis(150);
const POLL: Duration = Duration::from_millis(10);

impl Host {
    pub(crate) fn open(
        client: Client,
        profile: Profile,
        options: Options,
        cookies: ThirdPartyCookies,
        greasing: Greasing,
        exempt_origin: Option<String>,
    ) -> Result<Self, OpenError> {
        let supported = options.supported;
        let inner = Inner {
            client,
            runtime: Handle::current(),
            secret: Secret::new(),
            cookies,
            exempt: Exempt::new(exempt_origin),
            supported,
            dice: Mutex::new(Dice::new(greasing)),
            targets: Mutex::default(),
            frames: Mutex::default(),
            coming: Mutex::default(),
            follows: Mutex::default(),
            announcements: Mutex::default(),
            requests: Mutex::default(),
            questions: Mutex::default(),
            contexts: Mutex::new(Contexts::open(profile, options)?),
            registrar: Registrar::start(),
            attempts: registrar::attempts(),
            messages: AtomicUsize::new(0),
            busy: AtomicUsize::new(0),
            closed: watch::channel(false).0,
        };
        Ok(Self(Arc::new(inner)))
    }

    /// Holds every request from now on, and attaches to everything that there is and will be.
    pub(crate) async fn start(&self) -> Result<(), ProtocolError> {
        let everything = json!({"patterns": [{"urlPattern": "*", "requestStage": "Request"}]});
        self.client().ask(None, "Fetch.enable", everything).within::<Value>(START).await?;
        self.attach_to_everything().await
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Attempt> {
        self.0.attempts.subscribe()
    }

    /// Waits until no request was under way for a moment, and everything is processed.
    pub(crate) async fn idle(&self) {
        let mut quiet_since = Instant::now();
        while quiet_since.elapsed() < QUIET {
            sleep(POLL).await;
            if self.0.busy.load(Ordering::Acquire) > 0 || self.requests().under_way() > 0 {
                quiet_since = Instant::now();
            }
        }
        self.registrar().idle().await;
    }

    pub(crate) fn client(&self) -> &Client {
        &self.0.client
    }

    /// Turns true when Chromium is gone.
    pub(crate) fn closed(&self) -> watch::Receiver<bool> {
        self.0.closed.subscribe()
    }

    /// The headers of a request; `None` when there are none to set.
    fn request_headers(&self, eligibility: Eligibility) -> Option<RequestHeaders> {
        let mut dice = lock(&self.0.dice);
        let greasing = dice.as_mut().map(|dice| dice as &mut dyn ascribe_headers::Greasing);
        RequestHeaders::new(eligibility, self.0.supported, greasing)
    }

    /// Runs a task that [`idle`](Self::idle) waits for.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        struct Busy(Host);
        impl Drop for Busy {
            fn drop(&mut self) {
                self.0.0.busy.fetch_sub(1, Ordering::AcqRel);
            }
        }
        self.0.busy.fetch_add(1, Ordering::AcqRel);
        let busy = Busy(self.clone());
        self.0.runtime.spawn(async move {
            task.await;
            drop(busy);
        });
    }

    fn runtime(&self) -> &Handle {
        &self.0.runtime
    }

    fn secret(&self) -> &Secret {
        &self.0.secret
    }

    fn cookies(&self) -> ThirdPartyCookies {
        self.0.cookies
    }

    fn exempt(&self) -> &Exempt {
        &self.0.exempt
    }

    fn registrar(&self) -> &Registrar {
        &self.0.registrar
    }

    fn attempts(&self) -> &broadcast::Sender<Attempt> {
        &self.0.attempts
    }

    fn messages(&self) -> &AtomicUsize {
        &self.0.messages
    }

    fn targets(&self) -> MutexGuard<'_, Targets> {
        lock(&self.0.targets)
    }

    fn frames(&self) -> MutexGuard<'_, Frames> {
        lock(&self.0.frames)
    }

    fn coming(&self) -> MutexGuard<'_, Coming> {
        lock(&self.0.coming)
    }

    fn follows(&self) -> MutexGuard<'_, Follows> {
        lock(&self.0.follows)
    }

    fn announcements(&self) -> MutexGuard<'_, Announcements> {
        lock(&self.0.announcements)
    }

    fn requests(&self) -> MutexGuard<'_, Requests> {
        lock(&self.0.requests)
    }

    fn questions(&self) -> MutexGuard<'_, Questions> {
        lock(&self.0.questions)
    }

    fn contexts(&self) -> MutexGuard<'_, Contexts> {
        lock(&self.0.contexts)
    }
}

/// What is behind these locks stays whole when a thread panics: each holds for one plain change.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
