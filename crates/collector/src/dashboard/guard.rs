//! Who may talk to the dashboard: whoever has logged in or has the token, through no other page.
//!
//! - *Session*: a cookie that no script reads (`HttpOnly`), no other site sends (`SameSite=Strict`) and, where
//!   there is TLS, no clear text carries (`Secure`, `__Host-`).
//! - *`Host`*: an IP address, `localhost` or the configured origin's. A name that is made to point here (DNS
//!   rebinding) is another.
//! - *`Origin`, `Sec-Fetch-Site`*: what changes something comes from this very origin, and with the session's
//!   token in the form.
//! - *Content security policy*: nobody frames it; no script, style or picture but its own.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::{Duration, Instant},
};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header, uri::Authority};
use tokio::sync::Semaphore;

use super::{
    ANSWER, Shared,
    access::Access,
    layout,
    sessions::{self, Sessions},
};
use crate::{
    intake::{self, Limits, RateLimiter},
    server::Peer,
};

#[derive(Debug)]
pub(super) struct Guard {
    access: Access,
    /// The authority of the origin at which a proxy serves it.
    proxied: Option<Authority>,
    secure: bool,
    pub(super) sessions: Sessions,
    lifetime: Duration,
    /// Attempts by address, and of everybody together.
    attempts: RateLimiter,
    all_attempts: RateLimiter,
    /// Hashing takes memory and time: one after the other.
    hashing: Semaphore,
    limits: Limits,
}

/// Who asks.
#[derive(Clone, Debug)]
pub(super) enum Visitor {
    /// Somebody who has logged in, with the token that their forms carry.
    Person { csrf: String },
    /// A program with the token.
    Program,
}

/// Five attempts at once from one address, then one a minute.
const ATTEMPT_EVERY: Duration = Duration::from_secs(60);
const ATTEMPTS: u32 = 5;
/// Of everybody together, 50 at once and one in three seconds: 29,000 a day.
const ANY_ATTEMPT_EVERY: Duration = Duration::from_secs(3);
const ANY_ATTEMPTS: u32 = 50;

impl Guard {
    pub(super) fn new(
        access: Access,
        origin: Option<url::Url>,
        over_tls: bool,
        idle: Duration,
        lifetime: Duration,
        limits: Limits,
    ) -> Self {
        let secure = over_tls || origin.as_ref().is_some_and(|origin| origin.scheme() == "https");
        Self {
            access,
            proxied: origin.and_then(|origin| origin.authority().parse().ok()),
            secure,
            sessions: Sessions::new(idle, lifetime),
            lifetime,
            attempts: RateLimiter::with_interval(ATTEMPT_EVERY, ATTEMPTS),
            all_attempts: RateLimiter::with_interval(ANY_ATTEMPT_EVERY, ANY_ATTEMPTS),
            hashing: Semaphore::new(1),
            limits,
        }
    }

    /// Tries a password: the cookie of a new session, or nothing.
    ///
    /// # Errors
    /// When it is too early for an attempt: how long to wait.
    pub(super) async fn log_in(
        &self,
        password: String,
        headers: &HeaderMap,
        peer: Option<&Peer>,
    ) -> Result<Option<HeaderValue>, Duration> {
        // What a client says of its address counts only where a proxy is said to be in front.
        let address = match self.proxied {
            Some(_) => intake::client(headers, peer, &self.limits),
            None => peer.map(|peer| peer.0),
        };
        let address = address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let now = Instant::now();
        // Counted before it is tried, so that many at once are no way around.
        if let Some(wait) = self.attempts.wait(address, now) {
            return Err(wait);
        }
        if let Some(wait) = self.all_attempts.wait(IpAddr::V4(Ipv4Addr::UNSPECIFIED), now) {
            return Err(wait);
        }
        let Some(hash) = self.access.password.clone() else { return Ok(None) };
        let Ok(_one) = self.hashing.acquire().await else { return Ok(None) };
        let right = tokio::task::spawn_blocking(move || hash.is_of(&password)).await.unwrap_or(false);
        if !right {
            tracing::warn!(%address, "a login to the dashboard failed");
            return Ok(None);
        }
        self.attempts.forget(address);
        tracing::info!(%address, "a login to the dashboard");
        Ok(self.sessions.begin(Instant::now()).map(|id| self.cookie(&id, self.lifetime)))
    }

    /// Ends the session of a request, and takes its cookie away.
    pub(super) fn log_out(&self, headers: &HeaderMap) -> HeaderValue {
        self.session_ids(headers).for_each(|id| self.sessions.end(id));
        self.cookie("", Duration::ZERO)
    }

    pub(super) fn takes_passwords(&self) -> bool {
        self.access.password.is_some()
    }

