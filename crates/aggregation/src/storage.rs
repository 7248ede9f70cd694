//! Where batches, domains and summaries are: local files, or objects of a store.
//!
//! Objects are copied to an unnamed temporary file before they are read, as both formats of batches want to
//! be read from a file; what is in them is encrypted.

use std::{
    fmt,
    fs::{self, File},
    io::{self, Seek, Write},
    path::{Component, Path, PathBuf},
    sync::OnceLock,
};

use futures_util::{StreamExt, TryStreamExt};
use object_store::{ObjectStore, ObjectStoreExt, path::Path as ObjectPath};
use tokio::runtime::Runtime;
use url::Url;

/// A file, a directory or a prefix: a local path, or the URL of an object store (`s3://`, `gs://`, `az://`,
/// `https://`, ...).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Location {
    /// A local path.
    Path(PathBuf),
    /// A URL.
    Url(Url),
}

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

/// A file or object that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Where.
    pub location: Location,
    /// How long, in bytes.
    pub len: u64,
}

/// Access to local files, and to the object stores that the environment has credentials for.
#[derive(Debug, Default)]
pub struct Storage {
    runtime: OnceLock<Runtime>,
}

impl Location {
    /// Reads a path or URL. What has no scheme and `://` is a path; `file://` is one too.
    ///
    /// # Errors
    /// When it looks like a URL and is none.
    pub fn parse(text: &str) -> Result<Self, url::ParseError> {
        if !text.contains("://") {
            return Ok(Self::Path(PathBuf::from(text)));
        }
        let url = Url::parse(text)?;
        Ok(match url.to_file_path() {
            Ok(path) if url.scheme() == "file" => Self::Path(path),
            _ => Self::Url(url),
        })
    }

    /// The last part of the name.
    #[must_use]
    pub fn file_name(&self) -> &str {
        match self {
            Self::Path(path) => path.file_name().and_then(|name| name.to_str()).unwrap_or_default(),
            Self::Url(url) => url.path().rsplit('/').next().unwrap_or_default(),
        }
    }

    /// The same with another last part.
    #[must_use]
    pub fn with_file_name(&self, name: &str) -> Self {
        match self {
            Self::Path(path) => Self::Path(path.with_file_name(name)),
            Self::Url(url) => {
                let mut url = url.clone();
                let (directory, _) = url.path().rsplit_once('/').unwrap_or_default();
                let path = format!("{directory}/{name}");
                url.set_path(&path);
                Self::Url(url)
            }
        }
    }

    /// The same in a directory beside it.
    #[must_use]
    pub fn in_directory(&self, directory: &str) -> Self {
        self.with_file_name(&format!("{directory}/{}", self.file_name()))
    }

    /// The same, whatever the current directory will be.
    ///
    /// # Errors
    /// When there is no current directory.
    pub fn absolute(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Path(path) => Self::Path(std::path::absolute(path)?),
            Self::Url(url) => Self::Url(url.clone()),
        })
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            // Credentials may stand in a query: they are not shown.
            Self::Url(url) => match url.query() {
                Some(_) => f.write_str(url.as_str().split('?').next().unwrap_or_default()),
                None => url.fmt(f),
            },
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Storage {
    /// The longest file that is read.
    pub const MAX_FILE_BYTES: u64 = 64 << 30;
    /// The most files of one job.
    pub const MAX_FILES: usize = 100_000;
    const MAX_DEPTH: usize = 16;

    /// What is there, in the order of names: the file itself; all files of a directory and those below it;
    /// or, as object stores have it, all files whose name begins so. Hidden files, and those whose name
    /// begins with `_`, are notes of other software.
    ///
    /// # Errors
    /// When nothing is there, or it cannot be listed.
    pub fn list(&self, location: &Location) -> Result<Vec<Blob>, StorageError> {
        let listed = match location {
            Location::Path(path) => list_path(path),
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
            Location::Path(path) => Ok(put_path(path, bytes)?),
            Location::Url(url) => {
                let (store, path) = store(url)?;
                let put = store.put(&path, bytes.to_vec().into());
                self.runtime()?.block_on(put)?;
                Ok(())
            }
        };
        put().map_err(|kind| StorageError { location: location.clone().into(), kind })
    }

    fn list_url(&self, url: &Url) -> Result<Vec<Blob>, StorageErrorKind> {
        let (store, path) = store(url)?;
        // Stores list by whole path segments: the last one is compared here.
        let is_directory = url.path().ends_with('/') || path.as_ref().is_empty();
        let prefix =
            path.as_ref().to_owned() + if is_directory && !path.as_ref().is_empty() { "/" } else { "" };
        let parent = prefix.rsplit_once('/').map(|(parent, _)| ObjectPath::from(parent));
        let listed = store
            .list(parent.as_ref())
            .try_filter(|object| {
                let is_listed =
                    object.location.as_ref().starts_with(&prefix) && !is_note(object.location.filename());
                std::future::ready(is_listed)
            })
            .take(Self::MAX_FILES + 1)
            .try_collect::<Vec<_>>();
        let mut objects = self.runtime()?.block_on(listed)?;
        let within =
            |object: &object_store::ObjectMeta| object.location.as_ref().starts_with(&format!("{prefix}/"));
        // A directory of that very name is meant alone.
        if objects.iter().any(|object| object.location == path) {
            objects.retain(|object| object.location == path);
        } else if objects.iter().any(within) {
            objects.retain(within);
        }
        if objects.len() > Self::MAX_FILES {
            return Err(StorageErrorKind::TooMany);
        }
        let blob = |object: object_store::ObjectMeta| {
            let mut location = url.clone();
            location.set_path(&url.path().replacen(path.as_ref(), object.location.as_ref(), 1));
            Blob { location: Location::Url(location), len: object.size }
        };
        Ok(objects.into_iter().map(blob).collect())
    }

    fn download(&self, url: &Url) -> Result<File, StorageErrorKind> {
        let (store, path) = store(url)?;
        let mut file = tempfile::tempfile()?;
        self.runtime()?.block_on(async {
            let mut chunks = store.get(&path).await?.into_stream();
            let mut len = 0;
            while let Some(chunk) = chunks.next().await {
                let chunk = chunk?;
                len += chunk.len() as u64;
                if len > Self::MAX_FILE_BYTES {
                    return Err(StorageErrorKind::TooLong);
                }
                file.write_all(&chunk)?;
            }
            Ok(())
        })?;
        file.rewind()?;
        Ok(file)
    }

    fn runtime(&self) -> io::Result<&Runtime> {
        if let Some(runtime) = self.runtime.get() {
            return Ok(runtime);
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        Ok(self.runtime.get_or_init(|| runtime))
    }
}

/// The store of a URL, with the credentials and options of the environment: `AWS_…`, `GOOGLE_…`, `AZURE_…`.
fn store(url: &Url) -> Result<(Box<dyn ObjectStore>, ObjectPath), StorageErrorKind> {
    let is_option = |name: &str| ["aws_", "google_", "azure_"].iter().any(|start| name.starts_with(start));
    let options = std::env::vars().map(|(name, value)| (name.to_ascii_lowercase(), value));
    Ok(object_store::parse_url_opts(url, options.filter(|(name, _)| is_option(name)))?)
}

fn list_path(path: &Path) -> Result<Vec<Blob>, StorageErrorKind> {
    let mut blobs = Vec::new();
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => walk(path, Storage::MAX_DEPTH, &mut blobs)?,
        Ok(metadata) => blobs.push(Blob { location: Location::Path(path.to_owned()), len: metadata.len() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => list_prefix(path, &mut blobs)?,
        Err(error) => return Err(error.into()),
    }
    Ok(blobs)
}

fn walk(directory: &Path, depth: usize, blobs: &mut Vec<Blob>) -> Result<(), StorageErrorKind> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if is_note(entry.file_name().to_str()) {
            continue;
        }
        let (path, metadata) = (entry.path(), fs::metadata(entry.path())?);
        if metadata.is_file() {
            blobs.push(Blob { location: Location::Path(path), len: metadata.len() });
        } else if metadata.is_dir() && depth > 0 {
            walk(&path, depth - 1, blobs)?;
        }
        if blobs.len() > Storage::MAX_FILES {
            return Err(StorageErrorKind::TooMany);
        }
    }
    Ok(())
}

