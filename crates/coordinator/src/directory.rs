//! Key files: made, listed, and rotated with an overlap.
//!
//! A key is *pending* until it is published, *published* while it is served, and *retired* afterwards: user agents
//! do not learn of it any more, but reports that were sealed to it still come, and are opened. When none can come
//! any more, a rotation deletes its file.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use ascribe_aggregation::{KeyError, KeyFile, NoRandomness, Passphrase, Published, iso_8601, key_files};
use ascribe_reports::{Duration, Time};
use rand::TryRng;
use zeroize::Zeroizing;

/// A directory of key files.
#[derive(Clone, Debug)]
pub struct KeyDirectory(PathBuf);

/// A key and its file.
#[derive(Debug)]
pub struct Entry {
    /// The file.
    pub path: PathBuf,
    /// What is in it; an encrypted key is locked.
    pub key: KeyFile,
}

/// What becomes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is not served yet.
    Pending,
    /// It is served.
    Published,
    /// It is not served any more, and still opens reports.
    Retired,
}

/// How a key is made.
#[derive(Debug)]
pub struct NewKey<'a> {
    /// From when on it is served, if that is later than now.
    pub from: Time,
    /// What its file is encrypted under.
    pub passphrase: Option<&'a Passphrase>,
}

/// What a rotation did.
#[derive(Debug)]
pub struct Rotation {
    /// The key that was made.
    pub new: Entry,
    /// The keys that now have an end.
    pub ending: Vec<Entry>,
    /// The files that were deleted: nothing that they open can come any more.
    pub deleted: Vec<PathBuf>,
}

/// Why keys were not made or rotated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RotationError {
    /// A file of a key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// There is no randomness to make a key from.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
    /// The directory, or a file to be deleted.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Entry {
    /// What becomes of it at a moment.
    #[must_use]
    pub fn state(&self, now: Time) -> State {
        let Published { from, until } = self.key.published();
        match () {
            () if until.is_some_and(|until| until <= now) => State::Retired,
            () if from.is_some_and(|from| from > now) => State::Pending,
            () => State::Published,
        }
    }
}

impl KeyDirectory {
    /// A directory, which need not be there yet.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Its keys, by the names of their files.
    ///
    /// # Errors
    /// When one cannot be read, or others than its owner could read it.
    pub fn list(&self) -> Result<Vec<Entry>, KeyError> {
        let entry = |path: PathBuf| Ok(Entry { key: KeyFile::read(&path)?, path });
        key_files(&self.0)?.into_iter().map(entry).collect()
    }

    /// Makes a key from the randomness of the operating system; makes the directory, too, for its owner alone.
    ///
    /// # Errors
    /// When there is no randomness, or the file cannot be written.
    pub fn create(&self, new: &NewKey<'_>, now: Time) -> Result<Entry, RotationError> {
        self.make_directory()?;
        let mut private_key = Zeroizing::new([0; 32]);
        rand::rngs::SysRng.try_fill_bytes(private_key.as_mut_slice()).map_err(|_| NoRandomness)?;
        let id = uuid::Uuid::new_v4().to_string();
        let mut key = KeyFile::new(&id, private_key, &iso_8601(now)).expect("a UUID is not too long");
        key.publish(Published { from: (new.from > now).then_some(new.from), until: None });
        if let Some(passphrase) = new.passphrase {
            key.lock(passphrase)?;
        }
        let path = self.0.join(format!("{id}.json"));
        key.write(&path)?;
        Ok(Entry { path, key })
    }

    /// Makes a key, lets those before end `overlap` after the new one is published, and deletes those that ended
    /// `keep` ago. In this order: whoever stops in between leaves one key too many, never too few.
    ///
    /// # Errors
    /// As [`list`](Self::list) and [`create`](Self::create).
    pub fn rotate(
        &self,
        new: &NewKey<'_>,
        overlap: Duration,
        keep: Duration,
        now: Time,
    ) -> Result<Rotation, RotationError> {
        let before = self.list()?;
        let new_entry = self.create(new, now)?;
        let end = new.from.max(now) + overlap;
        let (mut ending, mut deleted) = (Vec::new(), Vec::new());
        for mut entry in before {
            let published = entry.key.published();
            match published.until {
                None => {
                    entry.key.publish(Published { until: Some(end), ..published });
                    entry.key.rewrite(&entry.path)?;
                    ending.push(entry);
                }
                Some(until) if until + keep <= now => {
                    let failed = |source| RotationError::Io { path: entry.path.clone(), source };
                    fs::remove_file(&entry.path).map_err(failed)?;
                    deleted.push(entry.path);
                }
                Some(_) => {}
            }
        }
        Ok(Rotation { new: new_entry, ending, deleted })
    }

    fn make_directory(&self) -> Result<(), RotationError> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.0).map_err(|source| RotationError::Io { path: self.0.clone(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_secs(1_800_000_000);

    #[test]
    fn a_rotation_overlaps_and_old_keys_stay_until_nothing_can_come() {
        let folder = tempfile::tempdir().unwrap();
        let keys = KeyDirectory::new(&folder.path().join("keys"));
        let new = NewKey { from: NOW, passphrase: None };
        let first = keys.create(&new, NOW).unwrap();
        assert_eq!(first.state(NOW), State::Published);
        let (overlap, keep) = (Duration::from_days(7), Duration::from_days(97));
        let lead = NewKey { from: NOW + Duration::from_days(1), passphrase: None };
        let rotation = keys.rotate(&lead, overlap, keep, NOW).unwrap();
        assert_eq!(rotation.new.state(NOW), State::Pending);
        assert_eq!(rotation.new.state(lead.from), State::Published);
        let old = &rotation.ending[0];
        assert_eq!(old.path, first.path);
        let end = NOW + Duration::from_days(8);
        assert_eq!(old.state(NOW + Duration::from_days(7)), State::Published, "both, for a while");
        assert_eq!(old.state(end), State::Retired);
        let ring = ascribe_aggregation::Keyring::read(&folder.path().join("keys")).unwrap();
        assert_eq!(ring.public().len(), 2, "each opens reports");

        let later = NewKey { from: end, passphrase: None };
        let early = keys.rotate(&later, overlap, keep, end).unwrap();
        assert_eq!((early.ending.len(), early.deleted.len()), (1, 0));
        let late = end + keep;
        let rotation = keys.rotate(&NewKey { from: late, passphrase: None }, overlap, keep, late).unwrap();
        assert_eq!(rotation.deleted, [first.path]);
        assert_eq!(keys.list().unwrap().len(), 3);
    }
}
