//! Connections that pages read by: few, and patient only so long.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

use super::PATIENCE;
use crate::store::{Store, StoreError, StoreLocation};

#[derive(Debug)]
pub(super) struct Reader {
    location: StoreLocation,
    free: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Store>>>,
}

/// Pages that are made at the same time wait for each other.
const CONNECTIONS: usize = 3;

impl Reader {
    pub(super) fn new(location: StoreLocation) -> Self {
        Self { location, free: Arc::new(Semaphore::new(CONNECTIONS)), idle: Arc::default() }
    }

    /// Asks the store something.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let ended = || StoreError::Io(std::io::Error::other("the collector is ending"));
        let permit = self.free.clone().acquire_owned().await.map_err(|_| ended())?;
        let (location, idle) = (self.location.clone(), self.idle.clone());
        // A page that is no longer waited for still takes its connection until the query ends.
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let kept = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut store = match kept {
                Some(store) => store,
                None => Store::open_to_read(&location, PATIENCE)?,
            };
            let done = work(&mut store);
            // After an error, nobody knows what state a connection is in.
            if matches!(done, Ok(_) | Err(StoreError::TooSlow)) {
                idle.lock().unwrap_or_else(PoisonError::into_inner).push(store);
            }
            done
        });
        task.await.unwrap_or_else(|_| Err(ended()))
    }
}
