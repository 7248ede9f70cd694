//! The network as the user of a host sets it up: once for the browser, and the same for reports and keys.

mod client;
mod error;
mod host_map;
mod proxy;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use rustls::pki_types::{CertificateDer, pem::PemObject};

pub(crate) use client::{Client, RequestFailed};
pub use error::{DeliveryError, RedirectError};
pub use host_map::{HostMap, HostMapError};
pub use proxy::{Proxy, ProxyError};

/// How servers are reached.
///
/// What is not said here is not taken from the environment either: without a proxy, connections are direct,
/// so that a browser and the reports that it leads to never go different ways.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkOptions {
    /// Which servers stand for which names.
    pub host_map: HostMap,
    /// PEM files of certificate authorities that are trusted beside the system's.
    pub ca_certificates: Vec<PathBuf>,
    /// Through which proxy, if any.
    pub proxy: Option<Proxy>,
    /// How long one attempt to deliver a report or to fetch keys may take, redirects included; 30 s as in
    /// Chromium.
    pub timeout: Duration,
}

impl Default for NetworkOptions {
    fn default() -> Self {
        Self {
            host_map: HostMap::default(),
            ca_certificates: Vec::new(),
            proxy: None,
            timeout: Duration::from_secs(30),
        }
    }
}

/// Why there is no network to be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// A file has no certificates, or cannot be read.
    #[error("{}: {reason}", path.display())]
    Certificates {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The HTTP client cannot be set up.
    #[error("HTTP client: {0}")]
    Client(String),
}

impl NetworkOptions {
    /// Chromium's arguments for the same network, save for the certificate authorities: Chromium has no argument
    /// for them that would go on checking names and dates.
    #[must_use]
    pub fn chromium_args(&self) -> Vec<String> {
        let mut args = Vec::new();
        if !self.host_map.is_empty() {
            args.push(format!("--host-resolver-rules={}", self.host_map));
        }
        match &self.proxy {
            Some(proxy) => {
                args.push(format!("--proxy-server={proxy}"));
                let bypass = proxy.bypass_list();
                if !bypass.is_empty() {
                    args.push(format!("--proxy-bypass-list={bypass}"));
                }
            }
            None => args.push("--no-proxy-server".to_owned()),
        }
        args
    }

    /// The certificates of all files, in DER.
    pub(crate) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, NetworkError> {
        let mut all = Vec::new();
        for path in &self.ca_certificates {
            let before = all.len();
            let certificates = CertificateDer::pem_file_iter(path).map_err(|error| invalid(path, error))?;
            for certificate in certificates {
                all.push(certificate.map_err(|error| invalid(path, error))?);
            }
            if all.len() == before {
                return Err(invalid(path, "no certificate in it"));
            }
        }
        Ok(all)
    }
}

fn invalid(path: &Path, reason: impl ToString) -> NetworkError {
    NetworkError::Certificates { path: path.to_owned(), reason: reason.to_string() }
}
