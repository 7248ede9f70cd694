//! A reporting origin for the Attribution Reporting API: it registers what is shown and bought, receives the
//! reports for months, and gets them ready for those who count.
//!
//! - [`Campaigns`] is the one file that says what is registered; [`Campaigns::check`] says what that will
//!   measure and how well, [`Campaigns::tags`] what to paste into pages.
//! - [`Collector`] answers tags and receives reports over HTTP ([`Collector::serve`]). A report is
//!   acknowledged when it is durable in the [`Store`], SQLite or PostgreSQL, and not before.
//! - [`Batcher`] puts aggregatable reports into files for an aggregation service, each report into exactly
//!   one batch; [`Housekeeping`] does so by itself, and deletes what is old.
//! - [`Dashboard`] shows all of that to the people who run it, behind a login.
//! - [`estimates`] turns event-level reports into true counts with their uncertainty.
//!
//! A collector never holds a key that opens aggregatable reports.
//!
//! ```
//! use ascribe_collector::{Campaigns, Secret, Secrets};
//!
//! let file = r#"
//!     origin = "https://ads.example"
//!     [campaigns.spring]
//!     number = 1
//!     destination = "https://shop.example"
//!     landing_pages = "https://www.shop.example/spring"
//!     [conversions.purchase]
//!     number = 1
//!     trigger_data = 1
//!     deduplicate_by = "order"
//! "#;
//! let secrets = Secrets::new(Secret::from_bytes([7; 32]), []);
//! let campaigns = Campaigns::parse(file, secrets.clone())?;
//! let check = campaigns.check();
//! assert_eq!(check.misfits, Vec::<String>::new());
//! assert_eq!((check.campaigns[0].states, check.campaigns[1].states), (2925, 3));
//!
//! let problems = Campaigns::parse(&file.replace("\"https://shop.example", "\"http://shop.example"), secrets).unwrap_err();
//! assert!(problems.to_string().starts_with("line 5, column 19: campaigns.spring.destination "), "{problems}");
//! # Ok::<(), ascribe_collector::ConfigProblems>(())
//! ```

mod batches;
mod campaigns;
mod clock;
mod collector;
mod dashboard;
mod estimates;
mod event_ids;
mod housekeeping;
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
    ConfigProblems, Conversion, DashboardSection, Dimension, DimensionKind, FurtherOrigin, InvalidRedirect,
    KeyScheme, LandingPage, Measure, MeasureCheck, Side, Spread,
};
pub use clock::Clock;
pub use collector::Collector;
pub use dashboard::{
    Access, AccessError, Dashboard, DashboardOptions, PasswordHash, ServiceAddress, ServiceError,
};
pub use estimates::{Estimate, NoiseModel, estimates};
pub use event_ids::{EventId, EventIdField, EventIdLayout, InvalidLayout};
pub use housekeeping::{Chores, Housekeeping};
pub use intake::{Limits, Overload};
pub use metrics::Metrics;
pub use secrets::{Secret, SecretError, Secrets};
pub use store::{
    Batch, BatchKey, BatchOverview, BatchPlan, BatchedReport, EventCount, EventReport, NewReport, PageOf,
    ReceivedCount, ReportBody, ReportFilter, ServedSource, Store, StoreError, StoreLocation, VerboseFilter,
    VerboseReport, VerboseType, WaitingReports,
};
pub use tags::Tag;
