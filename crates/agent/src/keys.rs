//! The coordinators' public keys: fetched when a report needs one, and kept as long as HTTP allows.
//!
//! Spec: "obtain the public key for encryption" and Chromium's reading of HTTP freshness: `Cache-Control`, else
//! `Expires`; less the `Age` that a cache on the way told. Reports that need the same keys at once share a
//! fetch, and its failure.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ascribe_headers::Coordinator;
use ascribe_reports::{Duration, KeySet, Time};
use reqwest::header::{AGE, CACHE_CONTROL, DATE, EXPIRES, HeaderMap, HeaderName};
use tokio::sync::OnceCell;

use crate::network::{Client, RequestFailed};

/// The keys of all coordinators.
#[derive(Debug, Default)]
pub(crate) struct Keys(Mutex<HashMap<Coordinator, Arc<Fetch>>>);

/// One fetch, under way or done.
type Fetch = OnceCell<Result<Fetched, KeysError>>;

#[derive(Clone, Debug)]
pub(crate) struct Fetched {
    pub(crate) keys: Arc<KeySet>,
    /// Reports of this moment and later fetch them again.
    pub(crate) fresh_until: Time,
}

/// Why there is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// The coordinator did not serve them; in words.
    #[error("{0}")]
    NotServed(String),
    /// What it served is no set of keys; in words.
    #[error("{0}")]
    Invalid(String),
}

impl Keys {
    /// The keys of a coordinator, fresh at `now()`. Tells `fetched` of a fetch that this call made.
    pub(crate) async fn get(
        &self,
        client: &Client,
        coordinator: &Coordinator,
        now: impl Fn() -> Time,
        fetched: impl Fn(&Result<Fetched, KeysError>),
    ) -> Result<Arc<KeySet>, KeysError> {
        let fetch = self.current(coordinator, now());
        let outcome = fetch
            .get_or_init(async || {
                let outcome = obtain(client, coordinator, &now).await;
                fetched(&outcome);
                outcome
            })
            .await;
        outcome.clone().map(|fetched| fetched.keys)
    }

    /// The fetch whose outcome counts: one under way, or one whose keys are fresh.
    fn current(&self, coordinator: &Coordinator, now: Time) -> Arc<Fetch> {
        let mut all = self.lock();
        let fetch = all.entry(coordinator.clone()).or_default();
        let counts = match fetch.get() {
            None => true,
            Some(Ok(fetched)) => now < fetched.fresh_until,
            Some(Err(_)) => false,
        };
        if !counts {
            *fetch = Arc::default();
        }
        fetch.clone()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Coordinator, Arc<Fetch>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn obtain(
    client: &Client,
    coordinator: &Coordinator,
    now: &impl Fn() -> Time,
) -> Result<Fetched, KeysError> {
    let answer = client.get(&KeySet::url(coordinator), KeySet::MAX_BYTES).await;
    let answer = answer.map_err(|error: RequestFailed| KeysError::NotServed(error.to_string()))?;
    let keys = KeySet::parse(&answer.body).map_err(|error| KeysError::Invalid(error.to_string()))?;
    Ok(Fetched { keys: Arc::new(keys), fresh_until: now() + freshness(&answer.headers) })
}

/// How long an answer may be used. RFC 9111, sections 4.2.1 and 4.2.3, without heuristics.
fn freshness(headers: &HeaderMap) -> Duration {
    let control = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let directives: Vec<_> = control.flat_map(|value| value.split(',')).map(str::trim).collect();
    let has = |name: &str| {
        let named =
            |directive: &&str| directive.split('=').next().is_some_and(|d| d.eq_ignore_ascii_case(name));
        directives.iter().any(named)
    };
    if has("no-store") || has("no-cache") {
        return Duration::default();
    }
    let max_age = directives.iter().find_map(|directive| {
        let (name, value) = directive.split_once('=')?;
        name.trim_end().eq_ignore_ascii_case("max-age").then(|| seconds(value.trim().trim_matches('"')))
    });
    let lifetime = max_age.unwrap_or_else(|| {
        let (expires, date) = (date(headers, EXPIRES), date(headers, DATE));
        let lasts = expires.zip(date).and_then(|(expires, date)| expires.duration_since(date).ok());
        lasts.map_or(0, |lasts| i64::try_from(lasts.as_secs()).unwrap_or(MAX_SECONDS))
    });
    let age = headers.get(AGE).and_then(|age| age.to_str().ok()).map_or(0, seconds);
    Duration::from_secs((lifetime - age).max(0))
}

/// RFC 9111, section 1.2.2: more than can be represented counts as this.
const MAX_SECONDS: i64 = 1 << 31;

/// "delta-seconds"; anything else counts as zero, so that it keeps nothing.
fn seconds(text: &str) -> i64 {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return 0;
    }
    text.parse().unwrap_or(MAX_SECONDS).min(MAX_SECONDS)
}

fn date(headers: &HeaderMap, name: HeaderName) -> Option<std::time::SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lasts(headers: &[(&'static str, &'static str)]) -> i64 {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().expect("a header value")));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value);
        }
        freshness(&map).as_millis() / 1000
    }

    #[test]
    fn keys_are_kept_as_long_as_http_allows() {
        const DATE: (&str, &str) = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        const EXPIRES: (&str, &str) = ("expires", "Sun, 06 Nov 1994 08:50:37 GMT");
        for (headers, seconds) in [
            (&[][..], 0),
            (&[("cache-control", "max-age=60")], 60),
            (&[("cache-control", "public, Max-Age=\"60\"")], 60),
            (&[("cache-control", "public"), ("cache-control", "max-age=60")], 60),
            (&[("cache-control", "max-age=60"), ("age", "15")], 45),
            (&[("cache-control", "max-age=60"), ("age", "61")], 0),
            (&[("cache-control", "max-age=60, no-cache")], 0),
            (&[("cache-control", "no-store"), ("cache-control", "max-age=60")], 0),
            (&[("cache-control", "max-age=-1")], 0),
            (&[("cache-control", "max-age=")], 0),
            (&[("cache-control", "max-age=99999999999999999999")], 1 << 31),
            (&[DATE, EXPIRES], 60),
            (&[DATE, EXPIRES, ("age", "10")], 50),
            (&[EXPIRES], 0),
            (&[DATE, ("expires", "0")], 0),
            (&[DATE, EXPIRES, ("cache-control", "max-age=1")], 1),
        ] {
            assert_eq!(lasts(headers), seconds, "{headers:?}");
        }
    }
}
