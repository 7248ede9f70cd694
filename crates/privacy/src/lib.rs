//! The privacy mathematics of the Attribution Reporting API, exact and free of enumeration.
//!
//! Event-level reports are protected by randomized response over a source's possible outputs:
//! - [`TriggerStates`] counts those outputs and turns a number into the output with that number;
//!   [`FlexibleStates`] counts those of the proposed flexible sources too;
//! - [`flip_probability`] and [`channel_capacity`] say how noisy a source is and how much it discloses;
//!   [`scopes_channel_capacity`] adds attribution scopes, [`epsilon_to_fit`] inverts the capacity;
//! - [`randomized_response`] draws: the truth, or a uniform output.
//!
//! Summary reports are protected by [`DiscreteLaplace`], integer noise sampled without floating point.
//!
//! Nothing here reads a clock or a system source of randomness: samplers take any [`rand::Rng`]. The
//! elementary functions come from `libm` instead of the platform, so that every build, WebAssembly
//! included, takes the same decision at a limit and draws the same noise from the same bits. None of it is
//! constant-time: how long a draw takes may depend on what it draws.

mod bernoulli;
mod channel_capacity;
mod discrete_laplace;
mod epsilon;
mod flexible_states;
mod randomized_response;
#[cfg(test)]
mod script;
mod trigger_states;
mod uniform;

pub use channel_capacity::{channel_capacity, epsilon_to_fit, scopes_channel_capacity};
pub use discrete_laplace::{DiscreteLaplace, InvalidScale};
pub use epsilon::Epsilon;
pub use flexible_states::{FlexibleStates, TriggerDataSpec};
pub use randomized_response::{flip_probability, randomized_response, round_trigger_rate};
pub use trigger_states::{InvalidTriggerStates, TriggerState, TriggerStates};
