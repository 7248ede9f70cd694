//! Which server stands for which name: a part of Chromium's `--host-resolver-rules`.

use std::{fmt, str::FromStr};

/// Rules, separated by commas, that say where connections to hosts go.
///
/// - `MAP pattern target[:port]` connects to the target in place of hosts that the pattern matches; with a
///   port, also in place of the port that the URL names. The first rule that matches counts.
/// - `MAP pattern ~NOTFOUND` lets no such name be resolved.
/// - `EXCLUDE pattern` leaves hosts alone, whatever the other rules say.
///
/// `*` in a pattern stands for any characters. URLs, `Host` and certificates keep the host that was asked for.
/// What goes through a proxy is not mapped, since the proxy resolves the name.
///
/// ```
/// let map: ascribe_agent::HostMap = "MAP *.test 127.0.0.1:8443, EXCLUDE real.test".parse()?;
/// assert_eq!(map.to_string(), "MAP *.test 127.0.0.1:8443,EXCLUDE real.test");
/// # Ok::<(), ascribe_agent::HostMapError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostMap(Vec<Rule>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    Map(Pattern, Target),
    Exclude(Pattern),
}

/// Where connections go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    NotFound,
    Host {
        /// A name or an IP address, without brackets.
        host: String,
        port: Option<u16>,
    },
}

/// A host pattern, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(String);

/// Why text is no host map.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostMapError {
    /// A rule has another shape.
    #[error("`{0}`: expected `MAP pattern target[:port]` or `EXCLUDE pattern`")]
    Rule(String),
    /// A pattern has characters that hosts do not have.
    #[error("`{0}`: a pattern has the characters of a host name and `*`, and no port")]
    Pattern(String),
    /// A target is no host, or its port no number from 1 to 65535.
    #[error("`{0}`: expected a host or IP address (IPv6 in brackets), then perhaps `:` and a port")]
    Target(String),
}

impl HostMap {
    /// Whether it has no rules.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Where connections to a host go, if not to itself. IPv6 addresses come without brackets.
    pub(crate) fn find(&self, host: &str) -> Option<&Target> {
        let host = host.to_ascii_lowercase();
        let excluded = |rule: &Rule| matches!(rule, Rule::Exclude(pattern) if pattern.matches(&host));
        if self.0.iter().any(excluded) {
            return None;
        }
        self.0.iter().find_map(|rule| match rule {
            Rule::Map(pattern, target) => pattern.matches(&host).then_some(target),
            Rule::Exclude(_) => None,
        })
    }
}

impl FromStr for HostMap {
    type Err = HostMapError;

    fn from_str(text: &str) -> Result<Self, HostMapError> {
        let rules = text.split(',').map(str::trim).filter(|rule| !rule.is_empty());
        rules.map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl FromStr for Rule {
    type Err = HostMapError;

    fn from_str(text: &str) -> Result<Self, HostMapError> {
        let parts: Vec<_> = text.split_ascii_whitespace().collect();
        match parts[..] {
            [map, pattern, target] if map.eq_ignore_ascii_case("MAP") => {
                Ok(Self::Map(pattern.parse()?, target.parse()?))
            }
            [exclude, pattern] if exclude.eq_ignore_ascii_case("EXCLUDE") => {
                Ok(Self::Exclude(pattern.parse()?))
            }
            _ => Err(HostMapError::Rule(text.to_owned())),
        }
    }
}

impl FromStr for Pattern {
    type Err = HostMapError;

    fn from_str(text: &str) -> Result<Self, HostMapError> {
        let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let ipv6 = bracketed.filter(|address| address.parse::<std::net::Ipv6Addr>().is_ok());
        let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '*' | '.' | '-' | '_');
        match ipv6 {
            Some(address) => Ok(Self(address.to_ascii_lowercase())),
            None if !text.is_empty() && text.chars().all(named) => Ok(Self(text.to_ascii_lowercase())),
            None => Err(HostMapError::Pattern(text.to_owned())),
        }
    }
}

impl Pattern {
    /// `host` is in lower case.
    pub(crate) fn matches(&self, host: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = host.strip_prefix(first) else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        for part in parts {
            // The earliest place leaves the most for the parts behind it.
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last)
    }
}

impl FromStr for Target {
    type Err = HostMapError;

