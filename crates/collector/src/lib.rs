//! A reporting origin for the Attribution Reporting API.

mod campaigns;
mod event_ids;
mod parameters;
mod secrets;

pub use campaigns::*;
pub use event_ids::{EventId, EventIdField, EventIdLayout, InvalidLayout};
pub use secrets::{Secret, SecretError, Secrets};

mod store;
pub use store::*;
