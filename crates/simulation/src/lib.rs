//! Recorded users through the Attribution Reporting API.
//!
//! A [`Case`] is one user's recorded input; a [`Player`] is that user's agent with a clock of its own, which
//! plays the entries and tells an [`Observer`] every report that is sent.

mod api_config;
mod case;
mod check;
mod draws;
mod header_value;
mod lines;
mod output;
mod player;
mod run;

pub use api_config::{ApiConfigError, Setup, apply_api_config};
pub use case::{
    Case, Entry, Event, Input, Output, RecordedFakeReport, RecordedHeaders, RecordedResponse,
    RegistrationRequest,
};
pub use check::{Difference, compare};
pub use draws::Noise;
pub use lines::{LinesError, LinesOptions, Totals, run_lines};
pub use player::{Observer, PlayError, Player, Sent};
pub use run::{Run, run_case, write_report};
