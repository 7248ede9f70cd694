//! A reporting origin for the Attribution Reporting API.

mod batches;
mod campaigns;
mod clock;
mod collector;
mod estimates;
mod event_ids;
mod intake;
mod metrics;
mod parameters;
mod registrations;
mod secrets;
mod server;
mod store;
mod tags;

pub use batches::{BatchError, BatchOptions, BatchPlace, Batcher, REPORTS_SCHEMA};
pub use campaigns::{
    Amount, CONTRIBUTION_BUDGET, Campaign, CampaignCheck, Campaigns, CheckReport, ConfigProblem,
    ConfigProblems, Conversion, Dimension, DimensionKind, FurtherOrigin, InvalidRedirect, KeyScheme,
    LandingPage, Measure, MeasureCheck, Side, Spread,
};
pub use clock::Clock;
pub use collector::Collector;
pub use estimates::{Estimate, NoiseModel, estimates};
pub use event_ids::{EventId, EventIdField, EventIdLayout, InvalidLayout};
pub use intake::{Limits, Overload};
pub use metrics::Metrics;
pub use secrets::{Secret, SecretError, Secrets};
pub use store::{
    Batch, BatchKey, BatchPlan, BatchedReport, EventCount, NewReport, ReportBody, ServedSource, Store,
    StoreError, StoreLocation, VerboseReport,
};
pub use tags::Tag;
