//! Suitable origins and sites: who registers, who is attributed, who is told.
//!
//! Spec: "check if an origin is suitable", HTML's "obtain a site" with the public suffix list
//! (private registries included, as Chromium does).

use std::{fmt, net::IpAddr, sync::Arc};

use url::{Host, Position, Url};

/// A scheme and registrable domain, such as `https://advertiser.example`.
///
/// Hosts without a registrable domain (IP addresses, `localhost`, public suffixes) stand for
/// themselves. Ports are not part of a site. Cloning is cheap; ordering is that of the
/// serialization, as the spec sorts sites.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Site(Arc<str>);

/// A potentially trustworthy `http` or `https` origin, such as `https://shop.advertiser.example:8443`.
///
/// Knows its site, so that asking for it costs nothing. Cloning is cheap.
#[derive(Clone)]
pub struct SuitableOrigin {
    serialized: Arc<str>,
    site: Site,
}

/// Why a string or URL is not a suitable origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnsuitableOrigin {
    /// The URL parser rejects it.
    #[error("not a valid URL")]
    InvalidUrl,
    /// It is not HTTPS, nor HTTP on a loopback host.
    #[error("must use HTTPS (or HTTP on localhost or a loopback address)")]
    NotTrustworthy,
}

impl SuitableOrigin {
    /// Parses a URL and keeps its origin; the path, query and fragment are dropped.
    ///
    /// # Errors
    /// When the URL is invalid, or its origin is not suitable.
    pub fn parse(url: &str) -> Result<Self, UnsuitableOrigin> {
        if let Some(host) = plain_https_host(url) {
            let site = Site(format!("https://{}", psl::domain_str(host).unwrap_or(host)).into());
            return Ok(Self::new(&url[.."https://".len() + host.len()], site));
        }
        let url = Url::parse(url).map_err(|_| UnsuitableOrigin::InvalidUrl)?;
        Self::from_url(&url)
    }

    /// The origin of a URL.
    ///
    /// # Errors
    /// When the origin is not suitable.
    pub fn from_url(url: &Url) -> Result<Self, UnsuitableOrigin> {
        let (site, _) = Site::of(url)?;
        // Of these schemes, it is the URL without user, password, default port, path, query and fragment.
        let serialized = format!("{}://{}", url.scheme(), &url[Position::BeforeHost..Position::AfterPort]);
        Ok(Self::new(&serialized, site))
    }

    fn new(serialized: &str, site: Site) -> Self {
        // Most origins are their own site: share the allocation.
        let serialized = if *serialized == *site.0 { site.0.clone() } else { serialized.into() };
        Self { serialized, site }
    }

    /// The site that this origin belongs to.
    #[must_use]
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// The serialized origin: scheme, host, and port when it is not the default.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.serialized
    }
}

impl Site {
    /// The site of a URL's origin.
    ///
    /// # Errors
    /// When the URL is invalid, or its origin is not suitable.
    pub fn parse(url: &str) -> Result<Self, UnsuitableOrigin> {
        SuitableOrigin::parse(url).map(|origin| origin.site)
    }

    /// The serialized site.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// An origin as a site, unless it has a port: for what was a site when the public suffix list was another.
    pub(crate) fn of_origin_without_port(origin: &SuitableOrigin) -> Option<Self> {
        let host = origin.as_str().split_once("://").map(|(_, host)| host)?;
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
        (!has_port).then(|| Self(origin.serialized.clone()))
    }

    /// The site of a URL's origin, and whether the host is a public suffix, which stands for itself alone.
    pub(crate) fn of(url: &Url) -> Result<(Self, bool), UnsuitableOrigin> {
        let host = url.host().ok_or(UnsuitableOrigin::NotTrustworthy)?;
        let trustworthy = match url.scheme() {
            "https" => true,
            "http" => is_loopback(&host),
            _ => false,
        };
        if !trustworthy {
            return Err(UnsuitableOrigin::NotTrustworthy);
        }
        let whole = &url[Position::BeforeHost..Position::AfterHost];
        let registrable = match host {
            Host::Domain(domain) => psl::domain_str(domain),
            Host::Ipv4(_) | Host::Ipv6(_) => Some(whole),
        };
        let kept = registrable.unwrap_or(whole);
        // The list knows nothing of a trailing dot, but for the URL standard it is another domain.
        let dot = if whole.ends_with('.') && !kept.ends_with('.') { "." } else { "" };
        let site = Self(format!("{}://{kept}{dot}", url.scheme()).into());
        Ok((site, registrable.is_none()))
    }
}

/// The host of the plainest and most common URLs, which is its own serialization: HTTPS, no user, no port, and
/// labels of lower-case letters, digits and hyphens of which the last begins with a letter (so that it is no IP
/// address) and none is Punycode. Whatever follows such a host cannot make a URL invalid.
fn plain_https_host(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://")?;
    let is_plain = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
    let end = rest.bytes().position(|byte| !is_plain(&byte)).unwrap_or(rest.len());
    let (host, rest) = rest.split_at(end);
    let ends_host = rest.is_empty() || rest.starts_with(['/', '?', '#']);
    let is_label = |label: &str| !label.is_empty() && !label.starts_with("xn--");
    let last_is_name = || host.rsplit('.').next()?.bytes().next().map(|byte| byte.is_ascii_lowercase());
    (ends_host && host.split('.').all(is_label) && last_is_name() == Some(true)).then_some(host)
}

