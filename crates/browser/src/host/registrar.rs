//! From responses to the agent: a thread of its own, because the agent waits for the disk.
//!
//! Everything goes through one queue, so that the agent sees it in the order in which it happened.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use ascribe_agent::{NavigationId, Request, Responded, Response, ResponseHeaders, UserAgent};
use ascribe_headers::{Eligibility, HeaderName, SuitableOrigin};
use tokio::sync::{Notify, broadcast, mpsc};

use crate::{Attempt, Diagnosis, Surface, ThirdPartyCookies};

use super::{Host, owner::Owner, protocol::RequestPaused, responses::value};

/// One hop's response.
pub(super) struct Answered {
    pub(super) owner: Arc<Owner>,
    pub(super) surface: Surface,
    pub(super) eligibility: Eligibility,
    pub(super) navigation: Option<NavigationId>,
    pub(super) request_id: Arc<str>,
    pub(super) hop: usize,
    pub(super) url: String,
    /// Those of the API.
    pub(super) headers: Vec<(String, String)>,
    /// `Clear-Site-Data` with `"storage"`.
    pub(super) clears_site_data: bool,
    /// It is the last hop, and none had a header that registers anything.
    pub(super) in_vain: bool,
}

type Work = Box<dyn FnOnce() + Send>;

/// The queue.
pub(super) struct Registrar {
    queue: mpsc::UnboundedSender<Work>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    waiting: AtomicUsize,
    idle: Notify,
}

/// More registrations than this do not wait, as in Chromium.
const MAX_WAITING: usize = 1000;
/// Who looks on and is slower than this many attempts misses the oldest.
const ATTEMPTS: usize = 4096;

impl Registrar {
    pub(super) fn start() -> Self {
        let (queue, mut work) = mpsc::unbounded_channel::<Work>();
        let state = Arc::<State>::default();
        let done = Arc::clone(&state);
        thread::spawn(move || {
            while let Some(work) = work.blocking_recv() {
                work();
                if done.waiting.fetch_sub(1, Ordering::AcqRel) == 1 {
                    done.idle.notify_waiters();
                }
            }
        });
        Self { queue, state }
    }

    fn is_full(&self) -> bool {
        self.state.waiting.load(Ordering::Acquire) >= MAX_WAITING
    }

    fn push(&self, work: impl FnOnce() + Send + 'static) {
        self.state.waiting.fetch_add(1, Ordering::AcqRel);
        if self.queue.send(Box::new(work)).is_err() {
            tracing::error!("the registrar's thread is gone");
        }
    }

    /// Waits until everything that happened so far is processed.
    pub(super) async fn idle(&self) {
        loop {
            let idle = self.state.idle.notified();
            if self.state.waiting.load(Ordering::Acquire) == 0 {
                return;
            }
            idle.await;
        }
    }
}

pub(super) fn attempts() -> broadcast::Sender<Attempt> {
    broadcast::channel(ATTEMPTS).0
}

impl Host {
    /// Hands a response to the agent, if there is anything in it for it.
    pub(super) fn register(&self, answered: Answered) {
        let explicit = answered.eligibility != Eligibility::Unset && answered.surface != Surface::Navigation;
        if answered.headers.is_empty() && !answered.clears_site_data && !(explicit && answered.in_vain) {
            return;
        }
        if self.registrar().is_full() {
            let mut attempt = answered.attempt(self.agent(answered.owner.context.as_ref()).as_ref());
            attempt.diagnosis = vec![Diagnosis::TooManyRegistrations];
            return self.tell(attempt, &answered.owner);
        }
        let host = self.clone();
        self.registrar().push(move || host.process(&answered));
    }

    /// A mistake that no response is needed to see.
    pub(super) fn diagnose(
        &self,
        owner: &Arc<Owner>,
        paused: &RequestPaused,
        surface: Surface,
        eligibility: Eligibility,
        diagnosis: Vec<Diagnosis>,
    ) {
        self.diagnose_request(owner, paused.id(), &paused.request.url, surface, eligibility, diagnosis);
    }

    /// A mistake that keeps something from being requested, or from registering anything, told by the page.
    pub(super) fn diagnose_unsent(
        &self,
        owner: &Arc<Owner>,
        url: &str,
        surface: Surface,
        eligibility: Eligibility,
        diagnosis: Diagnosis,
    ) {
        // The agent's queue is not for a page to fill.
        if self.registrar().is_full() {
            return;
        }
        // Whatever is wrong with the page itself comes first.
        let diagnosis = match &owner.standing {
            Ok(_) => Some(diagnosis),
            Err(barrier) => barrier.diagnosis(),
        };
        // A name that no request has, and no other of these.
        let id = format!("unsent-{:016x}", rand::random::<u64>()).into();
        self.diagnose_request(owner, id, url, surface, eligibility, diagnosis.into_iter().collect());
    }

    fn diagnose_request(
        &self,
        owner: &Arc<Owner>,
        request_id: Arc<str>,
        url: &str,
        surface: Surface,
        eligibility: Eligibility,
        diagnosis: Vec<Diagnosis>,
    ) {
        if diagnosis.is_empty() {
            return;
        }
        let answered = Answered {
            owner: Arc::clone(owner),
            surface,
            eligibility,
            navigation: None,
            request_id,
            hop: 0,
            url: url.to_owned(),
            headers: Vec::new(),
            clears_site_data: false,
            in_vain: false,
        };
        let host = self.clone();
        self.registrar().push(move || {
            let agent = host.agent(answered.owner.context.as_ref());
            let attempt = Attempt { diagnosis, ..answered.attempt(agent.as_ref()) };
            host.tell(attempt, &answered.owner);
        });
    }

