//! Extra certificate authorities.
//!
//! Chromium on Linux has its own list of authorities, and trusts beside it what the user's NSS database says.
//! That database is found through `HOME`, so that a browser that is to trust more gets a home of its own, inside
//! its profile: nothing of the user's is changed, and nothing outlives the profile.

use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use crate::LaunchError;

/// Makes a home in which the authorities are trusted; `None` when there are none.
pub(crate) fn home_that_trusts(profile: &Path, files: &[PathBuf]) -> Result<Option<PathBuf>, LaunchError> {
    let Some(first) = files.first() else { return Ok(None) };
    let home = profile.join("ascribe-home");
    let database = home.join(".pki/nssdb");
    match fs::remove_dir_all(&database) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(LaunchError::Profile(error)),
        _ => {}
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&database).map_err(LaunchError::Profile)?;
    certutil(&database, first, &["-N", "--empty-password"])?;
    for (number, file) in files.iter().enumerate() {
        let text = fs::read_to_string(file).map_err(|error| LaunchError::certificate(file, error))?;
        let certificates = pem_blocks(&text);
        if certificates.is_empty() {
            return Err(LaunchError::certificate(file, "it has no certificate in PEM"));
        }
        for (part, certificate) in certificates.iter().enumerate() {
            // certutil takes one certificate a file.
            let single = home.join("certificate.pem");
            fs::write(&single, certificate).map_err(LaunchError::Profile)?;
            let name = format!("ascribe {number}.{part}");
            let input = single.to_string_lossy();
            certutil(&database, file, &["-A", "-t", "C,,", "-n", &name, "-i", &input])?;
            fs::remove_file(&single).map_err(LaunchError::Profile)?;
        }
    }
    Ok(Some(home))
}

fn certutil(database: &Path, file: &Path, arguments: &[&str]) -> Result<(), LaunchError> {
    let mut command = Command::new("certutil");
    command.arg("-d").arg(format!("sql:{}", database.display())).args(arguments).stdin(Stdio::null());
    match command.output() {
        Ok(Output { status, .. }) if status.success() => Ok(()),
        Ok(Output { stderr, .. }) => {
            Err(LaunchError::certificate(file, String::from_utf8_lossy(&stderr).trim()))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Err(LaunchError::certificate(
            file,
            "certutil is missing; install it (Debian, Ubuntu: apt-get install libnss3-tools; Fedora: dnf install \
             nss-tools; Arch: pacman -S nss)",
        )),
        Err(error) => Err(LaunchError::certificate(file, format_args!("certutil: {error}"))),
    }
}

fn pem_blocks(text: &str) -> Vec<&str> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some(begin) = rest.find(BEGIN) {
        let Some(length) = rest[begin..].find(END) else { break };
        let end = begin + length + END.len();
        blocks.push(&rest[begin..end]);
        rest = &rest[end..];
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_of_one_file_are_told_apart() {
        let one = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----";
        let two = "-----BEGIN CERTIFICATE-----\nREVG\n-----END CERTIFICATE-----";
        assert_eq!(pem_blocks(&format!("# a comment\n{one}\n\n{two}\n")), [one, two]);
        assert_eq!(pem_blocks(&format!("{one}\n-----BEGIN CERTIFICATE-----\nREVG")), [one]);
        assert!(pem_blocks("no certificate").is_empty());
    }

    #[test]
    fn a_file_without_certificate_is_refused_by_name() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("ca.pem");
        fs::write(&file, "nothing").expect("written");
        let error =
            home_that_trusts(directory.path(), std::slice::from_ref(&file)).expect_err("no certificate");
        assert!(matches!(error, LaunchError::Certificate { path, .. } if path == file));
        assert_eq!(home_that_trusts(directory.path(), &[]).expect("nothing to do"), None);
    }
}
