//! `ascribe collector password`.

use std::io::{IsTerminal, Read, Write};

use anyhow::{Context, ensure};
use ascribe_collector::PasswordHash;
use rand::TryRng;

use super::Verdict;
use crate::output::Output;

/// Hash the dashboard's password, for the campaigns file.
///
/// Asks for it twice, without showing it; or reads it from standard input, when that is no terminal. What is printed
/// goes into the campaigns file, under `[dashboard]`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    ascribe collector password >> campaigns.toml   as its last table\n  \
    pass show dashboard | ascribe collector password")]
pub(super) struct Args {}

/// A password is no file.
const MAX_BYTES: u64 = 4096;

pub(super) fn run(_: &Args, output: &mut Output) -> anyhow::Result<Verdict> {
    let password = if std::io::stdin().is_terminal() { asked()? } else { piped()? };
    let mut salt = [0; 16];
    rand::rngs::SysRng.try_fill_bytes(&mut salt)?;
    let hash = PasswordHash::new(&password, salt)?.to_string();
    if output.is_json() {
        output.json(&serde_json::json!({ "password_hash": hash }))?;
    } else {
        writeln!(output, "[dashboard]\npassword_hash = \"{hash}\"")?;
    }
    Ok(Verdict::Passed)
}

fn asked() -> anyhow::Result<String> {
    let password = rpassword::prompt_password("Password (12 characters at least): ")?;
    let again = rpassword::prompt_password("The same again: ")?;
    ensure!(password == again, "these are two different passwords");
    Ok(password)
}

/// The first line.
fn piped() -> anyhow::Result<String> {
    let mut text = String::new();
    std::io::stdin().take(MAX_BYTES).read_to_string(&mut text).context("reading standard input")?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
