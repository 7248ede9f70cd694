//! The internals page and the control endpoint: what a user agent knows, for people and for programs.
//!
//! [`Internals::start`] listens on loopback. Its [address](Internals::page_address) opens the page; programs
//! send its [token](Internals::token) to its [endpoint](Internals::endpoint). `guard` says who is kept out and
//! how, `views` what is shown, `api` what can be asked for, and `page/` is the page itself, without anything
//! that comes from elsewhere.

mod api;
mod arguments;
mod context;
mod error;
mod guard;
mod page;
mod views;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    ops::Deref,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ascribe_agent::UserAgent;
use ascribe_reports::Time;
use axum::{Router, extract::DefaultBodyLimit, middleware, routing::get};
use tokio::{
    net::TcpListener,
    sync::{broadcast::error::RecvError, watch},
    task::AbortHandle,
    time::timeout,
};

use self::{context::Context, error::Error, guard::Guard};
use crate::{Attempt, Browser};

pub use arguments::parse_duration;

/// What the page may do.
#[derive(Clone, Copy, Debug)]
pub struct InternalsSettings {
    /// Whether noise and delays can be switched off.
    pub test_mode: bool,
    /// Whether the user agents' clocks run by themselves.
    pub clock_runs: bool,
}

/// The internals page and the control endpoint, while they are served: until this is dropped.
pub struct Internals {
    shared: Shared,
    address: SocketAddr,
    server: AbortHandle,
}

/// The ID of the browser context that has the profile.
pub const DEFAULT_CONTEXT: &str = "default";

/// A browser context without anything to tell is shown this late.
const LOOK_FOR_CONTEXTS: Duration = Duration::from_secs(1);

/// What the handlers share.
#[derive(Clone)]
struct Shared(Arc<Inner>);

struct Inner {
    guard: Guard,
    settings: InternalsSettings,
    contexts: RwLock<Vec<Arc<Context>>>,
    /// Grows whenever something changes in any context.
    revision: watch::Sender<i64>,
}

