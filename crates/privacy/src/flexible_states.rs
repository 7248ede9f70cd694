//! Outputs of a source whose trigger data differ in their windows, or are reported in buckets.
//!
//! Explainer: "Flexible event-level configurations", "Summary Buckets and Multiple Trigger Specs". That was
//! proposed and never shipped: no registration can ask for it. It is here to compute what it would have cost,
//! as the official calculator does.
//!
//! Each trigger data `i` has `w_i` windows and may be reported `b_i` times in all; the source sends at most
//! `r` reports. The outputs of one trigger data with `t ≤ b_i` reports are the ways to put them into its windows,
//! `C(t + w_i − 1, t)`; those of the source with `t` reports are all the ways to divide `t` among its
//! trigger data: the coefficients of a product of polynomials.

use crate::TriggerStates;
use crate::trigger_states::{InvalidTriggerStates, binomial};

/// How one trigger data is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TriggerDataSpec {
    /// Its report windows: 1 to 5.
    pub windows: u8,
    /// At most this many of the source's reports are of it: its summary buckets, besides the one that is
    /// never reported. More than the source's reports are the same as that many.
    pub buckets: u8,
}

/// The number of outputs of a source, by how many reports they are.
///
/// ```
/// use ascribe_privacy::{FlexibleStates, TriggerDataSpec};
///
/// let spec = |windows, buckets| TriggerDataSpec { windows, buckets };
/// // Once in the first week, or in one of two windows up to twice, but no more than twice in all.
/// let states = FlexibleStates::new(2, &[spec(1, 1), spec(2, 2)])?;
/// assert_eq!(states.count(), 1 + 3 + 5);
/// # Ok::<(), ascribe_privacy::InvalidTriggerStates>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlexibleStates {
    /// At `t`, the outputs of `t` reports: 0 above the maximum.
    by_reports: [u128; MAX_REPORTS + 1],
}

const MAX_REPORTS: usize = TriggerStates::MAX_REPORTS as usize;

impl FlexibleStates {
    /// A source with at most `max_event_level_reports` (0 to 20) and a spec for each of its trigger data
    /// (0 to 32).
    ///
    /// # Errors
    ///
    /// The first size that is out of its range.
    pub fn new(max_event_level_reports: u8, specs: &[TriggerDataSpec]) -> Result<Self, InvalidTriggerStates> {
        for windows in specs.iter().map(|spec| spec.windows.into()).chain([1]) {
            TriggerStates::new(max_event_level_reports, specs.len(), windows)?;
        }
        // Each coefficient, and each product of two that is added to one, counts some of the outputs with
        // all windows and buckets that there can be: fewer than C(180, 20).
        let reports = usize::from(max_event_level_reports);
        let mut by_reports = [0; MAX_REPORTS + 1];
        by_reports[0] = 1;
        for spec in specs {
            let before = by_reports;
            for t in 1..=reports.min(spec.buckets.into()) {
                let ways = binomial(t as u128 + u128::from(spec.windows) - 1, t as u128);
                for others in 0..=reports - t {
                    by_reports[others + t] += before[others] * ways;
                }
            }
        }
        Ok(Self { by_reports })
    }

    /// How many outputs there are: from 1 to `C(180, 20)`, less than 2^88.
    #[must_use]
    pub fn count(&self) -> u128 {
        self.by_reports.iter().sum()
    }

    /// How many reports a uniformly random output has, on average.
    #[must_use]
    pub fn mean_reports(&self) -> f64 {
        let total: f64 = (0u8..).zip(self.by_reports).map(|(t, ways)| f64::from(t) * ways as f64).sum();
        total / self.count() as f64
    }
}

impl From<TriggerStates> for FlexibleStates {
    /// Alike trigger data, each of which may have all reports: the sources that can be registered.
    fn from(states: TriggerStates) -> Self {
        let reports = states.max_event_level_reports();
        let spec = TriggerDataSpec { windows: states.windows(), buckets: reports };
        let specs = [spec; TriggerStates::MAX_TRIGGER_DATA];
        Self::new(reports, &specs[..states.trigger_data().into()])
            .expect("what `TriggerStates` has is in the same ranges")
    }
}
