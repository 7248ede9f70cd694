//! Outputs between being computed and being paid for.
//!
//! A small output stays in memory. A large one goes to a file as it is computed, encrypted with
//! ChaCha20-Poly1305 under a key that is drawn for it and is nowhere but in memory until the ledger stores it.
//! The file is a sequence of chunks, each a length of 8 bytes, little-endian, and that many bytes of ciphertext
//! with its tag; the nonce is the number of the chunk. A file whose key was lost is noise.

use std::{
    fs::{self, File},
    io::{self, BufReader, Read, Write},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use rand::{TryRng, rngs::SysRng};
use zeroize::Zeroizing;

use super::ledger::StoredFile;
use crate::Location;

/// The most bytes of an output that are kept in memory and in the ledger.
const MAX_INLINE_BYTES: usize = 4 << 20;

/// A whole output that nobody can read yet.
#[derive(Debug)]
pub struct PreparedOutput {
    pub(crate) files: Vec<StoredFile>,
    pub(crate) body: PreparedBody,
}

#[derive(Debug)]
pub(crate) enum PreparedBody {
    Inline(Vec<u8>),
    Staged { path: String, key: Zeroizing<[u8; 32]> },
}

impl PreparedOutput {
    /// Drops what was staged: the output will not be paid for.
    pub fn discard(self) {
        if let PreparedBody::Staged { path, .. } = self.body {
            // What is left behind is noise, and is swept up later.
            let _ = fs::remove_file(path);
        }
    }
}

/// Why an output cannot be staged, or what was staged cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StagingError {
    /// The file of the stage fails.
    #[error("staging the output: {0}")]
    Io(#[from] io::Error),
    /// The system gives no random bytes.
    #[error(transparent)]
    NoRandomness(#[from] crate::NoRandomness),
    /// The staged file is not the one that was written.
    #[error("the staged output was changed")]
    Changed,
}

/// Takes the files of an output.
#[derive(Debug)]
pub(crate) struct Stage {
    directory: PathBuf,
    max_inline_bytes: usize,
    files: Vec<StoredFile>,
    inline: Vec<u8>,
    spilled: Option<Spilled>,
}

#[derive(Debug)]
struct Spilled {
    path: PathBuf,
    file: File,
    key: Zeroizing<[u8; 32]>,
    chunks: u64,
}

impl Stage {
    /// A stage that makes its file, if it needs one, in a directory.
    pub(crate) fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            max_inline_bytes: MAX_INLINE_BYTES,
            files: Vec::new(),
            inline: Vec::new(),
            spilled: None,
        }
    }

    #[cfg(test)]
    pub(crate) fn with_max_inline_bytes(mut self, bytes: usize) -> Self {
        self.max_inline_bytes = bytes;
        self
    }

    pub(crate) fn add(&mut self, location: &Location, bytes: Vec<u8>) -> Result<(), StagingError> {
        // A location is stored whole: what it shows may leave out a query.
        let location = match location {
            Location::Path(path) => path.display().to_string(),
            Location::Url(url) => url.to_string(),
        };
        self.files.push(StoredFile { location, len: bytes.len() as u64 });
        if self.spilled.is_none() && self.inline.len() + bytes.len() > self.max_inline_bytes {
            let mut spilled = Spilled::new(&self.directory)?;
            for (_, earlier) in split(&self.files, std::mem::take(&mut self.inline)) {
                spilled.write(earlier)?;
            }
            self.spilled = Some(spilled);
        }
        match &mut self.spilled {
            Some(spilled) => spilled.write(bytes),
            None => {
                self.inline.extend_from_slice(&bytes);
                Ok(())
            }
        }
    }

    /// The output, on the disk as far as it is staged.
    pub(crate) fn finish(self) -> Result<PreparedOutput, StagingError> {
        let body = match self.spilled {
            None => PreparedBody::Inline(self.inline),
            Some(Spilled { path, file, key, .. }) => {
                file.sync_all()?;
                File::open(&self.directory)?.sync_all()?;
                PreparedBody::Staged { path: path.display().to_string(), key }
            }
        };
        Ok(PreparedOutput { files: self.files, body })
    }
}

impl Spilled {
    fn new(directory: &Path) -> Result<Self, StagingError> {
        fs::create_dir_all(directory)?;
        let mut key = Zeroizing::new([0; 32]);
        SysRng.try_fill_bytes(key.as_mut_slice()).map_err(|_| crate::NoRandomness)?;
        let file = tempfile::Builder::new().prefix("output-").suffix(".staged").tempfile_in(directory)?;
        let (file, path) = file.keep().map_err(|error| error.error)?;
        Ok(Self { path: std::path::absolute(path)?, file, key, chunks: 0 })
    }

    fn write(&mut self, mut bytes: Vec<u8>) -> Result<(), StagingError> {
        cipher(&self.key)
            .seal_in_place_append_tag(nonce(self.chunks), Aad::empty(), &mut bytes)
            .map_err(|_| io::Error::other("too long to be encrypted"))?;
        self.chunks += 1;
        self.file.write_all(&(bytes.len() as u64).to_le_bytes())?;
        self.file.write_all(&bytes)?;
        Ok(())
    }
}

/// Each file's bytes of an output that was stored in one piece.
pub(super) fn split(files: &[StoredFile], mut bytes: Vec<u8>) -> Vec<(&StoredFile, Vec<u8>)> {
    let mut parts = Vec::new();
    for file in files {
        if bytes.is_empty() && file.len > 0 {
            break;
        }
        let rest = bytes.split_off(bytes.len().min(usize::try_from(file.len).unwrap_or(usize::MAX)));
        parts.push((file, std::mem::replace(&mut bytes, rest)));
    }
    parts
}

