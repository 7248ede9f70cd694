//! `ascribe coordinator`: the keys that reports are sealed to, and the endpoint that serves their public halves.

use std::{io::Write, net::SocketAddr, path::PathBuf, time::Duration as StdDuration};

use anyhow::Context;
use ascribe_aggregation::iso_8601;
use ascribe_browser::parse_duration;
use ascribe_coordinator::{Entry, KeyDirectory, NewKey, PublicKeys, State};
use ascribe_reports::Duration;
use clap::Subcommand;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{Verdict, budget::now, passphrase::PassphraseArgs, serving};
use crate::output::{FAINT, GOOD, Output, STRONG};

/// Be a coordinator: make, list and rotate keys, and serve their public halves.
///
/// Whoever has a private key can read every contribution that is sealed to it. The process that serves never
/// opens one; `ascribe aggregate --keys DIR` does; a collector has none.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    ascribe coordinator keys new keys/ --encrypt\n  \
    ascribe coordinator keys list keys/\n  \
    ascribe coordinator keys rotate keys/ --lead 1h --overlap 7d --keep 97d\n  \
    ascribe coordinator serve keys/ --listen [::]:443 --tls-cert cert.pem --tls-key key.pem")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make, list and rotate keys
    #[command(subcommand)]
    Keys(Keys),
    Serve(ServeArgs),
}

#[derive(Debug, Subcommand)]
enum Keys {
    /// Make a key
    New {
        /// The directory of the keys, made if it is not there
        directory: PathBuf,
        #[command(flatten)]
        new: NewArgs,
    },
    /// Show the keys: when they were made and what becomes of them, never what is secret
    List {
        /// The directory of the keys
        directory: PathBuf,
    },
    /// Make a key, let those before end, delete those that nothing can come for any more
    Rotate {
        /// The directory of the keys
        directory: PathBuf,
        #[command(flatten)]
        new: NewArgs,
        /// For how long the keys before are published beside the new one
        #[arg(long, value_name = "TIME", default_value = "7d", value_parser = time)]
        overlap: Duration,
        /// For how long keys are kept after that: reports are refused after 90 days
        #[arg(long, value_name = "TIME", default_value = "97d", value_parser = time)]
        keep: Duration,
    },
}

#[derive(Debug, clap::Args)]
struct NewArgs {
    /// Publish the key only after this time, so that it can be brought to where reports are opened
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = time)]
    lead: Duration,

    /// Encrypt it under a passphrase; a rotation does so anyway if a key before is encrypted
    #[arg(long)]
    encrypt: bool,

    #[command(flatten)]
    passphrase: PassphraseArgs,
}

/// Serve the public keys.
///
/// What changes in the directory is noticed within half a minute, or at once by SIGHUP.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    ascribe coordinator serve keys/\n  \
    ascribe coordinator serve keys/ --listen [::]:443 --tls-cert cert.pem --tls-key key.pem")]
struct ServeArgs {
    /// The directory of the keys
    directory: PathBuf,

    /// Where the world reaches it
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    listen: SocketAddr,

    /// For how long user agents may use an answer; less when the keys change earlier
    #[arg(long, value_name = "TIME", default_value = "1d", value_parser = time)]
    max_age: Duration,

    #[command(flatten)]
    tls: serving::TlsArgs,
}

const LOOK_EVERY: StdDuration = StdDuration::from_secs(30);

fn time(text: &str) -> Result<Duration, &'static str> {
    parse_duration(text).ok_or("expected a whole number with ms, s, min, h or d")
}

