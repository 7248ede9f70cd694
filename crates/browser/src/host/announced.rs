//! What the process that makes a request says of it, before the request is held.
//!
//! It says which document makes the request, and, by what it calls the initiator, whether an element can be behind it:
//! - a style sheet's images are said to come from the parser, at no place; preloads are called so;
//! - what a script has made says no place, unless a parser reads what the script wrote;
//! - what a parser makes says the parser's place, and what the preload scanner makes, which runs ahead of the parser
//!   while that waits for a script, says the place of the tag. A scanner only goes on: a place that is not beyond all
//!   before is the parser's own, and the element, if there is one, in the document.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use tokio::sync::oneshot;

use crate::cdp::SessionId;

use super::{
    protocol::{FrameId, LoaderId, RequestWillBeSent, ResourceType},
    questions::Kind,
};

/// What has been said of requests.
#[derive(Default)]
pub(super) struct Announcements {
    requests: HashMap<Arc<str>, Announced>,
    /// In the order in which they came, so that old ones make room.
    order: VecDeque<Arc<str>>,
    waiting: HashMap<Arc<str>, oneshot::Sender<()>>,
    /// The furthest place that each document's requests have said.
    furthest: HashMap<LoaderId, Place>,
    documents: VecDeque<LoaderId>,
}

/// What the process that makes a request said of it.
#[derive(Clone, Debug)]
pub(super) struct Announced {
    pub(super) session: SessionId,
    /// Empty for workers.
    pub(super) loader: LoaderId,
    pub(super) element: Element,
    /// Of a frame's image or script that was not held (yet): a service worker may be asked for it instead.
    unseen: Option<Unseen>,
}

/// Whether an element makes a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Element {
    /// None does.
    None,
    /// If one does, it exists.
    Present,
    /// One may that the parser still has to make.
    #[default]
    Ahead,
}

#[derive(Clone, Debug)]
struct Unseen {
    frame: FrameId,
    kind: Kind,
    url: Arc<str>,
}

/// A line and a column.
type Place = (f64, f64);

/// More than these are not remembered.
const MAX_REQUESTS: usize = 10_000;
const MAX_DOCUMENTS: usize = 1000;

impl Announcements {
    pub(super) fn announce(&mut self, sent: RequestWillBeSent, session: SessionId) {
        let element = self.element(&sent);
        let RequestWillBeSent { request_id: id, loader_id: loader, frame_id, resource_type, request, .. } =
            sent;
        let kind = match resource_type {
            ResourceType::Image => Some(Kind::Image),
            ResourceType::Script => Some(Kind::Script),
            _ => None,
        };
        let is_from_network = request.url.starts_with("http");
        let unseen = kind.zip(frame_id).filter(|_| is_from_network && !loader.is_empty());
        let unseen = unseen.map(|(kind, frame)| Unseen { frame, kind, url: request.url.into() });
        if let Some(waiting) = self.waiting.remove(&id) {
            // Whoever waited may have given up.
            let _ = waiting.send(());
        }
        let announced = Announced { session, loader, element, unseen };
        if self.requests.insert(Arc::clone(&id), announced).is_none() {
            self.order.push_back(id);
        }
        if self.order.len() > MAX_REQUESTS
            && let Some(oldest) = self.order.pop_front()
        {
            self.requests.remove(&oldest);
        }
    }

    fn element(&mut self, sent: &RequestWillBeSent) -> Element {
        let place = sent.initiator.line_number.zip(sent.initiator.column_number);
        match (&*sent.initiator.kind, place) {
            _ if sent.request.is_link_preload => {
                if let ("parser", Some(place)) = (&*sent.initiator.kind, place) {
                    self.is_beyond(&sent.loader_id, place);
                }
                Element::None
            }
            ("parser", None) => Element::None,
            ("parser", Some(place)) if !self.is_beyond(&sent.loader_id, place) => Element::Present,
            ("script", None) => Element::Present,
            _ => Element::Ahead,
        }
    }

    /// Whether a place is beyond all before.
    fn is_beyond(&mut self, loader: &LoaderId, place: Place) -> bool {
        match self.furthest.get_mut(loader) {
            Some(furthest) if place <= *furthest => false,
            Some(furthest) => {
                *furthest = place;
                true
            }
            None => {
                self.furthest.insert(Arc::clone(loader), place);
                self.documents.push_back(Arc::clone(loader));
                if self.documents.len() > MAX_DOCUMENTS
                    && let Some(oldest) = self.documents.pop_front()
                {
                    self.furthest.remove(&oldest);
                }
                true
            }
        }
    }

