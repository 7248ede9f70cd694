//! How much is taken, from whom, and for how long.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The limits of a collector's listener. The default suits one machine on the open Internet.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// The longest body of a report, in bytes; also once it is no longer compressed.
    pub body_bytes: usize,
    /// How many bytes of reports may wait for the store.
    pub queue_bytes: usize,
    /// How long a request's head may take to arrive, and how long a connection may be idle.
    pub head_timeout: Duration,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
    /// How many connections there may be at once.
    pub connections: usize,
    /// How many reports a second are taken from one client (of IPv6, one network of 64 bits), in the long run.
    pub reports_per_second: u32,
    /// How many are taken from one client at once.
    pub burst: u32,
    /// The header in which a proxy tells the client's address, such as `x-forwarded-for`: its last address
    /// counts. Without one, the address of the connection does.
    pub client_address_header: Option<http::HeaderName>,
    /// What happens to reports that cannot be stored now.
    pub overload: Overload,
}

/// What happens to reports that cannot be stored now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overload {
    /// The connection is reset. User agents send again what was not answered at all, after 5 and after 15
    /// minutes; an answer, whatever it says, is final to them.
    Reset,
    /// Status 503, for proxies that would make a status of a reset themselves.
    Unavailable,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 256 * 1024,
            queue_bytes: 64 * 1024 * 1024,
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            connections: 20_000,
            reports_per_second: 500,
            burst: 5000,
            client_address_header: None,
            overload: Overload::Reset,
        }
    }
}

/// Counts what each client sends.
///
/// The generic cell rate algorithm: one moment a client, by which all that it sent would have been allowed at
/// the even rate.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    interval: Duration,
    tolerance: Duration,
    clients: Mutex<HashMap<IpAddr, Instant>>,
}

/// More clients than this are not told apart within a burst's time: the memory is bounded.
const MAX_CLIENTS: usize = 200_000;

impl RateLimiter {
    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        Self::with_interval(Duration::from_secs(1) / per_second.max(1), burst)
    }

    /// One each interval in the long run, and so many at once.
    pub(crate) fn with_interval(interval: Duration, burst: u32) -> Self {
        Self { interval, tolerance: interval * burst.max(1), clients: Mutex::default() }
    }

    /// Whether a client may send one more.
    pub(crate) fn allows(&self, client: IpAddr, now: Instant) -> bool {
        self.wait(client, now).is_none()
    }

    /// Counts one more, or tells how long to wait until it may come.
    pub(crate) fn wait(&self, client: IpAddr, now: Instant) -> Option<Duration> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= MAX_CLIENTS {
            clients.retain(|_, due| *due > now);
            if clients.len() >= MAX_CLIENTS {
                clients.clear();
            }
        }
        let due = clients.entry(network(client)).or_insert(now);
        let next = (*due).max(now) + self.interval;
        let too_soon = next.saturating_duration_since(now).checked_sub(self.tolerance);
        let too_soon = too_soon.filter(|wait| !wait.is_zero());
        if too_soon.is_none() {
            *due = next;
        }
        too_soon
    }

    /// Forgets what a client sent.
    pub(crate) fn forget(&self, client: IpAddr) {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner).remove(&network(client));
    }
}

/// Whoever has one IPv6 address has all of its network's.
fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & !u128::from(u64::MAX)).into()),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_allowed_then_the_even_rate() {
        let limiter = RateLimiter::new(10, 3);
        let (client, start) = (IpAddr::from([192, 0, 2, 1]), Instant::now());
        let at = |millis| limiter.allows(client, start + Duration::from_millis(millis));
        assert_eq!([0, 0, 0, 0].map(at), [true, true, true, false]);
        assert_eq!([99, 100, 100].map(at), [false, true, false]);
        assert_eq!([10_000, 10_000, 10_000, 10_000].map(at), [true, true, true, false]);
        assert!(limiter.allows(IpAddr::from([192, 0, 2, 2]), start), "another client");
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_client() {
        let limiter = RateLimiter::new(1, 1);
        let now = Instant::now();
        let allows = |address: &str| limiter.allows(address.parse().unwrap(), now);
        assert!(allows("2001:db8::1"));
        assert!(!allows("2001:db8::ffff:1"));
        assert!(allows("2001:db8:0:1::1"));
        assert!(allows("::ffff:192.0.2.1"));
        assert!(!allows("192.0.2.1"));
        assert!(allows("::ffff:192.0.2.2"), "mapped addresses are told apart");
    }

    #[test]
    fn memory_is_bounded() {
        let limiter = RateLimiter::new(1, 1);
        let now = Instant::now();
        for n in 0..MAX_CLIENTS as u32 + 10 {
            limiter.allows(IpAddr::V4(n.into()), now);
        }
        assert!(limiter.clients.lock().unwrap().len() <= MAX_CLIENTS);
    }
}
