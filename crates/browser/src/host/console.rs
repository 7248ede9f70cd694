//! Mistakes are told where developers look: in the page's console.
//!
//! The message comes from the isolated world, whose `console` is not the page's: no script of the page sees it.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use serde_json::{Value, json};

use crate::Attempt;

use super::{Host, owner::Owner};

/// A page that does not take its messages gets no more than this many.
const MAX_MESSAGES: usize = 100;
const PATIENCE: Duration = Duration::from_secs(5);

impl Host {
    /// Tells an attempt to those who look on, and its mistakes to the page's console.
    pub(super) fn tell(&self, attempt: Attempt, owner: &Arc<Owner>) {
        if !attempt.diagnosis.is_empty() {
            self.complain(&attempt, owner);
        }
        // Nobody need look on.
        let _ = self.attempts().send(attempt);
    }

    fn complain(&self, attempt: &Attempt, owner: &Arc<Owner>) {
        let texts: Vec<String> = attempt.diagnosis.iter().map(ToString::to_string).collect();
        let message =
            format!("Attribution Reporting: {} ({}): {}", attempt.url, attempt.surface, texts.join("; "));
        let session = self.frames().get(&owner.frame).map(|frame| Arc::clone(&frame.session));
        let Some(session) = session else { return };
        if self.messages().fetch_add(1, Ordering::AcqRel) >= MAX_MESSAGES {
            self.messages().fetch_sub(1, Ordering::AcqRel);
            return;
        }
        let (host, owner) = (self.clone(), Arc::clone(owner));
        self.runtime().spawn(async move {
            if let Ok(world) = host.world(&session, &owner, PATIENCE).await {
                let call = json!({
                    "functionDeclaration": "message => console.warn(message)",
                    "executionContextId": world,
                    "arguments": [{"value": message}],
                });
                // The page may be gone.
                let said = host.client().ask(Some(&session), "Runtime.callFunctionOn", call);
                let _ = said.within::<Value>(PATIENCE).await;
            }
            host.messages().fetch_sub(1, Ordering::AcqRel);
        });
    }
}
