//! TLS to PostgreSQL, as its URL asks for.
//!
//! | `sslmode` | what it means here |
//! |---|---|
//! | none, `disable`, `prefer` | no TLS: a socket, or the same machine |
//! | `require`, `verify-ca`, `verify-full` | TLS, with a certificate for the host's name by an authority that is trusted |
//!
//! `sslrootcert` names a PEM file of authorities that are trusted in place of the system's. TLS without a look at
//! the certificate, which other clients have, keeps out nobody who can change what is sent: it is not offered.

use std::sync::Arc;

use rustls_platform_verifier::BuilderVerifierExt;
use tokio_postgres::{Config, config::SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_rustls::rustls::{
    self, ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

use super::database::StoreError;

/// What a URL says: whom to connect to, and how to do TLS if that is to be done.
pub(super) fn configuration(url: &str) -> Result<(Config, Option<MakeRustlsConnect>), StoreError> {
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let (mut mode, mut authorities) = (None, None);
    // What the driver knows is left to it.
    let mut rest = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (_, value) = url::form_urlencoded::parse(pair.as_bytes()).next().unwrap_or_default();
        match pair.split('=').next() {
            Some("sslmode") => mode = Some(value.into_owned()),
            Some("sslrootcert") => authorities = Some(value.into_owned()),
            _ => rest.push(pair),
        }
    }
    let mut config: Config = format!("{address}?{}", rest.join("&")).parse()?;
    let wanted = match mode.as_deref() {
        None | Some("disable" | "prefer") => false,
        Some("require" | "verify-ca" | "verify-full") => true,
        Some(_) => {
            return Err(StoreError::Tls(
                "sslmode is none of disable, prefer, require, verify-ca, verify-full".into(),
            ));
        }
    };
    config.ssl_mode(if wanted { SslMode::Require } else { SslMode::Disable });
    let tls = wanted.then(|| client(authorities.as_deref())).transpose()?;
    Ok((config, tls.map(MakeRustlsConnect::new)))
}

fn client(authorities: Option<&str>) -> Result<ClientConfig, StoreError> {
    let tell = |error: &dyn std::fmt::Display| StoreError::Tls(error.to_string().into());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| tell(&error))?;
    let builder = match authorities {
        None => builder.with_platform_verifier().map_err(|error| tell(&error))?,
        Some(file) => {
            let mut roots = RootCertStore::empty();
            let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
            for certificate in
                read.map_err(|error| StoreError::Tls(format!("sslrootcert {file}: {error}").into()))?
            {
                roots.add(certificate).map_err(|error| tell(&error))?;
            }
            builder.with_root_certificates(roots)
        }
    };
    Ok(builder.with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tls_needs_is_taken_and_the_rest_is_the_drivers() {
        let (config, tls) = configuration("postgresql://u@%2Frun%2Fpg/name?connect_timeout=3").unwrap();
        assert!(tls.is_none());
        assert_eq!((config.get_ssl_mode(), config.get_dbname()), (SslMode::Disable, Some("name")));
        assert_eq!(config.get_connect_timeout(), Some(&std::time::Duration::from_secs(3)));
        for mode in ["require", "verify-ca", "verify-full"] {
            let (config, tls) =
                configuration(&format!("postgresql://db.example/name?sslmode={mode}")).unwrap();
            assert!(tls.is_some(), "{mode}");
            assert_eq!(config.get_ssl_mode(), SslMode::Require);
        }
        for wrong in ["sslmode=allow", "sslmode=", "sslmode=require&sslrootcert=/nowhere.pem", "unknown=1"] {
            assert!(configuration(&format!("postgresql://db.example/name?{wrong}")).is_err(), "{wrong}");
        }
    }
}
