//! Where passphrases of key files come from.

use std::{io::IsTerminal, path::PathBuf};

use anyhow::{Context, bail, ensure};
use ascribe_aggregation::Passphrase;

use crate::input;

/// What private keys are encrypted under.
#[derive(Debug, clap::Args)]
pub(super) struct PassphraseArgs {
    /// A file with the passphrase of the keys; without it $ASCRIBE_PASSPHRASE, or a question on the terminal
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

const VARIABLE: &str = "ASCRIBE_PASSPHRASE";

impl PassphraseArgs {
    /// The passphrase that keys were encrypted under.
    pub(super) fn get(&self) -> anyhow::Result<Passphrase> {
        match self.given()? {
            Some(passphrase) => Ok(Passphrase::new(passphrase)),
            None => Ok(Passphrase::new(ask("Passphrase of the keys: ")?)),
        }
    }

    /// One for a new key: asked for twice.
    pub(super) fn get_new(&self) -> anyhow::Result<Passphrase> {
        let passphrase = match self.given()? {
            Some(passphrase) => passphrase,
            None => {
                let passphrase = ask("New passphrase: ")?;
                ensure!(ask("Once more: ")? == passphrase, "they are not the same");
                passphrase
            }
        };
        ensure!(!passphrase.is_empty(), "the passphrase is empty");
        Ok(Passphrase::new(passphrase))
    }

    fn given(&self) -> anyhow::Result<Option<String>> {
        let Some(file) = &self.passphrase_file else { return Ok(std::env::var(VARIABLE).ok()) };
        let text = String::from_utf8(input::read(file, 4096)?)
            .ok()
            .with_context(|| format!("{} is not UTF-8", file.display()))?;
        Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
    }
}

fn ask(question: &str) -> anyhow::Result<String> {
    if !std::io::stdin().is_terminal() {
        bail!("there is no terminal to ask for a passphrase: give --passphrase-file or {VARIABLE}");
    }
    rpassword::prompt_password(question).context("asking for a passphrase")
}
