//! A certificate authority that lives as long as the sites, and a certificate for each host that is asked for.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// More hosts than this have no certificate.
const MAX_HOSTS: usize = 1_000;

pub(crate) struct Certificates {
    authority: Issuer<'static, KeyPair>,
    ca_pem: String,
    // By host and by whether HTTP/2 is offered.
    configs: Mutex<HashMap<(String, bool), Arc<ServerConfig>>>,
}

impl Certificates {
    pub(crate) fn new() -> io::Result<Self> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let mut params = dated(CertificateParams::default());
        params.distinguished_name.push(DnType::CommonName, "Made-up sites, for tests only");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ca_pem = params.self_signed(&key).map_err(io::Error::other)?.pem();
        Ok(Self { authority: Issuer::new(params, key), ca_pem, configs: Mutex::default() })
    }

    pub(crate) fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The TLS configuration for `host`: a certificate for it alone, without the authority's in the chain. One for
    /// each host, so that no client reuses a connection for another host.
    pub(crate) fn config(&self, host: &str, http2: bool) -> io::Result<Arc<ServerConfig>> {
        let mut configs = self.configs.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (host.to_owned(), http2);
        if let Some(config) = configs.get(&key) {
            return Ok(Arc::clone(config));
        }
        if configs.len() == MAX_HOSTS {
            return Err(io::Error::other("too many hosts"));
        }
        let config = Arc::new(self.issue(host, http2)?);
        configs.insert(key, Arc::clone(&config));
        Ok(config)
    }

    fn issue(&self, host: &str, http2: bool) -> io::Result<ServerConfig> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let mut params = dated(CertificateParams::new([host.to_owned()]).map_err(io::Error::other)?);
        params.distinguished_name.push(DnType::CommonName, host);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&key, &self.authority).map_err(io::Error::other)?;
        let private_key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));

        // The provider is named: another that a dependency may have installed for the process is not our concern.
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private_key)
            .map_err(io::Error::other)?;
        config.alpn_protocols = if http2 { vec![b"h2".to_vec()] } else { Vec::new() };
        config.alpn_protocols.push(b"http/1.1".to_vec());
        Ok(config)
    }
}

// Valid whatever the time is on the machine or in the test.
fn dated(mut params: CertificateParams) -> CertificateParams {
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2120, 1, 1);
    params
}
