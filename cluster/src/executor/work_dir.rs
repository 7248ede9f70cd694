//! Where an executor keeps what goes between stages: sums that are in no summary yet, in clear.
//!
//! Nobody else reads the directory, no two executors share it, and what an executor left that was killed is
//! removed when the next one starts.

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};

/// The directory, held as long as the process is there.
#[derive(Debug)]
pub(super) struct WorkDir {
    path: PathBuf,
    _lock: File,
}

/// What tells a directory that may be emptied from any other.
const MARK: &str = ".ascribe-cluster";

impl WorkDir {
    /// Takes the directory, and empties it. One with files that are not of an executor is refused.
    pub(super) fn take(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let path = std::path::absolute(path)?;
        DirBuilder::new().recursive(true).mode(0o700).create(&path).with_context(|| shown.to_string())?;
        let mode = fs::metadata(&path)?.permissions().mode();
        ensure!(mode & 0o077 == 0, "{shown}: others may read it (mode {:o}): chmod 700", mode & 0o777);
        let mark = path.join(MARK);
        let is_empty = fs::read_dir(&path)?.next().is_none();
        ensure!(is_empty || mark.is_file(), "{shown}: there are files in it that are not of an executor");
        let lock = File::create(&mark).with_context(|| shown.to_string())?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!("{shown}: another executor has it"),
            Err(TryLockError::Error(error)) => return Err(error).with_context(|| shown.to_string()),
        }
        for entry in fs::read_dir(&path)? {
            let entry = entry?;
            if entry.file_name() == MARK {
                continue;
            }
            let removed = match entry.file_type()?.is_dir() {
                true => fs::remove_dir_all(entry.path()),
                false => fs::remove_file(entry.path()),
            };
            removed.with_context(|| entry.path().display().to_string())?;
        }
        Ok(Self { path, _lock: lock })
    }

    pub(super) fn path(&self) -> anyhow::Result<&str> {
        self.path.to_str().context("--work-dir: a path that is no text")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_is_removed_and_nobody_else_has_the_directory() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        let held = WorkDir::take(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        fs::create_dir_all(path.join("job/1")).unwrap();
        fs::write(path.join("job/1/data.arrow"), "sums").unwrap();
        fs::write(path.join("spilled"), "sums").unwrap();
        assert!(WorkDir::take(&path).unwrap_err().to_string().contains("another executor"));
        assert!(path.join("job/1/data.arrow").exists());
        drop(held);
        WorkDir::take(&path).unwrap();
        let left: Vec<_> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, [MARK]);
    }

    #[test]
    fn a_directory_of_others_is_left_alone() {
        let parent = tempfile::tempdir().unwrap();
        fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(parent.path().join("thesis"), "").unwrap();
        assert!(WorkDir::take(parent.path()).is_err());
        assert!(parent.path().join("thesis").exists());
        let open = parent.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(WorkDir::take(&open).unwrap_err().to_string().contains("chmod 700"));
    }
}
