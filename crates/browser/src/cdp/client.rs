//! Commands, and who waits for their answers.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};
use tokio::{sync::oneshot, time::timeout};

use super::{ProtocolError, message::Command, message::Refusal, writer::Writer};

/// A session with one page, out-of-process frame or worker. Cloning is cheap.
pub(crate) type SessionId = Arc<str>;

/// The connection; cloning gives another handle to it.
#[derive(Clone)]
pub(crate) struct Client(Arc<Inner>);

struct Inner {
    writer: Writer,
    next_id: AtomicU64,
    closed: AtomicBool,
    waiting: Mutex<HashMap<u64, Waiting>>,
}

struct Waiting {
    method: &'static str,
    session: Option<SessionId>,
    answer: oneshot::Sender<Result<Box<str>, ProtocolError>>,
}

/// An answer to come; dropping it forgets the question.
#[must_use = "use `tell` when the answer does not matter"]
pub(crate) struct Reply {
    client: Client,
    id: u64,
    method: &'static str,
    answer: oneshot::Receiver<Result<Box<str>, ProtocolError>>,
}

impl Client {
    pub(super) fn new(writer: Writer) -> Self {
        let inner = Inner {
            writer,
            next_id: AtomicU64::new(1),
            closed: AtomicBool::new(false),
            waiting: Mutex::default(),
        };
        Self(Arc::new(inner))
    }

    /// Sends a command at once; commands of one session are carried out in the order of the calls.
    pub(crate) fn ask(
        &self,
        session: Option<&SessionId>,
        method: &'static str,
        params: impl Serialize,
    ) -> Reply {
        let id = self.0.next_id.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        let waiting = Waiting { method, session: session.cloned(), answer: sender };
        self.waiting().insert(id, waiting);
        if !self.write(id, session, method, params) {
            self.waiting().remove(&id);
        }
        Reply { client: self.clone(), id, method, answer }
    }

    /// Sends a command whose answer does not matter.
    pub(crate) fn tell(&self, session: Option<&SessionId>, method: &'static str, params: impl Serialize) {
        let id = self.0.next_id.fetch_add(1, Ordering::Relaxed);
        self.write(id, session, method, params);
    }

    /// Whether Chromium still listens.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.closed.load(Ordering::Acquire)
    }

    /// Ends the connection: whoever waits learns that there will be no answer.
    pub(super) fn close(&self) {
        self.0.closed.store(true, Ordering::Release);
        self.waiting().clear();
    }

    /// A session has ended: its commands get no answer.
    pub(crate) fn session_gone(&self, session: &str) {
        let gone: Vec<Waiting> = {
            let mut waiting = self.waiting();
            waiting
                .extract_if(|_, waiting| waiting.session.as_deref() == Some(session))
                .map(|(_, w)| w)
                .collect()
        };
        for Waiting { method, answer, .. } in gone {
            // Whoever waited may have given up.
            let _ = answer.send(Err(ProtocolError::SessionGone { method }));
        }
    }

    pub(super) fn answered(&self, id: u64, result: Result<&str, Refusal>) {
        let Some(Waiting { method, answer, .. }) = self.waiting().remove(&id) else {
            if let Err(Refusal { code, message }) = result {
                tracing::debug!(id, code, message, "Chromium refused a command");
            }
            return;
        };
        let result = result.map(Into::into);
        // Whoever waited may have given up.
        let _ = answer.send(result.map_err(|Refusal { code, message }| ProtocolError::Refused {
            method,
            code,
            message,
        }));
    }

    fn write(
        &self,
        id: u64,
        session: Option<&SessionId>,
        method: &'static str,
        params: impl Serialize,
    ) -> bool {
        if self.is_closed() {
            return false;
        }
        let command = Command { id, method, params, session_id: session.map(|session| &**session) };
        let mut text = serde_json::to_vec(&command).expect("commands are plain structures with string keys");
        text.push(0);
        let sent = self.0.writer.send(text);
        if !sent {
            tracing::error!("Chromium does not read its commands any more");
            self.close();
        }
        sent
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, Waiting>> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reply {
    /// The answer, within some time.
    pub(crate) async fn within<T: DeserializeOwned>(mut self, after: Duration) -> Result<T, ProtocolError> {
        let method = self.method;
        let answer = match timeout(after, &mut self.answer).await {
            Err(_) => return Err(ProtocolError::TimedOut { method, after }),
            Ok(Err(_)) => return Err(ProtocolError::Closed),
            Ok(Ok(answer)) => answer?,
        };
        serde_json::from_str(&answer)
            .map_err(|error| ProtocolError::Unexpected { method, why: error.to_string() })
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.client.waiting().remove(&self.id);
    }
}
