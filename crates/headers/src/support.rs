//! `Attribution-Reporting-Support`, and both headers that a request carries.

use sfv::Dictionary;

use crate::{
    Eligibility, Parsed, Registrar,
    grease::{Greasing, dictionary_header},
    problems::Problems,
    structured::{field, take_flag, warn_of_unknown_keys},
};

/// Spec: "get supported registrars": who can process what a response registers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SupportedRegistrars {
    /// The user agent can.
    pub web: bool,
    /// The operating system can.
    pub os: bool,
}

/// The headers of a request whose response may register something.
///
/// A user agent first deletes whatever the page has set under these names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHeaders {
    /// The value of `Attribution-Reporting-Eligible`.
    pub eligible: String,
    /// The value of `Attribution-Reporting-Support`.
    pub support: String,
}

impl SupportedRegistrars {
    /// Reads the header as a server does: only the keys count.
    #[must_use]
    pub fn parse(header: &[u8]) -> Parsed<Self> {
        let mut problems = Problems::default();
        let supported = field(header, &mut problems).map(|mut dictionary: Dictionary| {
            let web = take_flag(&mut dictionary, Registrar::Web.as_str(), &mut problems);
            let os = take_flag(&mut dictionary, Registrar::Os.as_str(), &mut problems);
            warn_of_unknown_keys(&dictionary, &mut problems);
            Self { web, os }
        });
        problems.finish(supported)
    }

    /// The header's value; greased if asked to.
    #[must_use]
    pub fn header_value(self, greasing: Option<&mut dyn Greasing>) -> String {
        let all = [Registrar::Web.as_str(), Registrar::Os.as_str()];
        let keys: &[&str] = match (self.web, self.os) {
            (true, true) => &all,
            (true, false) => &all[..1],
            (false, true) => &all[1..],
            (false, false) => &[],
        };
        dictionary_header(keys, &all, greasing)
    }

    /// Whether nobody can.
    #[must_use]
    pub fn is_empty(self) -> bool {
        !self.web && !self.os
    }
}

impl RequestHeaders {
    /// Spec: "set Attribution Reporting headers"; `None` when none are set.
    #[must_use]
    pub fn new(
        eligibility: Eligibility,
        supported: SupportedRegistrars,
        mut greasing: Option<&mut dyn Greasing>,
    ) -> Option<Self> {
        let eligibility = match eligibility {
            Eligibility::Unset => Eligibility::Unset,
            _ if supported.is_empty() => Eligibility::Empty,
            eligibility => eligibility,
        };
        Some(Self {
            eligible: eligibility.header_value(greasing.as_deref_mut().map(|g| g as _))?,
            support: supported.header_value(greasing),
        })
    }
}
