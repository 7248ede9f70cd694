//! Every header of the Attribution Reporting API: parsed into types, checked, printed.

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
mod structured;
mod support;
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
pub use support::{RequestHeaders, SupportedRegistrars};
pub use trigger::{
    AggregatableDedupKey, AggregatableTriggerData, AggregatableValue, AggregatableValues, EventTrigger,
    FilteringIdMaxBytes, NamedBudget, ReportOptions, TriggerRegistration,
};
pub use validate::{DisclosureLimits, Report, ValidateOptions, validate};
pub use vendor::VendorValues;
