//! Everything between Chromium's events and the agent.
//!
//! The host attaches to every page, frame and worker before it runs ([`targets`]), and knows which frame stands
//! in which page ([`frames`]).

mod frames;
mod protocol;
mod targets;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::cdp::{Client, Event, Events, ProtocolError, SessionId};

use self::{frames::Frames, targets::Targets};

pub(crate) use self::targets::PageState;

/// The host of one browser; cloning gives another handle to it.
#[derive(Clone)]
pub(crate) struct Host(Arc<Inner>);

struct Inner {
    client: Client,
    targets: Mutex<Targets>,
    frames: Mutex<Frames>,
    closed: watch::Sender<bool>,
}

impl Host {
    pub(crate) fn new(client: Client) -> Self {
        let (closed, _) = watch::channel(false);
        Self(Arc::new(Inner { client, targets: Mutex::default(), frames: Mutex::default(), closed }))
    }

    /// Attaches to everything that there is and will be.
    pub(crate) async fn start(&self) -> Result<(), ProtocolError> {
        self.attach_to_everything().await
    }

    pub(crate) fn client(&self) -> &Client {
        &self.0.client
    }

    /// Turns true when Chromium is gone.
    pub(crate) fn closed(&self) -> watch::Receiver<bool> {
        self.0.closed.subscribe()
    }

    fn targets(&self) -> MutexGuard<'_, Targets> {
        lock(&self.0.targets)
    }

    fn frames(&self) -> MutexGuard<'_, Frames> {
        lock(&self.0.frames)
    }
}

/// What is behind these locks stays whole when a thread panics: each holds for one plain change.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Events for Host {
    fn event(&self, event: &Event<'_>) {
        tracing::trace!(method = event.method, session = event.session, "{}", event.beginning());
        let session = event.session.map(SessionId::from);
        match (event.method, session) {
            ("Target.attachedToTarget", session) => {
                event.parse().into_iter().for_each(|attached| self.attached(attached, session.as_ref()));
            }
            ("Target.detachedFromTarget", _) => {
                event.parse().into_iter().for_each(|detached| self.detached(&detached));
            }
            ("Target.targetCrashed" | "Inspector.targetCrashed", Some(session)) => self.crashed(&session),
            ("Page.frameAttached", Some(session)) => {
                event.parse().into_iter().for_each(|attached| self.frame_attached(&attached, &session));
            }
            ("Page.frameNavigated", Some(session)) => {
                event.parse().into_iter().for_each(|navigated| self.frame_navigated(navigated, &session));
            }
            ("Page.frameDetached", _) => {
                event.parse().into_iter().for_each(|detached| self.frame_detached(&detached));
            }
            ("Page.loadEventFired", Some(session)) => self.loaded(&session),
            _ => {}
        }
    }

    fn skipped(&self, _beginning: &[u8]) {
        tracing::warn!("a message of Chromium's is too long");
    }

    fn closed(&self) {
        self.0.closed.send_replace(true);
    }
}
