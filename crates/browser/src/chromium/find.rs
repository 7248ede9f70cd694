//! Where Chromium is.

use std::{
    env,
    ffi::OsStr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use crate::LaunchError;

/// The environment variable that names the program.
const VARIABLE: &str = "CHROMIUM";

/// What distributions and Google call it, best first.
const NAMES: [&str; 6] =
    ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "google-chrome-beta", "chrome"];

/// The program to start: what the caller names, else what `CHROMIUM` names, else the first of the usual
/// names on the `PATH`. What is named is taken or refused; it is never silently another.
pub(crate) fn find(named: Option<&Path>) -> Result<PathBuf, LaunchError> {
    let named = named.map(Path::to_owned);
    let named = named.or_else(|| env::var_os(VARIABLE).filter(|value| !value.is_empty()).map(Into::into));
    let path = env::var_os("PATH").unwrap_or_default();
    match named {
        Some(named) if named.components().count() > 1 => {
            if is_program(&named) {
                Ok(named)
            } else {
                Err(LaunchError::NoSuchChromium { path: named })
            }
        }
        Some(named) => in_path(&path, named.as_os_str()).ok_or(LaunchError::NoSuchChromium { path: named }),
        None => NAMES.iter().find_map(|name| in_path(&path, OsStr::new(name))).ok_or(LaunchError::NoChromium),
    }
}

fn in_path(path: &OsStr, name: &OsStr) -> Option<PathBuf> {
    env::split_paths(path).map(|directory| directory.join(name)).find(|program| is_program(program))
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_named_program_is_taken_or_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let program = directory.path().join("my-chromium");
        let missing = find(Some(&program));
        assert!(matches!(missing, Err(LaunchError::NoSuchChromium { path }) if path == program));
        fs::write(&program, "#!/bin/sh\n").expect("written");
        assert!(find(Some(&program)).is_err(), "it cannot be executed");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("executable");
        assert_eq!(find(Some(&program)).expect("found"), program);
        assert!(find(Some(directory.path())).is_err(), "a directory is no program");
    }

    #[test]
    fn the_path_is_searched_in_its_order() {
        let (first, second) = (tempfile::tempdir().expect("one"), tempfile::tempdir().expect("two"));
        let both = env::join_paths([first.path(), second.path()]).expect("a path");
        assert_eq!(in_path(&both, OsStr::new("browser")), None);
        for directory in [&second, &first] {
            let program = directory.path().join("browser");
            fs::write(&program, "").expect("written");
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("executable");
            assert_eq!(in_path(&both, OsStr::new("browser")), Some(program));
        }
    }
}
