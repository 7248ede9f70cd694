//! What all pages have around them.

use axum::{
    Extension,
    extract::State,
    response::{Html, IntoResponse, Response},
};
use http::StatusCode;
use maud::{DOCTYPE, Markup, html};

use super::{Shared, guard::Visitor};
use crate::store::StoreError;

/// The pages, in the order of the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tab {
    Overview,
    Campaigns,
    Aggregatable,
    Jobs,
    Debug,
    Headers,
}

impl Tab {
    const ALL: [Self; 6] =
        [Self::Overview, Self::Campaigns, Self::Aggregatable, Self::Jobs, Self::Debug, Self::Headers];

    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Overview => "/dashboard/",
            Self::Campaigns => "/dashboard/campaigns",
            Self::Aggregatable => "/dashboard/aggregatable",
            Self::Jobs => "/dashboard/jobs",
            Self::Debug => "/dashboard/debug",
            Self::Headers => "/dashboard/headers",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Campaigns => "Campaigns",
            Self::Aggregatable => "Aggregatable",
            Self::Jobs => "Summaries",
            Self::Debug => "Debug reports",
            Self::Headers => "Header errors",
        }
    }
}

/// A page that did not come about.
#[derive(Debug)]
pub(super) enum NoPage {
    Store(StoreError),
    /// What was asked cannot be answered, and why.
    Asked(StatusCode, String),
}

impl From<StoreError> for NoPage {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl IntoResponse for NoPage {
    fn into_response(self) -> Response {
        match self {
            Self::Store(StoreError::TooSlow) => refused(
                StatusCode::SERVICE_UNAVAILABLE,
                "The store took too long to answer. Ask for a shorter time, or for less.",
            ),
            Self::Store(error) => {
                tracing::error!(%error, "a page of the dashboard could not be made");
                refused(StatusCode::SERVICE_UNAVAILABLE, "The store does not answer. The log says why.")
            }
            Self::Asked(status, why) => refused(status, &why),
        }
    }
}

/// A page with the navigation.
pub(super) fn page(tab: Tab, title: &str, visitor: &Visitor, content: Markup) -> Html<String> {
    let body = html! {
        a.skip href="#content" { "Skip to the content" }
        header {
            a.brand href="/dashboard/" { img src="/dashboard/icon.svg" alt="" width="28" height="28"; span.name { "Ascribe " span { "collector" } } }
            form.logout method="post" action="/dashboard/logout" {
                input type="hidden" name="csrf" value=(visitor.csrf());
                button type="submit" { "Log out" }
            }
        }
        nav aria-label="Pages" {
            @for other in Tab::ALL {
                a href=(other.path()) aria-current=[(other == tab).then_some("page")] { (other.title()) }
            }
        }
        main #content tabindex="-1" { h1 { (title) } (content) }
    };
    document(title, body)
}

/// A page without.
pub(super) fn bare(title: &str, content: Markup) -> Html<String> {
    document(title, html! { main.bare { (content) } })
}

fn document(title: &str, body: Markup) -> Html<String> {
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { (title) " · Ascribe collector" }
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                link rel="icon" href="/dashboard/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/dashboard/style.css";
                script src="/dashboard/script.js" defer {}
            }
            body { (body) }
        }
    };
    Html(document.into_string())
}

/// A short answer that says why there is no other.
pub(super) fn refused(status: StatusCode, why: &str) -> Response {
    let content = html! {
        div.card.refused { h1 { (status.canonical_reason().unwrap_or("Not answered")) } p { (why) } p { a href="/dashboard/" { "To the overview" } } }
    };
    (status, bare("Not answered", content)).into_response()
}

pub(super) async fn not_found(State(_): State<Shared>, Extension(_): Extension<Visitor>) -> Response {
    refused(StatusCode::NOT_FOUND, "There is no such page.")
}
