//! The internals page and the control endpoint.

#[path = "../common/mod.rs"]
mod browsers;
mod client;
mod endpoint;
mod page;
mod security;
mod story;
mod transcript;
