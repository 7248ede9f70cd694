//! What a browser is launched with, and why that can fail.

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    process::ExitStatus,
};

use ascribe_agent::{NetworkError, NetworkOptions, OpenError};

use crate::ProtocolError;

/// How to launch a browser; the default is a window with a temporary profile.
#[derive(Clone, Debug, Default)]
pub struct LaunchOptions {
    /// The program; without it the environment variable `CHROMIUM`, then the usual names on the `PATH`.
    pub chromium: Option<PathBuf>,
    /// The directory that everything is kept in; without it a temporary one, deleted at the end.
    pub profile: Option<PathBuf>,
    /// Without windows.
    pub headless: bool,
    /// A TCP port on 127.0.0.1 on which other programs can drive the browser; 0 is any free one. Every local
    /// process can, whoever's it is.
    pub port: Option<u16>,
    /// Without Chromium's sandbox. Root never has it.
    pub no_sandbox: bool,
    /// Where its requests go, and whom it trusts.
    pub network: NetworkOptions,
    /// Whether pages have them.
    pub third_party_cookies: ThirdPartyCookies,
    /// Whether the headers of requests vary, as the specification lets them.
    pub greasing: Greasing,
    /// The user agents; how they reach servers is what [`network`](Self::network) says.
    pub agent: ascribe_agent::Options,
    /// An origin, serialized, that is no web page: see [`Internals::origin`](crate::Internals::origin). Its pages are
    /// not given the API, and no other page can request anything from it.
    pub exempt_origin: Option<String>,
    /// Further arguments for Chromium.
    pub extra_arguments: Vec<OsString>,
}

/// Whether sites have their cookies where another site is on top.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ThirdPartyCookies {
    /// They have.
    Allow,
    /// They have not, as Chromium has it by default.
    #[default]
    Block,
}

/// Whether what servers must ignore in the request headers varies (the specification's greasing): unknown keys, values and
/// parameters, and the order of keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Greasing {
    /// Every header is as plain as can be, for tests that compare.
    #[default]
    Off,
    /// It varies by chance, so that servers with parsers of their own are found out.
    Random,
    /// It varies, the same way every time that requests come in the same order.
    Seeded(u64),
}

/// Why there is no browser.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LaunchError {
    /// There is none of the usual names on the `PATH`.
    #[error(
        "no Chromium is installed; install it (Debian, Ubuntu: apt-get install chromium; Fedora: dnf install chromium; \
         Arch: pacman -S chromium), or name it with --chromium PATH"
    )]
    NoChromium,
    /// What was named is no program.
    #[error("{} is not a program that can be run", .path.display())]
    NoSuchChromium {
        /// What was named.
        path: PathBuf,
    },
    /// The profile cannot be used.
    #[error("the profile cannot be used: {0}")]
    Profile(#[source] io::Error),
    /// The extra certificates cannot be given to Chromium.
    #[error("Chromium cannot be made to trust {}: {why}", .path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// The network options are unusable.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The profile's user agent cannot be opened.
    #[error(transparent)]
    Agent(#[from] OpenError),
    /// The program does not start.
    #[error("{} does not start: {source}", .path.display())]
    Start {
        /// The program.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Chromium started and ended.
    #[error("Chromium ended at once{}{stderr}", status.map(|s| format!(" ({s}): ")).unwrap_or_default())]
    Ended {
        /// How.
        status: Option<ExitStatus>,
        /// What it said last.
        stderr: String,
    },
    /// Chromium does not do what it is told.
    #[error("Chromium cannot be driven: {0}")]
    Protocol(#[from] ProtocolError),
}

impl LaunchError {
    pub(crate) fn certificate(path: &Path, why: impl ToString) -> Self {
        Self::Certificate { path: path.to_owned(), why: why.to_string() }
    }
}
