//! Every response: its headers, from whichever source tells them first, once for each hop.
//!
//! The Network domain tells the headers of every hop as they came over the wire, those too whose response the
//! browser blocks, and holds nothing up; but it speaks for as long as the page lives. Responses of requests that
//! may outlive their page are held by the Fetch domain, which knows nothing of the headers of what is blocked.

use std::{sync::Arc, time::Duration};

use ascribe_agent::NavigationId;
use ascribe_headers::HeaderName;

use crate::cdp::SessionId;

use super::{
    Host,
    documents::ComingDocument,
    held::Held,
    owner::Owner,
    protocol::{
        LoadingEnded, RequestPaused, RequestWillBeSent, ResponseReceived, ResponseReceivedExtraInfo, fields,
    },
    registrar::Answered,
    request::Request,
};

/// Headers that come from the wire may be behind the news that the response was blocked.
const LATE_HEADERS: Duration = Duration::from_millis(500);

impl Host {
    /// Headers as they came over the wire.
    pub(super) fn extra_info(&self, extra: &ResponseReceivedExtraInfo) {
        let fields = fields(&extra.headers);
        let location = value(&fields, "location");
        let answered = {
            let mut requests = self.requests();
            let Some(request) = requests.get(&extra.request_id) else { return };
            let hop = request.hop_of_headers(extra.status_code, location.as_deref());
            let is_last = !is_redirect(extra.status_code, location.as_deref());
            answered(request, &extra.request_id, hop, fields, is_last)
        };
        self.answered(answered);
    }

    /// A response that did not come over the wire: one from the disk cache has the headers that it came with.
    /// One that a service worker made up has not.
    pub(super) fn response_received(&self, received: &ResponseReceived) {
        if !received.response.from_disk_cache || received.response.from_service_worker {
            return;
        }
        let answered = {
            let mut requests = self.requests();
            let Some(request) = requests.get(&received.request_id) else { return };
            let hop = request.last_hop();
            answered(request, &received.request_id, hop, fields(&received.response.headers), true)
        };
        self.answered(answered);
    }

    /// A response that is held.
    pub(super) fn response_paused(&self, paused: &RequestPaused, held: Held) {
        let id = paused.id();
        let Some(status) = paused.response_status_code else {
            self.ends_soon(id);
            return drop(held);
        };
        let fields: Vec<_> =
            paused.response_headers.iter().map(|field| (field.name.clone(), field.value.clone())).collect();
        let location = value(&fields, "location");
        let is_last = !is_redirect(status, location.as_deref());
        let policy = value(&fields, "permissions-policy");
        let (answered, coming) = {
            let mut requests = self.requests();
            let Some(request) = requests.get(&id) else { return };
            let hop = request.last_hop();
            let coming =
                ComingDocument { url: paused.request.url.clone(), policy, landing: request.navigation };
            let is_document = request.surface.is_document();
            (answered(request, &id, hop, fields, is_last), (is_document && is_last).then_some(coming))
        };
        if let Some(coming) = coming {
            self.coming().expect(&paused.frame_id, coming);
        }
        self.answered(answered);
        drop(held);
        if is_last {
            self.ended(&id);
        }
    }

    /// A page says that it makes a request.
    pub(super) fn announced(&self, sent: RequestWillBeSent, session: SessionId) {
        let id = Arc::clone(&sent.request_id);
        self.announcements().announce(sent, session);
        let supposed = {
            let mut requests = self.requests();
            let request = requests.get(&id).filter(|request| request.is_provisional);
            request.map(|request| Arc::clone(&request.owner.frame))
        };
        let Some(frame) = supposed else { return };
        let announced = self.announcements().of(&id);
        let owner = Arc::new(self.owner(&frame, announced.as_ref(), None));
        if let Some(request) = self.requests().get(&id) {
            request.owner = owner;
            request.is_provisional = false;
        }
    }

    /// A page says how a request ended. Background requests may outlive their page: their responses tell.
    pub(super) fn loading_ended(&self, ended: &LoadingEnded, well: bool) {
        let is_background = {
            let mut requests = self.requests();
            let Some(request) = requests.get(&ended.request_id) else { return };
            request.surface.is_background()
        };
        if !well {
            self.ends_soon(Arc::clone(&ended.request_id));
        } else if !is_background {
            self.ended(&ended.request_id);
        }
    }

    /// A request has come to its end, but its headers may still be told.
    pub(super) fn ends_soon(&self, id: Arc<str>) {
        self.requests().release(&id);
        let host = self.clone();
        self.spawn(async move {
            tokio::time::sleep(LATE_HEADERS).await;
            host.ended(&id);
        });
    }

    /// Nothing more comes for a request.
    pub(super) fn ended(&self, id: &Arc<str>) {
        let background = {
            let mut requests = self.requests();
            if !requests.end(id) {
                return;
            }
            let request = requests.get(id);
            request.and_then(|request| background_navigation(request))
        };
        if let Some((owner, navigation)) = background {
            self.background_request_finished(&owner, navigation);
        }
        let left = self.requests().left();
        for (navigation, owner) in left {
            self.navigation_ended(&owner, navigation);
        }
    }

    /// The page that a navigation landed on is gone; its requests may still be under way.
    pub(super) fn left(&self, owner: &Arc<Owner>, navigation: NavigationId) {
        let is_over = self.requests().leave(navigation, owner);
        if is_over {
            self.navigation_ended(owner, navigation);
        }
    }

    /// A request had to make room before it came to its end.
    pub(super) fn forgotten(&self, request: &Request) {
        if let Some((owner, navigation)) = background_navigation(request) {
            self.background_request_finished(&owner, navigation);
        }
    }

    fn answered(&self, answered: Option<Answered>) {
        if let Some(answered) = answered {
            self.register(answered);
        }
    }
}

fn background_navigation(request: &Request) -> Option<(Arc<Owner>, NavigationId)> {
    let navigation = request.navigation.filter(|_| request.surface.is_background())?;
    Some((Arc::clone(&request.owner), navigation))
}

/// What the registrar is to know of a hop, unless it knows already.
fn answered(
    request: &mut Request,
    id: &Arc<str>,
    hop: usize,
    fields: Vec<(String, String)>,
    is_last: bool,
) -> Option<Answered> {
    if !request.take(hop) {
        return None;
    }
    let clears_site_data = fields.iter().any(|(name, value)| {
        name.eq_ignore_ascii_case("clear-site-data")
            && (value.contains("\"storage\"") || value.contains("\"*\""))
    });
    let headers: Vec<_> =
        fields.into_iter().filter(|(name, _)| HeaderName::from_name(name).is_some()).collect();
    request.registered_something |= headers
        .iter()
        .any(|(name, _)| HeaderName::from_name(name).is_some_and(|header| header != HeaderName::Info));
    Some(Answered {
        owner: Arc::clone(&request.owner),
        surface: request.surface,
        eligibility: request.eligibility,
        navigation: request.navigation,
        request_id: Arc::clone(id),
        hop,
        url: request.url(hop).to_owned(),
        headers,
        clears_site_data,
        in_vain: is_last && !request.registered_something,
    })
}

fn is_redirect(status: u16, location: Option<&str>) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308) && location.is_some()
}

/// All values of a field, joined as HTTP says.
pub(super) fn value(fields: &[(String, String)], name: &str) -> Option<String> {
    let values: Vec<&str> = fields
        .iter()
        .filter(|(n, _)| n.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
        .collect();
    (!values.is_empty()).then(|| values.join(", "))
}
