//! Aggregation coordinators: the allowlisted origins that may hold decryption keys.

use crate::SuitableOrigin;

/// An allowlisted aggregation coordinator.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Coordinator(pub(crate) SuitableOrigin);

/// The user agent's coordinators: never empty; the first is the default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coordinators(Box<[Coordinator]>);

impl Coordinator {
    /// The coordinator's origin.
    #[must_use]
    pub fn origin(&self) -> &SuitableOrigin {
        &self.0
    }
}

impl Coordinators {
    /// The given origins; the first is the default. `None` when there is none.
    #[must_use]
    pub fn new(origins: impl IntoIterator<Item = SuitableOrigin>) -> Option<Self> {
        let all: Box<[_]> = origins.into_iter().map(Coordinator).collect();
        (!all.is_empty()).then_some(Self(all))
    }

    /// Chromium's: the AWS coordinator, then the GCP one.
    #[must_use]
    pub fn chromium() -> Self {
        let origins = ["aws", "gcp"].map(|cloud| {
            SuitableOrigin::parse(&format!(
                "https://publickeyservice.msmt.{cloud}.privacysandboxservices.com"
            ))
            .expect("a constant HTTPS URL is a suitable origin")
        });
        Self::new(origins).expect("two are not none")
    }

    /// The one used when a registration names none.
    #[must_use]
    pub fn default_coordinator(&self) -> &Coordinator {
        &self.0[0]
    }

    /// The coordinator with this origin, if it is allowlisted.
    #[must_use]
    pub fn find(&self, origin: &SuitableOrigin) -> Option<&Coordinator> {
        self.0.iter().find(|c| c.0 == *origin)
    }

    /// All of them.
    #[must_use]
    pub fn as_slice(&self) -> &[Coordinator] {
        &self.0
    }
}
