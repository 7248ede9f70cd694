//! The page itself: its files are part of the program, and nothing of it comes from anywhere else.

use axum::{
    Router,
    extract::State,
    http::{HeaderValue, Uri, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};

use super::{Shared, error::Error};

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// Name, type and text of each file beside the page.
const FILES: [(&str, &str, &str); 10] = [
    ("api.js", SCRIPT, include_str!("page/api.js")),
    ("chips.js", SCRIPT, include_str!("page/chips.js")),
    ("detail.js", SCRIPT, include_str!("page/detail.js")),
    ("dom.js", SCRIPT, include_str!("page/dom.js")),
    ("format.js", SCRIPT, include_str!("page/format.js")),
    ("icon.svg", SVG, include_str!("page/icon.svg")),
    ("main.js", SCRIPT, include_str!("page/main.js")),
    ("style.css", STYLE, include_str!("page/style.css")),
    ("table.js", SCRIPT, include_str!("page/table.js")),
    ("tabs.js", SCRIPT, include_str!("page/tabs.js")),
];

/// The page's files, for those who have a cookie.
pub(super) fn routes() -> Router<Shared> {
    let file = |content_type, text: &'static str| async move { answer(content_type, text) };
    FILES.iter().fold(Router::new(), |router, (name, content_type, text)| {
        router.route(&format!("/{name}"), get(move || file(content_type, text)))
    })
}

/// The printed address: gives a cookie for the token in it and leaves it; without one, the page, for those who
/// have a cookie.
pub(super) async fn enter(State(shared): State<Shared>, uri: Uri, headers: header::HeaderMap) -> Response {
    let Some(token) = token(&uri) else {
        return match shared.guard.is_authorized(&axum::http::Method::GET, &headers) {
            true => answer(HTML, include_str!("page/index.html")),
            false => Error::Unauthorized.into_response(),
        };
    };
    match shared.guard.exchange(token) {
        Ok(cookie) => {
            let mut answer = Redirect::to(&format!("/{}/", shared.guard.directory())).into_response();
            answer.headers_mut().insert(header::SET_COOKIE, cookie);
            answer
        }
        Err(error) => error.into_response(),
    }
}

fn answer(content_type: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static(content_type))], text).into_response()
}

/// Whether the URL has a token, right or wrong.
pub(super) fn has_token(uri: &Uri) -> bool {
    token(uri).is_some()
}

fn token(uri: &Uri) -> Option<&str> {
    uri.query()?.split('&').find_map(|pair| pair.strip_prefix("token="))
}
