//! Recorded users through the Attribution Reporting API.
//!
//! A [`Case`] is one user's recorded input; a [`Player`] is that user's agent with a clock of its own, which
//! plays the entries and tells an [`Observer`] every report that is sent.
//!
//! ```
//! use ascribe_simulation::{Case, Noise, Setup, run_case};
//!
//! let json = r#"{"input": {"registrations": [
//!     {"timestamp": "0",
//!      "registration_request": {"context_origin": "https://news.example",
//!                               "Attribution-Reporting-Eligible": "navigation-source"},
//!      "responses": [{"url": "https://ads.example", "response": {
//!          "Attribution-Reporting-Register-Source": {"destination": "https://shop.example"}}}]},
//!     {"timestamp": "1000",
//!      "registration_request": {"context_origin": "https://shop.example"},
//!      "responses": [{"url": "https://ads.example", "response": {
//!          "Attribution-Reporting-Register-Trigger": {"event_trigger_data": [{"trigger_data": "3"}]}}}]}
//! ]}}"#;
//! let case: Case<'_> = serde_json::from_str(json)?;
//! let run = run_case(&case, &Setup::default(), Noise::Recorded).expect("the entries are in order");
//! assert_eq!(run.reports[0]["report_time"], "172800000");
//! assert_eq!(run.reports[0]["payload"]["trigger_data"], "3");
//! # Ok::<(), serde_json::Error>(())
//! ```

mod api_config;
mod case;
mod check;
mod draws;
mod explained;
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
pub use explained::{Explained, outcome, problems};
pub use lines::{LinesError, LinesOptions, Totals, run_lines};
pub use player::{Observer, PlayError, Player, Sent};
pub use run::{Run, run_case, write_report};
