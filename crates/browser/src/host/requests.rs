//! The requests under way: what each may register, and which of its hops have been answered.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use ascribe_agent::NavigationId;
use ascribe_headers::Eligibility;
use tokio::sync::oneshot;
use url::Url;

use crate::Surface;

use super::{
    intercept::intercepts,
    owner::{Announced, Owner},
    protocol::{FrameId, LoaderId},
};

/// Every request that the host knows of, by its name in the protocol's Network domain.
#[derive(Default)]
pub(super) struct Requests {
    requests: HashMap<Arc<str>, Request>,
    /// In the order of their beginning, so that old ones make room.
    order: VecDeque<Arc<str>>,
    announced: HashMap<Arc<str>, Announced>,
    announced_order: VecDeque<Arc<str>>,
    waiting: HashMap<Arc<str>, oneshot::Sender<()>>,
    background: HashMap<FrameId, usize>,
}

/// A request and its redirects.
pub(super) struct Request {
    pub(super) owner: Arc<Owner>,
    pub(super) surface: Surface,
    pub(super) eligibility: Eligibility,
    /// The navigation that a navigation request is, or that a background request belongs to.
    pub(super) navigation: Option<NavigationId>,
    hops: Vec<Hop>,
    /// The first hop whose headers have not come on their own.
    next_headers: usize,
    pub(super) registered_something: bool,
    ended: bool,
}

struct Hop {
    url: String,
    answered: bool,
}

/// More requests than this are not remembered: the oldest are forgotten.
const MAX_REQUESTS: usize = 10_000;
/// "30 concurrent attributionsrc requests per frame".
pub(super) const MAX_BACKGROUND: usize = 30;
/// More redirects than this are followed by no browser.
const MAX_HOPS: usize = 64;

impl Request {
    pub(super) fn new(owner: Arc<Owner>, surface: Surface, eligibility: Eligibility) -> Self {
        Self {
            owner,
            surface,
            eligibility,
            navigation: None,
            hops: Vec::new(),
            next_headers: 0,
            registered_something: false,
            ended: false,
        }
    }

    /// The URL of a hop.
    pub(super) fn url(&self, hop: usize) -> &str {
        self.hops.get(hop).map_or("", |hop| &hop.url)
    }

    pub(super) fn last_hop(&self) -> usize {
        self.hops.len().saturating_sub(1)
    }

    /// Whether a hop's response is to be processed now; only the first who asks is told so.
    pub(super) fn take(&mut self, hop: usize) -> bool {
        self.hops.get_mut(hop).is_some_and(|hop| !std::mem::replace(&mut hop.answered, true))
    }

    /// Which hop the next headers that came over the wire belong to.
    ///
    /// No hop is sent before the host has seen it, so that all that can have been answered are known. A hop that
    /// the browser answers itself, from HTTP to HTTPS, has no headers from the wire: it is passed over.
    pub(super) fn hop_of_headers(&mut self, status: u16, location: Option<&str>) -> usize {
        while let (Some(hop), Some(next)) =
            (self.hops.get(self.next_headers), self.hops.get(self.next_headers + 1))
        {
            let upgraded = hop
                .url
                .strip_prefix("http://")
                .is_some_and(|rest| next.url.strip_prefix("https://") == Some(rest));
            if !upgraded || leads_to(&hop.url, status, location, &next.url) {
                break;
            }
            self.next_headers += 1;
        }
        let hop = self.next_headers;
        self.next_headers += 1;
        hop
    }
}

fn leads_to(from: &str, status: u16, location: Option<&str>, to: &str) -> bool {
    let target = || Url::parse(from).ok()?.join(location?).ok();
    (300..400).contains(&status)
        && target().is_some_and(|mut target| {
            target.set_fragment(None);
            target.as_str() == to
        })
}

impl Requests {
    /// A process says that it makes a request.
    pub(super) fn announce(&mut self, id: &Arc<str>, announced: Announced) {
        if let Some(waiting) = self.waiting.remove(id) {
            // Whoever waited may have given up.
            let _ = waiting.send(());
        }
        if self.announced.insert(Arc::clone(id), announced).is_none() {
            self.announced_order.push_back(Arc::clone(id));
        }
        if self.announced_order.len() > MAX_REQUESTS
            && let Some(oldest) = self.announced_order.pop_front()
        {
            self.announced.remove(&oldest);
        }
    }

    pub(super) fn announced(&self, id: &str) -> Option<&Announced> {
        self.announced.get(id)
    }

