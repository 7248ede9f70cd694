//! Questions to frames: which element makes a request.
//!
//! `probe.js` asks the shim from an isolated world, where the page's scripts do not reach. All questions that
//! come up while a frame is being asked go into one next question. What a frame cannot answer yet, because its
//! parser is behind its preload scanner, is asked again on its own, so that nothing else waits for it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use serde::Deserialize;
use serde_json::json;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout},
};

use crate::{
    cdp::{ProtocolError, SessionId},
    page::Evaluated,
};

use super::{
    Host,
    owner::Owner,
    protocol::{FrameId, LoaderId},
};

/// The name of the isolated world.
const WORLD: &str = "ascribe";
const PROBE: &str = include_str!("../../shim/probe.js");

/// A frame has this long to say whether an element is attributed; its own requests wait meanwhile.
const PATIENCE: Duration = Duration::from_secs(3);
/// An image that no element shows, such as a style sheet's, waits so long for its parser at most: whether there
/// will be an element is known only when the document is complete.
const NO_ELEMENT: Duration = Duration::from_secs(1);
/// A page that is being navigated is not waited for for longer than this.
const SUSPENDED: Duration = Duration::from_millis(50);
/// So long the shim waits for its parser, in milliseconds; then the question is put again.
const PARSER: u64 = 300;
/// A document that is replaced while it is asked is asked again, so often.
const ATTEMPTS: usize = 3;
/// So many URLs go into one question.
const MAX_BATCH: usize = 256;

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Image,
    Script,
}

/// Questions that wait, by frame.
#[derive(Default)]
pub(super) struct Questions {
    frames: HashMap<FrameId, Waiting>,
    /// The isolated worlds, by frame: the document, and its execution context.
    worlds: HashMap<FrameId, (Option<LoaderId>, i64)>,
}

/// What waits until the frame has answered the question before; the frame is being asked while this exists.
type Waiting = Vec<Question>;

struct Question {
    kind: Kind,
    url: String,
    answer: oneshot::Sender<Verdict>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Attributed,
    Not,
    NotYet,
}

#[derive(Deserialize)]
struct Answer {
    images: String,
    scripts: String,
}

impl Questions {
    pub(super) fn forget(&mut self, frame: &str) {
        self.worlds.remove(frame);
    }
}

impl Host {
    /// Whether the element that makes a request has `attributionsrc`.
    pub(super) async fn is_attributed(&self, owner: &Arc<Owner>, kind: Kind, url: &str) -> bool {
        let start = Instant::now();
        let asked = self.batched(owner, kind, url);
        tokio::pin!(asked);
        let mut verdict = loop {
            match timeout(SUSPENDED, &mut asked).await {
                Ok(verdict) => break verdict,
                // A page that is being navigated away from cannot answer any more, but has told.
                Err(_) if self.frames().is_suspended(&owner.frame) => {
                    let told = |session| self.follows().is_source(session, kind, url);
                    return owner.session.as_deref().is_some_and(told);
                }
                Err(_) => {}
            }
        };
        let patience = match kind {
            Kind::Image => NO_ELEMENT,
            Kind::Script => PATIENCE,
        };
        while verdict == Verdict::NotYet && start.elapsed() < patience {
            verdict = self.alone(owner, kind, url).await;
        }
        verdict == Verdict::Attributed
    }

    /// Puts a question together with all others that the frame is asked next.
    async fn batched(&self, owner: &Arc<Owner>, kind: Kind, url: &str) -> Verdict {
        let (answer, verdict) = oneshot::channel();
        let question = Question { kind, url: url.to_owned(), answer };
        let is_first = {
            let mut questions = self.questions();
            let waiting = questions.frames.get_mut(&owner.frame);
            match waiting {
                Some(waiting) => {
                    waiting.push(question);
                    None
                }
                None => {
                    questions.frames.insert(Arc::clone(&owner.frame), Waiting::new());
                    Some(question)
                }
            }
        };
        if let Some(question) = is_first {
            let (host, owner) = (self.clone(), Arc::clone(owner));
            self.spawn(async move { host.ask_batches(&owner, question).await });
        }
        verdict.await.unwrap_or(Verdict::Not)
    }

