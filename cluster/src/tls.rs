//! Who may talk to whom: mutual TLS, or loopback only.
//!
//! Every connection of the cluster passes here. Those that are made go through [`Peers::endpoint_override`],
//! which Ballista calls for each of its own; those that are accepted through [`Peers::server`].

use std::{fs, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, bail, ensure};
use ballista_core::extension::EndpointOverrideFn;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity, Server, ServerTlsConfig, Uri};

/// Mutual TLS: all three, or none.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "TLS, without which only loopback addresses are taken")]
pub(crate) struct TlsArgs {
    /// This process's certificate chain, PEM: for the name that others reach it by, and as a client
    #[arg(long, requires_all = ["tls_key", "tls_ca"], value_name = "FILE")]
    tls_cert: Option<PathBuf>,

    /// Its private key, PEM
    #[arg(long, requires_all = ["tls_cert", "tls_ca"], value_name = "FILE")]
    tls_key: Option<PathBuf>,

    /// The authority that issued the certificates of this cluster, and no others
    #[arg(long, requires_all = ["tls_cert", "tls_key"], value_name = "FILE")]
    tls_ca: Option<PathBuf>,
}

/// Whom this process talks to.
#[derive(Clone)]
pub(crate) struct Peers(Option<Tls>);

#[derive(Clone)]
struct Tls {
    client: ClientTlsConfig,
    server: ServerTlsConfig,
}

impl Peers {
    pub(crate) fn new(args: &TlsArgs) -> anyhow::Result<Self> {
        let (Some(cert), Some(key), Some(ca)) = (&args.tls_cert, &args.tls_key, &args.tls_ca) else {
            return Ok(Self(None));
        };
        let read = |path: &PathBuf| fs::read(path).with_context(|| path.display().to_string());
        let identity = Identity::from_pem(read(cert)?, read(key)?);
        let ca = Certificate::from_pem(read(ca)?);
        let client = ClientTlsConfig::new().ca_certificate(ca.clone()).identity(identity.clone());
        let server = ServerTlsConfig::new().client_ca_root(ca).identity(identity);
        Ok(Self(Some(Tls { client, server })))
    }

    pub(crate) fn uses_tls(&self) -> bool {
        self.0.is_some()
    }

    /// Refuses to listen where others than this machine could connect without a certificate.
    pub(crate) fn check_bind(&self, address: SocketAddr) -> anyhow::Result<()> {
        ensure!(
            self.uses_tls() || address.ip().is_loopback(),
            "{address} is no loopback address: whoever can connect could have reports decrypted. Give --tls-cert, \
             --tls-key and --tls-ca"
        );
        Ok(())
    }

    /// Reads the address of a scheduler.
    pub(crate) fn scheduler(&self, address: &str) -> anyhow::Result<(String, u16)> {
        let uri: Uri = format!("http://{address}").parse().context("--scheduler: no HOST:PORT")?;
        let (Some(host), Some(port)) = (uri.host(), uri.port_u16()) else {
            bail!("--scheduler {address}: no HOST:PORT");
        };
        self.check_host(&uri)?;
        Ok((host.to_owned(), port))
    }

    /// A server that takes only who has a certificate of the cluster, if there is TLS.
    pub(crate) fn server(&self) -> anyhow::Result<Server> {
        let server = Server::builder()
            .tcp_nodelay(true)
            .http2_keepalive_interval(Some(KEEP_ALIVE))
            .http2_keepalive_timeout(Some(KEEP_ALIVE));
        Ok(match &self.0 {
            Some(tls) => server.tls_config(tls.server.clone()).context("--tls-cert, --tls-key, --tls-ca")?,
            None => server,
        })
    }

    /// What a connection is made with.
    pub(crate) fn endpoint(&self, uri: &Uri) -> anyhow::Result<Endpoint> {
        self.check_host(uri)?;
        let authority = uri.authority().context("no address")?;
        let scheme = if self.uses_tls() { "https" } else { "http" };
        let endpoint = Endpoint::from_shared(format!("{scheme}://{authority}"))?
            .connect_timeout(Duration::from_secs(10))
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .keep_alive_while_idle(true);
        Ok(match &self.0 {
            Some(tls) => endpoint.tls_config(tls.client.clone())?,
            None => endpoint,
        })
    }

    /// The same, for the connections that Ballista makes.
    pub(crate) fn endpoint_override(&self) -> EndpointOverrideFn {
        let peers = self.clone();
        Arc::new(move |endpoint| Ok(peers.endpoint(endpoint.uri())?))
    }

    fn check_host(&self, uri: &Uri) -> anyhow::Result<()> {
        let host = uri.host().unwrap_or_default();
        let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
        let is_loopback = host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback());
        ensure!(
            self.uses_tls() || is_loopback,
            "{host} is no loopback address: give --tls-cert, --tls-key and --tls-ca"
        );
        Ok(())
    }
}

/// A peer that has not answered for twice this long is gone.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_tls_only_loopback_is_taken() {
        let peers = Peers(None);
        for address in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1"] {
            assert!(peers.check_bind(address.parse().unwrap()).is_ok(), "{address}");
            assert!(peers.scheduler(address).is_ok(), "{address}");
        }
        for address in ["0.0.0.0:1", "10.0.0.1:1", "[::]:1", "[::ffff:10.0.0.1]:1"] {
            assert!(peers.check_bind(address.parse().unwrap()).is_err(), "{address}");
            assert!(peers.scheduler(address).is_err(), "{address}");
        }
        assert!(peers.scheduler("localhost:1").is_ok());
        for other in ["scheduler.example:1", "localhost.example:1", "localhost", ":1", ""] {
            assert!(peers.scheduler(other).is_err(), "{other}");
        }
    }

    #[test]
    fn what_ballista_connects_to_is_checked_too() {
        let connect = Peers(None).endpoint_override();
        assert!(connect(Endpoint::from_static("http://127.0.0.1:1")).is_ok());
        assert!(connect(Endpoint::from_static("http://executor.example:1")).is_err());
    }
}
