//! Who may talk to the internals page: whoever knows its token, through no other page.
//!
//! The server listens on loopback, where every program of the machine and every page of every browser could
//! try. What keeps them out:
//! - *Token*: 256 random bits of this start. Programs send it as a bearer token. A browser brings it once, in
//!   the printed address, and gets a cookie of its own for it, so that it stays in no history.
//! - *Cookie*: `HttpOnly` and `SameSite=Strict`; cookies do not know ports, so its path is random too: other
//!   servers on loopback are never sent it. It is another secret than the token, and as good as this process
//!   lives.
//! - *`Host`*: must be this address. A name that is made to point here (DNS rebinding) is another.
//! - *`Origin`, `Sec-Fetch-Site`*: when a browser says that another page asks, it is turned away.
//! - *`frame-ancestors 'none'` and a strict policy*: nobody frames the page; no script but its own runs in it.

use std::{collections::VecDeque, net::SocketAddr, sync::Mutex};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use rand::{TryRng, rngs::SysRng};
use subtle::ConstantTimeEq;

use super::{Shared, error::Error};

/// A random secret in hexadecimal; compared in constant time.
#[derive(Clone)]
pub(crate) struct Secret(String);

/// What requests are checked against.
pub(crate) struct Guard {
    /// The values of `Host` that mean this server.
    hosts: [String; 2],
    /// The random directory that everything is in, without slashes.
    directory: String,
    token: Secret,
    /// The cookies that were given out, oldest first.
    sessions: Mutex<VecDeque<Secret>>,
}

/// More browsers than this are not looking at once: the oldest is forgotten.
const MAX_SESSIONS: usize = 32;
/// The name of the cookie.
const COOKIE: &str = "ascribe-internals";

impl Secret {
    /// So many random bytes of the operating system.
    fn new(bytes: usize) -> Result<Self, rand::rngs::SysError> {
        let mut random = vec![0; bytes];
        SysRng.try_fill_bytes(&mut random)?;
        Ok(Self(random.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// Whether somebody else says the same, in a time that does not tell how much of it is right.
    fn is(&self, claimed: &str) -> bool {
        self.0.as_bytes().ct_eq(claimed.as_bytes()).into()
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Guard {
    pub(crate) fn new(address: SocketAddr) -> Result<Self, rand::rngs::SysError> {
        Ok(Self {
            hosts: [address.to_string(), format!("localhost:{}", address.port())],
            directory: Secret::new(8)?.0,
            token: Secret::new(32)?,
            sessions: Mutex::default(),
        })
    }

    pub(crate) fn token(&self) -> &Secret {
        &self.token
    }

    pub(crate) fn directory(&self) -> &str {
        &self.directory
    }

    /// Gives a cookie for the token.
    pub(crate) fn exchange(&self, token: &str) -> Result<HeaderValue, Error> {
        if !self.token.is(token) {
            return Err(Error::Unauthorized);
        }
        let failed = |_| Error::Failed("the operating system has no randomness".to_owned());
        let session = Secret::new(32).map_err(failed)?;
        let cookie =
            format!("{COOKIE}={}; Path=/{}/; HttpOnly; SameSite=Strict", session.as_str(), self.directory);
        let mut sessions = self.sessions.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if sessions.len() >= MAX_SESSIONS {
            sessions.pop_front();
        }
        sessions.push_back(session);
        Ok(HeaderValue::from_str(&cookie).expect("hexadecimal digits and the text around are visible ASCII"))
    }

    fn knows_host(&self, headers: &HeaderMap) -> bool {
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = hosts.next().and_then(|host| host.to_str().ok());
        hosts.next().is_none() && host.is_some_and(|host| self.hosts.iter().any(|known| known == host))
    }

    /// Whether a browser says that another page asks.
    fn is_foreign(headers: &HeaderMap, navigation_with_token: bool) -> bool {
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
        let host = text("host").unwrap_or_default();
        let foreign_origin =
            text("origin").is_some_and(|origin| origin.strip_prefix("http://") != Some(host));
        let foreign_site = match text("sec-fetch-site") {
            None | Some("same-origin" | "none") => false,
            // Whoever has a link with the token in it may follow it.
            Some(_) => !(navigation_with_token && text("sec-fetch-dest") == Some("document")),
        };
        foreign_origin || foreign_site
    }

    /// Whether a request has the token, or a cookie for it.
    pub(crate) fn is_authorized(&self, method: &Method, headers: &HeaderMap) -> bool {
        let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        if let Some(bearer) = text(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer ")) {
            return self.token.is(bearer);
        }
        // Browsers name the origin of whatever changes something.
        if *method != Method::GET && !headers.contains_key(header::ORIGIN) {
            return false;
        }
        let cookies = text(header::COOKIE).unwrap_or_default().split("; ");
        let mut claimed = cookies.filter_map(|cookie| cookie.strip_prefix(COOKIE)?.strip_prefix('='));
        let sessions = self.sessions.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        claimed.any(|claimed| sessions.iter().any(|session| session.is(claimed)))
    }
}

/// Lets through what is asked of this server, by nobody else's page.
pub(crate) async fn check_origin(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let guard = &shared.guard;
    let answer = if !guard.knows_host(request.headers()) {
        Error::WrongHost.into_response()
    } else if Guard::is_foreign(request.headers(), super::page::has_token(request.uri())) {
        Error::ForeignOrigin.into_response()
    } else {
        next.run(request).await
    };
    with_security_headers(answer)
}

/// Lets through whoever has the token or a cookie for it.
pub(crate) async fn check_token(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    if shared.guard.is_authorized(request.method(), request.headers()) {
        next.run(request).await
    } else {
        Error::Unauthorized.into_response()
    }
}

/// Every answer has these, refusals too.
fn with_security_headers(mut answer: Response) -> Response {
    let headers = answer.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}

const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'";
