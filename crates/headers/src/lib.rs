//! Every header of the Attribution Reporting API: parsed into types, checked, printed.
//!
//! - [`SourceRegistration`] and [`TriggerRegistration`] are what the two JSON headers register, every
//!   default filled in and every clamp applied; [`OsRegistration`] is an item of the other two.
//! - [`RegistrationInfo`], [`Eligibility`] and [`SupportedRegistrars`] are the headers around them, and
//!   [`RequestHeaders`] is what a user agent sends.
//! - Each has a `parse` that gives [`Parsed`]: the value, or all errors, and the warnings; each of them a
//!   [`Problem`] of some [`ProblemKind`] at a [`Path`], which [`locate`] finds in the text.
//! - [`SourceRegistration::restore`] reads what was printed and stored, whatever the vendor's values are by then.
//! - [`validate`] is all of that for people, with what a source discloses and the effective value.
//!
//! What a header may say depends on its bytes and on [`VendorValues`], whose default is Chromium's, and on
//! nothing else: no clock, no I/O, no randomness. No input panics, and all take linear time.
//!
//! ```
//! use ascribe_headers::{SourceRegistration, SourceType, VendorValues};
//!
//! let header = br#"{"destination": "https://shop.example", "expiry": 3600, "priority": "high"}"#;
//! let parsed = SourceRegistration::parse(header, SourceType::Event, &VendorValues::default());
//! let errors: Vec<_> = parsed.errors.iter().map(ToString::to_string).collect();
//! assert_eq!(errors, [r#"$["priority"]: must be an integer in decimal digits"#]);
//! let warnings: Vec<_> = parsed.warnings.iter().map(ToString::to_string).collect();
//! assert_eq!(warnings, [r#"$["expiry"]: will be raised to the minimum, 86400"#]);
//!
//! let header = br#"{"destination": "https://www.shop.example"}"#;
//! let parsed = SourceRegistration::parse(header, SourceType::Event, &VendorValues::default());
//! let source = parsed.value.expect("only warned about: the host is reduced to its site");
//! assert_eq!(source.destinations.as_slice()[0].as_str(), "https://shop.example");
//! assert_eq!(source.expiry, 30 * 24 * 60 * 60);
//! ```

mod coordinator;
mod debug_reporting;
mod eligible;
mod filter;
mod grease;
mod header_name;
mod info;
mod json;
mod key_piece;
mod locate;
mod origin;
mod os;
mod parse;
mod print;
mod problem;
mod problem_kind;
mod problems;
mod source;
mod source_fields;
mod stored;
mod structured;
mod support;
mod text;
mod trigger;
mod validate;
mod vendor;

pub use coordinator::{Coordinator, Coordinators};
pub use debug_reporting::{
    DebugConfig, DebugContribution, SourceDebugConfig, SourceDebugType, TriggerDebugConfig, TriggerDebugType,
};
pub use eligible::Eligibility;
pub use filter::{FilterConfig, FilterData, FilterMap, FilterPair, FilterValues};
pub use grease::{GreaseChoice, Greasing};
pub use header_name::HeaderName;
pub use info::{Registrar, RegistrationInfo};
pub use key_piece::KeyPiece;
pub use locate::{Location, locate, locate_member};
pub use origin::{Site, SuitableOrigin, UnsuitableOrigin};
pub use os::OsRegistration;
pub use problem::{Parsed, Path, PathItem, Problem};
pub use problem_kind::ProblemKind;
pub use source::{SourceRegistration, SourceType};
pub use source_fields::{
    AggregationKeys, AttributionScopes, Destinations, EventReportWindows, NamedBudgets, TriggerDataSet,
};
pub use stored::NotStored;
pub use support::{RequestHeaders, SupportedRegistrars};
pub use text::Text;
pub use trigger::{
    AggregatableDedupKey, AggregatableTriggerData, AggregatableValue, AggregatableValues, EventTrigger,
    FilteringIdMaxBytes, NamedBudget, ReportOptions, TriggerRegistration,
};
pub use validate::{DisclosureLimits, Report, ValidateOptions, validate};
pub use vendor::VendorValues;
