//! What commands that serve have in common: their log, their TLS, their end.

use std::future::Future;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, ensure};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tracing_subscriber::EnvFilter;

/// How to do TLS; without, a proxy does.
#[derive(Debug, clap::Args)]
pub(super) struct TlsArgs {
    /// The certificate chain, in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// Its private key, in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

impl TlsArgs {
    pub(super) fn config(&self) -> anyhow::Result<Option<Arc<rustls::ServerConfig>>> {
        match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => tls(certificate, key, &["h2", "http/1.1"]).map(Some),
            _ => Ok(None),
        }
    }
}

/// Lines of JSON for machines, text for people; RUST_LOG says how much.
pub(super) fn log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // There is one already in tests alone.
    let _ = match std::io::stderr().is_terminal() {
        true => log.try_init(),
        false => log.json().try_init(),
    };
}

/// TLS with a certificate chain and its private key, both in PEM.
pub(super) fn tls(
    certificate: &Path,
    key: &Path,
    alpn: &[&str],
) -> anyhow::Result<Arc<rustls::ServerConfig>> {
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("reading {}", certificate.display()))?;
    ensure!(!chain.is_empty(), "{} holds no certificate", certificate.display());
    let key = PrivateKeyDer::from_pem_file(key).with_context(|| format!("reading {}", key.display()))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    Ok(Arc::new(config))
}

/// Until SIGTERM or Ctrl-C; calls `reload` at each SIGHUP.
#[cfg(unix)]
pub(super) fn wait_for_end(reload: impl Fn()) -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    async move {
        let signals = (signal(SignalKind::terminate()), signal(SignalKind::hangup()));
        let (Ok(mut terminate), Ok(mut hangup)) = signals else { return drop(tokio::signal::ctrl_c().await) };
        loop {
            tokio::select! {
                _ = terminate.recv() => return,
                _ = tokio::signal::ctrl_c() => return,
                _ = hangup.recv() => reload(),
            }
        }
    }
}

#[cfg(not(unix))]
pub(super) fn wait_for_end(_reload: impl Fn()) -> impl Future<Output = ()> {
    async { drop(tokio::signal::ctrl_c().await) }
}
