//! Why a journal cannot be read or written.

use std::{
    io,
    path::{Path, PathBuf},
};

use rusqlite::ErrorCode;

/// Why a journal cannot be read or written; displayed, it says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The profile is open, here or in another process.
    #[error(
        "{} is in use, by another Ascribe or a program that reads its journal; \
         close that one, or choose another profile directory",
        .path.display()
    )]
    InUse {
        /// The profile's directory.
        path: PathBuf,
    },
    /// The user agent was shut down, and has let go of its profile.
    #[error("the profile is closed")]
    Closed,
    /// A newer version of the program has written it.
    #[error(
        "{} was written by a newer Ascribe (version {version} of the format; this one knows {known}); \
         update Ascribe, or choose another profile directory",
        .path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
        /// The newest version that can be read.
        known: u32,
    },
    /// It is some other file.
    #[error(
        "{} is not a journal of Ascribe; move it away, or choose another profile directory",
        .path.display()
    )]
    NotAJournal {
        /// The file.
        path: PathBuf,
    },
    /// It is damaged.
    #[error(
        "{} is damaged ({what}); restore it from a backup, or move it away to begin anew: \
         sources and reports that wait in it are lost then",
        .path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        what: String,
    },
    /// The operating system says no.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
    /// SQLite says no: a full disk, for example.
    #[error("{}: {source}", .path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What it says.
        source: rusqlite::Error,
    },
}

impl JournalError {
    /// What an error of SQLite is about a file.
    pub(super) fn of(path: &Path) -> impl Fn(rusqlite::Error) -> Self {
        move |source| {
            let path = path.to_owned();
            match source.sqlite_error_code() {
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::InUse { path },
                Some(ErrorCode::NotADatabase) => Self::NotAJournal { path },
                Some(ErrorCode::DatabaseCorrupt) => Self::Corrupt { path, what: source.to_string() },
                _ => Self::Sqlite { path, source },
            }
        }
    }

    /// What an error of the operating system is about a file or directory.
    pub(super) fn io(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), source }
    }
}
