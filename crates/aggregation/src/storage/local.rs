//! Local files.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Component, Path},
};

use super::{Blob, Location, Storage, StorageErrorKind};

/// The file, or the files of the directory, or those whose names begin so.
pub(super) fn list_path(path: &Path) -> Result<Vec<Blob>, StorageErrorKind> {
    let mut blobs = Vec::new();
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => walk(path, Storage::MAX_DEPTH, &mut blobs)?,
        Ok(metadata) => blobs.push(Blob { location: Location::Path(path.to_owned()), len: metadata.len() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => list_prefix(path, &mut blobs)?,
        Err(error) => return Err(error.into()),
    }
    Ok(blobs)
}

/// All files whose path begins so, in whatever directories below: the names of an object store.
pub(super) fn list_names(path: &Path) -> Result<Vec<Blob>, StorageErrorKind> {
    // `a/` are the names within a directory, `a` also those of its neighbours.
    let is_directory = path.as_os_str().as_encoded_bytes().ends_with(b"/");
    let (directory, start) = match path.file_name().filter(|_| !is_directory) {
        Some(start) => (path.parent().unwrap_or(path), start.as_encoded_bytes()),
        None => (path, &b""[..]),
    };
    let mut blobs = Vec::new();
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(blobs),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if !entry.file_name().as_encoded_bytes().starts_with(start) || is_note(entry.file_name().to_str()) {
            continue;
        }
        let metadata = fs::metadata(entry.path())?;
        if metadata.is_dir() {
            walk(&entry.path(), Storage::MAX_DEPTH, &mut blobs)?;
        } else if metadata.is_file() {
            blobs.push(Blob { location: Location::Path(entry.path()), len: metadata.len() });
        }
        if blobs.len() > Storage::MAX_FILES {
            return Err(StorageErrorKind::TooMany);
        }
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
            let location = Location::Path(parent.join(entry.file_name()));
            blobs.push(Blob { location, len: metadata.len() });
        }
    }
    Ok(())
}

/// Whether a file lies beside reports and holds none: what tools leave, and the manifest that collectors put
/// beside each batch.
pub(super) fn is_note(name: Option<&str>) -> bool {
    name.is_some_and(|name| name.starts_with(['.', '_']) || name == "manifest.json")
}

/// Writes beside the place, and renames: whoever reads sees all of the file or none.
pub(super) fn put_path(path: &Path, bytes: &[u8]) -> io::Result<()> {
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
