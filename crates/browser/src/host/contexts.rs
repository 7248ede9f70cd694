//! One user agent for each browser context: the profile's for the default one, and one in memory for every other.

use std::{collections::HashMap, sync::Arc, time::Duration};

use ascribe_agent::{OpenError, Options, Profile, UserAgent};
use serde::Deserialize;
use serde_json::json;

use super::Host;

/// The user agents.
pub(super) struct Contexts {
    options: Options,
    default: UserAgent,
    /// What Chromium calls the default context.
    default_name: Option<Arc<str>>,
    others: HashMap<Arc<str>, UserAgent>,
}

impl Contexts {
    pub(super) fn open(profile: Profile, options: Options) -> Result<Self, OpenError> {
        let default = UserAgent::open(profile, options.clone())?;
        run(&default);
        Ok(Self { options, default, default_name: None, others: HashMap::new() })
    }

    fn agent(&mut self, context: Option<&Arc<str>>) -> Result<UserAgent, OpenError> {
        let Some(context) = context else { return Ok(self.default.clone()) };
        if let Some(agent) = self.others.get(context) {
            return Ok(agent.clone());
        }
        let agent = UserAgent::open(Profile::Ephemeral, self.options.clone())?;
        run(&agent);
        self.others.insert(Arc::clone(context), agent.clone());
        Ok(agent)
    }
}

fn run(agent: &UserAgent) {
    let agent = agent.clone();
    tokio::spawn(async move { agent.run().await });
}

impl Host {
    /// The user agent of a browser context; `None` is the default context.
    pub(super) fn agent(&self, context: Option<&Arc<str>>) -> Option<UserAgent> {
        // Called from the registrar's thread, too.
        let _runtime = self.runtime().enter();
        let agent = self.contexts().agent(context);
        agent.inspect_err(|error| tracing::error!(%error, "a browser context has no user agent")).ok()
    }

    pub(crate) fn default_agent(&self) -> UserAgent {
        self.contexts().default.clone()
    }

    /// Every user agent, with the name of its browser context; the default one, without a name, first.
    pub(crate) fn agents(&self) -> Vec<(Option<Arc<str>>, UserAgent)> {
        let contexts = self.contexts();
        let others = contexts.others.iter().map(|(name, agent)| (Some(Arc::clone(name)), agent.clone()));
        std::iter::once((None, contexts.default.clone())).chain(others).collect()
    }

    /// Sends nothing more, and lets go of the profile.
    pub(crate) async fn shut_down(&self) {
        for (_, agent) in self.agents() {
            agent.shutdown().await;
        }
    }

    /// The same, without waiting for it.
    pub(crate) fn shut_down_soon(&self) {
        let host = self.clone();
        self.runtime().spawn(async move { host.shut_down().await });
    }

    pub(super) fn is_default_context(&self, context: &str) -> bool {
        self.contexts().default_name.as_deref() == Some(context)
    }

    /// The context of the page that Chromium opens on its own is the default one.
    pub(super) fn first_context(&self, context: Option<&Arc<str>>) {
        let mut contexts = self.contexts();
        if contexts.default_name.is_none() {
            contexts.default_name = context.cloned();
        }
    }

    /// A target is gone: perhaps its browser context is, too.
    pub(super) fn forget_contexts(&self) {
        if self.contexts().others.is_empty() {
            return;
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Known {
            browser_context_ids: Vec<Arc<str>>,
        }
        let host = self.clone();
        self.spawn(async move {
            tokio::time::sleep(LINGER).await;
            let known = host.client().ask(None, "Target.getBrowserContexts", json!({}));
            let Ok(known) = known.within::<Known>(LINGER).await else { return };
            let gone: Vec<UserAgent> = {
                let mut contexts = host.contexts();
                let gone = contexts.others.extract_if(|name, _| !known.browser_context_ids.contains(name));
                gone.map(|(_, agent)| agent).collect()
            };
            for agent in gone {
                agent.shutdown().await;
            }
        });
    }
}

/// What a context's last page has sent is still processed.
const LINGER: Duration = Duration::from_secs(1);