    /// What was said of a request that is held now.
    pub(super) fn of(&mut self, id: &str) -> Option<Announced> {
        let announced = self.requests.get_mut(id)?;
        announced.unseen = None;
        Some(announced.clone())
    }

    /// Waits for a request's announcement; none when it is there.
    pub(super) fn wait_for(&mut self, id: &Arc<str>) -> Option<oneshot::Receiver<()>> {
        if self.requests.contains_key(id) {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        self.waiting.retain(|_, waiting| !waiting.is_closed());
        self.waiting.insert(Arc::clone(id), sender);
        Some(receiver)
    }

    /// The latest image or script of a frame that asks for this URL, was never held and passes the test: a service
    /// worker has it. Each is found once.
    pub(super) fn with_service_worker(
        &mut self,
        url: &str,
        is_meant: impl Fn(Kind, &FrameId) -> bool,
    ) -> Option<(Kind, FrameId, Announced)> {
        self.order
            .iter()
            .rev()
            .find_map(|id| {
                let announced = self.requests.get(id)?;
                let Unseen { frame, kind, .. } = announced
                    .unseen
                    .as_ref()
                    .filter(|unseen| &*unseen.url == url && is_meant(unseen.kind, &unseen.frame))?;
                let (kind, frame) = (*kind, Arc::clone(frame));
                Some((kind, frame, Arc::clone(id)))
            })
            .and_then(|(kind, frame, id)| Some((kind, frame, self.of(&id)?)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn element(announcements: &mut Announcements, id: &str, initiator: Value) -> Element {
        let sent = json!({
            "requestId": id, "loaderId": "document", "frameId": "frame", "type": "Image",
            "request": {"url": "https://ads.example/"}, "initiator": initiator,
        });
        announcements.announce(serde_json::from_value(sent).expect("a request"), "session".into());
        announcements.of(id).expect("announced").element
    }

    #[test]
    fn a_place_that_is_not_beyond_all_before_is_the_parsers_own() {
        let mut announcements = Announcements::default();
        let parser = |line: i32, column: i32| json!({"type": "parser", "url": "https://news.example/", "lineNumber": line, "columnNumber": column});
        for (line, column, expected) in [
            (0, 10, Element::Ahead),
            (0, 10, Element::Present),
            (0, 11, Element::Ahead),
            (2, 5, Element::Ahead),
            (1, 90, Element::Present),
            (2, -2, Element::Present),
            (2, 6, Element::Ahead),
        ] {
            assert_eq!(element(&mut announcements, "1", parser(line, column)), expected, "{line}:{column}");
        }
    }

    #[test]
    fn style_sheets_and_scripts_say_no_place() {
        let mut announcements = Announcements::default();
        for (initiator, expected) in [
            (json!({"type": "parser", "url": "https://news.example/sheet.css"}), Element::None),
            (json!({"type": "script", "stack": {"callFrames": []}}), Element::Present),
            (json!({"type": "script", "lineNumber": 0, "columnNumber": 4}), Element::Ahead),
            (json!({"type": "other"}), Element::Ahead),
        ] {
            assert_eq!(element(&mut announcements, "1", initiator.clone()), expected, "{initiator}");
        }
    }

    #[test]
    fn what_was_never_held_is_found_once() {
        let mut announcements = Announcements::default();
        for id in ["held", "passed on"] {
            let sent = json!({
                "requestId": id, "loaderId": "document", "frameId": "frame", "type": "Script",
                "request": {"url": "https://ads.example/"}, "initiator": {"type": "other"},
            });
            announcements.announce(serde_json::from_value(sent).expect("a request"), "session".into());
        }
        assert!(announcements.of("held").is_some());
        assert!(announcements.with_service_worker("https://ads.example/", |_, _| false).is_none());
        assert!(announcements.with_service_worker("https://ads.example/other", |_, _| true).is_none());
        let found = announcements.with_service_worker("https://ads.example/", |kind, _| kind == Kind::Script);
        assert!(found.is_some_and(|(_, frame, _)| &*frame == "frame"));
        assert!(announcements.with_service_worker("https://ads.example/", |_, _| true).is_none());
    }

    #[test]
    fn old_announcements_make_room() {
        let mut announcements = Announcements::default();
        for n in 0..=MAX_REQUESTS {
            element(&mut announcements, &n.to_string(), json!({"type": "other"}));
        }
        assert!(announcements.of("0").is_none() && announcements.of("1").is_some());
        assert!(
            announcements.wait_for(&"0".into()).is_some() && announcements.wait_for(&"1".into()).is_none()
        );
    }
}
