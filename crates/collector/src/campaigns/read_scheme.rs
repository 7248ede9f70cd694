//! Reading `[aggregation]`.

use ascribe_headers::{Coordinators, FilteringIdMaxBytes};

use super::{
    document::{Problems, Section},
    key_scheme::{CONTRIBUTION_BUDGET, Dimension, DimensionKind, KeyScheme, Measure, Side},
    read::{self, Numbers},
};

/// The default of summaries, and the largest that an aggregation service takes.
const DEFAULT_EPSILON: f64 = 10.0;
const MAX_EPSILON: f64 = 64.0;

/// The scheme, and the coordinators that registrations may name.
pub(super) fn scheme(mut section: Section<'_>, problems: &mut Problems) -> (Option<KeyScheme>, Coordinators) {
    let coordinator = section.take("coordinator").and_then(|field| read::origin(&field, problems));
    let coordinators =
        coordinator.and_then(|origin| Coordinators::new([origin])).unwrap_or_else(Coordinators::chromium);
    let epsilon = match section.take("epsilon") {
        None => Some(DEFAULT_EPSILON),
        Some(field) => field.positive(problems).filter(|epsilon| {
            let fits = *epsilon <= MAX_EPSILON;
            if !fits {
                field.problem("is above 64", "aggregation services take an epsilon up to 64", problems);
            }
            fits
        }),
    };
    let bytes = section.take("filtering_id_bytes").map_or(Some(1), |field| field.integer(1..=8, problems));
    let max_bytes = bytes.and_then(|bytes| FilteringIdMaxBytes::new(bytes as u8));
    let conversions = section
        .take("conversions_per_source")
        .map_or(Some(1), |field| field.integer(1..=u64::from(CONTRIBUTION_BUDGET), problems));
    let dimensions = dimensions(&mut section, problems);
    let scheme = (|| {
        let (max_bytes, conversions) = (max_bytes?, conversions? as u32);
        let measures = measures(
            section.section("measures", problems),
            dimensions.as_ref()?,
            max_bytes,
            conversions,
            problems,
        );
        Some(KeyScheme {
            measures: measures?,
            dimensions: dimensions?,
            filtering_id_max_bytes: max_bytes,
            conversions_per_source: conversions,
            epsilon: epsilon?,
        })
    })();
    section.finish(problems);
    (scheme, coordinators)
}

fn dimensions(section: &mut Section<'_>, problems: &mut Problems) -> Option<Box<[Dimension]>> {
    let Some(field) = section.take("dimensions") else { return Some(Box::default()) };
    let mut dimensions: Vec<Dimension> = Vec::new();
    let items = field.list(problems)?;
    let mut whole = true;
    let mut shift = 0;
    // From the lowest bits, which the last takes.
    for item in items.into_iter().rev() {
        let Some(dimension) = item.section(problems).and_then(|item| dimension(item, shift, problems)) else {
            whole = false;
            continue;
        };
        if dimensions.iter().any(|other| other.name == dimension.name) {
            section.problem(
                &format!("has two dimensions {}", dimension.name),
                "name each of them once",
                problems,
            );
            whole = false;
        }
        shift += dimension.bits;
        dimensions.push(dimension);
    }
    if shift > 128 {
        let what = format!("has dimensions of {shift} bits in all");
        section.problem(&what, "keys have 128: take some away", problems);
        return None;
    }
    dimensions.reverse();
    whole.then(|| dimensions.into())
}

