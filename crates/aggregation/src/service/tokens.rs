//! Bearer tokens: who knows one may ask for jobs.

use std::{fmt, fs, io::Read, path::Path};

use aws_lc_rs::{constant_time, digest};
use axum::http::HeaderMap;
use zeroize::Zeroizing;

/// The hashes of the tokens that are accepted: comparing hashes tells nothing of where a guess went wrong.
pub(super) struct Tokens(Vec<[u8; 32]>);

impl Tokens {
    /// Shorter ones can be guessed.
    const MIN_BYTES: usize = 20;
    const MAX_BYTES: u64 = 4096;

    /// Reads a file with one token.
    ///
    /// # Errors
    /// When it cannot be read, others could read it too, or it holds no token. No error shows one.
    pub(super) fn read(path: &Path) -> Result<[u8; 32], String> {
        let file = fs::File::open(path).map_err(|error| error.to_string())?;
        #[cfg(unix)]
        {
            let metadata = file.metadata().map_err(|error| error.to_string())?;
            if std::os::unix::fs::MetadataExt::mode(&metadata) & 0o077 != 0 {
                return Err("others can read this token: make it 0600".to_owned());
            }
        }
        let mut text = Zeroizing::new(Vec::with_capacity(Self::MAX_BYTES as usize));
        file.take(Self::MAX_BYTES).read_to_end(&mut text).map_err(|error| error.to_string())?;
        let token = text.trim_ascii();
        if token.len() < Self::MIN_BYTES || !token.iter().all(u8::is_ascii_graphic) {
            return Err(format!(
                "a token has at least {} characters of ASCII and no blanks, such as those of `openssl rand -hex 32`",
                Self::MIN_BYTES
            ));
        }
        Ok(hash(token))
    }

    pub(super) fn new(hashes: Vec<[u8; 32]>) -> Self {
        Self(hashes)
    }

    /// Whether a request has one of them.
    pub(super) fn admit(&self, headers: &HeaderMap) -> bool {
        let value = headers.get("authorization").map(|value| value.as_bytes());
        let Some((scheme, token)) = value.and_then(|value| value.split_at_checked(7)) else { return false };
        if !scheme.eq_ignore_ascii_case(b"bearer ") {
            return false;
        }
        let hash = hash(token.trim_ascii());
        self.0.iter().any(|known| constant_time::verify_slices_are_equal(known, &hash).is_ok())
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

fn hash(token: &[u8]) -> [u8; 32] {
    digest::digest(&digest::SHA256, token).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(value: Option<&'static str>) -> bool {
        let tokens = Tokens::new(vec![hash(b"first-token-of-a-client"), hash(b"second-token-of-a-client")]);
        let headers = value.map(|value| ("authorization".parse().unwrap(), value.parse().unwrap()));
        tokens.admit(&headers.into_iter().collect())
    }

    #[test]
    fn only_known_tokens_are_admitted() {
        assert!(admits(Some("Bearer first-token-of-a-client")));
        assert!(admits(Some("bearer  second-token-of-a-client")));
        for refused in [
            None,
            Some(""),
            Some("Bearer "),
            Some("Bearer first-token-of-a-clien"),
            Some("Basic first-token-of-a-client"),
            Some("first-token-of-a-client"),
        ] {
            assert!(!admits(refused), "{refused:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_token_is_long_and_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        let read = |text: &str, mode| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            Tokens::read(&path)
        };
        assert_eq!(read("first-token-of-a-client\n", 0o600), Ok(hash(b"first-token-of-a-client")));
        assert!(read("first-token-of-a-client\n", 0o640).unwrap_err().contains("0600"));
        for wrong in ["", "short", "a token with blanks in its middle"] {
            let error = read(wrong, 0o600).unwrap_err();
            assert!(error.contains("at least 20") && (wrong.is_empty() || !error.contains(wrong)), "{error}");
        }
    }
}
