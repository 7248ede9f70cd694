//! Aggregation keys: 128 bits of named dimensions, and values scaled into a source's budget.
//!
//! The last dimension takes the lowest bits, the one before it the next, and so on. A source fills in what is
//! known when the ad is shown, a trigger what is known when something is bought; the user agent joins both.
//! The value 0 of a dimension stands for all that is not listed, does not fit, or was not said.

use ascribe_headers::{AggregationKeys, FilteringIdMaxBytes, KeyPiece, Text};

/// The contribution budget of a source. Spec: "allowed aggregatable budget per source".
pub const CONTRIBUTION_BUDGET: u32 = 65_536;

/// How aggregation keys and values are made.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyScheme {
    /// From the highest bits to the lowest; at most 128 in all.
    pub dimensions: Box<[Dimension]>,
    /// What is measured; at most 20.
    pub measures: Box<[Measure]>,
    /// How many bytes a filtering ID takes.
    pub filtering_id_max_bytes: FilteringIdMaxBytes,
    /// For how many conversions the budget of one source is to last.
    pub conversions_per_source: u32,
    /// With which epsilon summaries will be noised.
    pub epsilon: f64,
}

/// A part of the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dimension {
    /// The name; also that of the parameter of a tag that tells its value.
    pub name: Box<str>,
    /// Who fills it in.
    pub side: Side,
    /// What it holds.
    pub kind: DimensionKind,
    /// How many bits it takes: 1 to 64.
    pub bits: u32,
    /// Where its lowest bit is in the key.
    pub shift: u32,
}

/// Who fills in a dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The source: what is known when the ad is shown.
    Source,
    /// The trigger: what is known at the conversion.
    Trigger,
}

/// What a dimension holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DimensionKind {
    /// `campaign`: the campaign's number.
    Campaign,
    /// `conversion`: the conversion's number.
    Conversion,
    /// `measure`: the measure's number.
    Measure,
    /// One of these texts, numbered from 1; 0 for every other.
    Listed(Box<[Box<str>]>),
    /// A number.
    Number,
}

/// Something that is summed.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    /// The identifier of its aggregation key.
    pub name: Text,
    /// Its number in the dimension `measure`.
    pub number: u64,
    /// The largest value of one conversion; what is larger is cut to it.
    pub max: f64,
    /// What that value contributes, of [`CONTRIBUTION_BUDGET`]: at least 1.
    pub units: u32,
    /// The filtering ID of its contributions.
    pub filtering_id: u64,
}

impl Measure {
    /// What a value contributes: rounded, at most [`units`](Self::units); `None` for what rounds to nothing.
    #[must_use]
    pub fn contribution(&self, value: f64) -> Option<u32> {
        // A cast cuts to the range, and makes NaN 0.
        let units = (value / self.max * f64::from(self.units)).round() as u32;
        (units > 0).then_some(units.min(self.units))
    }

    /// The value that a sum of contributions stands for.
    #[must_use]
    pub fn value_of(&self, units: f64) -> f64 {
        units * self.max / f64::from(self.units)
    }
}

impl Dimension {
    /// How many values are told apart, with the 0 for all others.
    #[must_use]
    pub fn size(&self) -> u128 {
        match &self.kind {
            DimensionKind::Listed(values) => values.len() as u128 + 1,
            _ => 1 << self.bits,
        }
    }

    /// The number of what a tag says, and whether it was understood.
    pub(crate) fn number(&self, text: Option<&str>) -> (u64, bool) {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return (0, false) };
        let number = match &self.kind {
            DimensionKind::Listed(values) => {
                values.iter().position(|value| **value == *text).map(|index| index as u64 + 1)
            }
            _ => text.parse().ok().filter(|&number| self.fits(number)),
        };
        (number.unwrap_or(0), number.is_some())
    }

    pub(crate) fn fits(&self, number: u64) -> bool {
        u128::from(number) < 1 << self.bits
    }

    fn piece(&self, number: u64) -> u128 {
        u128::from(number) << self.shift
    }
}