/// The chunks of a staged file, in order.
pub(super) struct StagedChunks {
    file: BufReader<File>,
    key: LessSafeKey,
    chunks: u64,
}

impl StagedChunks {
    pub(super) fn open(path: &str, key: &[u8; 32]) -> Result<Self, StagingError> {
        Ok(Self { file: BufReader::new(File::open(path)?), key: cipher(key), chunks: 0 })
    }

    /// The next chunk, of `len` bytes.
    pub(super) fn next(&mut self, len: u64) -> Result<Vec<u8>, StagingError> {
        let mut claimed = [0; 8];
        self.file.read_exact(&mut claimed)?;
        if u64::from_le_bytes(claimed) != len + CHACHA20_POLY1305.tag_len() as u64 {
            return Err(StagingError::Changed);
        }
        let mut bytes = Vec::new();
        (&mut self.file).take(u64::from_le_bytes(claimed)).read_to_end(&mut bytes)?;
        let opened = self.key.open_in_place(nonce(self.chunks), Aad::empty(), &mut bytes);
        let len = opened.map_err(|_| StagingError::Changed)?.len();
        bytes.truncate(len);
        self.chunks += 1;
        Ok(bytes)
    }
}

/// Removes staged files that no job needs: those not in `needed` that are a day old, for one that is younger
/// may belong to a job that is under way.
pub(super) fn sweep(directory: &Path, needed: &[String]) {
    const MAX_AGE: Duration = Duration::from_secs(86_400);
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let is_staged = entry.path().extension().is_some_and(|extension| extension == "staged");
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        let is_old =
            modified.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age > MAX_AGE));
        if is_staged && is_old && !needed.contains(&entry.path().display().to_string()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn cipher(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).expect("a key of 32 bytes"))
}

/// A key is for one file: counting its chunks never gives a nonce twice.
fn nonce(chunk: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[..8].copy_from_slice(&chunk.to_le_bytes());
    Nonce::assume_unique_for_key(nonce)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(limit: usize, parts: &[&[u8]]) -> (tempfile::TempDir, PreparedOutput) {
        let directory = tempfile::tempdir().unwrap();
        let mut stage = Stage::new(directory.path()).with_max_inline_bytes(limit);
        for (index, part) in parts.iter().enumerate() {
            stage.add(&Location::parse(&format!("f{index}")).unwrap(), part.to_vec()).unwrap();
        }
        let output = stage.finish().unwrap();
        (directory, output)
    }

    const PARTS: [&[u8]; 4] = [b"first", b"", b"the second part", b"3"];

    #[test]
    fn what_fits_stays_in_memory() {
        let (directory, output) = stage(21, &PARTS);
        let PreparedBody::Inline(bytes) = output.body else { panic!("staged") };
        let parts: Vec<_> = split(&output.files, bytes).into_iter().map(|(_, bytes)| bytes).collect();
        assert_eq!(parts, PARTS);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_does_not_is_staged_and_cannot_be_read_without_its_key() {
        for limit in [0, 4, 5, 20] {
            let (_directory, output) = stage(limit, &PARTS);
            let PreparedBody::Staged { path, key } = &output.body else { panic!("inline: {limit}") };
            let on_disk = fs::read(path).unwrap();
            assert!(!on_disk.windows(6).any(|window| window == b"second"));
            let mut chunks = StagedChunks::open(path, key).unwrap();
            let read = output.files.iter().map(|file| chunks.next(file.len).unwrap());
            assert_eq!(read.collect::<Vec<_>>(), PARTS, "{limit}");
            let mut with_another_key = StagedChunks::open(path, &[0; 32]).unwrap();
            assert!(matches!(with_another_key.next(5), Err(StagingError::Changed)));
            let path = path.clone();
            output.discard();
            assert!(!Path::new(&path).exists());
        }
    }

    #[test]
    fn a_staged_file_that_was_changed_is_noticed() {
        let (_directory, output) = stage(0, &[b"first", b"second"]);
        let PreparedBody::Staged { path, key } = &output.body else { panic!("inline") };
        let bytes = fs::read(path).unwrap();
        for index in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[index] ^= 1;
            fs::write(path, changed).unwrap();
            let mut chunks = StagedChunks::open(path, key).unwrap();
            assert!(chunks.next(5).and_then(|_| chunks.next(6)).is_err(), "byte {index}");
        }
        fs::write(path, &bytes[..bytes.len() - 1]).unwrap();
        let mut chunks = StagedChunks::open(path, key).unwrap();
        assert!(chunks.next(5).and_then(|_| chunks.next(6)).is_err());
    }

    #[test]
    fn only_old_files_that_no_job_needs_are_swept_up() {
        let directory = tempfile::tempdir().unwrap();
        let old = SystemTime::now() - Duration::from_secs(100_000);
        let path = |name: &str| directory.path().join(name);
        for (name, is_old) in [("a.staged", true), ("b.staged", true), ("c.staged", false), ("d.txt", true)] {
            let file = File::create(path(name)).unwrap();
            if is_old {
                file.set_modified(old).unwrap();
            }
        }
        sweep(directory.path(), &[path("b.staged").display().to_string()]);
        let exist = ["a.staged", "b.staged", "c.staged", "d.txt"].map(|name| path(name).exists());
        assert_eq!(exist, [false, true, true, true]);
    }
}
