//! The configuration: one TOML file, whose problems are told with their places.

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use ascribe_headers::Site;
use serde::Deserialize;
use toml::Spanned;

use super::buckets::Buckets;
use crate::{Location, budget::is_postgres};

/// What a [`Service`](super::Service) is told. Paths are as the file has them, from the file's directory.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServiceConfig {
    /// Where clients reach it.
    pub listen: SocketAddr,
    /// Where those who run it reach `/health`, `/ready` and `/metrics`.
    pub operations: SocketAddr,
    /// The certificate chain and its private key, in PEM; without, it is for this machine or behind a proxy.
    pub tls: Option<TlsFiles>,
    /// The directory with the coordinator's private keys.
    pub keys: PathBuf,
    /// The ledger: an SQLite file, or the URL of a PostgreSQL database.
    pub ledger: String,
    /// Where large outputs wait until they are paid for.
    pub staging: PathBuf,
    /// The files with the tokens of clients.
    pub tokens: Vec<PathBuf>,
    pub(super) reporting_sites: Option<Vec<Site>>,
    pub(super) buckets: Buckets,
    pub(super) workers: usize,
    /// How many threads one job uses.
    pub(super) threads: Option<usize>,
    /// How often a job is tried at most.
    pub(super) attempts: i64,
    /// How long one attempt may take.
    pub(super) timeout: Duration,
    /// For how long a claim holds that is not renewed.
    pub(super) lease: Duration,
    /// How many jobs may wait.
    pub(super) max_jobs: i64,
    /// For how long finished jobs are known.
    pub(super) keep: Duration,
}

/// The files of TLS.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate chain, in PEM.
    pub certificate: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
}

/// One thing that is wrong with the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceConfigProblem {
    /// The line, from 1.
    pub line: usize,
    /// The column in that line, from 1, in characters.
    pub column: usize,
    /// What is the matter, and what to do about it.
    pub what: String,
}

/// All that is wrong with the file; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ServiceConfigProblems(pub Vec<ServiceConfigProblem>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    listen: Option<SocketAddr>,
    operations: Option<SocketAddr>,
    keys: PathBuf,
    ledger: String,
    staging: Option<PathBuf>,
    tokens: Spanned<Vec<PathBuf>>,
    reporting_sites: Option<Vec<Spanned<String>>>,
    buckets: Spanned<BTreeMap<String, Spanned<String>>>,
    tls: Option<Tls>,
    #[serde(default)]
    jobs: Jobs,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tls {
    certificate: PathBuf,
    key: PathBuf,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Jobs {
    workers: Option<Spanned<u64>>,
    threads: Option<Spanned<u64>>,
    attempts: Option<Spanned<u64>>,
    timeout_seconds: Option<Spanned<u64>>,
    lease_seconds: Option<Spanned<u64>>,
    max_waiting: Option<Spanned<u64>>,
    keep_days: Option<Spanned<u64>>,
}

/// Problems, with the text that they are in.
struct Problems<'a> {
    text: &'a str,
    found: Vec<ServiceConfigProblem>,
}

impl ServiceConfig {
    /// Reads the text of a file that is in a directory.
    ///
    /// # Errors
    /// When it is not TOML, lacks a field, or has one that is not known or cannot be.
    pub fn parse(text: &str, directory: &Path) -> Result<Self, ServiceConfigProblems> {
        let mut problems = Problems { text, found: Vec::new() };
        let document: Document = match toml::from_str(text) {
            Ok(document) => document,
            Err(error) => {
                problems.add(error.span().map_or(0, |span| span.start), error.message());
                return Err(ServiceConfigProblems(problems.found));
            }
        };
        let tokens = document.tokens;
        if tokens.get_ref().is_empty() {
            problems.add(tokens.span().start, "tokens: name at least one file with a token of a client");
        }
        let reporting_sites = document.reporting_sites.map(|sites| problems.sites(&sites));
        let buckets = problems.buckets(&document.buckets, directory);
        let Jobs { workers, threads, attempts, timeout_seconds, lease_seconds, max_waiting, keep_days } =
            document.jobs;
        let path = |path: PathBuf| directory.join(path);
        let ledger = match is_postgres(&document.ledger) {
            true => document.ledger,
            false => path(document.ledger.into()).display().to_string(),
        };
        let staging = match document.staging {
            Some(staging) => path(staging),
            None if is_postgres(&ledger) => path("staging".into()),
            None => Path::new(&ledger).with_extension("staging"),
        };
        let config = Self {
            listen: document.listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8100))),
            operations: document.operations.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 9100))),
            tls: document.tls.map(|tls| TlsFiles { certificate: path(tls.certificate), key: path(tls.key) }),
            keys: path(document.keys),
            ledger,
            staging,
            tokens: tokens.into_inner().into_iter().map(path).collect(),
            reporting_sites,
            buckets,
            workers: problems.number("workers", workers, 1, 1..=64) as usize,
            threads: threads.map(|n| problems.number("threads", Some(n), 1, 1..=1024) as usize),
            attempts: problems.number("attempts", attempts, 5, 1..=100).cast_signed(),
            timeout: Duration::from_secs(problems.number(
                "timeout_seconds",
                timeout_seconds,
                86_400,
                1..=2_592_000,
            )),
            lease: Duration::from_secs(problems.number("lease_seconds", lease_seconds, 60, 1..=86_400)),
            max_jobs: problems.number("max_waiting", max_waiting, 1000, 1..=1_000_000).cast_signed(),
            keep: Duration::from_secs(86_400 * problems.number("keep_days", keep_days, 90, 1..=36_500)),
        };
        if problems.found.is_empty() { Ok(config) } else { Err(ServiceConfigProblems(problems.found)) }
    }

    /// The names of buckets, and where they are.
    pub fn buckets(&self) -> impl Iterator<Item = (&str, &Location)> {
        self.buckets.0.iter().map(|(name, place)| (name.as_str(), place))
    }
}