    fn from_str(text: &str) -> Result<Self, HostMapError> {
        if text.eq_ignore_ascii_case("~NOTFOUND") {
            return Ok(Self::NotFound);
        }
        let (host, port) = host_and_port(text).ok_or_else(|| HostMapError::Target(text.to_owned()))?;
        Ok(Self::Host { host, port })
    }
}

/// Splits `host[:port]`; an IPv6 address loses its brackets.
pub(crate) fn host_and_port(text: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let host = match url::Host::parse(host).ok()? {
        url::Host::Ipv6(address) => address.to_string(),
        host => host.to_string(),
    };
    let digits = |port: &str| port.parse().ok().filter(|n| *n > 0 && !port.starts_with('+'));
    let port = match port {
        Some(port) => Some(digits(port)?),
        None => None,
    };
    Some((host, port))
}

impl fmt::Display for HostMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, rule) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            match rule {
                Rule::Map(pattern, target) => write!(f, "{comma}MAP {pattern} {target}")?,
                Rule::Exclude(pattern) => write!(f, "{comma}EXCLUDE {pattern}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Chromium matches IPv6 addresses without brackets.
        f.write_str(&self.0)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Host { host, port } = self else { return f.write_str("~NOTFOUND") };
        if host.contains(':') { write!(f, "[{host}]") } else { f.write_str(host) }?;
        port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapped(map: &str, host: &str) -> Option<String> {
        map.parse::<HostMap>().expect(map).find(host).map(ToString::to_string)
    }

    #[test]
    fn the_first_rule_that_matches_counts_unless_the_host_is_excluded() {
        let map = "map shop.test [::1]:8443, MAP *.test 127.0.0.1 ,MAP * ~notfound,exclude kept.test,";
        for (host, target) in [
            ("shop.test", Some("[::1]:8443")),
            ("SHOP.test", Some("[::1]:8443")),
            ("a.shop.test", Some("127.0.0.1")),
            ("test", Some("~NOTFOUND")),
            ("kept.test", None),
            ("10.0.0.1", Some("~NOTFOUND")),
        ] {
            assert_eq!(mapped(map, host).as_deref(), target, "{host}");
        }
        assert_eq!(mapped("", "shop.test"), None);
    }

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, host, matches) in [
            ("*", "", true),
            ("*", "a.b", true),
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "ab", true),
            ("*b", "ab", true),
            ("*b", "bb", true),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("*.x.*", "a.x.x.b", true),
            ("*ab*ab", "abab", true),
            ("*ab*ab", "aab", false),
            ("a**c", "abc", true),
        ] {
            let parsed: Pattern = pattern.parse().expect(pattern);
            assert_eq!(parsed.matches(host), matches, "{pattern} {host}");
        }
    }

    #[test]
    fn rules_print_as_chromium_reads_them() {
        let text = "MAP *.test 127.0.0.1:8443,EXCLUDE real.test,MAP a ~NOTFOUND,MAP b c.test";
        assert_eq!(text.parse::<HostMap>().expect("valid").to_string(), text);
    }

    #[test]
    fn other_text_is_rejected_with_the_part_that_is_wrong() {
        for (text, expected) in [
            ("MAP a", "`MAP a`: expected `MAP pattern target[:port]` or `EXCLUDE pattern`"),
            ("MAP a b c", "`MAP a b c`: expected"),
            ("EXCLUDE", "`EXCLUDE`: expected"),
            ("a b", "`a b`: expected"),
            ("MAP a:80 b", "`a:80`: a pattern has"),
            ("EXCLUDE ?", "`?`: a pattern has"),
            ("MAP a b:0", "`b:0`: expected a host"),
            ("MAP a b:65536", "`b:65536`: expected a host"),
            ("MAP a b:", "`b:`: expected a host"),
            ("MAP a b:+1", "`b:+1`: expected a host"),
            ("MAP a ::1", "`::1`: expected a host"),
            ("MAP a b/c", "`b/c`: expected a host"),
        ] {
            let error = text.parse::<HostMap>().expect_err(text).to_string();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
        assert!("MAP a b:1, MAP a b:65535".parse::<HostMap>().is_ok());
    }
}
