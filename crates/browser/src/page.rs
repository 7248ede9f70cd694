//! One page of the browser.

use std::{sync::Arc, time::Duration};

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

use crate::{
    cdp::{ProtocolError, SessionId},
    host::{Host, PageState},
};

mod click;
mod press;

pub use click::{Button, Click};
pub use press::Key;

/// A page; dropping this does not close it.
pub struct Page {
    host: Host,
    id: Arc<str>,
    session: SessionId,
    state: watch::Receiver<PageState>,
}

/// Why something cannot be done with a page.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PageError {
    /// Chromium does not do it.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// The URL cannot be loaded.
    #[error("{url} does not load: {why}")]
    Load {
        /// The URL.
        url: String,
        /// What is wrong.
        why: String,
    },
    /// The script threw.
    #[error("the script threw: {0}")]
    Threw(String),
    /// There is nothing to be clicked on.
    #[error("no element that can be clicked on matches {selector}")]
    NotThere {
        /// The selector.
        selector: String,
    },
    /// It took too long.
    #[error("{what} took longer than {} s", .after.as_secs())]
    TimedOut {
        /// What was waited for.
        what: String,
        /// How long.
        after: Duration,
    },
    /// It was closed, or has crashed.
    #[error("the page is gone")]
    Gone,
}

/// Loading a page, finding an element and running a script may take this long.
const PATIENCE: Duration = Duration::from_secs(30);

impl Page {
    /// The page with this target id, as soon as it is attached to.
    pub(crate) async fn new(host: Host, id: Arc<str>) -> Result<Self, PageError> {
        let state = host.page_state(&id);
        let mut attaching = state.clone();
        let attached =
            timeout(PATIENCE, attaching.wait_for(|state| state.session.is_some() || state.gone)).await;
        let session = match attached {
            Ok(Ok(state)) => state.session.clone().filter(|_| !state.gone).ok_or(PageError::Gone)?,
            Ok(Err(_)) => return Err(PageError::Gone),
            Err(_) => {
                return Err(PageError::TimedOut { what: "attaching to a page".into(), after: PATIENCE });
            }
        };
        Ok(Self { host, id, session, state })
    }

    /// Waits until the page has loaded what it was created with.
    pub(crate) async fn first_load(&self, url: &str) -> Result<(), PageError> {
        // The empty document that every page begins with is not loaded.
        if url.is_empty() || url == "about:blank" {
            return Ok(());
        }
        self.wait(&format!("loading {url}"), |state| state.loaded.is_some()).await?;
        if self.state.borrow().unreachable {
            return Err(PageError::Load { url: url.into(), why: "it cannot be reached".into() });
        }
        Ok(())
    }

