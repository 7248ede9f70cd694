//! Every request, before it reaches the wire: what it is eligible for, and the headers that say so.
//!
//! Spec: "set Attribution Reporting headers", and where the monkeypatches of HTML and Fetch set a request's
//! eligibility. Here it is found out:
//! 0. what is of the program's own page has nothing to do with it ([`super::exempt`]);
//! 1. a redirect is what the hop before it was;
//! 2. a marker of the shim in the fragment says it;
//! 3. for the document of a page, the page that may have led there is asked ([`super::documents`]);
//! 4. for an image or script, its frame is asked for the element;
//! 5. whatever is left is not eligible for sources, and may register triggers.

use std::{sync::Arc, time::Duration};

use ascribe_agent::NavigationId;
use ascribe_headers::{Eligibility, HeaderName, SuitableOrigin};
use tokio::time::timeout;

use crate::{
    Diagnosis, Surface,
    cdp::{ProtocolError, Reply},
};

use super::{
    Host,
    announced::Element,
    held::Held,
    marker::Marker,
    owner::Owner,
    protocol::{Header, RequestPaused, ResourceType},
    questions::Kind,
    request::Request,
    requests::BACKGROUND_BOUND,
};

/// The process that makes a request says so before the request is held, nearly always; this is waited for it
/// otherwise.
const ANNOUNCEMENT: Duration = Duration::from_millis(250);

/// Chromium says at once whether it goes on with a request.
const ANSWER: Duration = Duration::from_secs(10);

impl RequestPaused {
    /// The name that all hops of the request have.
    pub(super) fn id(&self) -> Arc<str> {
        // Requests of the browser itself have no name in the Network domain.
        self.network_id.clone().unwrap_or_else(|| match self.request_id.rsplit_once('.') {
            Some((request, _hop)) => request.into(),
            None => Arc::clone(&self.request_id),
        })
    }

    fn is_response(&self) -> bool {
        self.response_status_code.is_some() || self.response_error_reason.is_some()
    }

    /// Whether it asks if another request may be made. It has that one's fragment, and may register nothing.
    fn is_preflight(&self) -> bool {
        // Which only the browser can say.
        let asks = || self.header("access-control-request-method").is_some();
        self.resource_type == ResourceType::Preflight || (self.request.method == "OPTIONS" && asks())
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.request.headers.iter();
        headers.find(|(n, _)| n.eq_ignore_ascii_case(name)).and_then(|(_, value)| value.as_str())
    }

    /// The headers of the API that the page has set itself.
    fn forged(&self) -> impl Iterator<Item = HeaderName> {
        self.request.headers.keys().filter_map(|name| HeaderName::from_name(name))
    }
}

impl Host {
    pub(super) fn paused(&self, paused: RequestPaused) {
        let held = Held::new(self.client(), &paused.request_id);
        if paused.is_response() {
            return self.response_paused(&paused, held);
        }
        if paused.redirected_request_id.is_some() {
            return self.redirected(&paused, held);
        }
        // Documents are requested by the browser, not by the process that they will be in.
        let id = paused.id();
        let waiting = if self.can_begin(&paused) { None } else { self.announcements().wait_for(&id) };
        let Some(announced) = waiting else { return self.begin(paused, held) };
        let host = self.clone();
        self.spawn(async move {
            // When it does not come, the frame's present document counts.
            let _ = timeout(ANNOUNCEMENT, announced).await;
            host.begin(paused, held);
        });
    }

    /// Whether nothing that is to be decided about a request depends on its announcement.
    fn can_begin(&self, paused: &RequestPaused) -> bool {
        match paused.resource_type {
            ResourceType::Document | ResourceType::Preflight => true,
            ResourceType::Image | ResourceType::Script => false,
            // Who requests it counts when it is answered.
            ResourceType::Stylesheet | ResourceType::Other => {
                let is_of_frame = self.frames().get(&paused.frame_id).is_some();
                is_of_frame && self.secret().marker(&paused.request.url_fragment).is_none()
            }
        }
    }

    fn begin(&self, paused: RequestPaused, held: Held) {
        let announced = self.announcements().of(&paused.id());
        let element = announced.as_ref().map(|announced| announced.element).unwrap_or_default();
        let referrer = paused.header("referer").and_then(|referrer| SuitableOrigin::parse(referrer).ok());
        let owner = Arc::new(self.owner(&paused.frame_id, announced.as_ref(), referrer.as_ref()));
        let Some(held) = self.exempt_from_rules(&paused, held, &owner) else { return };
        let forged: Vec<_> = paused.forged().map(|header| Diagnosis::HeaderSetByPage { header }).collect();
        if !forged.is_empty() {
            self.diagnose(&owner, &paused, Surface::Subresource, Eligibility::Unset, forged);
        }
        if paused.is_preflight() {
            return self.go_on(&paused, held, None, false);
        }
        if let Some(marker) = self.secret().marker(&paused.request.url_fragment) {
            return self.marked(&paused, held, owner, marker);
        }
        match paused.resource_type {
            ResourceType::Document => self.document(paused, held, owner),
            ResourceType::Image => self.element(paused, held, owner, Kind::Image, element),
            ResourceType::Script => self.element(paused, held, owner, Kind::Script, element),
            ResourceType::Preflight => self.go_on(&paused, held, None, false),
            ResourceType::Stylesheet | ResourceType::Other => {
                let mut plain = Request::new(owner, Surface::Subresource, Eligibility::Unset);
                plain.is_provisional = announced.is_none();
                match announced.and_then(|announced| self.may_pass_on(&paused, &announced)) {
                    None => self.track(&paused, held, plain),
                    Some(passing_on) => {
                        let host = self.clone();
                        self.spawn(async move {
                            match host.passed_on(&paused.request.url, &passing_on).await {
                                Some((owner, element)) => {
                                    host.element(paused, held, owner, passing_on.kind, element);
                                }
                                None => host.track(&paused, held, plain),
                            }
                        });
                    }
                }
            }
        }
    }

