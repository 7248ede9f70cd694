//! What a campaigns file will measure, and how well: disclosure and noise of each campaign, noise of each
//! measure and dimension, and what does not fit.

use std::fmt;

use ascribe_headers::{HeaderName, SourceRegistration, SourceType, ValidateOptions, validate};
use ascribe_privacy::{TriggerStates, channel_capacity, flip_probability};
use serde::Serialize;

use super::{CONTRIBUTION_BUDGET, Campaigns, DimensionKind, KeyScheme};

/// The whole of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CheckReport {
    /// Each campaign, for each type of source that it registers.
    pub campaigns: Vec<CampaignCheck>,
    /// Each measure.
    pub measures: Vec<MeasureCheck>,
    /// How many values each dimension tells apart, and what it costs to sum over it.
    pub dimensions: Vec<Spread>,
    /// How many bits the tag of source event IDs has.
    pub tag_bits: u32,
    /// With which probability a made-up source event ID passes.
    pub forgery_probability: f64,
    /// What cannot work as it is written, in sentences.
    pub misfits: Vec<String>,
}

/// What a source discloses.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CampaignCheck {
    /// The campaign's name.
    pub campaign: Box<str>,
    /// `navigation` or `event`.
    pub source_type: &'static str,
    /// How many outputs it has.
    pub states: u128,
    /// How many bits it discloses at most.
    pub channel_capacity: f64,
    /// How many bits it may disclose.
    pub max_channel_capacity: f64,
    /// How likely its reports are random.
    pub flip_probability: f64,
}

/// What a measure's summaries are worth.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MeasureCheck {
    /// Its name.
    pub measure: Box<str>,
    /// What its largest value contributes.
    pub units: u32,
    /// The smallest step that it counts in, in its own unit.
    pub step: f64,
    /// The standard deviation of the noise of one bucket, in its own unit.
    pub noise: f64,
    /// The sum at which that is 10 % of it.
    pub sum_for_10_percent: f64,
}

/// What summing over the values of a dimension does to noise.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The dimension's name.
    pub dimension: Box<str>,
    /// How many buckets it splits each sum into.
    pub buckets: u128,
    /// How much larger the noise is of a sum over all of them: the square root.
    pub noise_factor: f64,
}

impl Campaigns {
    /// Says what this file will measure, and what does not fit.
    #[must_use]
    pub fn check(&self) -> CheckReport {
        let mut misfits = Vec::new();
        let mut campaigns = Vec::new();
        for campaign in &self.campaigns {
            for source_type in [SourceType::Navigation, SourceType::Event] {
                if let Some(source) = campaign.registration(source_type) {
                    campaigns.push(check_source(&campaign.name, source_type, source, &mut misfits));
                    check_budget(&campaign.name, source, &self.scheme, &mut misfits);
                }
            }
            if campaign.navigation.is_some() && campaign.landing_pages.is_empty() {
                misfits.push(format!(
                    "campaign {}: clicks have no landing page, so no click redirect",
                    campaign.name
                ));
            }
            let reaches = campaign.landing_pages.iter().all(|page| {
                let site = ascribe_headers::Site::parse(page.url().as_str());
                let sources = [&campaign.navigation, &campaign.event].into_iter().flatten();
                site.is_ok_and(|site| {
                    sources.clone().all(|source| source.destinations.as_slice().contains(&site))
                })
            });
            if !reaches {
                misfits.push(format!(
                    "campaign {}: a landing page is on no destination site, where no conversion counts",
                    campaign.name
                ));
            }
        }
        misfits.dedup();
        for conversion in &self.conversions {
            let event = &conversion.registration.event_triggers;
            if event.is_empty() && conversion.measures.is_empty() {
                misfits.push(format!(
                    "conversion {}: has neither trigger_data nor measures, so reports nothing",
                    conversion.name
                ));
            }
        }
        let tag_bits = self.event_ids.tag_bits();
        CheckReport {
            campaigns,
            measures: self
                .scheme
                .measures
                .iter()
                .map(|measure| check_measure(measure, &self.scheme))
                .collect(),
            dimensions: self
                .scheme
                .dimensions
                .iter()
                .filter_map(|dimension| spread(dimension, self))
                .collect(),
            tag_bits,
            forgery_probability: (-f64::from(tag_bits)).exp2(),
            misfits,
        }
    }
}