    /// Loads a URL and waits for the load event.
    ///
    /// # Errors
    /// When the URL cannot be loaded, or takes longer than 30 seconds.
    pub async fn navigate(&self, url: &str) -> Result<(), PageError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Navigated {
            #[serde(default)]
            loader_id: Option<Arc<str>>,
            #[serde(default)]
            error_text: Option<String>,
        }
        let navigated: Navigated = self.ask("Page.navigate", json!({"url": url})).await?;
        if let Some(why) = navigated.error_text {
            return Err(PageError::Load { url: url.into(), why });
        }
        // Without a new document only the fragment has changed.
        let Some(loader) = navigated.loader_id else { return Ok(()) };
        self.wait(&format!("loading {url}"), |state| state.loaded.as_ref() == Some(&loader)).await
    }

    /// The value of an expression in the page, as JSON; promises are waited for.
    ///
    /// # Errors
    /// When it throws or takes longer than 30 seconds.
    pub async fn evaluate(&self, expression: &str) -> Result<Value, PageError> {
        let params = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let evaluated: Evaluated = self.ask("Runtime.evaluate", params).await?;
        evaluated.value()
    }

    /// Waits until an expression is true.
    ///
    /// # Errors
    /// When it throws, or is not true within 30 seconds.
    pub async fn wait_for(&self, expression: &str) -> Result<(), PageError> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            match self.evaluate(expression).await {
                Ok(Value::Bool(true)) => return Ok(()),
                // The document may just be replaced.
                Ok(_) | Err(PageError::Protocol(ProtocolError::Refused { .. })) => sleep(POLL).await,
                Err(error) => return Err(error),
            }
        }
        Err(PageError::TimedOut { what: format!("waiting for {expression}"), after: PATIENCE })
    }

    /// Whether another document is on its way, or the one that is there has not loaded yet.
    ///
    /// # Errors
    /// When the page is gone.
    pub async fn is_loading(&self) -> Result<bool, PageError> {
        if self.host.is_navigating(&self.id) {
            return Ok(true);
        }
        {
            let state = self.state.borrow();
            if state.gone {
                return Err(PageError::Gone);
            }
            if state.loaded == state.loader {
                return Ok(false);
            }
        }
        // A document that is shown again from memory fires no load event.
        Ok(self.evaluate("document.readyState").await? != "complete")
    }

    /// Waits until the page has loaded another document than the one it had when `act` began.
    ///
    /// # Errors
    /// When `act` fails, or nothing else has loaded within 30 seconds.
    pub async fn navigation<T>(
        &self,
        act: impl Future<Output = Result<T, PageError>>,
    ) -> Result<T, PageError> {
        let before = self.state.borrow().loader.clone();
        let done = act.await?;
        self.wait("a navigation", |state| state.loaded != before && state.loaded == state.loader).await?;
        Ok(done)
    }

    /// Clicks on an element, as a user does: the browser decides what lies at that place.
    ///
    /// # Errors
    /// When there is no such element with an area to click on within 30 seconds.
    pub async fn click(&self, selector: &str, click: Click) -> Result<(), PageError> {
        click::click(self, selector, click).await
    }

    /// Presses a key and lets it go, as a user does: what has the focus hears it.
    ///
    /// # Errors
    /// When Chromium does not answer.
    pub async fn press(&self, key: Key) -> Result<(), PageError> {
        press::press(self, key).await
    }

    /// A picture of what is visible, in PNG.
    ///
    /// # Errors
    /// When Chromium does not draw one.
    pub async fn screenshot(&self) -> Result<Vec<u8>, PageError> {
        #[derive(Deserialize)]
        struct Shot {
            data: String,
        }
        let shot: Shot = self.ask("Page.captureScreenshot", json!({})).await?;
        let unexpected = |why| ProtocolError::Unexpected { method: "Page.captureScreenshot", why };
        base64::Engine::decode(&base64::prelude::BASE64_STANDARD, shot.data)
            .map_err(|error| unexpected(error.to_string()).into())
    }

    /// Closes it.
    ///
    /// # Errors
    /// When Chromium does not answer.
    pub async fn close(self) -> Result<(), PageError> {
        let closed = self.host.client().ask(None, "Target.closeTarget", json!({"targetId": &self.id}));
        closed.within::<Value>(PATIENCE).await?;
        match self.wait("closing a page", |_| false).await {
            Err(PageError::Gone) => Ok(()),
            other => other,
        }
    }

    /// A world beside the page's own, with the same document.
    pub(crate) async fn isolated_world(&self) -> Result<i64, PageError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct World {
            execution_context_id: i64,
        }
        let params = json!({"frameId": &self.id, "worldName": "ascribe"});
        Ok(self.ask::<World>("Page.createIsolatedWorld", params).await?.execution_context_id)
    }

    pub(crate) async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        method: &'static str,
        params: Value,
    ) -> Result<T, PageError> {
        Ok(self.host.client().ask(Some(&self.session), method, params).within(PATIENCE).await?)
    }

    async fn wait(&self, what: &str, until: impl Fn(&PageState) -> bool) -> Result<(), PageError> {
        let mut state = self.state.clone();
        match timeout(PATIENCE, state.wait_for(|state| state.gone || until(state))).await {
            Ok(Ok(state)) if !state.gone => Ok(()),
            Ok(_) => Err(PageError::Gone),
            Err(_) => Err(PageError::TimedOut { what: what.into(), after: PATIENCE }),
        }
    }
}

/// Between two looks at a page.
const POLL: Duration = Duration::from_millis(20);

/// What `Runtime.evaluate` and `Runtime.callFunctionOn` answer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Evaluated {
    result: RemoteObject,
    #[serde(default)]
    exception_details: Option<Exception>,
}

#[derive(Deserialize)]
struct RemoteObject {
    #[serde(default)]
    value: Value,
}

#[derive(Deserialize)]
struct Exception {
    text: String,
    #[serde(default)]
    exception: Option<Thrown>,
}

#[derive(Deserialize)]
struct Thrown {
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    value: Value,
}

impl Evaluated {
    pub(crate) fn value(self) -> Result<Value, PageError> {
        let Some(Exception { text, exception }) = self.exception_details else {
            return Ok(self.result.value);
        };
        let thrown = exception.map(|thrown| thrown.description.unwrap_or_else(|| thrown.value.to_string()));
        Err(PageError::Threw(thrown.unwrap_or(text)))
    }
}
