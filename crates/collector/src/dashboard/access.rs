//! What opens the dashboard: a password's hash, or a token.

use std::{fmt, path::Path};

use argon2::{Argon2, PasswordHasher, PasswordVerifier, password_hash::phc};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Who may see the dashboard.
#[derive(Clone, Debug)]
pub struct Access {
    /// The hash of the password that people log in with.
    pub password: Option<PasswordHash>,
    token: Option<[u8; 32]>,
}

/// A password's Argon2id hash, in PHC's format; nobody reads the password from it.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(phc::PasswordHash);

/// Why there is no access.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// The text is not the hash of a password.
    #[error("is no Argon2id hash: make one with `ascribe collector password`")]
    NotAHash,
    /// The password is too short, or too long.
    #[error("a password has 12 to 1024 bytes")]
    PasswordLength,
    /// The token's file cannot be read.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: Box<str>,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// The token could be guessed, or is none.
    #[error("{path}: a token has {least} to 1024 visible ASCII characters, on one line")]
    Token {
        /// The file.
        path: Box<str>,
        /// How many it has at least.
        least: usize,
    },
    /// Others than its owner may read the token's file.
    #[error("{path}: others may read it; allow only its owner to: chmod 600")]
    Readable {
        /// The file.
        path: Box<str>,
    },
}

/// A login hashes as much as is sent.
const MAX_PASSWORD_BYTES: usize = 1024;
/// Limited attempts keep online guessing slow; a hash that leaks is guessed as fast as hardware allows.
const MIN_PASSWORD_BYTES: usize = 12;

/// Tokens are not typed: nobody is to guess one, however often they try.
const MIN_TOKEN_BYTES: usize = 32;
const MAX_TOKEN_BYTES: usize = 1024;

impl Access {
    /// By password alone, by token alone, by both; by nothing, nobody sees it.
    #[must_use]
    pub fn new(password: Option<PasswordHash>) -> Self {
        Self { password, token: None }
    }

    /// With the token that a file holds.
    ///
    /// # Errors
    /// When it cannot be read, is read by others than its owner, or holds no token.
    pub fn with_token_file(self, path: &Path) -> Result<Self, AccessError> {
        let token = read_token(path, MIN_TOKEN_BYTES)?;
        Ok(Self { token: Some(Sha256::digest(token.as_bytes()).into()), ..self })
    }

    /// Whether there is any.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        self.password.is_some() || self.token.is_some()
    }

    /// Whether that is the token, in a time that does not tell how much of it is right.
    pub(super) fn is_token(&self, claimed: &str) -> bool {
        let claimed: [u8; 32] = Sha256::digest(claimed.as_bytes()).into();
        self.token.as_ref().is_some_and(|token| token.ct_eq(&claimed).into())
    }
}

/// The token in a file that only its owner reads.
pub(super) fn read_token(path: &Path, least: usize) -> Result<Zeroizing<String>, AccessError> {
    let named = || path.display().to_string().into_boxed_str();
    let io = |error| AccessError::Io { path: named(), error };
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(io)?);
    if crate::secrets::readable_by_others(path).map_err(io)? {
        return Err(AccessError::Readable { path: named() });
    }
    let token = text.trim_end_matches(['\r', '\n']);
    if !(least..=MAX_TOKEN_BYTES).contains(&token.len()) || !token.bytes().all(|byte| byte.is_ascii_graphic())
    {
        return Err(AccessError::Token { path: named(), least });
    }
    Ok(Zeroizing::new(token.to_owned()))
}

impl PasswordHash {
    /// Hashes a password with a random salt: 19 MiB, two passes.
    ///
    /// # Errors
    /// When the password is shorter than 12 bytes or longer than 1024.
    pub fn new(password: &str, salt: [u8; 16]) -> Result<Self, AccessError> {
        if !(MIN_PASSWORD_BYTES..=MAX_PASSWORD_BYTES).contains(&password.len()) {
            return Err(AccessError::PasswordLength);
        }
        let hash = Argon2::default().hash_password_with_salt(password.as_bytes(), &salt);
        hash.map(Self).map_err(|_| AccessError::PasswordLength)
    }

    /// Reads a hash.
    ///
    /// # Errors
    /// When it is not one of Argon2id with salt and output.
    pub fn parse(text: &str) -> Result<Self, AccessError> {
        let hash = phc::PasswordHash::new(text).map_err(|_| AccessError::NotAHash)?;
        let whole = hash.algorithm.as_str() == "argon2id" && hash.salt.is_some() && hash.hash.is_some();
        let parameters = argon2::Params::try_from(&hash).map_err(|_| AccessError::NotAHash)?;
        // A login must not take all memory, or minutes.
        let bearable = parameters.m_cost() <= 1 << 20 && parameters.t_cost() <= 64;
        if whole && bearable { Ok(Self(hash)) } else { Err(AccessError::NotAHash) }
    }

    /// Whether it is the password's. Takes its time, and blocks.
    pub(super) fn is_of(&self, password: &str) -> bool {
        password.len() <= MAX_PASSWORD_BYTES
            && Argon2::default().verify_password(password.as_bytes(), &self.0).is_ok()
    }
}

impl fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_of_its_password_alone() {
        let hash = PasswordHash::new("correct horse battery", [7; 16]).unwrap();
        let text = hash.to_string();
        assert!(text.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{text}");
        let read = PasswordHash::parse(&text).unwrap();
        assert_eq!(read, hash);
        assert!(read.is_of("correct horse battery"));
        for wrong in ["", "correct horse batter", "correct horse battery ", &"x".repeat(5000)] {
            assert!(!read.is_of(wrong), "{wrong}");
        }
        assert_eq!(format!("{hash:?}"), "PasswordHash");
    }

    #[test]
    fn passwords_have_a_length_and_hashes_a_form() {
        assert!(PasswordHash::new("elevenbytes", [7; 16]).is_err());
        assert!(PasswordHash::new(&"x".repeat(1025), [7; 16]).is_err());
        for wrong in [
            "",
            "secret",
            "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0",
            "$argon2i$v=19$m=19456,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw$BwcHBwcHBwcHBwcHBwcHBw",
            "$argon2id$v=19$m=4194304,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw$BwcHBwcHBwcHBwcHBwcHBw",
        ] {
            assert!(PasswordHash::parse(wrong).is_err(), "{wrong}");
        }
    }
}