fn check_source(
    name: &str,
    source_type: SourceType,
    source: &SourceRegistration,
    misfits: &mut Vec<String>,
) -> CampaignCheck {
    let options = ValidateOptions { source_type, ..ValidateOptions::default() };
    let report = validate(HeaderName::RegisterSource, source.to_json().as_bytes(), &options);
    let kind = source_type.as_str();
    misfits.extend(report.errors.iter().map(|problem| format!("campaign {name}, {kind}: {}", problem.kind)));
    let states = states(source).count();
    let limits = match source_type {
        SourceType::Event => options.event_limits,
        SourceType::Navigation => options.navigation_limits,
    };
    CampaignCheck {
        campaign: name.into(),
        source_type: kind,
        states,
        channel_capacity: channel_capacity(states, source.event_level_epsilon),
        max_channel_capacity: limits.channel_capacity,
        flip_probability: flip_probability(states, source.event_level_epsilon),
    }
}

/// The outputs of a source.
pub(crate) fn states(source: &SourceRegistration) -> TriggerStates {
    TriggerStates::new(
        source.max_event_level_reports,
        source.trigger_data.len(),
        source.event_report_windows.ends().len(),
    )
    .expect("parsing keeps to at most 20 reports, 32 trigger data, and 1 to 5 windows")
}

/// The budget of aggregatable debug reports is taken from the same 65,536.
fn check_budget(name: &str, source: &SourceRegistration, scheme: &KeyScheme, misfits: &mut Vec<String>) {
    let debug = source.aggregatable_debug_reporting.as_ref().map_or(0, |config| config.budget);
    let largest = scheme.measures.iter().map(|measure| measure.units).max().unwrap_or(0);
    if debug > 0
        && largest.saturating_mul(scheme.conversions_per_source) > CONTRIBUTION_BUDGET.saturating_sub(debug)
    {
        misfits.push(format!(
            "campaign {name}: its debug reports take {debug} of the budget of {CONTRIBUTION_BUDGET}, which leaves too little for a measure"
        ));
    }
}

fn check_measure(measure: &super::Measure, scheme: &KeyScheme) -> MeasureCheck {
    let noise = measure.value_of(noise_of_a_bucket(scheme.epsilon));
    MeasureCheck {
        measure: measure.name.as_str().into(),
        units: measure.units,
        step: measure.value_of(1.0),
        noise,
        sum_for_10_percent: 10.0 * noise,
    }
}

/// The standard deviation of discrete Laplace noise with scale 65,536 / ε, in units: with `q = e^(−1/scale)`,
/// `√(2q) / (1 − q)`.
fn noise_of_a_bucket(epsilon: f64) -> f64 {
    let rate = epsilon / f64::from(CONTRIBUTION_BUDGET);
    (2.0 * (-rate).exp()).sqrt() / -(-rate).exp_m1()
}

/// `None` for the measure: nobody sums different measures.
fn spread(dimension: &super::Dimension, campaigns: &Campaigns) -> Option<Spread> {
    let buckets = match dimension.kind {
        DimensionKind::Measure => return None,
        DimensionKind::Campaign => campaigns.campaigns.len() as u128,
        DimensionKind::Conversion => campaigns.conversions.len() as u128,
        _ => dimension.size(),
    };
    Some(Spread { dimension: dimension.name.clone(), buckets, noise_factor: (buckets as f64).sqrt() })
}

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<24} {:<10} {:>12} {:>9} {:>9} {:>13}",
            "campaign", "source", "states", "bits", "of", "random"
        )?;
        for check in &self.campaigns {
            writeln!(
                f,
                "{:<24} {:<10} {:>12} {:>9.3} {:>9} {:>12.6}%",
                check.campaign,
                check.source_type,
                check.states,
                check.channel_capacity,
                check.max_channel_capacity,
                check.flip_probability * 100.0
            )?;
        }
        writeln!(
            f,
            "\n{:<24} {:>8} {:>12} {:>14} {:>18}",
            "measure", "units", "step", "noise/bucket", "sum for 10 % noise"
        )?;
        for check in &self.measures {
            writeln!(
                f,
                "{:<24} {:>8} {:>12.6} {:>14.3} {:>18.1}",
                check.measure, check.units, check.step, check.noise, check.sum_for_10_percent
            )?;
        }
        writeln!(f, "\n{:<24} {:>20} {:>24}", "dimension", "buckets", "noise of a sum over it")?;
        for spread in &self.dimensions {
            writeln!(f, "{:<24} {:>20} {:>23.1}x", spread.dimension, spread.buckets, spread.noise_factor)?;
        }
        writeln!(
            f,
            "\nsource event IDs: {} bits of tag; a made-up one passes with probability {:.1e}",
            self.tag_bits, self.forgery_probability
        )?;
        for misfit in &self.misfits {
            writeln!(f, "does not fit: {misfit}")?;
        }
        Ok(())
    }
}
