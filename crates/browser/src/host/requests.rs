//! The requests under way, and how many there may be.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use ascribe_agent::NavigationId;

use super::{
    owner::Owner,
    protocol::{FrameId, LoaderId},
    request::Request,
};

/// Every request that the host knows of, by its name in the protocol's Network domain.
#[derive(Default)]
pub(super) struct Requests {
    requests: HashMap<Arc<str>, Request>,
    /// In the order of their beginning, so that old ones make room.
    order: VecDeque<Arc<str>>,
    background: HashMap<FrameId, usize>,
    /// Navigations whose page is gone, but which still have requests under way.
    leaving: HashMap<NavigationId, Arc<Owner>>,
}

/// More requests than this are not remembered: the oldest are forgotten.
const MAX_REQUESTS: usize = 10_000;
/// "30 concurrent attributionsrc requests per frame": the shim counts, and drops what is more, when it processes the
/// attribute.
pub(super) const MAX_BACKGROUND: usize = 30;
/// However the shim is made to count, the host lets a frame have no more. That is never less than a page may have:
/// Chromium counts the requests of frames that still show their first document to the frame around them, and requests
/// of the document before may be under way.
pub(super) const BACKGROUND_BOUND: usize = 10 * MAX_BACKGROUND;

impl Requests {
    pub(super) fn get(&mut self, id: &str) -> Option<&mut Request> {
        self.requests.get_mut(id)
    }

    /// A request begins; gives back one that had to make room.
    pub(super) fn begin(&mut self, id: &Arc<str>, mut request: Request, url: &str) -> Option<Request> {
        request.follow(url);
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
        request.follow(url);
        Some(request)
    }

    /// Whether a frame has as many background requests under way as it may.
    pub(super) fn is_full(&self, frame: &FrameId) -> bool {
        self.background.get(frame).is_some_and(|count| *count >= BACKGROUND_BOUND)
    }

    /// A request has come to its end; true when it had not before. Late headers still find it.
    pub(super) fn end(&mut self, id: &str) -> bool {
        let Some(request) = self.requests.get_mut(id).filter(|request| !request.ended) else { return false };
        request.ended = true;
        self.release(id);
        true
    }

    /// A request does not count any more among those that a frame may have at once. Its end may still be to come.
    pub(super) fn release(&mut self, id: &str) {
        if let Some(request) = self.requests.get_mut(id)
            && std::mem::replace(&mut request.counts, false)
            && let Some(count) = self.background.get_mut(&request.owner.frame)
        {
            *count -= 1;
            if *count == 0 {
                self.background.remove(&request.owner.frame);
            }
        }
    }

    /// Whether a frame's parser may be waiting for a script or style sheet.
    pub(super) fn is_parser_blocked(&self, frame: &FrameId) -> bool {
        self.requests
            .values()
            .any(|request| request.blocks_parser && !request.ended && request.owner.frame == *frame)
    }

    /// The page that a navigation landed on is gone; true when nothing of it is under way any more.
    pub(super) fn leave(&mut self, navigation: NavigationId, owner: &Arc<Owner>) -> bool {
        let is_over = !self.involves(navigation);
        if !is_over {
            self.leaving.insert(navigation, Arc::clone(owner));
        }
        is_over
    }

    /// Navigations whose page is gone and whose last request has ended since.
    pub(super) fn left(&mut self) -> Vec<(NavigationId, Arc<Owner>)> {
        if self.leaving.is_empty() {
            return Vec::new();
        }
        let over: Vec<_> =
            self.leaving.keys().copied().filter(|navigation| !self.involves(*navigation)).collect();
        over.into_iter().filter_map(|navigation| self.leaving.remove_entry(&navigation)).collect()
    }

    /// Whether a request is under way that may register something for a navigation.
    fn involves(&self, navigation: NavigationId) -> bool {
        let of = Some(navigation);
        self.requests.values().any(|r| !r.ended && (r.navigation == of || r.owner.landing == of))
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
                && !request.holds_responses()
                && owner.frame == *frame
                && (present.is_none() || owner.loader.as_ref() != present)
        };
        self.requests.iter().filter(|(_, request)| left(request)).map(|(id, _)| Arc::clone(id)).collect()
    }

    /// The requests of a session that is gone: nobody will say how they end.
    pub(super) fn of_session(&self, session: &str) -> Vec<Arc<str>> {
        let of_session = |request: &Request| request.owner.session.as_deref() == Some(session);
        let unended = self.requests.iter().filter(|(_, request)| !request.ended && of_session(request));
        unended.filter(|(_, request)| !request.outlives).map(|(id, _)| Arc::clone(id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Surface, host::request::tests::request};

    #[test]
    fn the_background_requests_of_a_frame_are_bounded() {
        let mut requests = Requests::default();
        let frame: FrameId = "frame".into();
        for n in 0..BACKGROUND_BOUND {
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
        requests.begin(&"more".into(), request(Surface::ImgBackground), "https://ads.example/");
        assert!(requests.is_full(&frame));
        requests.release("8");
        assert!(!requests.is_full(&frame), "it has failed, if its headers may still come");
        assert!(requests.end("8") && !requests.is_full(&frame));
    }

    #[test]
    fn a_navigation_is_left_when_its_last_request_has_ended() {
        let mut requests = Requests::default();
        let owner = || Arc::clone(&request(Surface::Img).owner);
        let [gone, other] = [NavigationId(1), NavigationId(2)];
        assert!(requests.leave(other, &owner()));
        for (id, navigation) in [("1", gone), ("2", gone), ("3", other)] {
            let mut request = request(Surface::LinkBackground);
            request.navigation = Some(navigation);
            requests.begin(&id.into(), request, "https://ads.example/");
        }
        assert!(!requests.leave(gone, &owner()));
        for (id, left) in [("1", 0), ("3", 0), ("2", 1)] {
            requests.end(id);
            assert_eq!(requests.left().len(), left, "{id}");
        }
        assert!(requests.left().is_empty());
    }

    #[test]
    fn a_parser_is_blocked_while_a_script_of_its_frame_is_under_way() {
        let mut requests = Requests::default();
        let (frame, other): (FrameId, FrameId) = ("frame".into(), "other".into());
        requests.begin(&"1".into(), request(Surface::Subresource), "https://ads.example/");
        assert!(!requests.is_parser_blocked(&frame));
        let mut script = request(Surface::Script);
        script.blocks_parser = true;
        requests.begin(&"2".into(), script, "https://ads.example/");
        assert!(requests.is_parser_blocked(&frame) && !requests.is_parser_blocked(&other));
        requests.end("2");
        assert!(!requests.is_parser_blocked(&frame));
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