impl KeyScheme {
    /// The aggregation keys of a source, one for each measure. `number` gives the value of a dimension.
    pub(crate) fn source_keys(&self, number: impl Fn(&Dimension) -> u64) -> AggregationKeys {
        let side = self.dimensions.iter().filter(|dimension| dimension.side == Side::Source);
        let (measure, others): (Vec<_>, Vec<_>) =
            side.partition(|dimension| dimension.kind == DimensionKind::Measure);
        let common = others.iter().fold(0, |key, dimension| key | dimension.piece(number(dimension)));
        let key = |m: &Measure| measure.iter().fold(common, |key, dimension| key | dimension.piece(m.number));
        let keys = self.measures.iter().map(|measure| (measure.name.clone(), KeyPiece(key(measure))));
        AggregationKeys::new(keys).expect("there are at most 20 measures, with distinct and short names")
    }

    /// The key piece of a trigger.
    pub(crate) fn trigger_piece(&self, number: impl Fn(&Dimension) -> u64) -> KeyPiece {
        let side = self.dimensions.iter().filter(|dimension| dimension.side == Side::Trigger);
        KeyPiece(side.fold(0, |key, dimension| key | dimension.piece(number(dimension))))
    }

    /// What a key says: each dimension with its number. `None` for a key with other bits set.
    #[must_use]
    pub fn explain(&self, key: KeyPiece) -> Option<Vec<(&Dimension, u64)>> {
        let bits = self.dimensions.iter().map(|dimension| dimension.bits).sum::<u32>();
        if bits < 128 && key.0 >> bits != 0 {
            return None;
        }
        let number =
            |dimension: &Dimension| (key.0 >> dimension.shift) as u64 & (u64::MAX >> (64 - dimension.bits));
        Some(self.dimensions.iter().map(|dimension| (dimension, number(dimension))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure() -> Measure {
        Measure { name: "revenue".into(), number: 2, max: 500.0, units: 49_152, filtering_id: 0 }
    }

    #[test]
    fn values_are_scaled_rounded_and_cut() {
        for (value, units) in [
            (500.0, Some(49_152)),
            (500.01, Some(49_152)),
            (f64::INFINITY, Some(49_152)),
            (250.0, Some(24_576)),
            (19.99, Some(1965)),
            (0.006, Some(1)),
            (0.005, None),
            (0.0, None),
            (-1.0, None),
            (f64::NEG_INFINITY, None),
            (f64::NAN, None),
        ] {
            assert_eq!(measure().contribution(value), units, "{value}");
        }
        assert_eq!(measure().value_of(24_576.0), 250.0);
    }

    #[test]
    fn a_dimension_knows_its_values_and_0_is_any_other() {
        let listed = DimensionKind::Listed(["be".into(), "fr".into()].into());
        let mut dimension =
            Dimension { name: "country".into(), side: Side::Source, kind: listed, bits: 2, shift: 0 };
        assert_eq!(dimension.number(Some("be")), (1, true));
        assert_eq!(dimension.number(Some("fr")), (2, true));
        assert_eq!(dimension.number(Some("1")), (0, false));
        assert_eq!(dimension.number(None), (0, false));
        assert_eq!(dimension.size(), 3);
        dimension.kind = DimensionKind::Number;
        assert_eq!(dimension.number(Some("3")), (3, true));
        assert_eq!(dimension.number(Some("4")), (0, false));
        assert_eq!(dimension.size(), 4);
    }

    #[test]
    fn keys_are_laid_from_the_lowest_bits_and_can_be_read_back() {
        let dimension =
            |name: &str, side, kind, bits, shift| Dimension { name: name.into(), side, kind, bits, shift };
        let scheme = KeyScheme {
            dimensions: [
                dimension("campaign", Side::Source, DimensionKind::Campaign, 64, 64),
                dimension("measure", Side::Source, DimensionKind::Measure, 4, 60),
                dimension("item", Side::Trigger, DimensionKind::Number, 60, 0),
            ]
            .into(),
            measures: [measure()].into(),
            filtering_id_max_bytes: FilteringIdMaxBytes::DEFAULT,
            conversions_per_source: 1,
            epsilon: 10.0,
        };
        let source = scheme.source_keys(|_| u64::MAX);
        let piece = source.as_slice()[0].1 | scheme.trigger_piece(|_| 5);
        assert_eq!(piece, KeyPiece(0xffff_ffff_ffff_ffff_2000_0000_0000_0005));
        let numbers: Vec<_> = scheme.explain(piece).unwrap().iter().map(|(_, number)| *number).collect();
        assert_eq!(numbers, [u64::MAX, 2, 5]);
        let narrow = KeyScheme { dimensions: scheme.dimensions[2..].into(), ..scheme };
        assert_eq!(narrow.explain(KeyPiece(1 << 60)), None);
    }
}