    async fn ask_batches(&self, owner: &Owner, first: Question) {
        let mut batch = vec![first];
        loop {
            let of = |kind| {
                batch.iter().filter(move |q| q.kind == kind).map(|q| q.url.as_str()).collect::<Vec<_>>()
            };
            let question = json!({"images": of(Kind::Image), "scripts": of(Kind::Script), "wait": 0});
            let answer = self.ask_frame(owner, &question, PATIENCE).await;
            let (mut images, mut scripts) = match &answer {
                Ok(answer) => (answer.images.bytes(), answer.scripts.bytes()),
                Err(error) => {
                    tracing::debug!(%error, frame = &*owner.frame, "a frame does not answer");
                    ("".bytes(), "".bytes())
                }
            };
            for Question { kind, answer, .. } in batch {
                let verdict = match kind {
                    Kind::Image => images.next(),
                    Kind::Script => scripts.next(),
                };
                // The request may be gone.
                let _ = answer.send(Verdict::of(verdict));
            }
            let mut questions = self.questions();
            let Some(waiting) = questions.frames.get_mut(&owner.frame).filter(|waiting| !waiting.is_empty())
            else {
                questions.frames.remove(&owner.frame);
                return;
            };
            batch = waiting.drain(..waiting.len().min(MAX_BATCH)).collect();
        }
    }

    /// Puts a question that the frame could not answer at once, and waits for its parser.
    async fn alone(&self, owner: &Owner, kind: Kind, url: &str) -> Verdict {
        let question = match kind {
            Kind::Image => json!({"images": [url], "wait": PARSER}),
            Kind::Script => json!({"scripts": [url], "wait": PARSER}),
        };
        let Ok(answer) = self.ask_frame(owner, &question, PATIENCE).await else { return Verdict::Not };
        Verdict::of(answer.images.bytes().chain(answer.scripts.bytes()).next())
    }

    async fn ask_frame(
        &self,
        owner: &Owner,
        question: &serde_json::Value,
        patience: Duration,
    ) -> Result<Answer, ProtocolError> {
        const METHOD: &str = "Runtime.callFunctionOn";
        let session = owner.session.as_ref().ok_or(ProtocolError::SessionGone { method: METHOD })?;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let asked = async {
                let world = self.world(session, owner, patience).await?;
                let call = json!({
                    "functionDeclaration": PROBE,
                    "executionContextId": world,
                    "arguments": [{"value": self.secret().as_str()}, {"value": question}],
                    "awaitPromise": true,
                    "returnByValue": true,
                });
                let answer = self.client().ask(Some(session), METHOD, call);
                let value = answer.within::<Evaluated>(patience).await?.value();
                let unexpected = |why: String| ProtocolError::Unexpected { method: METHOD, why };
                let value = value.map_err(|error| unexpected(error.to_string()))?;
                serde_json::from_value(value).map_err(|error| unexpected(error.to_string()))
            };
            match asked.await {
                // The document was replaced: the new one makes the request.
                Err(ProtocolError::Refused { .. }) if attempt < ATTEMPTS => {
                    self.questions().forget(&owner.frame);
                }
                answer => return answer,
            }
        }
    }

    /// The isolated world of a frame's present document.
    pub(super) async fn world(
        &self,
        session: &SessionId,
        owner: &Owner,
        patience: Duration,
    ) -> Result<i64, ProtocolError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Created {
            execution_context_id: i64,
        }
        if let Some((loader, world)) = self.questions().worlds.get(&owner.frame)
            && *loader == owner.loader
        {
            return Ok(*world);
        }
        let params = json!({"frameId": &owner.frame, "worldName": WORLD});
        let created = self.client().ask(Some(session), "Page.createIsolatedWorld", params);
        let world = created.within::<Created>(patience).await?.execution_context_id;
        let known = (owner.loader.clone(), world);
        self.questions().worlds.insert(Arc::clone(&owner.frame), known);
        Ok(world)
    }
}

impl Verdict {
    fn of(letter: Option<u8>) -> Self {
        match letter {
            Some(b'y') => Self::Attributed,
            Some(b'?') => Self::NotYet,
            _ => Self::Not,
        }
    }
}