fn dimension(mut item: Section<'_>, shift: u32, problems: &mut Problems) -> Option<Dimension> {
    let name = item.require("name", "name the parameter that tells its value", problems)?;
    let name: Box<str> = name.string(problems)?.into();
    let bits = item.require("bits", "say how many bits it takes", problems)?;
    let width = bits.integer(1..=64, problems)? as u32;
    let side = match item.take("side") {
        None if &*name == "conversion" => Side::Trigger,
        None => Side::Source,
        Some(field) => match field.string(problems)? {
            "source" => Side::Source,
            "trigger" => Side::Trigger,
            _ => {
                field.problem("is neither source nor trigger", "say who knows its value", problems);
                return None;
            }
        },
    };
    let kind = match (&*name, item.take("values")) {
        ("campaign", None) => DimensionKind::Campaign,
        ("conversion", None) => DimensionKind::Conversion,
        ("measure", None) => DimensionKind::Measure,
        ("campaign" | "conversion" | "measure", Some(field)) => {
            field.problem("is known already", "leave it out", problems);
            return None;
        }
        (_, None) => DimensionKind::Number,
        (_, Some(field)) => {
            let mut values: Vec<Box<str>> = Vec::new();
            for value in field.list(problems)? {
                let text = value.string(problems)?;
                if text.is_empty() || values.iter().any(|other| **other == *text) {
                    value.problem("is empty, or there twice", "list each value once", problems);
                }
                values.push(text.into());
            }
            if width < 64 && values.len() as u64 >> width != 0 {
                let what = format!("is too small for {} values and the 0 for all others", values.len());
                bits.problem(&what, "give it more bits", problems);
                return None;
            }
            DimensionKind::Listed(values.into())
        }
    };
    let wrong_side = match kind {
        DimensionKind::Campaign | DimensionKind::Measure => side == Side::Trigger,
        DimensionKind::Conversion => side == Side::Source,
        _ => false,
    };
    if wrong_side {
        item.problem("is on the wrong side", "leave out side", problems);
        return None;
    }
    item.finish(problems);
    Some(Dimension { name, side, kind, bits: width, shift })
}

fn measures(
    section: Section<'_>,
    dimensions: &[Dimension],
    max_bytes: FilteringIdMaxBytes,
    conversions: u32,
    problems: &mut Problems,
) -> Option<Box<[Measure]>> {
    let dimension = dimensions.iter().find(|dimension| dimension.kind == DimensionKind::Measure);
    let bits = dimension.map_or(64, |dimension| dimension.bits);
    let mut numbers = Numbers::new();
    let mut measures = Vec::new();
    let mut whole = true;
    for (name, field) in section.rest() {
        let too_long = name.len() > ascribe_headers::AggregationKeys::MAX_ID_BYTES;
        if too_long || measures.len() == ascribe_headers::AggregationKeys::MAX {
            field.problem(
                "is too long a name, or one too many",
                "a source has at most 20 keys, of 25 bytes",
                problems,
            );
            return None;
        }
        if dimension.is_none() && !measures.is_empty() {
            let help = r#"add { name = "measure", bits = 4 } to aggregation.dimensions"#;
            field.problem("would be summed together with another measure", help, problems);
            whole = false;
        }
        let measure = field.section(problems).and_then(|mut measure| {
            let read = (|| {
                let number = read::number(&name, bits, &mut measure, &mut numbers, problems);
                let max = measure.require("max", "say what the largest value of one conversion is", problems);
                let share =
                    measure.require("share", "say which part of the budget it takes, such as 0.5", problems);
                let id = measure
                    .take("filtering_id")
                    .map_or(Some(0), |field| field.integer(0..=max_bytes.max_filtering_id(), problems));
                let max = max.and_then(|field| field.positive(problems));
                let units = share.and_then(|field| {
                    let share = field.positive(problems)?;
                    // A cast cuts to the range.
                    let units =
                        (f64::from(CONTRIBUTION_BUDGET) * share / f64::from(conversions)).floor() as u32;
                    let fits = share <= 1.0 && units >= 1;
                    if !fits {
                        field.problem(
                            "leaves no unit, or takes more than there is",
                            "write a part of 1, such as 0.5",
                            problems,
                        );
                    }
                    fits.then_some(units)
                });
                Some(Measure {
                    name: name.as_str().into(),
                    number: number?,
                    max: max?,
                    units: units?,
                    filtering_id: id?,
                })
            })();
            measure.finish(problems);
            read
        });
        whole &= measure.is_some();
        measures.extend(measure);
    }
    whole.then(|| measures.into())
}
