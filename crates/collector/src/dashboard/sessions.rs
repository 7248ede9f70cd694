//! Who is logged in.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use rand::{TryRng, rngs::SysRng};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Sessions by the hash of their ID: the memory of the process holds nothing that opens the dashboard.
#[derive(Debug)]
pub(super) struct Sessions {
    idle: Duration,
    lifetime: Duration,
    by_hash: Mutex<HashMap<[u8; 32], Session>>,
}

#[derive(Clone, Debug)]
struct Session {
    csrf: String,
    began: Instant,
    used: Instant,
}

/// More are not logged in at once: who was idle for longest is logged out.
const MAX_SESSIONS: usize = 1000;

impl Sessions {
    pub(super) fn new(idle: Duration, lifetime: Duration) -> Self {
        Self { idle, lifetime, by_hash: Mutex::default() }
    }

    /// The ID of a new session; none if the system has no randomness.
    pub(super) fn begin(&self, now: Instant) -> Option<String> {
        let (id, csrf) = (random()?, random()?);
        let mut sessions = self.by_hash.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, session| self.lasts(session, now));
        if sessions.len() >= MAX_SESSIONS {
            let idlest = sessions.iter().min_by_key(|(_, session)| session.used).map(|(hash, _)| *hash);
            idlest.map(|hash| sessions.remove(&hash));
        }
        sessions.insert(hash(&id), Session { csrf, began: now, used: now });
        Some(id)
    }

    /// The token that forms of a session carry, if the session lasts; it was then used.
    pub(super) fn csrf(&self, id: &str, now: Instant) -> Option<String> {
        let mut sessions = self.by_hash.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = hash(id);
        let session = sessions.get_mut(&hash)?;
        if !self.lasts(session, now) {
            sessions.remove(&hash);
            return None;
        }
        session.used = now;
        Some(session.csrf.clone())
    }

    pub(super) fn end(&self, id: &str) {
        self.by_hash.lock().unwrap_or_else(PoisonError::into_inner).remove(&hash(id));
    }

    fn lasts(&self, session: &Session, now: Instant) -> bool {
        now.saturating_duration_since(session.used) < self.idle
            && now.saturating_duration_since(session.began) < self.lifetime
    }
}

/// Whether two tokens are the same, in a time that does not tell how much of them is.
pub(super) fn same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

fn hash(id: &str) -> [u8; 32] {
    Sha256::digest(id.as_bytes()).into()
}

/// 256 random bits in hexadecimal.
fn random() -> Option<String> {
    let mut bytes = [0; 32];
    SysRng.try_fill_bytes(&mut bytes).ok()?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_when_idle_and_when_old_and_when_told() {
        let sessions = Sessions::new(Duration::from_secs(10), Duration::from_secs(25));
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let id = sessions.begin(start).unwrap();
        assert_eq!(id.len(), 64);
        let csrf = sessions.csrf(&id, at(9)).unwrap();
        assert_eq!(sessions.csrf(&id, at(18)), Some(csrf), "used in between");
        assert_eq!(sessions.csrf(&id, at(24)).map(|csrf| csrf.len()), Some(64));
        assert_eq!(sessions.csrf(&id, at(25)), None, "its lifetime is over");
        let idle = sessions.begin(start).unwrap();
        assert_eq!(sessions.csrf(&idle, at(10)), None);
        let ended = sessions.begin(start).unwrap();
        sessions.end(&ended);
        assert_eq!(sessions.csrf(&ended, start), None);
        assert_eq!(sessions.csrf("", start), None);
    }

    #[test]
    fn the_idlest_makes_room() {
        let sessions = Sessions::new(Duration::from_secs(10), Duration::from_secs(10));
        let now = Instant::now();
        let first = sessions.begin(now).unwrap();
        let later = now + Duration::from_secs(1);
        for _ in 0..MAX_SESSIONS {
            sessions.begin(later).unwrap();
        }
        assert_eq!(sessions.csrf(&first, later), None);
        assert_eq!(sessions.by_hash.lock().unwrap().len(), MAX_SESSIONS);
    }
}