    /// Waits for a request's announcement.
    pub(super) fn wait_for(&mut self, id: &Arc<str>) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        if self.announced.contains_key(id) {
            let _ = sender.send(());
        } else {
            self.waiting.retain(|_, waiting| !waiting.is_closed());
            self.waiting.insert(Arc::clone(id), sender);
        }
        receiver
    }

    pub(super) fn get(&mut self, id: &str) -> Option<&mut Request> {
        self.requests.get_mut(id)
    }

    /// A request begins; gives back one that had to make room.
    pub(super) fn begin(&mut self, id: &Arc<str>, mut request: Request, url: &str) -> Option<Request> {
        request.hops.push(Hop { url: url.to_owned(), answered: false });
        if request.surface.is_background() {
            *self.background.entry(Arc::clone(&request.owner.frame)).or_default() += 1;
        }
        if self.requests.insert(Arc::clone(id), request).is_none() {
            self.order.push_back(Arc::clone(id));
        }
        if self.order.len() <= MAX_REQUESTS {
            return None;
        }
        let oldest = self.order.pop_front()?;
        self.end(&oldest);
        self.requests.remove(&oldest)
    }

    /// A redirect is followed; gives the request, or nothing when it is not known (any more).
    pub(super) fn redirect(&mut self, id: &str, url: &str) -> Option<&mut Request> {
        let request = self.requests.get_mut(id)?;
        if request.hops.len() < MAX_HOPS {
            request.hops.push(Hop { url: url.to_owned(), answered: false });
        }
        Some(request)
    }

    /// Whether a frame has as many background requests under way as it may.
    pub(super) fn is_full(&self, frame: &FrameId) -> bool {
        self.background.get(frame).is_some_and(|count| *count >= MAX_BACKGROUND)
    }

    /// A request has come to its end; true when it had not before. Late headers still find it.
    pub(super) fn end(&mut self, id: &str) -> bool {
        let Some(request) = self.requests.get_mut(id).filter(|request| !request.ended) else { return false };
        request.ended = true;
        if request.surface.is_background()
            && let Some(count) = self.background.get_mut(&request.owner.frame)
        {
            *count -= 1;
            if *count == 0 {
                self.background.remove(&request.owner.frame);
            }
        }
        true
    }

    /// How many have not come to their end.
    pub(super) fn under_way(&self) -> usize {
        self.requests.values().filter(|request| !request.ended).count()
    }

    /// The requests of a frame's documents other than the given one, save those that outlive their page: of them
    /// the process that made them may tell nothing any more.
    pub(super) fn left_behind(&self, frame: &FrameId, present: Option<&LoaderId>) -> Vec<Arc<str>> {
        let left = |request: &Request| {
            let owner = &request.owner;
            !request.ended
                && !intercepts(request.surface)
                && owner.frame == *frame
                && (present.is_none() || owner.loader.as_ref() != present)
        };
        self.requests.iter().filter(|(_, request)| left(request)).map(|(id, _)| Arc::clone(id)).collect()
    }

    /// The requests of a session that is gone: nobody will say how they end.
    pub(super) fn of_session(&self, session: &str) -> Vec<Arc<str>> {
        let of_session = |request: &Request| request.owner.session.as_deref() == Some(session);
        let unended = self.requests.iter().filter(|(_, request)| !request.ended && of_session(request));
        unended
            .filter(|(_, request)| !request.surface.is_background())
            .map(|(id, _)| Arc::clone(id))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::owner::Barrier;

    fn request(surface: Surface) -> Request {
        let owner = Owner {
            context: None,
            frame: "frame".into(),
            session: None,
            loader: None,
            url: String::new(),
            standing: Err(Barrier::Unknown),
            fenced: false,
            landing: None,
        };
        Request::new(Arc::new(owner), surface, Eligibility::EventSource)
    }

    #[test]
    fn a_frame_may_have_30_background_requests_at_once() {
        let mut requests = Requests::default();
        let frame: FrameId = "frame".into();
        for n in 0..30 {
            assert!(!requests.is_full(&frame), "{n}");
            requests.begin(&n.to_string().into(), request(Surface::ImgBackground), "https://ads.example/");
            requests.begin(
                &format!("plain {n}").into(),
                request(Surface::Subresource),
                "https://ads.example/",
            );
        }
        assert!(requests.is_full(&frame));
        assert!(!requests.is_full(&"other".into()));
        assert!(requests.end("7") && !requests.end("7"), "it ends once");
        assert!(!requests.is_full(&frame));
    }

    #[test]
    fn each_hop_is_processed_once() {
        let mut requests = Requests::default();
        let id: Arc<str> = "1".into();
        requests.begin(&id, request(Surface::Img), "https://ads.example/0");
        requests.redirect(&id, "https://ads.example/1").expect("known");
        let request = requests.get(&id).expect("known");
        let hops = [request.hop_of_headers(302, Some("/1")), request.hop_of_headers(200, None)];
        assert_eq!(hops, [0, 1]);
        assert!(request.take(0) && request.take(1));
        assert!(!request.take(0) && !request.take(1) && !request.take(2));
    }

    #[test]
    fn a_hop_that_the_browser_answers_itself_is_passed_over() {
        for (status, location, hop) in [
            (200, None, 1),
            (302, Some("https://other.example/"), 1),
            (302, Some("https://ads.example/"), 0),
            (302, Some("https://ads.example/#fragment"), 0),
        ] {
            let mut requests = Requests::default();
            let id: Arc<str> = "1".into();
            requests.begin(&id, request(Surface::Img), "http://ads.example/");
            requests.redirect(&id, "https://ads.example/").expect("known");
            assert_eq!(
                requests.get(&id).expect("known").hop_of_headers(status, location),
                hop,
                "{location:?}"
            );
        }
    }

    #[test]
    fn old_requests_make_room() {
        let mut requests = Requests::default();
        for n in 0..MAX_REQUESTS {
            assert!(requests.begin(&n.to_string().into(), request(Surface::Img), "").is_none(), "{n}");
        }
        assert!(requests.begin(&"one more".into(), request(Surface::Img), "").is_some());
        assert_eq!(requests.under_way(), MAX_REQUESTS);
        assert!(requests.get("0").is_none() && requests.get("1").is_some());
    }
}