impl Problems<'_> {
    fn add(&mut self, byte: usize, what: impl Into<String>) {
        let before = self.text.get(..byte).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        self.found.push(ServiceConfigProblem {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            what: what.into(),
        });
    }

    fn number(
        &mut self,
        name: &str,
        value: Option<Spanned<u64>>,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> u64 {
        let Some(value) = value else { return default };
        if !range.contains(value.get_ref()) {
            let (from, to) = range.into_inner();
            self.add(value.span().start, format!("jobs.{name}: must be from {from} to {to}"));
        }
        value.into_inner()
    }

    fn sites(&mut self, sites: &[Spanned<String>]) -> Vec<Site> {
        let mut parsed = Vec::new();
        for site in sites {
            match Site::parse(site.get_ref()) {
                Ok(site) => parsed.push(site),
                Err(error) => self.add(
                    site.span().start,
                    format!("reporting_sites: no site such as https://ads.example: {error}"),
                ),
            }
        }
        parsed
    }

    fn buckets(&mut self, buckets: &Spanned<BTreeMap<String, Spanned<String>>>, directory: &Path) -> Buckets {
        if buckets.get_ref().is_empty() {
            self.add(buckets.span().start, "buckets: name at least one, such as reports = \"s3://…\"");
        }
        let mut places = BTreeMap::new();
        for (name, place) in buckets.get_ref() {
            let located = match Location::parse(place.get_ref()) {
                Ok(Location::Path(path)) => Ok(Location::Path(directory.join(path))),
                Ok(Location::Url(url)) if url.cannot_be_a_base() => Err("not the URL of a store".to_owned()),
                Ok(Location::Url(url)) if url.query().is_some() || url.fragment().is_some() => {
                    Err("a store's URL has no `?` and no `#`".to_owned())
                }
                Ok(url) => Ok(url),
                Err(error) => Err(error.to_string()),
            };
            match located {
                Ok(located) => drop(places.insert(name.clone(), located)),
                Err(problem) => self.add(place.span().start, format!("buckets.{name}: {problem}")),
            }
        }
        Buckets(places)
    }
}

impl fmt::Display for ServiceConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.what)
    }
}

impl fmt::Display for ServiceConfigProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str =
        "keys = \"keys\"\nledger = \"budget.sqlite\"\ntokens = [\"a.token\"]\n[buckets]\nb = \"data\"\n";

    fn problems(text: &str) -> Vec<String> {
        match ServiceConfig::parse(text, Path::new("/etc/ascribe")) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.0.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn what_is_not_said_has_a_default_and_paths_are_the_files() {
        let config = ServiceConfig::parse(LEAST, Path::new("/etc/ascribe")).unwrap();
        assert!(config.listen.ip().is_loopback() && config.operations.ip().is_loopback());
        assert_eq!((config.workers, config.attempts, config.threads), (1, 5, None));
        assert_eq!(config.ledger, "/etc/ascribe/budget.sqlite");
        assert_eq!(config.staging, Path::new("/etc/ascribe/budget.staging"));
        assert_eq!(config.tokens, [Path::new("/etc/ascribe/a.token")]);
        let buckets: Vec<_> = config.buckets().map(|(name, place)| (name, place.to_string())).collect();
        assert_eq!(buckets, [("b", "/etc/ascribe/data".to_owned())]);
        let postgres = LEAST.replace("budget.sqlite", "postgresql://u@db/x");
        let config = ServiceConfig::parse(&postgres, Path::new("/etc/ascribe")).unwrap();
        assert_eq!(
            (config.ledger.as_str(), config.staging.as_path()),
            ("postgresql://u@db/x", Path::new("/etc/ascribe/staging"))
        );
    }

    #[test]
    fn problems_are_told_with_their_places() {
        assert_eq!(problems(LEAST), [""; 0]);
        let unknown = problems(&LEAST.replace("keys =", "kees ="));
        assert!(unknown[0].starts_with("line 1, column 1: unknown field `kees`"), "{unknown:?}");
        let syntax = problems("keys = \n");
        assert!(syntax[0].starts_with("line 1, column"), "{syntax:?}");
        let missing = problems("keys = \"keys\"\n");
        assert!(missing[0].contains("missing field `ledger`"), "{missing:?}");
        let several = LEAST.replace("[\"a.token\"]", "[]").replace("\"data\"", "\"s3://:x:\"")
            + "[jobs]\nworkers = 0\nlease_seconds = 0\n";
        let several = problems(&format!("reporting_sites = [\"ads\"]\nlisten = \"[::1]:0\"\n{several}"));
        let places: Vec<_> = several.iter().map(|problem| problem.split(": ").next().unwrap()).collect();
        assert_eq!(
            places,
            [
                "line 5, column 10",
                "line 1, column 20",
                "line 7, column 5",
                "line 9, column 11",
                "line 10, column 17"
            ],
            "{several:?}"
        );
        let address = problems(&format!("listen = \"everywhere\"\n{LEAST}"));
        assert!(address[0].starts_with("line 1, column 10"), "{address:?}");
    }
}
