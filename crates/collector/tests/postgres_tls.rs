//! TLS to PostgreSQL, a real server that refuses connections without.
#![cfg(unix)]

mod support;

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt};

use ascribe_collector::{Store, StoreLocation};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use support::Server;

/// An authority, and in the folder a certificate of it for `localhost`.
fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

#[test]
fn the_certificate_is_looked_at_and_nothing_is_sent_without() {
    let (ours, other) = (authority(), authority());
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = Server::start_with(|data| {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, &ours).unwrap();
        fs::write(data.join("server.crt"), certificate.pem()).unwrap();
        fs::write(data.join("server.key"), key.serialize_pem()).unwrap();
        fs::set_permissions(data.join("server.key"), fs::Permissions::from_mode(0o600)).unwrap();
        let rules = "local all all trust\nhostssl all all 127.0.0.1/32 trust\n";
        fs::write(data.join("pg_hba.conf"), rules).unwrap();
        format!("-c listen_addresses=127.0.0.1 -c port={port} -c ssl=on")
    });
    server.create(port, "secure");
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, pem: &str| {
        let path = folder.path().join(name);
        fs::write(&path, pem).unwrap();
        path.display().to_string()
    };
    let (ours, other) = (file("ours.pem", &ours.pem()), file("other.pem", &other.pem()));
    let open = |host: &str, query: &str| {
        let url = format!("postgresql://ascribe@{host}:{port}/secure?{query}");
        Store::open(&StoreLocation::parse(&url))
            .and_then(|mut store| store.ping())
            .map_err(|error| error.to_string())
    };
    for mode in ["require", "verify-ca", "verify-full"] {
        open("localhost", &format!("sslmode={mode}&sslrootcert={ours}")).unwrap();
    }
    let refused = |host: &str, query: &str, why: &str| {
        let error = open(host, query).expect_err(why);
        assert!(error.contains("PostgreSQL"), "{why}: {error}");
    };
    refused("localhost", &format!("sslmode=require&sslrootcert={other}"), "another authority");
    refused("localhost", "sslmode=require", "an authority that the system does not know");
    refused("127.0.0.1", &format!("sslmode=require&sslrootcert={ours}"), "another name");
    refused("localhost", "sslmode=disable", "the server wants TLS");
}
