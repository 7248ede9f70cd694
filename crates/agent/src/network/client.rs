//! The HTTP client: one request at a time, which tells a server as little as it can.
//!
//! Spec: "create a report request". No credentials, cookies or referrer; nothing is cached. Every request has
//! a connection, and TLS session, of its own, so that they join no two reports (Chromium: an opaque network
//! partition each). Of an answer's body, no more is read than is asked for. Of the headers, `User-Agent` names
//! Ascribe and its version, never the browser or the person's machine: a server can tell where test traffic
//! comes from. There is no `Origin`, which would say only whom the server is.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use reqwest::{
    Method, Response, StatusCode, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{
        ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, LOCATION, PRAGMA,
        USER_AGENT,
    },
};
use rustls::{ClientConfig, RootCertStore, client::Resumption, crypto::aws_lc_rs};
use rustls_platform_verifier::Verifier;

use super::{
    DeliveryError, NetworkError, NetworkOptions, RedirectError,
    host_map::{HostMap, Target},
    proxy::Proxy,
};

/// Fetch: "If request's redirect count is 20, then return a network error".
pub(super) const MAX_REDIRECTS: usize = 20;
const NAME: &str = concat!("Ascribe/", env!("CARGO_PKG_VERSION"));

/// A client for reports and keys.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    direct: reqwest::Client,
    proxied: Option<(Proxy, reqwest::Client)>,
    host_map: HostMap,
    timeout: Duration,
}

/// An answer to a request for keys.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// Why such a request failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RequestFailed {
    #[error(transparent)]
    NoAnswer(#[from] DeliveryError),
    #[error("the server answered {0}")]
    Status(u16),
    #[error("more than {0} bytes")]
    TooLong(usize),
}

impl Client {
    pub(crate) fn new(options: &NetworkOptions) -> Result<Self, NetworkError> {
        Self::with_resolver(options, Mapped(options.host_map.clone()))
    }

    fn with_resolver(
        options: &NetworkOptions,
        resolver: impl Resolve + Clone + 'static,
    ) -> Result<Self, NetworkError> {
        let tls = tls(options)?;
        let client = |proxy: Option<&Proxy>| {
            let builder = reqwest::Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .http1_only()
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .referer(false)
                .no_gzip()
                .no_proxy()
                .pool_max_idle_per_host(0)
                .default_headers(default_headers())
                .dns_resolver(resolver.clone());
            let builder = match proxy {
                Some(proxy) => {
                    let mapped = match options.host_map.find(proxy.host()) {
                        Some(Target::Host { port, .. }) => *port,
                        _ => None,
                    };
                    builder.proxy(reqwest::Proxy::all(proxy.client_url(mapped))?)
                }
                None => builder,
            };
            builder.build()
        };
        let failed = |error: reqwest::Error| NetworkError::Client(error.to_string());
        let proxied = match &options.proxy {
            Some(proxy) => Some((proxy.clone(), client(Some(proxy)).map_err(failed)?)),
            None => None,
        };
        Ok(Self {
            direct: client(None).map_err(failed)?,
            proxied,
            host_map: options.host_map.clone(),
            timeout: options.timeout,
        })
    }

    /// Delivers a report. Any answer is one, but a redirect that reports do not follow.
    ///
    /// Tries again at once, a single time, when the name is not resolved.
    pub(crate) async fn post_json(&self, url: &str, body: Vec<u8>) -> Result<u16, DeliveryError> {
        let body = bytes_of(body);
        self.in_time(async {
            match self.post_and_follow(url, &body).await {
                Err(DeliveryError::NameNotResolved) => self.post_and_follow(url, &body).await,
                outcome => outcome,
            }
        })
        .await
    }

    /// Fetches a document of so many bytes at most, without following redirects. Tries again as
    /// [`post_json`](Self::post_json) does.
    pub(crate) async fn get(&self, url: &str, max_bytes: usize) -> Result<Answer, RequestFailed> {
        let url = parse(url)?;
        let attempt = || async {
            let response = self.send(Method::GET, &url, None).await?;
            match response.status() {
                StatusCode::OK => Ok(read(response, max_bytes).await?),
                status if status.is_redirection() => {
                    Err(DeliveryError::Redirect(RedirectError::NotAllowed).into())
                }
                status => Err(RequestFailed::Status(status.as_u16())),
            }
        };
        let fetch = async {
            match attempt().await {
                Err(RequestFailed::NoAnswer(DeliveryError::NameNotResolved)) => attempt().await,
                outcome => outcome,
            }
        };
        tokio::time::timeout(self.timeout, fetch).await.unwrap_or(Err(DeliveryError::TimedOut.into()))
    }

    async fn in_time<T>(
        &self,
        task: impl Future<Output = Result<T, DeliveryError>>,
    ) -> Result<T, DeliveryError> {
        tokio::time::timeout(self.timeout, task).await.unwrap_or(Err(DeliveryError::TimedOut))
    }

