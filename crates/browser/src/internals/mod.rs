//! The internals page and the control endpoint.

mod arguments;
mod error;
mod guard;
mod page;
mod views;

use std::sync::Arc;

#[derive(Clone)]
pub(crate) struct Shared(Arc<Inner>);
pub(crate) struct Inner { guard: guard::Guard }
impl std::ops::Deref for Shared { type Target = Inner; fn deref(&self) -> &Inner { &self.0 } }