/// The files beside a path that is none itself whose names begin with its last part.
fn list_prefix(path: &Path, blobs: &mut Vec<Blob>) -> Result<(), StorageErrorKind> {
    let Some(Component::Normal(start)) = path.components().next_back() else { return Ok(()) };
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = match fs::read_dir(parent) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let metadata = fs::metadata(entry.path())?;
        let begins = entry.file_name().as_encoded_bytes().starts_with(start.as_encoded_bytes());
        if begins && metadata.is_file() {
            blobs
                .push(Blob { location: Location::Path(parent.join(entry.file_name())), len: metadata.len() });
        }
    }
    Ok(())
}

fn is_note(name: Option<&str>) -> bool {
    name.is_some_and(|name| name.starts_with(['.', '_']))
}

/// Writes beside the place, and renames: whoever reads sees all of the file or none.
fn put_path(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let mut file = tempfile::Builder::new().prefix(".ascribe-").tempfile_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    #[cfg(unix)]
    {
        // A temporary file is its owner's alone; a summary is as readable as any new file.
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o644))?;
    }
    file.persist(path)?;
    File::open(directory)?.sync_all()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn names(blobs: &[Blob]) -> Vec<&str> {
        blobs.iter().map(|blob| blob.location.file_name()).collect()
    }

    #[test]
    fn a_location_is_a_path_unless_it_has_a_scheme() {
        assert_eq!(Location::parse("a/b.avro"), Ok(Location::Path("a/b.avro".into())));
        assert_eq!(Location::parse("file:///a/b"), Ok(Location::Path("/a/b".into())));
        let url = Location::parse("s3://bucket/a/b.avro?token=secret").unwrap();
        assert_eq!(url.file_name(), "b.avro");
        assert_eq!(format!("{url} {url:?}"), "s3://bucket/a/b.avro s3://bucket/a/b.avro");
        assert_eq!(url.with_file_name("c").to_string(), "s3://bucket/a/c");
        assert_eq!(url.in_directory("debug").to_string(), "s3://bucket/a/debug/b.avro");
        let path = Location::parse("x/s.avro").unwrap();
        assert_eq!(path.in_directory("debug"), Location::Path("x/debug/s.avro".into()));
        assert!(Location::parse("://").is_err());
    }

    #[test]
    fn files_directories_and_prefixes_are_listed() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        for name in ["day-1.avro", "day-2.avro", "night.avro", ".hidden", "_SUCCESS", "sub/day-3.avro"] {
            put_path(&root.join(name), b"x").unwrap();
        }
        let storage = Storage::default();
        let list = |name: &str| storage.list(&Location::Path(root.join(name)));
        assert_eq!(names(&list("").unwrap()), ["day-1.avro", "day-2.avro", "night.avro", "day-3.avro"]);
        assert_eq!(names(&list("day-2.avro").unwrap()), ["day-2.avro"]);
        assert_eq!(names(&list("day-").unwrap()), ["day-1.avro", "day-2.avro"]);
        for nothing in ["none", "none/below", "day-1.avro.bak"] {
            assert!(matches!(list(nothing).unwrap_err().kind, StorageErrorKind::NotFound), "{nothing}");
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
