//! The user agent: one profile's side of the API, with a disk, a clock and a network.
//!
//! A [`UserAgent`] is what hosts hold: a browser, a test, an internals page. It hands responses to the
//! [`Agent`], stores what they change in the [`Journal`], and sends the reports that follow, in
//! [real time](UserAgent::run) or by [advancing the clock](UserAgent::advance).

mod core;
mod delivery;
mod draws;
mod event;
mod report;
mod schedule;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ascribe_engine::{ClearRange, Config, Engine, TestSwitches};
use ascribe_headers::{SuitableOrigin, SupportedRegistrars};
use ascribe_reports::Time;
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use tokio::{
    runtime::Handle,
    sync::{Notify, broadcast},
    task::JoinSet,
};

use self::{core::Core, draws::HostDraws};
use crate::{
    Agent, Clock, Courier, Ignored, Journal, JournalError, NavigationId, NavigationRetry, NetworkError,
    NetworkOptions, Registration, Request, Response, Undeliverable, keys::Keys, network::Client,
};

pub use draws::RecordedDraws;
pub use event::{AttemptError, Event, Registered, SendOutcome, SentReport};
pub use report::Report;

/// Where a user agent keeps what it stores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Profile {
    /// In a directory, which is created when there is none.
    Dir(PathBuf),
    /// In memory, as long as the user agent lives.
    Ephemeral,
}

/// How a user agent is set up; the default is Chromium's behaviour with the web as the only platform.
#[derive(Clone, Debug)]
pub struct Options {
    /// Every number that a user agent may choose; its coordinators, and what a test takes away, too.
    pub config: Config,
    /// Who can process registrations.
    pub supported: SupportedRegistrars,
    /// Where time comes from.
    pub clock: Clock,
    /// Makes chance the same every time; only for tests. Otherwise the operating system seeds it.
    pub seed: Option<u64>,
    /// How servers are reached.
    pub network: NetworkOptions,
    /// Which retry waits for a navigation.
    pub navigation_retry: NavigationRetry,
    /// Keeps reports that are given up, for a look at them, instead of dropping them.
    pub keep_undeliverable: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            config: Config::default(),
            supported: SupportedRegistrars { web: true, os: false },
            clock: Clock::default(),
            seed: None,
            network: NetworkOptions::default(),
            navigation_retry: NavigationRetry::default(),
            keep_undeliverable: false,
        }
    }
}

/// Why a user agent cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Its profile cannot be read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Its network cannot be set up.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The operating system has no random numbers.
    #[error("no random numbers: {0}")]
    Randomness(String),
    /// It was opened outside of a Tokio runtime, on which its reports are sent.
    #[error("a user agent is opened within a Tokio runtime")]
    NoRuntime,
}

/// What became of a response, once it is stored.
pub type Responded = Arc<Registered>;

/// One profile's side of the API. Cheap to clone: all clones are the same user agent.
///
/// What changes something is stored when it returns; when it returns an error, nothing has changed, and nothing
/// was sent. Calls wait for the disk, for some milliseconds at most.
#[derive(Clone, Debug)]
pub struct UserAgent(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    core: Mutex<Core>,
    ephemeral: bool,
    client: Client,
    keys: Keys,
    keep_undeliverable: bool,
    events: broadcast::Sender<Event>,
    runtime: Handle,
    tasks: Mutex<JoinSet<()>>,
    /// Held by whoever decides when reports go: the clock runs, or it is advanced.
    schedule: tokio::sync::Mutex<()>,
    /// Something may be due earlier, or the end has come.
    wake: Notify,
    /// The end has come.
    stop: Notify,
    /// A task found nothing more to send.
    idle: Notify,
}

/// Who looks on and is slower than this many events misses the oldest.
const EVENTS: usize = 512;

