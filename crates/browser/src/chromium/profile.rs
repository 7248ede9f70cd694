//! The directory that Chromium keeps its own data in.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::ThirdPartyCookies;

/// A profile directory; a temporary one is deleted when this is dropped.
#[derive(Debug)]
pub(crate) struct Profile {
    path: PathBuf,
    _temporary: Option<TempDir>,
}

impl Profile {
    /// The given directory, made when missing, or a temporary one. Nobody but the user can read a new one.
    pub(crate) fn open(given: Option<&Path>) -> io::Result<Self> {
        match given {
            Some(path) => {
                fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
                Ok(Self { path: path.canonicalize()?, _temporary: None })
            }
            None => {
                let permissions = fs::Permissions::from_mode(0o700);
                let directory =
                    tempfile::Builder::new().prefix("ascribe-browser-").permissions(permissions).tempdir()?;
                Ok(Self { path: directory.path().to_owned(), _temporary: Some(directory) })
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Sets what has no switch on the command line; the other preferences stay.
    pub(crate) fn set_preferences(&self, cookies: ThirdPartyCookies) -> io::Result<()> {
        let directory = self.path.join("Default");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        let path = directory.join("Preferences");
        let mut preferences = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).unwrap_or_else(|_| json!({})),
            Err(error) if error.kind() == io::ErrorKind::NotFound => json!({}),
            Err(error) => return Err(error),
        };
        let mode = match cookies {
            ThirdPartyCookies::Allow => 0,
            ThirdPartyCookies::Block => 1,
        };
        set(&mut preferences, &["profile", "cookie_controls_mode"], json!(mode));
        let blocked = cookies == ThirdPartyCookies::Block;
        set(&mut preferences, &["profile", "block_third_party_cookies"], json!(blocked));
        // A browser that was killed must not ask whether to restore its pages.
        set(&mut preferences, &["profile", "exit_type"], json!("Normal"));
        let mut file = tempfile::NamedTempFile::new_in(&directory)?;
        file.write_all(preferences.to_string().as_bytes())?;
        file.persist(path)?;
        Ok(())
    }
}

/// Sets a value deep in an object, whatever was in its way.
fn set(value: &mut Value, path: &[&str], to: Value) {
    let Some((key, rest)) = path.split_first() else {
        *value = to;
        return;
    };
    if !value.is_object() {
        *value = json!({});
    }
    set(&mut value[*key], rest, to);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_profile_is_private_and_goes_away() {
        let profile = Profile::open(None).expect("a profile");
        let path = profile.path().to_owned();
        assert_eq!(path.metadata().expect("there").permissions().mode() & 0o777, 0o700);
        drop(profile);
        assert!(!path.exists());
    }

    #[test]
    fn a_given_profile_keeps_its_preferences() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("a/b");
        let profile = Profile::open(Some(&path)).expect("a profile");
        assert_eq!(path.metadata().expect("there").permissions().mode() & 0o777, 0o700);
        profile.set_preferences(ThirdPartyCookies::Block).expect("set");
        let file = path.join("Default/Preferences");
        let mut preferences: Value = serde_json::from_slice(&fs::read(&file).expect("read")).expect("JSON");
        assert_eq!(preferences["profile"]["cookie_controls_mode"], 1);
        preferences["profile"]["name"] = json!("mine");
        fs::write(&file, preferences.to_string()).expect("written");
        profile.set_preferences(ThirdPartyCookies::Allow).expect("set");
        let preferences: Value = serde_json::from_slice(&fs::read(&file).expect("read")).expect("JSON");
        assert_eq!(preferences["profile"]["cookie_controls_mode"], 0);
        assert_eq!(preferences["profile"]["block_third_party_cookies"], false);
        assert_eq!(preferences["profile"]["name"], "mine");
        drop(profile);
        assert!(path.exists());
    }
}