pub(super) fn run(args: Args, output: &mut Output) -> anyhow::Result<Verdict> {
    match args.command {
        Command::Keys(Keys::New { directory, new }) => {
            let entry = new.with(|new| Ok(KeyDirectory::new(&directory).create(new, now())?))?;
            show(&[("made", &entry)], &[], output)
        }
        Command::Keys(Keys::List { directory }) => {
            let entries = KeyDirectory::new(&directory).list()?;
            let entries: Vec<_> = entries.iter().map(|entry| ("", entry)).collect();
            show(&entries, &[], output)
        }
        Command::Keys(Keys::Rotate { directory, new, overlap, keep }) => {
            let keys = KeyDirectory::new(&directory);
            // What was protected stays so.
            let were_encrypted = keys.list()?.iter().any(|entry| entry.key.is_locked());
            let new = NewArgs { encrypt: new.encrypt || were_encrypted, ..new };
            let rotation = new.with(|new| Ok(keys.rotate(new, overlap, keep, now())?))?;
            let mut entries = vec![("made", &rotation.new)];
            entries.extend(rotation.ending.iter().map(|entry| ("ends", entry)));
            show(&entries, &rotation.deleted, output)
        }
        Command::Serve(args) => serve(&args, output),
    }
}

impl NewArgs {
    fn with<T>(&self, make: impl FnOnce(&NewKey<'_>) -> anyhow::Result<T>) -> anyhow::Result<T> {
        let passphrase = self.encrypt.then(|| self.passphrase.get_new()).transpose()?;
        make(&NewKey { from: now() + self.lead, passphrase: passphrase.as_ref() })
    }
}

fn show(entries: &[(&str, &Entry)], deleted: &[PathBuf], output: &mut Output) -> anyhow::Result<Verdict> {
    let state = |entry: &Entry| match entry.state(now()) {
        State::Pending => "pending",
        State::Published => "published",
        State::Retired => "retired",
    };
    if output.is_json() {
        let json = |(done, entry): &(&str, &Entry)| {
            let published = entry.key.published();
            json!({"done": (!done.is_empty()).then_some(done), "id": entry.key.id(), "created": entry.key.created(),
                "state": state(entry), "published_from": published.from.map(iso_8601),
                "published_until": published.until.map(iso_8601), "encrypted": entry.key.is_locked(),
                "file": entry.path})
        };
        let keys: Vec<Value> = entries.iter().map(json).collect();
        output.json(&json!({"keys": keys, "deleted": deleted}))?;
        return Ok(Verdict::Passed);
    }
    for (done, entry) in entries {
        let until = entry.key.published().until.map(|until| format!(", until {}", iso_8601(until)));
        let from = entry.key.published().from.map(|from| format!(", from {}", iso_8601(from)));
        let encrypted = if entry.key.is_locked() { ", encrypted" } else { "" };
        if !done.is_empty() {
            write!(output, "{GOOD}{done}{GOOD:#} ")?;
        }
        writeln!(
            output,
            "{STRONG}{}{STRONG:#} {}{}{} {FAINT}made {}{encrypted}{FAINT:#}",
            entry.key.id(),
            state(entry),
            from.unwrap_or_default(),
            until.unwrap_or_default(),
            entry.key.created(),
        )?;
    }
    for path in deleted {
        writeln!(output, "{GOOD}deleted{GOOD:#} {}", path.display())?;
    }
    Ok(Verdict::Passed)
}

fn serve(args: &ServeArgs, output: &mut Output) -> anyhow::Result<Verdict> {
    serving::log();
    let seconds = u32::try_from(args.max_age.as_millis() / 1000).context("--max-age is too long")?;
    let keys = PublicKeys::read(KeyDirectory::new(&args.directory), seconds, now)?;
    let tls = args.tls.config()?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(args.listen).await;
        let listener = listener.with_context(|| format!("listening on {}", args.listen))?;
        writeln!(output, "serving public keys on {}", listener.local_addr()?)?;
        output.flush()?;
        let reload = || match keys.reload() {
            Ok(true) => tracing::info!("the keys have changed"),
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "the keys cannot be read: those before are served"),
        };
        let look = async {
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                reload();
            }
        };
        tokio::select! {
            () = ascribe_coordinator::serve(listener, keys.routes(), tls, serving::wait_for_end(reload)) => {}
            () = look => {}
        }
        Ok(Verdict::Passed)
    })
}
