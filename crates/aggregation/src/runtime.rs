//! A runtime of one's own, for what waits for stores and databases in plain threads.

use std::{io, ops::Deref};

use tokio::runtime::{Builder, Runtime};

/// A runtime that can be dropped anywhere, within another one, too: it does not wait for its threads.
#[derive(Debug)]
pub(crate) struct OwnRuntime(Option<Runtime>);

impl OwnRuntime {
    /// One that works on the thread that waits.
    pub(crate) fn on_this_thread() -> io::Result<Self> {
        Ok(Self(Some(Builder::new_current_thread().enable_all().build()?)))
    }

    /// One with threads of its own.
    pub(crate) fn with_threads(threads: usize) -> io::Result<Self> {
        Ok(Self(Some(Builder::new_multi_thread().worker_threads(threads).enable_all().build()?)))
    }
}

impl Deref for OwnRuntime {
    type Target = Runtime;

    fn deref(&self) -> &Runtime {
        self.0.as_ref().expect("it is there until it is dropped")
    }
}

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_can_be_dropped_within_another() {
        let outer = OwnRuntime::on_this_thread().unwrap();
        for inner in [OwnRuntime::on_this_thread().unwrap(), OwnRuntime::with_threads(1).unwrap()] {
            inner.block_on(async {});
            outer.block_on(async move { drop(inner) });
        }
    }
}
