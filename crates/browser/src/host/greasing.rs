//! Greasing of the request headers: chance that varies what servers must ignore.
//!
//! Spec: "obtain a dictionary structured header value", whose optional steps a user agent takes now and then.

use ascribe_headers::GreaseChoice;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use crate::Greasing;

/// Where the choices come from.
pub(super) struct Dice(StdRng);

/// One in so many keys, values and parameters that could be greased is.
const RARITY: u32 = 4;

impl Dice {
    pub(super) fn new(greasing: Greasing) -> Option<Self> {
        match greasing {
            Greasing::Off => None,
            Greasing::Random => Some(Self(rand::make_rng())),
            Greasing::Seeded(seed) => Some(Self(StdRng::seed_from_u64(seed))),
        }
    }
}

impl ascribe_headers::Greasing for Dice {
    fn choose(&mut self, choice: GreaseChoice<'_>, options: usize) -> usize {
        let Self(rng) = self;
        // The order is shuffled uniformly; what would be added is added seldom.
        let is_order = matches!(choice, GreaseChoice::Place { .. });
        if is_order || rng.random_ratio(1, RARITY) { rng.random_range(..options) } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use ascribe_headers::{Eligibility, RequestHeaders, SupportedRegistrars};

    use super::*;

    fn headers(greasing: Greasing) -> Vec<(String, String)> {
        let mut dice = Dice::new(greasing);
        let mut header = |_| {
            let greasing = dice.as_mut().map(|dice| dice as &mut dyn ascribe_headers::Greasing);
            let web = SupportedRegistrars { web: true, os: false };
            let headers =
                RequestHeaders::new(Eligibility::EventSourceOrTrigger, web, greasing).expect("sent");
            (headers.eligible, headers.support)
        };
        (0..100).map(&mut header).collect()
    }

    #[test]
    fn greased_headers_vary_and_mean_the_same() {
        let greased = headers(Greasing::Random);
        assert!(greased.iter().any(|headers| *headers != greased[0]));
        for (eligible, support) in greased {
            let meant = Eligibility::parse(eligible.as_bytes()).value;
            assert_eq!(meant, Some(Eligibility::EventSourceOrTrigger), "{eligible}");
            let meant = SupportedRegistrars::parse(support.as_bytes()).value;
            assert_eq!(meant, Some(SupportedRegistrars { web: true, os: false }), "{support}");
        }
    }

    #[test]
    fn a_seed_repeats_it_and_off_is_plain() {
        assert_eq!(headers(Greasing::Seeded(7)), headers(Greasing::Seeded(7)));
        assert_ne!(headers(Greasing::Seeded(7)), headers(Greasing::Seeded(8)));
        assert!(
            headers(Greasing::Off)
                .iter()
                .all(|(eligible, support)| { eligible == "event-source, trigger" && support == "web" })
        );
    }
}
