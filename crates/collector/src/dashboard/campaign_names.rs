//! Numbers that reports carry, by the names of the campaigns file.

use ascribe_headers::SourceType;

use crate::campaigns::{Campaigns, DimensionKind};

/// The name of a campaign; its number, if the file no longer has it.
pub(super) fn campaign(campaigns: &Campaigns, number: Option<u64>) -> String {
    let Some(number) = number else { return "made up".to_owned() };
    match campaigns.campaigns.iter().find(|campaign| campaign.number == number) {
        Some(campaign) => campaign.name.to_string(),
        None => format!("no. {number}"),
    }
}

/// The conversions that a trigger data of a campaign's sources stands for, if any do.
pub(super) fn conversions(
    campaigns: &Campaigns,
    campaign: u64,
    source_type: &str,
    trigger_data: u64,
) -> Option<String> {
    let source_type = if source_type == SourceType::Navigation.as_str() {
        SourceType::Navigation
    } else {
        SourceType::Event
    };
    let of_number = campaigns.campaigns.iter().find(|known| known.number == campaign);
    let set =
        of_number.and_then(|campaign| campaign.registration(source_type)).map(|source| &source.trigger_data);
    let is_meant = |told: u64| match set {
        Some(set) => {
            let meant = set.find(told);
            meant.is_some() && meant == set.find(trigger_data)
        }
        None => told == trigger_data,
    };
    let of = |conversion: &&crate::Conversion| {
        conversion.registration.event_triggers.iter().any(|trigger| is_meant(trigger.trigger_data))
    };
    let names: Vec<&str> =
        campaigns.conversions.iter().filter(of).map(|conversion| &*conversion.name).collect();
    (!names.is_empty()).then(|| names.join(" or "))
}

/// The value of a dimension of an aggregation key.
pub(super) fn value(campaigns: &Campaigns, kind: &DimensionKind, number: u64) -> String {
    let name = match kind {
        DimensionKind::Campaign => {
            campaigns.campaigns.iter().find(|known| known.number == number).map(|known| &*known.name)
        }
        DimensionKind::Conversion => {
            campaigns.conversions.iter().find(|known| known.number == number).map(|known| &*known.name)
        }
        DimensionKind::Measure => campaigns
            .scheme
            .measures
            .iter()
            .find(|known| known.number == number)
            .map(|known| known.name.as_str()),
        DimensionKind::Listed(values) => match number.checked_sub(1) {
            None => Some("other"),
            Some(index) => {
                usize::try_from(index).ok().and_then(|index| values.get(index)).map(|value| &**value)
            }
        },
        DimensionKind::Number => None,
    };
    name.map_or_else(|| number.to_string(), str::to_owned)
}
