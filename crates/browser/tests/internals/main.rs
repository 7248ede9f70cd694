//! The internals page and the control endpoint.

mod client;
mod endpoint;
mod security;
mod story;
