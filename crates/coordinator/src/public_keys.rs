//! The endpoint of public keys: what user agents seal reports to.

use std::sync::{Arc, PoisonError, RwLock};

use ascribe_aggregation::{KeyError, Published};
use ascribe_reports::{KeySet, PublicKey, Time};
use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderMap, StatusCode, header};

use crate::KeyDirectory;

/// The public halves of a directory's keys, to be served. Cheap to clone: all clones are the same.
#[derive(Clone, Debug)]
pub struct PublicKeys(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    directory: KeyDirectory,
    keys: RwLock<Arc<[(Published, PublicKey)]>>,
    max_age_seconds: u32,
    now: fn() -> Time,
}

impl PublicKeys {
    /// Reads a directory. User agents may use an answer for `max_age_seconds`; less if the keys change earlier.
    ///
    /// # Errors
    /// When a key cannot be read, or there is none.
    pub fn read(directory: KeyDirectory, max_age_seconds: u32, now: fn() -> Time) -> Result<Self, KeyError> {
        let keys = RwLock::new(read(&directory)?);
        Ok(Self(Arc::new(Shared { directory, keys, max_age_seconds, now })))
    }

    /// Reads the directory again: how many keys are new or changed. When that fails, those before are served.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn reload(&self) -> Result<bool, KeyError> {
        let new = read(&self.0.directory)?;
        let mut keys = self.0.keys.write().unwrap_or_else(PoisonError::into_inner);
        let changed = *keys != new;
        *keys = new;
        Ok(changed)
    }

    /// The endpoint, and `/health`.
    pub fn routes(&self) -> Router {
        Router::new()
            .route(KeySet::PATH, get(answer))
            .route("/health", get(async || "alive\n"))
            .with_state(self.clone())
    }

    /// The keys that are served at a moment, and for how many seconds that is so at least, if not for ever.
    fn at(&self, now: Time) -> (Vec<PublicKey>, Option<i64>) {
        let all = self.0.keys.read().unwrap_or_else(PoisonError::into_inner).clone();
        let served = |published: &Published| {
            published.from.is_none_or(|from| from <= now) && published.until.is_none_or(|until| now < until)
        };
        let keys =
            all.iter().filter(|(published, _)| served(published)).map(|(_, key)| key.clone()).collect();
        let changes = all.iter().flat_map(|(published, _)| [published.from, published.until]).flatten();
        let change = changes.filter(|moment| *moment > now).min();
        (keys, change.map(|moment| moment.since(now).as_millis() / 1000))
    }
}

fn read(directory: &KeyDirectory) -> Result<Arc<[(Published, PublicKey)]>, KeyError> {
    let entries = directory.list()?;
    Ok(entries.iter().map(|entry| (entry.key.published(), entry.key.public())).collect())
}

/// Spec: "obtain the public key for encryption" reads it. Any page may, too: there is nothing secret in it.
async fn answer(State(keys): State<PublicKeys>, headers: HeaderMap) -> Response {
    let (served, seconds) = keys.at((keys.0.now)());
    let Ok(served) = KeySet::new(served) else {
        let headers = [(header::CACHE_CONTROL, "no-store"), (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")];
        return (StatusCode::SERVICE_UNAVAILABLE, headers, "no key is published now\n").into_response();
    };
    let body = served.to_json();
    let hash = digest(&SHA256, body.as_bytes());
    let tag: String = hash.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("\"{tag}\"");
    let max_age = i64::from(keys.0.max_age_seconds);
    let max_age = seconds.map_or(max_age, |seconds| max_age.min(seconds));
    let same = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let same = same
        .flat_map(|value| value.split(','))
        .any(|given| matches!(given.trim(), "*") || given.trim().trim_start_matches("W/") == tag);
    let headers = [
        (header::CACHE_CONTROL, format!("public, max-age={max_age}")),
        (header::ETAG, tag),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*".to_owned()),
    ];
    match same {
        true => (StatusCode::NOT_MODIFIED, headers).into_response(),
        false => (headers, [(header::CONTENT_TYPE, "application/json")], body).into_response(),
    }
}
