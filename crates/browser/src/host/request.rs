//! A request under way: what it may register, and which of its hops have been answered.

use std::sync::Arc;

use ascribe_agent::NavigationId;
use ascribe_headers::Eligibility;
use url::Url;

use crate::Surface;

use super::owner::Owner;

/// More redirects than this are followed by no browser.
const MAX_HOPS: usize = 64;

/// A request and its redirects.
pub(super) struct Request {
    pub(super) owner: Arc<Owner>,
    pub(super) surface: Surface,
    pub(super) eligibility: Eligibility,
    /// The navigation that a navigation request is, or that a background request belongs to.
    pub(super) navigation: Option<NavigationId>,
    /// Whether it may go on when its page is gone, whose events do not tell its responses then.
    pub(super) outlives: bool,
    /// Whether its document is only supposed.
    pub(super) is_provisional: bool,
    /// Whether its document's parser may wait for it.
    pub(super) blocks_parser: bool,
    hops: Vec<Hop>,
    /// The first hop whose headers have not come on their own.
    next_headers: usize,
    pub(super) registered_something: bool,
    pub(super) ended: bool,
    /// Whether it counts among the background requests that are under way.
    pub(super) counts: bool,
}

struct Hop {
    url: String,
    answered: bool,
}

impl Request {
    pub(super) fn new(owner: Arc<Owner>, surface: Surface, eligibility: Eligibility) -> Self {
        Self {
            owner,
            surface,
            eligibility,
            navigation: None,
            outlives: surface.is_background(),
            is_provisional: false,
            blocks_parser: false,
            hops: Vec::new(),
            next_headers: 0,
            registered_something: false,
            ended: false,
            counts: surface.is_background(),
        }
    }

    /// Whether its responses are held too. That costs time, so that it is done only where the events of the page may
    /// not tell all: for documents, whose headers count before they are shown, for what may outlive its page, and for
    /// shared workers.
    pub(super) fn holds_responses(&self) -> bool {
        self.outlives || self.surface.is_document() || self.owner.is_shared_worker
    }

    /// A request for a URL is sent: the first, or where a redirect leads.
    pub(super) fn follow(&mut self, url: &str) {
        if self.hops.len() < MAX_HOPS {
            self.hops.push(Hop { url: url.to_owned(), answered: false });
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::host::owner::Barrier;

    /// A request of a page that is not known.
    pub(in crate::host) fn request(surface: Surface) -> Request {
        let owner = Owner {
            context: None,
            frame: "frame".into(),
            session: None,
            loader: None,
            url: String::new(),
            standing: Err(Barrier::Unknown),
            fenced: false,
            is_shared_worker: false,
            landing: None,
        };
        Request::new(Arc::new(owner), surface, Eligibility::EventSource)
    }

    #[test]
    fn each_hop_is_processed_once() {
        let mut request = request(Surface::Img);
        request.follow("https://ads.example/0");
        request.follow("https://ads.example/1");
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
            let mut request = request(Surface::Img);
            request.follow("http://ads.example/");
            request.follow("https://ads.example/");
            assert_eq!(request.hop_of_headers(status, location), hop, "{location:?}");
        }
    }
}