    /// Rule 1.
    fn redirected(&self, paused: &RequestPaused, held: Held) {
        let found = {
            let mut requests = self.requests();
            let request = requests.redirect(&paused.id(), &paused.request.url);
            request.map(|request| (sent(request), request.holds_responses()))
        };
        match found {
            Some((eligibility, intercept)) => self.go_on(paused, held, eligibility, intercept),
            None => self.go_on(paused, held, None, paused.resource_type == ResourceType::Document),
        }
    }

    /// Rule 2.
    fn marked(&self, paused: &RequestPaused, held: Held, owner: Arc<Owner>, marker: Marker) {
        let Marker { eligibility, surface, outlives, navigation } = marker;
        let barrier = owner.standing.as_ref().err().and_then(super::owner::Barrier::diagnosis);
        if owner.standing.is_err() {
            self.diagnose(&owner, paused, surface, eligibility, barrier.into_iter().collect());
            if surface.is_background() {
                return held.refuse();
            }
            return self.go_on(paused, held, None, false);
        }
        if surface.is_background() && self.requests().is_full(&owner.frame) {
            let too_many = Diagnosis::TooManyConcurrentRequests { limit: BACKGROUND_BOUND };
            self.diagnose(&owner, paused, surface, eligibility, vec![too_many]);
            return held.refuse();
        }
        let mut request = Request::new(owner, surface, eligibility);
        request.outlives = outlives;
        request.navigation = navigation.map(NavigationId);
        if let Some(navigation) = request.navigation {
            self.background_request_started(&request.owner, navigation);
        }
        self.track(paused, held, request);
    }

    /// Rule 4.
    fn element(&self, paused: RequestPaused, held: Held, owner: Arc<Owner>, kind: Kind, element: Element) {
        let surface = match kind {
            Kind::Image => Surface::Img,
            Kind::Script => Surface::Script,
        };
        let host = self.clone();
        self.spawn(async move {
            if host.is_attributed(&owner, kind, &paused.request.url, element).await {
                match &owner.standing {
                    Ok(_) => {
                        let request = Request::new(owner, surface, Eligibility::EventSourceOrTrigger);
                        return host.track(&paused, held, request);
                    }
                    Err(barrier) => {
                        let diagnosis = barrier.diagnosis().into_iter().collect();
                        host.diagnose(&owner, &paused, surface, Eligibility::EventSourceOrTrigger, diagnosis);
                    }
                }
            }
            let plain = Request::new(owner, Surface::Subresource, Eligibility::Unset);
            host.track(&paused, held, plain);
        });
    }

    /// Remembers a request and sends it.
    pub(super) fn track(&self, paused: &RequestPaused, held: Held, mut request: Request) {
        request.blocks_parser = paused.resource_type.blocks_parsers();
        let (eligibility, intercept) = (sent(&request), request.holds_responses());
        let owner = Arc::clone(&request.owner);
        let displaced = self.requests().begin(&paused.id(), request, &paused.request.url);
        if let Some(displaced) = displaced {
            self.forgotten(&displaced);
        }
        self.go_on(paused, held, eligibility, intercept);
        // Only now: a page that goes after this takes its requests along.
        if !intercept && self.is_gone(&owner) {
            self.ends_soon(paused.id());
        }
    }

    /// Whether nobody is left who would tell of a request's end.
    fn is_gone(&self, owner: &Owner) -> bool {
        match &owner.session {
            Some(session) => self.targets().get(session).is_none(),
            None => owner.standing == Err(super::owner::Barrier::Unknown),
        }
    }

    /// Sends a request with the headers that its eligibility has, and without those that the page made up.
    fn go_on(&self, paused: &RequestPaused, held: Held, eligibility: Option<Eligibility>, intercept: bool) {
        let set = eligibility.and_then(|eligibility| self.request_headers(eligibility));
        if set.is_none() && paused.forged().next().is_none() {
            return self.sent(paused, held.send(None, intercept));
        }
        let kept = paused.request.headers.iter().filter(|(name, _)| HeaderName::from_name(name).is_none());
        let kept = kept.map(|(name, value)| Header {
            name: name.clone(),
            value: value.as_str().unwrap_or_default().to_owned(),
        });
        let set = set.into_iter().flat_map(|set| {
            let header = |name: HeaderName, value| Header { name: name.as_str().to_owned(), value };
            [header(HeaderName::Eligible, set.eligible), header(HeaderName::Support, set.support)]
        });
        self.sent(paused, held.send(Some(kept.chain(set).collect()), intercept));
    }

    /// A request whose frame has gone meanwhile is not sent, and nobody will say how it ends.
    fn sent(&self, paused: &RequestPaused, sent: Option<Reply>) {
        let Some(sent) = sent else { return };
        let (host, id) = (self.clone(), paused.id());
        self.spawn(async move {
            if let Err(ProtocolError::Refused { .. }) = sent.within::<serde_json::Value>(ANSWER).await {
                host.ended(&id);
            }
        });
    }
}

/// What the request says: a navigation that no eligible link led to says nothing, and registers nothing.
fn sent(request: &Request) -> Option<Eligibility> {
    (request.surface != Surface::Navigation).then_some(request.eligibility)
}