impl Internals {
    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When there is none, or the operating system has no randomness.
    pub async fn start(settings: InternalsSettings) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let guard = Guard::new(address).map_err(io::Error::other)?;
        let (revision, _) = watch::channel(0);
        let shared = Shared(Arc::new(Inner { guard, settings, contexts: RwLock::default(), revision }));
        let router = router(shared.clone());
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the internals page is no longer served");
            }
        });
        Ok(Self { shared, address, server: server.abort_handle() })
    }

    /// Shows a browser context; the first is shown when none is asked for. The one of attempts without a
    /// context is [`DEFAULT_CONTEXT`]. Why something happened is told if the user agent's configuration asks to
    /// explain.
    pub fn add_context(&self, id: impl Into<String>, label: impl Into<String>, user_agent: UserAgent) {
        let context = Context::new(id.into(), label.into(), user_agent, self.shared.revision.clone());
        let mut contexts = self.shared.contexts.write().unwrap_or_else(PoisonError::into_inner);
        contexts.push(Arc::new(context));
        drop(contexts);
        self.shared.touch();
    }

    /// A browser context is gone.
    pub fn remove_context(&self, id: &str) {
        let mut contexts = self.shared.contexts.write().unwrap_or_else(PoisonError::into_inner);
        contexts.retain(|context| context.id != id);
        drop(contexts);
        self.shared.touch();
    }

    /// The address that opens the page, with the token in it: for the eyes of whoever started it.
    #[must_use]
    pub fn page_address(&self) -> String {
        format!("{}?token={}", self.root(), self.token())
    }

    /// Where the control endpoint is; its paths come after it.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("{}api/", self.root())
    }

    /// The token: `Authorization: Bearer` for programs.
    #[must_use]
    pub fn token(&self) -> &str {
        self.shared.guard.token().as_str()
    }

    /// The origin of the page: the [`exempt_origin`](crate::LaunchOptions::exempt_origin) of a browser, which is
    /// then never given the API there, and lets no other page request anything from it.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Shows the contexts that a browser has now: so that there is something to ask for before anybody is told
    /// where to ask.
    pub fn show(&self, browser: &Browser) {
        self.show_contexts(browser.contexts());
    }

    /// Shows what happens in a browser, in all of its contexts, until it is gone.
    pub async fn follow(&self, browser: &Browser) {
        let mut attempts = browser.attempts();
        loop {
            self.show(browser);
            match timeout(LOOK_FOR_CONTEXTS, attempts.recv()).await {
                Ok(Ok(attempt)) => {
                    // Its context may be new.
                    self.show(browser);
                    self.add_attempt(&attempt);
                }
                Ok(Err(RecvError::Lagged(missed))) => tracing::warn!(missed, "attempts are not shown"),
                Ok(Err(RecvError::Closed)) => return,
                Err(_) => {}
            }
        }
    }

    fn show_contexts(&self, present: Vec<(Option<Arc<str>>, UserAgent)>) {
        let id = |name: &Option<Arc<str>>| name.as_deref().unwrap_or(DEFAULT_CONTEXT).to_owned();
        let shown: Vec<_> = self.shared.contexts().iter().map(|context| context.id.clone()).collect();
        for gone in shown.iter().filter(|shown| present.iter().all(|(name, _)| id(name) != **shown)) {
            self.remove_context(gone);
        }
        for (name, user_agent) in present {
            let id = id(&name);
            if !shown.contains(&id) {
                let label = match &name {
                    Some(name) => format!("Context {}", name.get(..8).unwrap_or(name)),
                    None => "Default".to_owned(),
                };
                self.add_context(id, label, user_agent);
            }
        }
    }

    /// Shows a response, in the browser context that it belongs to.
    pub fn add_attempt(&self, attempt: &Attempt) {
        let id = attempt.context.as_deref().unwrap_or(DEFAULT_CONTEXT);
        if let Ok(context) = self.shared.context(Some(id)) {
            context.add_attempt(attempt);
            self.shared.touch();
        }
    }

    fn root(&self) -> String {
        format!("http://{}/{}/", self.address, self.shared.guard.directory())
    }
}

impl Drop for Internals {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn router(shared: Shared) -> Router {
    let guarded = page::routes()
        .nest("/api", api::routes())
        .fallback(async || Error::NotFound)
        .method_not_allowed_fallback(async || Error::MethodNotAllowed)
        .layer(middleware::from_fn_with_state(shared.clone(), guard::check_token));
    let directory = format!("/{}", shared.guard.directory());
    Router::new()
        .route(&format!("{directory}/"), get(page::enter))
        .nest(&directory, guarded)
        .fallback(async || Error::NotFound)
        .method_not_allowed_fallback(async || Error::MethodNotAllowed)
        .layer(DefaultBodyLimit::max(arguments::MAX_BODY))
        .layer(middleware::from_fn_with_state(shared.clone(), guard::check_origin))
        .with_state(shared)
}

impl Deref for Shared {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Inner {
    /// The context of an ID, or the first.
    fn context(&self, id: Option<&str>) -> Result<Arc<Context>, Error> {
        let contexts = self.contexts();
        let mut contexts = contexts.into_iter().filter(|context| id.is_none_or(|id| context.id == id));
        contexts.next().ok_or_else(|| Error::NoContext(id.unwrap_or("default").to_owned()))
    }

    fn contexts(&self) -> Vec<Arc<Context>> {
        self.contexts.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn revision(&self) -> i64 {
        *self.revision.borrow()
    }

    fn revisions(&self) -> watch::Receiver<i64> {
        self.revision.subscribe()
    }

    /// Something has changed that no user agent tells of.
    fn touch(&self) {
        self.revision.send_modify(|revision| *revision += 1);
    }
}

/// What time it is outside: the page says how far ahead a profile is.
fn system_time() -> Time {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}