impl UserAgent {
    /// Opens a profile. Reports that became due in the meantime are spread over a minute from now.
    ///
    /// # Errors
    /// When the profile is in use or damaged, the network's options name files that cannot be read, or there is
    /// no Tokio runtime.
    pub fn open(profile: Profile, options: Options) -> Result<Self, OpenError> {
        let Options { config, supported, clock, seed, network, navigation_retry, keep_undeliverable } =
            options;
        let runtime = Handle::try_current().map_err(|_| OpenError::NoRuntime)?;
        let client = Client::new(&network)?;
        let rng = match seed {
            Some(seed) => ChaCha20Rng::seed_from_u64(seed),
            None => ChaCha20Rng::try_from_rng(&mut rand::rngs::SysRng)
                .map_err(|error| OpenError::Randomness(error.to_string()))?,
        };
        let ephemeral = profile == Profile::Ephemeral;
        let (journal, changes) = match profile {
            Profile::Dir(path) => Journal::open(&path)?,
            Profile::Ephemeral => (Journal::in_memory()?, Vec::new()),
        };
        let agent = Agent::with_engine(Engine::replay(config, &changes), supported);
        let (events, _) = broadcast::channel(EVENTS);
        let courier = Courier::new(navigation_retry);
        let core = Core::new(agent, courier, journal, clock, HostDraws::new(rng), events.clone())?;
        Ok(Self(Arc::new(Shared {
            core: Mutex::new(core),
            ephemeral,
            client,
            keys: Keys::default(),
            keep_undeliverable,
            events,
            runtime,
            tasks: Mutex::default(),
            schedule: tokio::sync::Mutex::default(),
            wake: Notify::new(),
            stop: Notify::new(),
            idle: Notify::new(),
        })))
    }

    /// "Process an attribution eligible response": each redirect hop is one.
    ///
    /// # Errors
    /// When it could not be stored: then it did not happen.
    pub fn respond(&self, request: &Request, response: &Response<'_>) -> Result<Responded, JournalError> {
        let mut core = self.0.lock();
        let stored = core.input(|agent, now, draws| agent.respond(request, response, now, draws))?;
        let registered = Registered {
            time: stored.time,
            context_origin: request.context_origin.clone(),
            reporting_origin: response.reporting_origin.clone(),
            fenced: request.fenced,
            cookie_based_debug_allowed: response.cookie_based_debug_allowed,
            registration: stored.outcome,
            trace: stored.trace,
            draws: stored.draws,
        };
        if matches!(registered.registration, Registration::Ignored(Ignored::NothingEligible)) {
            // Most responses: nobody wants to be told of them.
            return Ok(Arc::new(registered));
        }
        let registered = core.log_registered(registered);
        self.0.changed(&mut core);
        Ok(registered)
    }

    /// A navigation with eligible background requests sent one of them: triggers on the page that it lands on
    /// wait for its end.
    pub fn background_request_started(&self, navigation: NavigationId) {
        self.0.lock().agent.background_request_started(navigation);
    }

    /// A background request came to its end, after all of its responses were processed. Triggers that waited
    /// for it are attributed, which [`Event::TriggerAttributed`] tells.
    ///
    /// # Errors
    /// When what this led to could not be stored: then triggers are lost.
    pub fn background_request_finished(&self, navigation: NavigationId) -> Result<(), JournalError> {
        let mut core = self.0.lock();
        let triggers = core.agent.take_after_request(navigation);
        core.attribute(triggers)?;
        self.0.changed(&mut core);
        Ok(())
    }

    /// The page of a navigation is gone, and all its requests have ended.
    ///
    /// # Errors
    /// As [`background_request_finished`](Self::background_request_finished).
    pub fn navigation_ended(&self, navigation: NavigationId) -> Result<(), JournalError> {
        let mut core = self.0.lock();
        let triggers = core.agent.take_after_navigation(navigation);
        core.attribute(triggers)?;
        self.0.changed(&mut core);
        Ok(())
    }

    /// The user navigated: reports that wait for it go 5 minutes later.
    ///
    /// # Errors
    /// When it could not be stored.
    pub fn navigated(&self) -> Result<(), JournalError> {
        let mut guard = self.0.lock();
        let core = &mut *guard;
        core.catch_up()?;
        let now = core.time.now();
        let effects = core.courier.navigated(core.agent.engine_mut(), now);
        core.store(&effects.changes)?;
        self.0.changed(core);
        Ok(())
    }

    /// While it is offline, nothing stored is tried and nothing fails; debug reports, which do not wait, are
    /// lost. Back online, what is overdue is spread over a minute.
    ///
    /// # Errors
    /// When it could not be stored.
    pub fn set_offline(&self, offline: bool) -> Result<(), JournalError> {
        let mut core = self.0.lock();
        if core.courier.is_offline() != offline {
            if offline {
                core.courier.went_offline();
            } else {
                core.came_online()?;
            }
            core.tell(Event::NetworkChanged { offline });
            self.0.changed(&mut core);
        }
        Ok(())
    }

    /// Takes something away for a test, or gives it back, from now on.
    pub fn set_test_switches(&self, switches: TestSwitches) {
        let mut core = self.0.lock();
        core.agent.engine_mut().set_test_switches(switches);
        core.tell(Event::TestSwitchesSet(switches));
    }

