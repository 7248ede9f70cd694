//! The numbers: a source held against the limits of "process an attribution source".

use ascribe_headers::SourceType;
use ascribe_privacy::{
    Epsilon, FlexibleStates, InvalidTriggerStates, TriggerDataSpec, channel_capacity, epsilon_to_fit,
    flip_probability, round_trigger_rate, scopes_channel_capacity,
};
use serde::Serialize;

/// What of a source matters here.
pub(super) struct Source {
    pub(super) source_type: SourceType,
    pub(super) max_event_level_reports: u8,
    pub(super) trigger_data: Vec<TriggerDataSpec>,
    pub(super) epsilon: Epsilon,
    pub(super) scopes: Option<Scopes>,
}

/// `attribution_scopes` without the scopes.
#[derive(Clone, Copy)]
pub(super) struct Scopes {
    pub(super) limit: u32,
    pub(super) max_event_states: u32,
}

/// What a user agent accepts of one source type.
pub(super) struct Limits {
    /// "Max trigger-state cardinality".
    pub(super) states: u32,
    /// "Max settable event-level epsilon".
    pub(super) epsilon: f64,
    /// "Max event-level channel capacity per source", in bits.
    pub(super) capacity: f64,
    /// "Max event-level attribution scopes channel capacity per source", in bits.
    pub(super) scopes_capacity: f64,
}

/// All that there is to say; serialized as `--json` prints it.
#[derive(Serialize)]
pub(super) struct Assessment {
    pub(super) source_type: &'static str,
    pub(super) max_event_level_reports: u8,
    pub(super) trigger_data: Vec<TriggerData>,
    /// Whether a user agent with these limits accepts the source: all the checks below.
    pub(super) fits: bool,
    pub(super) epsilon: Check<f64>,
    pub(super) states: Check<u128>,
    /// Channel capacity, in bits.
    pub(super) information_gain: Check<f64>,
    /// Only for sources with attribution scopes.
    pub(super) scopes: Option<ScopesAssessment>,
    pub(super) noise: Noise,
    /// The largest epsilon with which the information gain fits.
    pub(super) epsilon_to_fit: Option<f64>,
    /// The noise with that epsilon.
    pub(super) noise_to_fit: Option<Noise>,
}

/// How one trigger data is reported.
#[derive(Clone, Copy, PartialEq, Serialize)]
pub(super) struct TriggerData {
    pub(super) windows: u8,
    pub(super) buckets: u8,
}

/// A value, and the limit that it may reach but not pass.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Check<T> {
    pub(super) value: T,
    pub(super) limit: T,
    pub(super) fits: bool,
}

#[derive(Serialize)]
pub(super) struct ScopesAssessment {
    pub(super) limit: u32,
    pub(super) max_event_states: u32,
    /// Channel capacity with scopes, in bits.
    pub(super) information_gain: Check<f64>,
    /// An event source's states against its own `max_event_states`; navigation sources may have more.
    pub(super) event_states: Option<Check<u128>>,
    /// The largest `max_event_states` with which the source fits, if there is one.
    pub(super) max_event_states_to_fit: Option<u128>,
}

#[derive(Clone, Copy, Serialize)]
pub(super) struct Noise {
    /// The probability that a source reports a random output instead of the true one.
    pub(super) flip_probability: f64,
    /// The same as reports carry it.
    pub(super) randomized_trigger_rate: f64,
    /// How many fake reports a source with such an output sends, on average.
    pub(super) fake_reports_per_noised_source: f64,
}

impl Assessment {
    pub(super) fn new(source: Source, limits: Limits) -> Result<Self, InvalidTriggerStates> {
        let outputs = FlexibleStates::new(source.max_event_level_reports, &source.trigger_data)?;
        let count = outputs.count();
        let epsilon = Check::new(source.epsilon.get(), limits.epsilon);
        let states = Check::new(count, limits.states.into());
        let information_gain = Check::new(channel_capacity(count, source.epsilon), limits.capacity);
        let scopes = source.scopes.map(|scopes| {
            let may_exceed = source.source_type == SourceType::Navigation;
            ScopesAssessment::new(count, may_exceed, scopes, limits.scopes_capacity)
        });
        let fits = epsilon.fits
            && states.fits
            && information_gain.fits
            && scopes.as_ref().is_none_or(ScopesAssessment::fits);
        // With too many states, no epsilon is small enough.
        let max_epsilon = Epsilon::new(limits.epsilon).filter(|_| states.fits);
        let epsilon_to_fit = max_epsilon.and_then(|max| epsilon_to_fit(count, limits.capacity, max));
        let trigger_data = source.trigger_data.iter();
        Ok(Self {
            source_type: source.source_type.as_str(),
            max_event_level_reports: source.max_event_level_reports,
            trigger_data: trigger_data
                .map(|&TriggerDataSpec { windows, buckets }| TriggerData { windows, buckets })
                .collect(),
            fits,
            epsilon,
            states,
            information_gain,
            scopes,
            noise: Noise::new(&outputs, source.epsilon),
            epsilon_to_fit: epsilon_to_fit.map(Epsilon::get),
            noise_to_fit: epsilon_to_fit.map(|epsilon| Noise::new(&outputs, epsilon)),
        })
    }
}

impl<T: Copy + PartialOrd> Check<T> {
    fn new(value: T, limit: T) -> Self {
        Self { value, limit, fits: value <= limit }
    }
}

impl ScopesAssessment {
    fn new(states: u128, may_exceed: bool, scopes: Scopes, max_capacity: f64) -> Self {
        let Scopes { limit, max_event_states } = scopes;
        let event_states = (!may_exceed).then(|| Check::new(states, max_event_states.into()));
        Self {
            limit,
            max_event_states,
            information_gain: Check::new(
                scopes_channel_capacity(states, limit, max_event_states),
                max_capacity,
            ),
            event_states,
            max_event_states_to_fit: max_event_states_to_fit(states, limit, max_capacity)
                .filter(|&most| may_exceed || most >= states),
        }
    }

    fn fits(&self) -> bool {
        self.information_gain.fits && self.event_states.is_none_or(|check| check.fits)
    }
}

impl Noise {
    fn new(outputs: &FlexibleStates, epsilon: Epsilon) -> Self {
        let flip_probability = flip_probability(outputs.count(), epsilon);
        Self {
            flip_probability,
            randomized_trigger_rate: round_trigger_rate(flip_probability),
            fake_reports_per_noised_source: outputs.mean_reports(),
        }
    }
}

/// The largest positive number with `states + number · (limit − 1) ≤ 2^max_capacity`; none if every number
/// does, for a limit of 1.
fn max_event_states_to_fit(states: u128, limit: u32, max_capacity: f64) -> Option<u128> {
    // A float that is too large becomes the largest integer.
    let spare = (max_capacity.exp2() as u128).checked_sub(states)?;
    spare.checked_div(u128::from(limit).saturating_sub(1)).filter(|&most| most > 0)
}