/// "Potentially trustworthy" for a host on plain HTTP: loopback addresses and the localhost names.
fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(domain) => {
            let domain = domain.strip_suffix('.').unwrap_or(domain);
            domain == "localhost" || domain.ends_with(".localhost")
        }
        Host::Ipv4(ip) => IpAddr::V4(*ip).is_loopback(),
        Host::Ipv6(ip) => IpAddr::V6(*ip).is_loopback(),
    }
}

impl PartialEq for SuitableOrigin {
    fn eq(&self, other: &Self) -> bool {
        self.serialized == other.serialized
    }
}

impl Eq for SuitableOrigin {}

impl PartialOrd for SuitableOrigin {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SuitableOrigin {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.serialized.cmp(&other.serialized)
    }
}

impl std::hash::Hash for SuitableOrigin {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.serialized.hash(state);
    }
}

impl fmt::Display for SuitableOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.serialized)
    }
}

impl fmt::Debug for SuitableOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SuitableOrigin({})", self.serialized)
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Site({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_follow_the_public_suffix_list() {
        for (url, origin, site) in [
            ("https://a.b.shop.example/x?y#z", "https://a.b.shop.example", "https://shop.example"),
            ("https://a.shop.co.uk:8443", "https://a.shop.co.uk:8443", "https://shop.co.uk"),
            ("https://a.b.github.io", "https://a.b.github.io", "https://b.github.io"),
            ("https://github.io", "https://github.io", "https://github.io"),
            ("https://a.shop.example./", "https://a.shop.example.", "https://shop.example."),
            ("https://example.", "https://example.", "https://example."),
            ("https://user:pw@reporter.test:8443/", "https://reporter.test:8443", "https://reporter.test"),
            ("https://reporter.test:443", "https://reporter.test", "https://reporter.test"),
            ("http://localhost:8080/a", "http://localhost:8080", "http://localhost"),
            ("http://a.localhost", "http://a.localhost", "http://a.localhost"),
            ("http://127.0.0.2:1", "http://127.0.0.2:1", "http://127.0.0.2"),
            ("http://[::1]:9/", "http://[::1]:9", "http://[::1]"),
            ("https://10.0.0.1", "https://10.0.0.1", "https://10.0.0.1"),
            ("https://[::ffff:1.2.3.4]/", "https://[::ffff:102:304]", "https://[::ffff:102:304]"),
        ] {
            let parsed = SuitableOrigin::parse(url).expect(url);
            assert_eq!(parsed.as_str(), origin, "{url}");
            assert_eq!(parsed.site().as_str(), site, "{url}");
        }
    }

    #[test]
    fn the_short_way_ends_where_the_url_parser_does() {
        let labels =
            ["a", "shop", "xn--bcher-kva", "1", "0x1", "co", "uk", "a-b", "-", "ab--cd", "", "A", "é", "%41"];
        let ends = ["", "/", "/x y", "?q", "#f", ":443", ":8443/", "@b.example", "\\x", "\t", " ", "/\u{0}"];
        let mut plain = 0;
        for (a, b) in labels.iter().flat_map(|a| labels.map(|b| (a, b))) {
            for (c, end) in labels.iter().flat_map(|c| ends.map(|end| (c, end))) {
                let url = format!("https://{a}.{b}.{c}{end}");
                let parsed = SuitableOrigin::parse(&url);
                let slowly = Url::parse(&url).map_err(|_| UnsuitableOrigin::InvalidUrl);
                let slowly = slowly.and_then(|url| SuitableOrigin::from_url(&url));
                assert_eq!(parsed, slowly, "{url:?}");
                assert_eq!(parsed.map(|p| p.site), slowly.map(|s| s.site), "{url:?}");
                plain += u32::from(plain_https_host(&url).is_some());
            }
        }
        assert!(plain > 1000, "{plain} went the short way");
    }

    #[test]
    fn unsuitable_origins_are_told_apart() {
        for (url, why) in [
            ("", UnsuitableOrigin::InvalidUrl),
            ("shop.example", UnsuitableOrigin::InvalidUrl),
            ("http://shop.example", UnsuitableOrigin::NotTrustworthy),
            ("http://localhost.example", UnsuitableOrigin::NotTrustworthy),
            ("wss://shop.example", UnsuitableOrigin::NotTrustworthy),
            ("data:text/plain,x", UnsuitableOrigin::NotTrustworthy),
            ("android-app://com.shop", UnsuitableOrigin::NotTrustworthy),
        ] {
            assert_eq!(SuitableOrigin::parse(url), Err(why), "{url}");
        }
    }
}