    /// The user deletes the data of reporting origins in a range of time. It is gone from the disk and from the
    /// logs when this returns; what is on its way already is not stored again.
    ///
    /// # Errors
    /// When something could not be deleted: what was cleared may still be stored then.
    pub fn clear(
        &self,
        mut reporting_origins: impl FnMut(&SuitableOrigin) -> bool,
        range: ClearRange,
    ) -> Result<(), JournalError> {
        let mut guard = self.0.lock();
        let core = &mut *guard;
        core.catch_up()?;
        let _ = core.agent.clear(&mut reporting_origins, range);
        core.erase(&mut reporting_origins, range)?;
        let now = core.time.now();
        core.tell(Event::Cleared(now));
        Ok(())
    }

    /// `Clear-Site-Data: "storage"` of a reporting origin: deletes its sources and reports; rate limits stay.
    ///
    /// # Errors
    /// As [`clear`](Self::clear).
    pub fn clear_site_data(&self, reporting_origin: &SuitableOrigin) -> Result<(), JournalError> {
        let range = ClearRange { from: Time::MIN, to: Time::MAX, rate_limits: false };
        let mut guard = self.0.lock();
        let core = &mut *guard;
        core.catch_up()?;
        let _ = core.agent.clear_site_data(reporting_origin);
        core.erase(&mut |origin: &SuitableOrigin| origin == reporting_origin, range)?;
        let (time, reporting_origin) = (core.time.now(), reporting_origin.clone());
        core.tell(Event::SiteDataCleared { time, reporting_origin });
        Ok(())
    }

    /// What time it is in the profile.
    #[must_use]
    pub fn now(&self) -> Time {
        self.0.lock().time.now()
    }

    /// Looks at the engine. Everything else waits meanwhile: look, and take along what is needed.
    pub fn view<T>(&self, look: impl FnOnce(&Engine) -> T) -> T {
        look(self.0.lock().agent.engine())
    }

    /// Whether it believes that there is no network.
    #[must_use]
    pub fn is_offline(&self) -> bool {
        self.0.lock().courier.is_offline()
    }

    /// What happens from now on.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.0.events.subscribe()
    }

    /// The latest attempts to deliver a report, oldest first: at most 1,000, and 8 MiB.
    #[must_use]
    pub fn sent(&self) -> Vec<Arc<SentReport>> {
        self.0.lock().sent.latest()
    }

    /// The latest responses that registered something or were meant to, oldest first: at most 1,000, and 8 MiB.
    /// Registrations for the operating system are here and nowhere else.
    #[must_use]
    pub fn registered(&self) -> Vec<Arc<Registered>> {
        self.0.lock().registered.latest()
    }

    /// The reports that were given up and are kept.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn undeliverable(&self) -> Result<Vec<Undeliverable>, JournalError> {
        let core = self.0.lock();
        if core.closed {
            return Err(JournalError::Closed);
        }
        core.journal.undeliverable()
    }
}

impl Core {
    /// After the engine has forgotten something: so do the disk, the logs, and what waits to be sent.
    fn erase(
        &mut self,
        origins: &mut dyn FnMut(&SuitableOrigin) -> bool,
        range: ClearRange,
    ) -> Result<(), JournalError> {
        let within = |time: Time| (range.from..=range.to).contains(&time);
        self.forget_waiting(&mut *origins);
        self.sent.forget(|sent| within(sent.time) && origins(sent.report.reporting_origin()));
        self.registered.forget(|entry| within(entry.time) && origins(&entry.reporting_origin));
        let forgets = |kept: &Undeliverable| {
            within(kept.report.trigger_time()) && origins(kept.report.reporting_origin())
        };
        let erased = self.journal.erase(self.agent.engine().state(), forgets);
        if let Err(error) = erased {
            return Err(self.go_back(error));
        }
        // Debug reports that are on their way may be of what was cleared: they are not told of any more.
        self.deletions += 1;
        Ok(())
    }
}

impl Shared {
    /// A panic while the lock was held may have left the engine ahead of the journal, if there is one: it is
    /// replayed then.
    fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(|poisoned| {
            let mut core = poisoned.into_inner();
            core.ahead = !self.ephemeral;
            self.core.clear_poison();
            core
        })
    }

    fn tasks(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something was stored: debug reports may wait, and stored ones may be due earlier.
    fn changed(self: &Arc<Self>, core: &mut Core) {
        self.send_waiting(core);
        self.wake.notify_one();
    }
}

#[cfg(test)]
mod tests;
