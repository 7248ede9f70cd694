//! A campaign: what a view or a click of its ads registers.

use ascribe_headers::{SourceRegistration, SourceType};

use super::{
    Campaigns,
    key_scheme::{Dimension, DimensionKind},
    redirect::{FurtherOrigin, LandingPage},
};
use crate::parameters::Parameters;

/// A campaign of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Campaign {
    /// Its name, in URLs.
    pub name: Box<str>,
    /// Its number, in source event IDs and aggregation keys.
    pub number: u64,
    /// What a click registers, if clicks do; without an ID and keys.
    pub navigation: Option<SourceRegistration>,
    /// What a view registers, if views do; without an ID and keys.
    pub event: Option<SourceRegistration>,
    /// Where clicks may lead; the first when the tag does not say. Without one, there is no click tag.
    pub landing_pages: Box<[LandingPage]>,
    /// Who may register after this collector, in this order.
    pub further_origins: Box<[FurtherOrigin]>,
    /// Where the operating system registers, if it can.
    pub os_urls: Box<[FurtherOrigin]>,
    /// Values of dimensions that its tags do not say.
    pub dimensions: Box<[(Box<str>, u64)]>,
}

impl Campaign {
    /// What a source of that type registers, without an ID and keys.
    #[must_use]
    pub fn registration(&self, source_type: SourceType) -> Option<&SourceRegistration> {
        match source_type {
            SourceType::Navigation => self.navigation.as_ref(),
            SourceType::Event => self.event.as_ref(),
        }
    }
}

impl Campaigns {
    /// What a tag registers; the same for the same parameters. With it, how many of the dimensions were not
    /// understood.
    pub(crate) fn source(
        &self,
        campaign: &Campaign,
        source_type: SourceType,
        parameters: &Parameters<'_>,
    ) -> Option<(SourceRegistration, u32)> {
        let mut source = campaign.registration(source_type)?.clone();
        source.source_event_id =
            self.event_ids.issue(campaign.number, |name| parameters.get(name), &self.secrets);
        if self.debug_keys {
            source.debug_key = Some(source.source_event_id);
        }
        let unknown = std::cell::Cell::new(0);
        source.aggregation_keys = self.scheme.source_keys(|dimension| match dimension.kind {
            DimensionKind::Campaign => campaign.number,
            _ => fixed_or_told(&campaign.dimensions, dimension, parameters, &unknown),
        });
        Some((source, unknown.get()))
    }
}

/// The value of a dimension, and one more unknown if it is neither fixed nor understood.
pub(super) fn fixed_or_told(
    fixed: &[(Box<str>, u64)],
    dimension: &Dimension,
    parameters: &Parameters<'_>,
    unknown: &std::cell::Cell<u32>,
) -> u64 {
    if let Some((_, number)) = fixed.iter().find(|(name, _)| *name == dimension.name) {
        return *number;
    }
    let (number, understood) = dimension.number(parameters.get(&dimension.name));
    unknown.set(unknown.get() + u32::from(!understood));
    number
}