    fn cookie(&self, id: &str, age: Duration) -> HeaderValue {
        let (name, secure) = (self.cookie_name(), if self.secure { "; Secure" } else { "" });
        let age = age.as_secs();
        let cookie = format!("{name}={id}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age}{secure}");
        HeaderValue::try_from(cookie).expect("hexadecimal digits and the text around are visible ASCII")
    }

    fn cookie_name(&self) -> &'static str {
        if self.secure { "__Host-ascribe-dashboard" } else { "ascribe-dashboard" }
    }

    fn session_ids<'h>(&self, headers: &'h HeaderMap) -> impl Iterator<Item = &'h str> {
        let name = self.cookie_name();
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        cookies
            .flat_map(|cookies| cookies.split(';'))
            .filter_map(move |cookie| cookie.trim().strip_prefix(name)?.strip_prefix('='))
    }

    fn visitor(&self, headers: &HeaderMap) -> Option<Visitor> {
        if let Some(token) = bearer(headers) {
            // 32 characters of it are not guessed, however often somebody tries.
            return self.access.is_token(token).then_some(Visitor::Program);
        }
        let now = Instant::now();
        let csrf = self.session_ids(headers).find_map(|id| self.sessions.csrf(id, now))?;
        Some(Visitor::Person { csrf })
    }

    fn knows_host(&self, host: &Authority) -> bool {
        let name = host.host();
        let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        address.parse::<IpAddr>().is_ok()
            || name.eq_ignore_ascii_case("localhost")
            || self.proxied.as_ref() == Some(host)
    }

    /// Whether a request that changes something comes from this origin's own page.
    fn is_own(&self, headers: &HeaderMap, host: &Authority) -> bool {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        if headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin") {
            return false;
        }
        let origin = text(header::ORIGIN).and_then(|origin| origin.parse::<Uri>().ok());
        let Some(origin) = origin else { return false };
        let authority = origin.authority();
        authority.is_some() && (authority == Some(host) || authority == self.proxied.as_ref())
    }
}

impl Visitor {
    /// Whether a form was made for this visitor. No page makes a browser send a program's token.
    pub(super) fn sent(&self, csrf: &str) -> bool {
        match self {
            Self::Person { csrf: own } => sessions::same(own, csrf),
            Self::Program => true,
        }
    }

    /// What forms carry.
    pub(super) fn csrf(&self) -> &str {
        match self {
            Self::Person { csrf } => csrf,
            Self::Program => "",
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Lets through what is asked of this server, by nobody else's page; and bounds the time of answers.
pub(super) async fn protect(State(dashboard): State<Shared>, request: Request, next: Next) -> Response {
    let guard = &dashboard.guard;
    let told = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()?.parse().ok());
    let host: Option<Authority> = told.or_else(|| request.uri().authority().cloned());
    let answer = match host.filter(|host| guard.knows_host(host)) {
        None => layout::refused(StatusCode::MISDIRECTED_REQUEST, "This is not the name of the dashboard."),
        Some(host)
            if !matches!(*request.method(), Method::GET | Method::HEAD)
                && bearer(request.headers()).is_none()
                && !guard.is_own(request.headers(), &host) =>
        {
            layout::refused(StatusCode::FORBIDDEN, "Another page has asked for this: nothing was done.")
        }
        Some(_) => match tokio::time::timeout(ANSWER, next.run(request)).await {
            Ok(answer) => answer,
            Err(_) => layout::refused(StatusCode::GATEWAY_TIMEOUT, "This took too long."),
        },
    };
    with_security_headers(answer)
}

/// Lets through whoever has logged in or has the token.
pub(super) async fn authenticate(
    State(dashboard): State<Shared>,
    mut request: Request,
    next: Next,
) -> Response {
    if let Some(visitor) = dashboard.guard.visitor(request.headers()) {
        request.extensions_mut().insert(visitor);
        return next.run(request).await;
    }
    let query = request.uri().query().unwrap_or_default();
    let for_program = bearer(request.headers()).is_some() || query.contains("format=");
    if for_program || *request.method() != Method::GET {
        let answer = layout::refused(StatusCode::UNAUTHORIZED, "Log in first, or bring the token.");
        return ([(header::WWW_AUTHENTICATE, "Bearer realm=\"dashboard\"")], answer).into_response();
    }
    let wanted = request.uri().path_and_query().map_or("/dashboard/", |path| path.as_str());
    let next: String = url::form_urlencoded::byte_serialize(wanted.as_bytes()).collect();
    Redirect::to(&format!("/dashboard/login?next={next}")).into_response()
}

/// Every answer has these, refusals too.
fn with_security_headers(mut answer: Response) -> Response {
    let headers = answer.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        // Nothing to others. With `no-referrer`, browsers would not tell the dashboard itself the origin of a form.
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}

const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; \
     img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'";
