//! A proxy, as Chromium's `--proxy-server` and `--proxy-bypass-list` name it.

use std::{fmt, net::IpAddr, str::FromStr};

use super::host_map::{Pattern, host_and_port};

/// A proxy server, and the hosts that are reached without it.
///
/// Loopback addresses and `localhost` names are always reached without it, as in Chromium.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    scheme: Scheme,
    host: String,
    port: u16,
    bypass: Vec<Pattern>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
    Socks5,
}

/// Why text is no proxy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// It is not `[scheme://]host[:port]`, the scheme `http`, `https` or `socks5`.
    #[error("`{0}`: expected `[http|https|socks5]://host[:port]`")]
    Server(String),
    /// A part of a bypass list is no host pattern.
    #[error("`{0}`: expected host patterns, separated by commas or semicolons")]
    Bypass(String),
}

impl Proxy {
    /// Also reaches the hosts of a list without the proxy: host names, separated by `,` or `;`, with `*` for
    /// any characters and a leading `.` for all hosts below a domain.
    ///
    /// # Errors
    /// When a part of it is something else.
    pub fn bypassing(mut self, list: &str) -> Result<Self, ProxyError> {
        for part in list.split([',', ';']).map(str::trim).filter(|part| !part.is_empty()) {
            let below = if part.starts_with('.') { "*" } else { "" };
            let pattern = format!("{below}{part}").parse();
            self.bypass.push(pattern.map_err(|_| ProxyError::Bypass(part.to_owned()))?);
        }
        Ok(self)
    }

    /// Whether a host (IPv6 without brackets) is reached through the proxy.
    pub(crate) fn applies_to(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let local = host == "localhost"
            || host.ends_with(".localhost")
            || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        !local && !self.bypass.iter().any(|pattern| pattern.matches(&host))
    }

    pub(crate) fn bypass_list(&self) -> String {
        let patterns: Vec<_> = self.bypass.iter().map(ToString::to_string).collect();
        patterns.join(";")
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// As the HTTP client names it, with another port if it is mapped: the proxy resolves names.
    pub(crate) fn client_url(&self, mapped_port: Option<u16>) -> String {
        let scheme = if self.scheme == Scheme::Socks5 { "socks5h" } else { self.scheme.as_str() };
        self.with_scheme(scheme, mapped_port.unwrap_or(self.port))
    }

    fn with_scheme(&self, scheme: &str, port: u16) -> String {
        if self.host.contains(':') {
            format!("{scheme}://[{}]:{port}", self.host)
        } else {
            format!("{scheme}://{}:{port}", self.host)
        }
    }
}

impl Scheme {
    fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Socks5 => "socks5",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
            Self::Socks5 => 1080,
        }
    }
}

impl FromStr for Proxy {
    type Err = ProxyError;

    fn from_str(text: &str) -> Result<Self, ProxyError> {
        let invalid = || ProxyError::Server(text.to_owned());
        let (scheme, server) = text.split_once("://").unwrap_or(("http", text));
        let schemes = [Scheme::Http, Scheme::Https, Scheme::Socks5];
        let scheme = schemes.into_iter().find(|s| scheme.eq_ignore_ascii_case(s.as_str()));
        let scheme = scheme.ok_or_else(invalid)?;
        let (host, port) = host_and_port(server.trim_end_matches('/')).ok_or_else(invalid)?;
        Ok(Self { scheme, host, port: port.unwrap_or(scheme.default_port()), bypass: Vec::new() })
    }
}

impl fmt::Display for Proxy {
    /// As Chromium's `--proxy-server` names it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.with_scheme(self.scheme.as_str(), self.port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_a_scheme_a_host_and_a_port() {
        for (text, printed) in [
            ("proxy.test", "http://proxy.test:80"),
            ("proxy.test:3128", "http://proxy.test:3128"),
            ("https://proxy.test/", "https://proxy.test:443"),
            ("SOCKS5://[::1]:9", "socks5://[::1]:9"),
        ] {
            assert_eq!(text.parse::<Proxy>().expect(text).to_string(), printed);
        }
        for text in ["", "ftp://a", "http://", "http://a:b", "http://a/b", "user:secret@a"] {
            assert_eq!(text.parse::<Proxy>(), Err(ProxyError::Server(text.to_owned())));
        }
        assert_eq!(
            "socks5://p.test".parse::<Proxy>().expect("valid").client_url(None),
            "socks5h://p.test:1080"
        );
    }

    #[test]
    fn loopback_and_the_bypass_list_go_without_it() {
        let proxy = "p.test".parse::<Proxy>().expect("valid");
        let proxy = proxy.bypassing("*.internal; .corp.test,exact.test").expect("valid");
        for host in
            ["localhost", "a.localhost", "127.0.0.9", "::1", "a.internal", "x.corp.test", "EXACT.test"]
        {
            assert!(!proxy.applies_to(host), "{host}");
        }
        for host in ["shop.test", "corp.test", "a.exact.test", "10.0.0.1"] {
            assert!(proxy.applies_to(host), "{host}");
        }
        assert_eq!(proxy.bypass_list(), "*.internal;*.corp.test;exact.test");
        assert!(proxy.bypassing("a b").is_err());
    }
}
