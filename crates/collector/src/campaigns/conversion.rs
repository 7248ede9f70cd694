//! A conversion: what a purchase, or whatever else is counted, triggers.

use ascribe_headers::{
    AggregatableDedupKey, AggregatableTriggerData, AggregatableValue, AggregatableValues, FilterPair,
    ReportOptions, TriggerRegistration,
};

use super::{Campaigns, campaign::fixed_or_told, key_scheme::DimensionKind, redirect::FurtherOrigin};
use crate::parameters::Parameters;

/// A conversion of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Conversion {
    /// Its name, in URLs.
    pub name: Box<str>,
    /// Its number, in aggregation keys.
    pub number: u64,
    /// What it registers, without deduplication keys, contributions and context ID.
    pub registration: TriggerRegistration,
    /// The parameter that identifies an order: two conversions with the same are one.
    pub deduplicate_by: Option<Box<str>>,
    /// The parameter that is sent back in the clear with the aggregatable report.
    pub context_id: Option<Box<str>>,
    /// What it adds to which measure, as an index into the scheme's.
    pub measures: Box<[(usize, Amount)]>,
    /// Who may register after this collector, in this order.
    pub further_origins: Box<[FurtherOrigin]>,
    /// Where the operating system registers, if it can.
    pub os_urls: Box<[FurtherOrigin]>,
    /// Values of dimensions that its tags do not say.
    pub dimensions: Box<[(Box<str>, u64)]>,
}

/// How much a conversion adds.
#[derive(Clone, Debug, PartialEq)]
pub enum Amount {
    /// Always this much.
    Fixed(f64),
    /// What the parameter with this name says.
    Told(Box<str>),
}

/// A longer context ID would make the header invalid. Spec: "max length per trigger context ID", in bytes.
const MAX_CONTEXT_ID_BYTES: usize = 64;

impl Campaigns {
    /// What a tag triggers; the same for the same parameters. With it, how many of the dimensions and amounts
    /// were not understood.
    pub(crate) fn trigger(
        &self,
        conversion: &Conversion,
        parameters: &Parameters<'_>,
    ) -> (TriggerRegistration, u32) {
        let mut trigger = conversion.registration.clone();
        let unknown = std::cell::Cell::new(0);

        let order = conversion.deduplicate_by.as_deref().and_then(|name| parameters.get(name));
        if let Some(order) = order.filter(|order| !order.is_empty()) {
            let key = Some(self.secrets.deduplication_key(&conversion.name, order));
            trigger.event_triggers.iter_mut().for_each(|event| event.dedup_key = key);
            trigger.aggregatable_dedup_keys =
                [AggregatableDedupKey { dedup_key: key, filters: FilterPair::default() }].into();
            if self.debug_keys {
                trigger.debug_key = key;
            }
        }

        let context_id = conversion.context_id.as_deref().and_then(|name| parameters.get(name));
        if let (Some(id), ReportOptions::ExcludeSourceRegistrationTime { trigger_context_id, .. }) =
            (context_id.filter(|id| id.len() <= MAX_CONTEXT_ID_BYTES), &mut trigger.report_options)
        {
            *trigger_context_id = Some(id.into());
        }

        let mut values = Vec::with_capacity(conversion.measures.len());
        for (index, amount) in &conversion.measures {
            let measure = &self.scheme.measures[*index];
            let amount = match amount {
                Amount::Fixed(amount) => Some(*amount),
                Amount::Told(name) => parameters.get(name).and_then(|text| text.parse().ok()),
            };
            match amount {
                None => unknown.set(unknown.get() + 1),
                Some(amount) => values.extend(measure.contribution(amount).map(|value| {
                    (measure.name.clone(), AggregatableValue { value, filtering_id: measure.filtering_id })
                })),
            }
        }
        if !values.is_empty() {
            values.sort_by(|(a, _), (b, _)| a.cmp(b));
            let key_piece = self.scheme.trigger_piece(|dimension| match dimension.kind {
                DimensionKind::Conversion => conversion.number,
                _ => fixed_or_told(&conversion.dimensions, dimension, parameters, &unknown),
            });
            let filters = FilterPair::default();
            let source_keys = values.iter().map(|(name, _)| name.clone()).collect();
            trigger.aggregatable_trigger_data =
                [AggregatableTriggerData { key_piece, source_keys, filters: filters.clone() }].into();
            trigger.aggregatable_values = [AggregatableValues { values: values.into(), filters }].into();
        }
        (trigger, unknown.get())
    }
}
