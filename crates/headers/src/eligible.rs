//! `Attribution-Reporting-Eligible`: what a request's response may register.

use sfv::Dictionary;

use crate::{
    Parsed, ProblemKind,
    grease::{Greasing, dictionary_header},
    problems::{At, Problems},
    structured::{field, take_flag, warn_of_unknown_keys},
};

/// Spec: "eligibility".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Eligibility {
    /// No header is sent; a response may still register a trigger.
    #[default]
    Unset,
    /// The header is sent empty; nothing may be registered.
    Empty,
    /// An event source.
    EventSource,
    /// A navigation source.
    NavigationSource,
    /// A trigger.
    Trigger,
    /// An event source or a trigger, not both.
    EventSourceOrTrigger,
}

/// "Eligible keys".
const EVENT_SOURCE: &str = "event-source";
const NAVIGATION_SOURCE: &str = "navigation-source";
const TRIGGER: &str = "trigger";

impl Eligibility {
    /// Reads the header as a server does: only the keys count. Never [`Unset`](Self::Unset).
    ///
    /// `navigation-source` beside another key is an error, for no user agent sends that.
    #[must_use]
    pub fn parse(header: &[u8]) -> Parsed<Self> {
        let mut problems = Problems::default();
        let eligibility = field(header, &mut problems).and_then(|mut dictionary: Dictionary| {
            let mut take = |key| take_flag(&mut dictionary, key, &mut problems);
            let flags = (take(NAVIGATION_SOURCE), take(EVENT_SOURCE), take(TRIGGER));
            warn_of_unknown_keys(&dictionary, &mut problems);
            match flags {
                (true, false, false) => Some(Self::NavigationSource),
                (true, ..) => {
                    let all = ProblemKind::MutuallyExclusive(&[NAVIGATION_SOURCE, EVENT_SOURCE, TRIGGER]);
                    problems.error(At::Root, all)
                }
                (false, true, false) => Some(Self::EventSource),
                (false, false, true) => Some(Self::Trigger),
                (false, true, true) => Some(Self::EventSourceOrTrigger),
                (false, false, false) => Some(Self::Empty),
            }
        });
        problems.finish(eligibility)
    }

    /// The header's value, or `None` when it is not sent; greased if asked to.
    #[must_use]
    pub fn header_value(self, greasing: Option<&mut dyn Greasing>) -> Option<String> {
        let keys: &[&str] = match self {
            Self::Unset => return None,
            Self::Empty => &[],
            Self::EventSource => &[EVENT_SOURCE],
            Self::NavigationSource => &[NAVIGATION_SOURCE],
            Self::Trigger => &[TRIGGER],
            Self::EventSourceOrTrigger => &[EVENT_SOURCE, TRIGGER],
        };
        Some(dictionary_header(keys, &[EVENT_SOURCE, NAVIGATION_SOURCE, TRIGGER], greasing))
    }
}