    /// "Process an attribution eligible response", and what to say about it.
    fn process(&self, answered: &Answered) {
        let Some(agent) = self.agent(answered.owner.context.as_ref()) else { return };
        let mut attempt = answered.attempt(Some(&agent));
        let reporting_origin = SuitableOrigin::parse(&answered.url);
        if answered.clears_site_data
            && let Ok(origin) = &reporting_origin
            && let Err(error) = agent.clear_site_data(origin)
        {
            tracing::error!(%error, %origin, "Clear-Site-Data could not be carried out");
        }
        if answered.headers.is_empty() && !answered.in_vain {
            return;
        }
        match (&answered.owner.standing, reporting_origin) {
            (Err(barrier), _) => attempt.diagnosis.extend(barrier.diagnosis()),
            _ if answered.headers.is_empty() => {
                attempt.diagnosis.push(Diagnosis::NothingRegistered { eligibility: answered.eligibility });
            }
            (Ok(_), Err(_)) => {
                let url = answered.url.clone();
                attempt.diagnosis.push(Diagnosis::UntrustworthyReportingOrigin { url });
            }
            (Ok(context_origin), Ok(reporting_origin)) => {
                attempt.diagnosis = Diagnosis::ineligible(answered.eligibility, &answered.headers);
                match self.respond(&agent, answered, context_origin, reporting_origin) {
                    Ok(responded) => {
                        attempt.time = responded.time;
                        attempt.diagnosis.extend(Diagnosis::of(&responded.registration));
                        attempt.responded = Some(responded);
                    }
                    Err(why) => attempt.diagnosis.push(Diagnosis::NotStored { why }),
                }
            }
        }
        self.tell(attempt, &answered.owner);
    }

    fn respond(
        &self,
        agent: &UserAgent,
        answered: &Answered,
        context_origin: &SuitableOrigin,
        reporting_origin: SuitableOrigin,
    ) -> Result<Responded, String> {
        let header = |name: HeaderName| value(&answered.headers, name.as_str()).map(String::into_bytes);
        let [register_source, register_trigger, register_os_source, register_os_trigger, info] = [
            header(HeaderName::RegisterSource),
            header(HeaderName::RegisterTrigger),
            header(HeaderName::RegisterOsSource),
            header(HeaderName::RegisterOsTrigger),
            header(HeaderName::Info),
        ];
        let headers = ResponseHeaders {
            register_source: register_source.as_deref(),
            register_trigger: register_trigger.as_deref(),
            register_os_source: register_os_source.as_deref(),
            register_os_trigger: register_os_trigger.as_deref(),
            info: info.as_deref(),
        };
        let same_site = reporting_origin.site() == context_origin.site();
        let request = Request {
            context_origin: context_origin.clone(),
            eligibility: answered.eligibility,
            fenced: answered.owner.fenced,
            navigation: answered.navigation.or(answered.owner.landing),
        };
        let response = Response {
            reporting_origin,
            cookie_based_debug_allowed: same_site || self.cookies() == ThirdPartyCookies::Allow,
            headers,
        };
        agent.respond(&request, &response).map_err(|error| error.to_string())
    }

    pub(super) fn background_request_started(&self, owner: &Arc<Owner>, navigation: NavigationId) {
        let (host, owner) = (self.clone(), Arc::clone(owner));
        self.registrar().push(move || {
            if let Some(agent) = host.agent(owner.context.as_ref()) {
                agent.background_request_started(navigation);
            }
        });
    }

    pub(super) fn background_request_finished(&self, owner: &Arc<Owner>, navigation: NavigationId) {
        self.with_agent(owner, "deferred triggers could not be stored", move |agent| {
            agent.background_request_finished(navigation)
        });
    }

    /// The page that a navigation landed on is gone, and all its requests have ended.
    pub(super) fn navigation_ended(&self, owner: &Arc<Owner>, navigation: NavigationId) {
        self.with_agent(owner, "deferred triggers could not be stored", move |agent| {
            agent.navigation_ended(navigation)
        });
    }

    /// The user navigated.
    pub(super) fn navigated(&self, owner: &Arc<Owner>) {
        self.with_agent(owner, "a navigation could not be stored", UserAgent::navigated);
    }

    fn with_agent<E: std::fmt::Display>(
        &self,
        owner: &Arc<Owner>,
        failed: &'static str,
        act: impl FnOnce(&UserAgent) -> Result<(), E> + Send + 'static,
    ) {
        let (host, owner) = (self.clone(), Arc::clone(owner));
        self.registrar().push(move || {
            if let Some(agent) = host.agent(owner.context.as_ref())
                && let Err(error) = act(&agent)
            {
                tracing::error!(%error, "{failed}");
            }
        });
    }
}

impl Answered {
    fn attempt(&self, agent: Option<&UserAgent>) -> Attempt {
        Attempt {
            time: agent.map_or(ascribe_reports::Time::MIN, UserAgent::now),
            context: self.owner.context.clone(),
            surface: self.surface,
            page_url: self.owner.url.clone(),
            request_id: Arc::clone(&self.request_id),
            hop: self.hop,
            url: self.url.clone(),
            eligibility: self.eligibility,
            headers: self.headers.clone(),
            responded: None,
            diagnosis: Vec::new(),
        }
    }
}
