//! What event-level reports say of true conversions: counts corrected for noise, with their uncertainty.
//!
//! A source has `k` outputs: every multiset of up to `r` reports over its `n = trigger data · windows` kinds of
//! report. With probability `x = k / (k − 1 + e^ε)` it sends a uniform one of them in place of the true one.
//!
//! Filled up with blanks, an output is a multiset of `r` letters out of `n + 1`. All letters are alike, so in a
//! uniform output each has the expected multiplicity `μ = r / (n + 1)`. With `N` sources, of which `T` reports
//! of one kind are true, `R` are received, with
//!
//! `E[R] = (1 − x)·T + x·N·μ`, so that `(R − x·N·μ) / (1 − x)` has the expectation `T`.
//!
//! The formula `(v − n·x/k) / (1 − x)` that is met elsewhere counts outputs as if they were reports: it takes
//! each kind to come from one output in `k`, while it is in many.
//!
//! A trigger data's count sums over its `w` windows: `μ = w·r / (n + 1)`. The letters of one of `w` windows out
//! of `n + 1`, in a uniform multiset of `r`, are distributed as Pólya's urn has it (beta-binomial with `α = w`
//! and `β = n + 1 − w`), whose variance is `r·w·(n + 1 − w)·(n + 1 + r) / ((n + 1)²·(n + 2))`.

use ascribe_headers::SourceType;
use ascribe_privacy::{Epsilon, TriggerStates, flip_probability, round_trigger_rate};
use serde::Serialize;

use crate::store::{EventCount, ServedSource};

/// What is known of one trigger data of one campaign.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// The campaign's number.
    pub campaign: u64,
    /// `event` or `navigation`.
    pub source_type: &'static str,
    /// The trigger data.
    pub trigger_data: u64,
    /// How many reports were received.
    pub reports: u64,
    /// How many of them are true, in expectation; can be negative.
    pub estimate: f64,
    /// The lower end of an interval that holds the true number 95 times of 100.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// How many sources were served, each of which may be noise.
    pub sources: u64,
    /// How likely each was.
    pub flip_probability: f64,
}

/// The noise that sources of one kind make.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoiseModel {
    flip: f64,
    max_reports: f64,
    /// Of the reports with one trigger data, in a uniform output: mean and variance.
    mean: f64,
    variance: f64,
}

/// The quantile of the normal distribution for 95 %, two-sided.
const NORMAL_95: f64 = 1.959_963_984_540_054;
/// `ln(2 / 0.05)`, of Bernstein's inequality.
const LOG_2_OVER_ALPHA: f64 = 3.688_879_454_113_936;
/// From so many expected noised sources on, their sum is nearly normal.
const MANY: f64 = 50.0;

impl NoiseModel {
    /// Of sources with these outputs and epsilon.
    #[must_use]
    pub fn new(states: TriggerStates, epsilon: Epsilon) -> Self {
        let reports = f64::from(states.max_event_level_reports());
        let windows = f64::from(states.windows());
        let letters = windows * f64::from(states.trigger_data()) + 1.0;
        let variance = reports * windows * (letters - windows) * (letters + reports)
            / (letters * letters * (letters + 1.0));
        Self {
            flip: flip_probability(states.count(), epsilon),
            max_reports: reports,
            mean: windows * reports / letters,
            variance,
        }
    }

    /// How likely a source is noise.
    #[must_use]
    pub fn flip_probability(self) -> f64 {
        self.flip
    }

    /// The true number of reports with one trigger data, when `reports` were received from `sources`: the
    /// estimate, and the ends of an interval that holds the true number in at least about 95 of 100 cases.
    ///
    /// The interval is that of the normal distribution where many sources are noised, and Bernstein's, which
    /// holds for any number of them and is wider, where few are. `None` when all that is sent is noise.
    #[must_use]
    pub fn estimate(self, reports: u64, sources: u64) -> Option<(f64, f64, f64)> {
        let kept = 1.0 - self.flip;
        if kept <= 0.0 {
            return None;
        }
        let (reports, sources) = (reports as f64, sources as f64);
        let estimate = (reports - self.flip * sources * self.mean) / kept;
        // Of a source with `t` true reports, the count has the variance x·σ² + x·(1 − x)·(t − μ)². Of all the
        // `t²`, only this is known: they are at most `max_reports · t`, whose sum is the true number.
        let truth = estimate.max(0.0);
        let squares = self.max_reports * truth - 2.0 * self.mean * truth + sources * self.mean * self.mean;
        let variance = self.flip * (sources * self.variance + kept * squares.max(0.0));
        let deviation = if self.flip * sources >= MANY {
            NORMAL_95 * variance.sqrt()
        } else {
            (2.0 * LOG_2_OVER_ALPHA * variance).sqrt()
                + LOG_2_OVER_ALPHA * self.max_reports / 3.0 * f64::from(self.flip > 0.0)
        };
        Some((estimate, estimate - deviation / kept, estimate + deviation / kept))
    }
}

/// Estimates for all campaigns, from what was received and what was served.
///
/// Reports belong to the sources with their `randomized_trigger_rate`: a campaign whose registrations changed
/// has several. Reports of none, and those with a made-up source event ID, are left out.
#[must_use]
pub fn estimates(counts: &[EventCount], served: &[ServedSource]) -> Vec<Estimate> {
    let mut kinds: Vec<(&ServedSource, TriggerStates, u64)> = Vec::new();
    for source in served {
        let states = TriggerStates::new(
            source.max_event_level_reports,
            source.trigger_data.into(),
            source.windows.into(),
        );
        let Ok(states) = states else { continue };
        let same = |(kind, kind_states, _): &&mut (&ServedSource, TriggerStates, u64)| {
            (kind.campaign, kind.source_type, kind.epsilon, *kind_states)
                == (source.campaign, source.source_type, source.epsilon, states)
        };
        match kinds.iter_mut().find(same) {
            Some((.., sources)) => *sources += source.count,
            None => kinds.push((source, states, source.count)),
        }
    }
    let mut estimates = Vec::new();
    for (kind, states, sources) in kinds {
        let Some(epsilon) = Epsilon::new(kind.epsilon) else { continue };
        let model = NoiseModel::new(states, epsilon);
        let of_kind = |count: &&EventCount| {
            count.campaign == Some(kind.campaign)
                && count.source_type == kind.source_type
                && count.rate == round_trigger_rate(model.flip)
        };
        // Of trigger data that no report has, it is known that there are none.
        let named = 0..u64::from(kind.trigger_data);
        let told = counts.iter().filter(of_kind).map(|count| count.trigger_data);
        let mut all: Vec<u64> = named.chain(told).collect();
        all.sort_unstable();
        all.dedup();
        if all.len() > usize::from(kind.trigger_data) {
            // The values are other than 0, 1, …: only those that were told are known.
            all.retain(|value| counts.iter().filter(of_kind).any(|count| count.trigger_data == *value));
        }
        for trigger_data in all {
            let same = |count: &&EventCount| count.trigger_data == trigger_data;
            let reports = counts.iter().filter(of_kind).filter(same).map(|count| count.count).sum();
            let Some((estimate, low, high)) = model.estimate(reports, sources) else { continue };
            estimates.push(Estimate {
                campaign: kind.campaign,
                source_type: SourceType::as_str(kind.source_type),
                trigger_data,
                reports,
                estimate,
                low,
                high,
                sources,
                flip_probability: model.flip,
            });
        }
    }
    estimates
}
