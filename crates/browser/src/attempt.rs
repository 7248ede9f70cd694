//! What the host tells of every response that registered something, or should have.

use std::{fmt, sync::Arc};

use ascribe_agent::{Registration, Responded};
use ascribe_headers::Eligibility;
use ascribe_reports::Time;

use crate::Diagnosis;

/// One response that could have registered something, or a mistake that kept a request from it.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// When it was processed, by the agent's clock.
    pub time: Time,
    /// The browser context that it happened in; `None` is the default one.
    pub context: Option<Arc<str>>,
    /// How the page made the request.
    pub surface: Surface,
    /// The page, frame or worker.
    pub page_url: String,
    /// The request; all of its hops have the same.
    pub request_id: Arc<str>,
    /// Which of the request's responses it is, counted from 0; all but the last are redirects.
    pub hop: usize,
    /// The URL that responded, without its fragment.
    pub url: String,
    /// What the request said that it may register.
    pub eligibility: Eligibility,
    /// The response's headers that are of the API, in the response's order.
    pub headers: Vec<(String, String)>,
    /// What became of it, as the agent noted it, with the checks that it met and what chance decided; `None` when the
    /// agent was not asked.
    pub responded: Option<Responded>,
    /// What is wrong with it.
    pub diagnosis: Vec<Diagnosis>,
}

impl Attempt {
    /// What became of it; `None` when the agent was not asked.
    #[must_use]
    pub fn registration(&self) -> Option<&Registration> {
        self.responded.as_ref().map(|responded| &responded.registration)
    }
}

/// How a page makes a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Surface {
    /// The `src` of an `img`.
    Img,
    /// The `src` of a `script`.
    Script,
    /// The URLs of an `img`'s `attributionsrc`.
    ImgBackground,
    /// The URLs of a `script`'s `attributionsrc`.
    ScriptBackground,
    /// The `href` of an `a` or `area` that was followed.
    Link,
    /// The URLs of its `attributionsrc`.
    LinkBackground,
    /// The URL of a `window.open`.
    WindowOpen,
    /// The URLs of its `attributionsrc` features.
    WindowOpenBackground,
    /// `fetch` with `attributionReporting`.
    Fetch,
    /// An `XMLHttpRequest` with `setAttributionReporting`.
    Xhr,
    /// Any other subresource: it may register triggers.
    Subresource,
    /// A navigation that no link with `attributionsrc` led to.
    Navigation,
}

impl Surface {
    /// Whether it is a request that the API makes on its own, beside what the page shows.
    #[must_use]
    pub fn is_background(self) -> bool {
        matches!(
            self,
            Self::ImgBackground | Self::ScriptBackground | Self::LinkBackground | Self::WindowOpenBackground
        )
    }
}

impl Surface {
    /// Whether it is the document of a page or frame.
    pub(crate) fn is_document(self) -> bool {
        matches!(self, Self::Link | Self::WindowOpen | Self::Navigation)
    }
}

impl fmt::Display for Surface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Img => "img",
            Self::Script => "script",
            Self::ImgBackground => "img attributionsrc",
            Self::ScriptBackground => "script attributionsrc",
            Self::Link => "link",
            Self::LinkBackground => "link attributionsrc",
            Self::WindowOpen => "window.open",
            Self::WindowOpenBackground => "window.open attributionsrc",
            Self::Fetch => "fetch",
            Self::Xhr => "XMLHttpRequest",
            Self::Subresource => "subresource",
            Self::Navigation => "navigation",
        })
    }
}
