//! The browser as a whole.

use std::{path::Path, sync::Arc, time::Duration};

use ascribe_agent::UserAgent;
use rustix::process::geteuid;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{sync::broadcast, time::timeout};

use crate::{
    Attempt, LaunchError, LaunchOptions, Page, PageError,
    cdp::{self, ProtocolError},
    chromium::{self, Process, Profile},
    host::Host,
};

/// A running Chromium whose pages have the API; dropping it ends it at once.
pub struct Browser {
    host: Host,
    process: Process,
    // After the process in the order of dropping: a temporary profile goes when nobody writes to it.
    profile: Profile,
}

/// Chromium has this long to answer for the first time.
const START: Duration = Duration::from_secs(60);

impl Browser {
    /// Starts Chromium and attaches to everything in it, before any page is opened.
    ///
    /// # Errors
    /// When there is no Chromium, or it cannot be started with these options.
    pub async fn launch(options: LaunchOptions) -> Result<Self, LaunchError> {
        let program = chromium::find(options.chromium.as_deref())?;
        let profile = Profile::open(options.profile.as_deref()).map_err(LaunchError::Profile)?;
        profile.set_preferences(options.third_party_cookies).map_err(LaunchError::Profile)?;
        let home = chromium::home_that_trusts(profile.path(), &options.network.ca_certificates)?;
        let arguments = chromium::arguments(&options, profile.path(), geteuid().is_root())?;
        let (mut process, pipes) = Process::start(&program, &arguments, home.as_deref())?;
        let (client, reader) = cdp::connect(pipes);
        let journal = match options.profile {
            Some(_) => ascribe_agent::Profile::Dir(profile.path().join("ascribe")),
            None => ascribe_agent::Profile::Ephemeral,
        };
        let agent = ascribe_agent::Options { network: options.network, ..options.agent };
        let host = Host::open(
            client,
            journal,
            agent,
            options.third_party_cookies,
            options.greasing,
            options.exempt_origin,
        )?;
        let events = host.clone();
        tokio::spawn(async move { reader.run(&events).await });
        let started = timeout(START, host.start()).await;
        if !matches!(started, Ok(Ok(()))) {
            host.shut_down().await;
        }
        match started {
            Ok(Ok(())) => Ok(Self { host, process, profile }),
            Ok(Err(ProtocolError::Closed)) => {
                let status = process.end().await.ok();
                Err(LaunchError::Ended { status, stderr: process.last_words() })
            }
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(ProtocolError::TimedOut { method: "Target.setAutoAttach", after: START }.into()),
        }
    }

    /// Opens a page in the default browser context and waits until it has loaded.
    ///
    /// # Errors
    /// When the page cannot be opened, or the URL not be loaded.
    pub async fn open(&self, url: &str) -> Result<Page, PageError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Created {
            target_id: Arc<str>,
        }
        let created = self.host.client().ask(None, "Target.createTarget", json!({"url": url}));
        let page = Page::new(self.host.clone(), created.within::<Created>(START).await?.target_id).await?;
        page.first_load(url).await?;
        Ok(page)
    }

    /// All pages, in the order in which they were opened: by this program, by a page, or by the browser on its own.
    ///
    /// # Errors
    /// When Chromium does not answer.
    pub async fn pages(&self) -> Result<Vec<Page>, PageError> {
        let mut pages = Vec::new();
        for id in self.host.page_ids() {
            pages.push(Page::new(self.host.clone(), id).await?);
        }
        Ok(pages)
    }

    /// What becomes of every response that registers something, or should, from now on.
    #[must_use]
    pub fn attempts(&self) -> broadcast::Receiver<Attempt> {
        self.host.subscribe()
    }

    /// The user agent of the default browser context.
    #[must_use]
    pub fn user_agent(&self) -> UserAgent {
        self.host.default_agent()
    }

    /// The user agents of all browser contexts, with Chromium's names for them; the default one has none, and is
    /// the first.
    #[must_use]
    pub fn contexts(&self) -> Vec<(Option<Arc<str>>, UserAgent)> {
        self.host.agents()
    }

    /// Waits until no request was under way for 150 ms, and what came back is processed. A page that always has
    /// one under way is never idle.
    pub async fn idle(&self) {
        self.host.idle().await;
    }

    /// Waits until Chromium is gone, by itself or by the user.
    pub async fn closed(&self) {
        // The sender lives as long as the host.
        let _ = self.host.closed().wait_for(|closed| *closed).await;
    }

    /// The directory that Chromium keeps its own data in.
    #[must_use]
    pub fn profile(&self) -> &Path {
        self.profile.path()
    }

    /// The TCP port on 127.0.0.1 that other programs drive the browser through, if it was launched with one; Chromium
    /// chooses it when that was 0.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        // Chromium writes it down once it listens.
        let file = std::fs::read_to_string(self.profile.path().join("DevToolsActivePort")).ok()?;
        file.lines().next()?.parse().ok()
    }

    /// What Chromium said last on its standard error.
    #[must_use]
    pub fn last_words(&self) -> String {
        self.process.last_words()
    }

    /// Closes Chromium in order, so that its profile is written; a Chromium that hangs is killed.
    pub async fn close(mut self) {
        let closed = self.host.client().ask(None, "Browser.close", json!({}));
        // It may close the pipe before it has answered.
        let _ = closed.within::<Value>(Duration::from_secs(2)).await;
        self.host.shut_down().await;
        if let Err(error) = self.process.end().await {
            tracing::warn!(%error, "Chromium's end was not seen");
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The profile can be opened again a moment later, whoever still holds its user agent.
        self.host.shut_down_soon();
    }
}
