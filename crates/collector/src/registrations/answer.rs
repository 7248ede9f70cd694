//! What a page gets, whatever is registered: a pixel, a script, nothing, or a redirect.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::{asking_origin, value};

/// What the tag is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Pixel,
    Script,
    Empty,
}

/// An answer in the making.
#[derive(Debug)]
pub(super) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: &'static [u8],
}

/// One transparent pixel, as a GIF.
const PIXEL: &[u8] = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";

impl Form {
    /// The name before the extension, and what the extension asks for.
    pub(super) fn of(name: &str) -> (&str, Self) {
        let forms = [(".gif", Self::Pixel), (".js", Self::Script)];
        let known =
            forms.into_iter().find_map(|(extension, form)| Some((name.strip_suffix(extension)?, form)));
        known.unwrap_or((name, Self::Empty))
    }

    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::Pixel => ".gif",
            Self::Script => ".js",
            Self::Empty => "",
        }
    }
}

impl Answer {
    /// An answer without a registration, for the page that asked.
    pub(super) fn new(form: Form, request: &HeaderMap) -> Self {
        let (kind, body) = match form {
            Form::Pixel => ("image/gif", PIXEL),
            Form::Script => ("text/javascript", &b""[..]),
            Form::Empty => ("text/plain", &b""[..]),
        };
        let mut headers = HeaderMap::with_capacity(12);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        // Registered from a cache, a source would be registered again and again.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(
            HeaderName::from_static("cross-origin-resource-policy"),
            HeaderValue::from_static("cross-origin"),
        );
        allow(&mut headers, request);
        Self { status: StatusCode::OK, headers, body }
    }

    /// Adds a header. A value that is none, which no registration prints, is left out.
    pub(super) fn header(&mut self, name: &str, text: &str) {
        let name = HeaderName::from_bytes(name.as_bytes()).ok();
        if let (Some(name), Some(value)) = (name, value(text)) {
            self.headers.insert(name, value);
        }
    }

    /// Sends the browser on, if it can be sent there.
    pub(super) fn redirect(&mut self, url: &str) {
        if let Some(location) = value(url) {
            self.status = StatusCode::FOUND;
            self.headers.insert(header::LOCATION, location);
            self.headers.remove(header::CONTENT_TYPE);
            self.body = b"";
        }
    }

    /// There is no such tag.
    pub(super) fn not_found(mut self) -> Response {
        self.status = StatusCode::NOT_FOUND;
        self.body = b"";
        self.into_response()
    }

    pub(super) fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

/// Answers the question whether a page may send more than a simple request.
pub(super) async fn preflight(request: HeaderMap) -> Response {
    let mut headers = HeaderMap::new();
    allow(&mut headers, &request);
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
    if let Some(asked) = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
    }
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// Any page may read the answer: it says nothing, and no cookie has a part in it. Without leave, a page's fetch
/// would fail, and with it the registration.
fn allow(headers: &mut HeaderMap, request: &HeaderMap) {
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = asking_origin(request) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
}
