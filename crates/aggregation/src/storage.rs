//! Where batches, domains and summaries are: local files, or objects of a store.
//!
//! Objects are copied to an unnamed temporary file before they are read, as both formats of batches want to
//! be read from a file; what is in them is encrypted.

mod error;
mod local;
mod location;
mod objects;

use std::{
    fs::File,
    io,
    sync::{Arc, OnceLock},
};

use object_store::memory::InMemory;

pub use self::{
    error::{StorageError, StorageErrorKind},
    location::Location,
};
use crate::runtime::OwnRuntime;

/// A file or object that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Where.
    pub location: Location,
    /// How long, in bytes.
    pub len: u64,
}

/// Access to local files, and to the object stores that the environment has credentials for. Objects of
/// `memory:///` are its own, and forgotten with it: for tests.
#[derive(Debug, Default)]
pub struct Storage {
    runtime: OnceLock<OwnRuntime>,
    memory: Arc<InMemory>,
    names_are_prefixes: bool,
}

impl Storage {
    /// The longest file that is read.
    pub const MAX_FILE_BYTES: u64 = 64 << 30;
    /// The most files of one job.
    pub const MAX_FILES: usize = 100_000;
    const MAX_DEPTH: usize = 16;

    /// Access that takes every name for a prefix, as the job API has it: `day/1` stands for `day/1.avro`,
    /// `day/10/a.avro` and all other names that begin so, whether `day/1` is there or not.
    #[must_use]
    pub fn with_prefixes() -> Self {
        Self { names_are_prefixes: true, ..Self::default() }
    }

    /// What is there, in the order of names: the file itself; all files of a directory and those below it;
    /// or, as object stores have it, all files whose name begins so. Hidden files, and those whose name
    /// begins with `_`, are notes of other software.
    ///
    /// # Errors
    /// When nothing is there, or it cannot be listed.
    pub fn list(&self, location: &Location) -> Result<Vec<Blob>, StorageError> {
        let listed = match location {
            Location::Path(path) if self.names_are_prefixes => local::list_names(path),
            Location::Path(path) => local::list_path(path),
            Location::Url(url) => self.list_url(url),
        };
        let mut blobs = listed.map_err(|kind| StorageError { location: location.clone().into(), kind })?;
        if blobs.is_empty() {
            return Err(StorageError { location: location.clone().into(), kind: StorageErrorKind::NotFound });
        }
        blobs.sort_by(|a, b| a.location.cmp(&b.location));
        Ok(blobs)
    }

    /// Opens a file for reading.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(&self, blob: &Blob) -> Result<File, StorageError> {
        let open = || match &blob.location {
            _ if blob.len > Self::MAX_FILE_BYTES => Err(StorageErrorKind::TooLong),
            Location::Path(path) => Ok(File::open(path)?),
            Location::Url(url) => self.download(url),
        };
        open().map_err(|kind| StorageError { location: blob.location.clone().into(), kind })
    }

    /// Puts a file in place, whole or not at all, over one that is there.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put(&self, location: &Location, bytes: &[u8]) -> Result<(), StorageError> {
        let put = || match location {
            Location::Path(path) => Ok(local::put_path(path, bytes)?),
            Location::Url(url) => self.put_object(url, bytes),
        };
        put().map_err(|kind| StorageError { location: location.clone().into(), kind })
    }

    fn runtime(&self) -> io::Result<&OwnRuntime> {
        if let Some(runtime) = self.runtime.get() {
            return Ok(runtime);
        }
        let runtime = OwnRuntime::with_threads(2)?;
        Ok(self.runtime.get_or_init(|| runtime))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn names(blobs: &[Blob]) -> Vec<&str> {
        blobs.iter().map(|blob| blob.location.file_name()).collect()
    }

    #[test]
    fn files_directories_and_prefixes_are_listed() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let storage = Storage::default();
        for name in ["day-1.avro", "day-2.avro", "night.avro", ".hidden", "_SUCCESS", "sub/day-3.avro"] {
            storage.put(&Location::Path(root.join(name)), b"x").unwrap();
        }
        let list = |name: &str| storage.list(&Location::Path(root.join(name)));
        assert_eq!(names(&list("").unwrap()), ["day-1.avro", "day-2.avro", "night.avro", "day-3.avro"]);
        assert_eq!(names(&list("day-2.avro").unwrap()), ["day-2.avro"]);
        assert_eq!(names(&list("day-").unwrap()), ["day-1.avro", "day-2.avro"]);
        for nothing in ["none", "none/below", "day-1.avro.bak"] {
            assert!(matches!(list(nothing).unwrap_err().kind, StorageErrorKind::NotFound), "{nothing}");
        }
    }

    #[test]
    fn names_can_all_be_prefixes_in_files_as_in_object_stores() {
        let directory = tempfile::tempdir().unwrap();
        let root = Location::parse(&format!("{}/x", directory.path().display())).unwrap();
        for base in [root, Location::parse("memory:///x").unwrap()] {
            let storage = Storage::with_prefixes();
            let written = ["day/1.avro", "day/1/a.avro", "day/10/b.avro", "day/2.avro", "day/.1", "d 1%20é"];
            for name in written {
                storage.put(&base.with_file_name(name), name.as_bytes()).unwrap();
            }
            let list = |prefix: &str| match storage.list(&base.with_file_name(prefix)) {
                Ok(blobs) => {
                    let text = |blob: &Blob| io::read_to_string(storage.open(blob).unwrap()).unwrap();
                    blobs.iter().map(text).collect::<Vec<_>>()
                }
                Err(error) => vec![error.kind.to_string()],
            };
            let mut ones = list("day/1");
            ones.sort();
            assert_eq!(ones, ["day/1.avro", "day/1/a.avro", "day/10/b.avro"], "{base}");
            assert_eq!(list("day/1/"), ["day/1/a.avro"], "{base}");
            assert_eq!(list("day/2.avro"), ["day/2.avro"], "{base}");
            assert_eq!(list("day").len(), 4, "{base}");
            assert_eq!(list("day/3"), ["nothing there"], "{base}");
            assert_eq!(list("d 1"), ["d 1%20é"], "{base}");
        }
    }

    #[test]
    fn a_file_is_replaced_whole() {
        let directory = tempfile::tempdir().unwrap();
        let location = Location::Path(directory.path().join("new/summary.csv"));
        let storage = Storage::default();
        for text in ["first", "second, and longer"] {
            storage.put(&location, text.as_bytes()).unwrap();
            let blobs = storage.list(&location).unwrap();
            assert_eq!(blobs[0].len, text.len() as u64);
            assert_eq!(io::read_to_string(storage.open(&blobs[0]).unwrap()).unwrap(), text);
        }
        assert_eq!(fs::read_dir(directory.path().join("new")).unwrap().count(), 1, "nothing is left over");
    }
}
