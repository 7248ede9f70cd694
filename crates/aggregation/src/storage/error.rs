//! Why a file or object cannot be used.

use std::io;

use super::{Location, Storage};

/// Why something cannot be found, read or written.
#[derive(Debug, thiserror::Error)]
#[error("{location}: {kind}")]
pub struct StorageError {
    /// What.
    pub location: Box<Location>,
    /// Why.
    pub kind: StorageErrorKind,
}

/// Why something cannot be found, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageErrorKind {
    /// There is no such file or object, nor any that begins like it.
    #[error("nothing there")]
    NotFound,
    /// Access is denied.
    #[error("access is denied")]
    Denied,
    /// Longer than [`Storage::MAX_FILE_BYTES`].
    #[error("longer than {} bytes", Storage::MAX_FILE_BYTES)]
    TooLong,
    /// More files than [`Storage::MAX_FILES`].
    #[error("more than {} files", Storage::MAX_FILES)]
    TooMany,
    /// Any other failure of the file system.
    #[error("{0}")]
    Io(io::Error),
    /// Any other failure of the store.
    #[error("{0}")]
    Store(Box<object_store::Error>),
}

impl From<io::Error> for StorageErrorKind {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound,
            io::ErrorKind::PermissionDenied => Self::Denied,
            _ => Self::Io(error),
        }
    }
}

impl From<object_store::Error> for StorageErrorKind {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::NotFound,
            object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
                Self::Denied
            }
            error => Self::Store(Box::new(error)),
        }
    }
}
