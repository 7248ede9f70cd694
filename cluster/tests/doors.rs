//! Who gets in.

mod support;

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use support::{World, assert_succeeded, refused};

#[test]
fn without_tls_only_loopback_is_listened_on_and_connected_to() {
    let world = World::new();
    let (keys, work_dir) = (world.text("keys"), world.text("work"));
    let executor = ["executor", "--keys", &keys, "--work-dir", &work_dir];
    let job = ["aggregate", "--attribution-report-to", "https://r.test", "--input", "a", "--domain", "d"];
    let ledger = world.text("l.sqlite");
    let job = [&job[..], &["--output", "o.csv", "--ledger", &ledger]].concat();
    for args in [
        vec!["scheduler", "--bind", "0.0.0.0:0"],
        [&executor[..], &["--bind", "0.0.0.0:0"]].concat(),
        [&executor[..], &["--scheduler", "scheduler.example:50050"]].concat(),
        [&job[..], &["--scheduler", "192.0.2.1:50050"]].concat(),
    ] {
        let (code, told) = refused(&args);
        assert_eq!(code, Some(2), "{args:?}: {told}");
        assert!(told.contains("no loopback address") && told.contains("--tls-cert"), "{told}");
    }
}

/// An authority, and a certificate that it issued: files `name-ca.pem`, `name.pem`, `name.key`.
fn authority(world: &World, name: &str) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let leaf = CertificateParams::new(names).unwrap().signed_by(&key, &ca).unwrap();
    fs::write(world.path(&format!("{name}-ca.pem")), ca.pem()).unwrap();
    fs::write(world.path(&format!("{name}.pem")), leaf.pem()).unwrap();
    fs::write(world.path(&format!("{name}.key")), key.serialize_pem()).unwrap();
}

fn tls(world: &World, name: &str, ca: &str) -> Vec<String> {
    ["--tls-cert".to_owned(), world.text(&format!("{name}.pem"))]
        .into_iter()
        .chain(["--tls-key".to_owned(), world.text(&format!("{name}.key"))])
        .chain(["--tls-ca".to_owned(), world.text(&format!("{ca}-ca.pem"))])
        .collect()
}

/// What a server says to somebody who trusts it, and has no certificate.
fn without_certificate(world: &World, address: SocketAddr) -> std::io::Result<usize> {
    let pem = fs::read(world.path("cluster-ca.pem")).unwrap();
    let mut roots = RootCertStore::empty();
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    roots.add(CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let connection = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(address)?);
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")?;
    stream.read(&mut [0; 64])
}

#[test]
fn with_tls_only_who_has_a_certificate_of_the_cluster_gets_in() {
    let world = World::new();
    world.many(2, 50);
    authority(&world, "cluster");
    authority(&world, "stranger");
    let own = tls(&world, "cluster", "cluster");
    let own: Vec<_> = own.iter().map(String::as_str).collect();
    let scheduler = world.scheduler(&own);
    let executors = [world.executor(&scheduler, "work-1", &own), world.executor(&scheduler, "work-2", &own)];
    let told = assert_succeeded(&world.aggregate(&scheduler, &own).output().unwrap());
    assert_eq!(told["counts"]["reports"], 100);
    world.assert_removed(&["work-1", "work-2"]);

    let stranger = tls(&world, "stranger", "cluster");
    let stranger: Vec<_> = stranger.iter().map(String::as_str).collect();
    for server in [&scheduler, &executors[0]] {
        let error = without_certificate(&world, server.address).expect_err("no certificate, no answer");
        assert!(error.to_string().to_lowercase().contains("certificate"), "{error}");
        for args in [&stranger[..], &[]] {
            let output = world.aggregate(server, args).output().unwrap();
            assert_eq!(output.status.code(), Some(2), "{output:?}");
        }
    }
    // One of another authority is not taken for the scheduler, either.
    let impostor = tls(&world, "stranger", "stranger");
    let impostor: Vec<_> = impostor.iter().map(String::as_str).collect();
    let impostor = world.scheduler(&impostor);
    let output = world.aggregate(&impostor, &own).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}
