//! JSON registrations into types.
//!
//! Every function here takes a [`Json`](crate::json::Json) value, says where it is, and returns `None`
//! exactly when it has recorded an error: the caller goes on to find the others. A field that is not
//! understood is warned about.

mod coordinator;
mod debug_reporting;
mod event_windows;
mod fields;
mod filters;
mod lonely_keys;
mod numbers;
mod source;
mod strings;
mod trigger;
