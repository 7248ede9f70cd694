//! The campaigns file: everything that a collector registers, in one TOML document.
//!
//! | table | what it holds |
//! |---|---|
//! | top level | `origin`, `report_header_errors`, `debug_keys` |
//! | `source_event_id` | how many bits of source event IDs the campaign and other fields take |
//! | `aggregation` | coordinator, epsilon, filtering IDs, the dimensions of keys, the measures |
//! | `campaigns.NAME` | a campaign: its number, landing pages, and the fields of the header |
//! | `dashboard` | who sees the dashboard: a password's hash, a token's file, the origin of a proxy |
//! | `conversions.NAME` | a conversion: its number, deduplication, measures, and the fields of the header |
//!
//! Fields that are those of a header are named as in the header, and read by `ascribe-headers`.

mod campaign;
mod check;
mod conversion;
mod document;
mod header_fields;
mod key_scheme;
mod problem;
mod read;
mod read_campaign;
mod read_conversion;
mod read_dashboard;
mod read_scheme;
mod redirect;

use ascribe_headers::SuitableOrigin;

use crate::{dashboard::ServiceAddress, event_ids::EventIdLayout, secrets::Secrets};

pub use campaign::Campaign;
pub(crate) use check::states;
pub use check::{CampaignCheck, CheckReport, MeasureCheck, Spread};
pub use conversion::{Amount, Conversion};
pub use key_scheme::{CONTRIBUTION_BUDGET, Dimension, DimensionKind, KeyScheme, Measure, Side};
pub use problem::{ConfigProblem, ConfigProblems};
pub use read_dashboard::DashboardSection;
pub use redirect::{FurtherOrigin, InvalidRedirect, LandingPage};

pub(crate) use redirect::landing;

/// A campaigns file, read and found right.
#[derive(Clone, Debug)]
pub struct Campaigns {
    /// The reporting origin that the collector is reached at.
    pub origin: SuitableOrigin,
    /// Whether user agents are asked to report headers that they cannot read.
    pub report_header_errors: bool,
    /// Whether registrations carry debug keys: the source event ID, and the deduplication key.
    pub debug_keys: bool,
    /// How source event IDs are made.
    pub event_ids: EventIdLayout,
    /// How aggregation keys and values are made.
    pub scheme: KeyScheme,
    /// The campaigns, by name.
    pub campaigns: Box<[Campaign]>,
    /// The conversions, by name.
    pub conversions: Box<[Conversion]>,
    /// Who sees the dashboard.
    pub dashboard: DashboardSection,
    /// The aggregation service whose jobs the dashboard shows.
    pub service: Option<ServiceAddress>,
    /// What was changed or will have no effect.
    pub warnings: Vec<ConfigProblem>,
    secrets: Secrets,
}

impl Campaigns {
    /// Reads the file's text. `secrets` sign source event IDs and make deduplication keys.
    ///
    /// # Errors
    /// All problems, each with its line and column.
    pub fn parse(text: &str, secrets: Secrets) -> Result<Self, ConfigProblems> {
        read::campaigns(text, secrets)
    }

    /// The campaign with a name.
    #[must_use]
    pub fn campaign(&self, name: &str) -> Option<&Campaign> {
        let index = self.campaigns.binary_search_by(|campaign| (*campaign.name).cmp(name)).ok()?;
        self.campaigns.get(index)
    }

    /// The conversion with a name.
    #[must_use]
    pub fn conversion(&self, name: &str) -> Option<&Conversion> {
        let index = self.conversions.binary_search_by(|conversion| (*conversion.name).cmp(name)).ok()?;
        self.conversions.get(index)
    }

    /// The secrets that it signs with.
    #[must_use]
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }
}