    /// Fetch: "HTTP-redirect fetch" in mode "same-origin".
    async fn post_and_follow(&self, url: &str, body: &Body) -> Result<u16, DeliveryError> {
        let mut url = parse(url)?;
        let mut method = Method::POST;
        let mut redirects = 0;
        loop {
            let sent_body = (method == Method::POST).then(|| body.clone());
            let response = self.send(method.clone(), &url, sent_body).await?;
            let status = response.status();
            let Some(location) = location(&response) else { return Ok(status.as_u16()) };
            if redirects == MAX_REDIRECTS {
                return Err(RedirectError::TooMany.into());
            }
            let next = location.to_str().ok().and_then(|location| url.join(location).ok());
            let next = next.ok_or(RedirectError::InvalidLocation)?;
            if next.origin() != url.origin() {
                return Err(RedirectError::CrossOrigin.into());
            }
            let see_other =
                [StatusCode::MOVED_PERMANENTLY, StatusCode::FOUND, StatusCode::SEE_OTHER].contains(&status);
            if see_other {
                method = Method::GET;
            }
            url = next;
            redirects += 1;
        }
    }

    /// Sends one request and waits for the header of its answer.
    async fn send(&self, method: Method, url: &Url, body: Option<Body>) -> Result<Response, DeliveryError> {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let request = match &self.proxied {
            Some((proxy, client)) if proxy.applies_to(host) => client.request(method, url.clone()),
            _ => match self.host_map.find(host) {
                Some(Target::NotFound) => return Err(DeliveryError::NameNotResolved),
                Some(Target::Host { host, port }) => {
                    let request = self.direct.request(method, redirected(url, host, *port)?);
                    request.header(HOST, authority(url)?)
                }
                None => self.direct.request(method, url.clone()),
            },
        };
        let request = match body {
            Some(body) => request.header(CONTENT_TYPE, "application/json").body(body),
            None => request,
        };
        request.send().await.map_err(DeliveryError::from_client)
    }
}

type Body = bytes::Bytes;

fn bytes_of(body: Vec<u8>) -> Body {
    body.into()
}

fn tls(options: &NetworkOptions) -> Result<ClientConfig, NetworkError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let failed = |error: rustls::Error| NetworkError::Client(error.to_string());
    let builder = ClientConfig::builder_with_provider(provider.clone());
    let builder = builder.with_safe_default_protocol_versions().map_err(failed)?;
    let certificates = options.certificates()?;
    let trusted_by_user = !certificates.is_empty();
    let mut config = match Verifier::new_with_extra_roots(certificates, provider) {
        Ok(verifier) => {
            let dangerous = builder.dangerous();
            dangerous.with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth()
        }
        Err(error) if trusted_by_user => return Err(failed(error)),
        Err(error) => {
            // A minimal system: loopback can still be reached, and all else fails as untrusted.
            tracing::warn!(%error, "no certificate authority is trusted");
            builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth()
        }
    };
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn default_headers() -> HeaderMap {
    let headers: [(HeaderName, _); 4] =
        [(ACCEPT, "*/*"), (CACHE_CONTROL, "no-cache"), (PRAGMA, "no-cache"), (USER_AGENT, NAME)];
    headers.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect()
}

fn parse(url: &str) -> Result<Url, DeliveryError> {
    url.parse().map_err(|_| DeliveryError::Other("not a URL".to_owned()))
}

/// Where a redirect leads. Without `Location`, its status is an answer like others.
fn location(response: &Response) -> Option<&HeaderValue> {
    let redirects = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    response.headers().get(LOCATION).filter(|_| redirects)
}

/// The URL that leads the client to where a host is mapped. The name stays, for TLS and the resolver; of hosts
/// that are addresses, which no resolver sees, the address changes.
fn redirected(url: &Url, host: &str, port: Option<u16>) -> Result<Url, DeliveryError> {
    let unmappable = || DeliveryError::Other("the host map leads nowhere".to_owned());
    let mut mapped = url.clone();
    if let Some(port) = port {
        mapped.set_port(Some(port)).map_err(|()| unmappable())?;
    }
    if !matches!(url.host(), Some(url::Host::Domain(_))) {
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        mapped.set_host(Some(&host)).map_err(|_| unmappable())?;
    }
    Ok(mapped)
}

fn authority(url: &Url) -> Result<HeaderValue, DeliveryError> {
    let host = url.host_str().unwrap_or_default();
    let authority = match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    HeaderValue::from_str(&authority).map_err(|error| DeliveryError::Other(error.to_string()))
}

async fn read(mut response: Response, max_bytes: usize) -> Result<Answer, RequestFailed> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(DeliveryError::from_client)? {
        if body.len() + chunk.len() > max_bytes {
            return Err(RequestFailed::TooLong(max_bytes));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { headers: std::mem::take(response.headers_mut()), body })
}

/// The resolver of the host map, and else the system's.
#[derive(Clone, Debug)]
struct Mapped(HostMap);

impl Resolve for Mapped {
    fn resolve(&self, name: Name) -> Resolving {
        let name = match self.0.find(name.as_str()) {
            Some(Target::NotFound) => None,
            Some(Target::Host { host, .. }) => Some(host.clone()),
            None => Some(name.as_str().to_owned()),
        };
        Box::pin(async move {
            let name = name.ok_or(DeliveryError::NameNotResolved)?;
            let addresses: Vec<SocketAddr> = match name.parse::<IpAddr>() {
                Ok(address) => vec![(address, 0).into()],
                Err(_) => {
                    let found = tokio::net::lookup_host((name.as_str(), 0)).await;
                    found.map_err(|_| DeliveryError::NameNotResolved)?.collect()
                }
            };
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests;
