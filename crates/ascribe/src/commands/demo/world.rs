//! The demo's servers: a publisher and a shop, the collector, the coordinator, each over HTTPS on loopback.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use anyhow::Context;
use ascribe_agent::HostMap;
use ascribe_collector::{
    Access, Campaigns, Clock, Collector, Dashboard, DashboardOptions, Limits, PasswordHash, Secret, Secrets,
    StoreLocation,
};
use ascribe_coordinator::{KeyDirectory, NewKey, PublicKeys};
use ascribe_reports::Time;
use axum::{Router, response::Html, routing::get};
use rand::TryRng;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::purchases::{PURCHASES, SHOP};

/// When the story begins: it is the same every time.
pub(super) const START: Time = Time::from_secs(1_767_603_600);

/// What runs, until it is dropped.
pub(super) struct World {
    pub(super) directory: TempDir,
    pub(super) campaigns: Campaigns,
    pub(super) host_map: HostMap,
    /// Where each name is served.
    pub(super) addresses: Vec<(&'static str, SocketAddr)>,
    pub(super) operations: SocketAddr,
    /// Whoever has it sees the dashboard; drawn anew each time.
    pub(super) password: String,
    pub(super) ca_pem: String,
    now: Arc<AtomicI64>,
}

impl World {
    /// Starts all servers.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let directory = tempfile::tempdir().context("making a temporary directory")?;
        let ca = Authority::new()?;
        std::fs::write(directory.path().join("ca.pem"), &ca.pem)?;
        let now = Arc::new(AtomicI64::new(START.as_millis()));
        let parse = || {
            let secrets = Secrets::new(Secret::from_bytes([7; 32]), []);
            Campaigns::parse(include_str!("campaigns.toml"), secrets)
                .map_err(|error| anyhow::anyhow!("{error}"))
        };
        let mut addresses = Vec::new();

        let clock = now.clone();
        let clock = Clock::new(move || Time::from_millis(clock.load(Ordering::Relaxed)));
        let store = StoreLocation::File(directory.path().join("reports.db"));
        let (password, hash) = password()?;
        let collector = Arc::new(Collector::start(parse()?, store.clone(), Limits::default(), clock)?);
        let options = DashboardOptions::new(Access::new(Some(hash)), store);
        let inside = collector.operations_routes().merge(Dashboard::new(&collector, options)?.routes());
        let (listener, operations) = (listen().await?, listen().await?);
        addresses.push(("ads.example", listener.local_addr()?));
        let operations_address = operations.local_addr()?;
        let (tls, public) = (ca.server(&["ads.example"])?, collector.clone());
        tokio::spawn(async move {
            public.serve(listener, public.public_routes(), Some(tls), std::future::pending()).await;
        });
        tokio::spawn(async move {
            collector.serve(operations, inside, None, std::future::pending()).await;
        });

        let keys = KeyDirectory::new(&directory.path().join("keys"));
        let real_now = super::super::budget::now();
        keys.create(&NewKey { from: real_now, passphrase: None }, real_now)?;
        let keys = PublicKeys::read(keys, 86_400, super::super::budget::now)?;
        let listener = listen().await?;
        addresses.push(("keys.example", listener.local_addr()?));
        let tls = ca.server(&["keys.example"])?;
        tokio::spawn(ascribe_coordinator::serve(listener, keys.routes(), Some(tls), std::future::pending()));

        let listener = listen().await?;
        let address = listener.local_addr()?;
        addresses.extend([("publisher.example", address), ("shop.example", address)]);
        let tls = ca.server(&["publisher.example", "shop.example"])?;
        tokio::spawn(ascribe_coordinator::serve(listener, pages(), Some(tls), std::future::pending()));

        let rules: Vec<_> = addresses.iter().map(|(name, at)| format!("MAP {name} {at}")).collect();
        let host_map = rules.join(", ").parse().context("the map of hosts")?;
        Ok(Self {
            directory,
            campaigns: parse()?,
            host_map,
            addresses,
            operations: operations_address,
            password,
            ca_pem: ca.pem,
            now,
        })
    }

    pub(super) fn ca_file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// Turns the collector's clock, to where the user agent's is.
    pub(super) fn set_time(&self, now: Time) {
        self.now.store(now.as_millis(), Ordering::Relaxed);
    }

    pub(super) fn now(&self) -> Time {
        Time::from_millis(self.now.load(Ordering::Relaxed))
    }
}

/// 96 bits of the operating system's randomness, as text, and their hash.
fn password() -> anyhow::Result<(String, PasswordHash)> {
    let (mut secret, mut salt) = ([0; 12], [0; 16]);
    rand::rngs::SysRng.try_fill_bytes(&mut secret)?;
    rand::rngs::SysRng.try_fill_bytes(&mut salt)?;
    let password: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let hash = PasswordHash::new(&password, salt)?;
    Ok((password, hash))
}

async fn listen() -> anyhow::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("listening on loopback")
}

/// The publisher's page with the ad, and the shop's with a button for each purchase.
fn pages() -> Router {
    let ad = "<!doctype html><title>Publisher</title><p>News, and an ad:</p>\
        <a id=\"ad\" href=\"https://ads.example/click/spring\" attributionsrc>Shoes and hats</a>";
    let buttons: String = PURCHASES
        .iter()
        .map(|purchase| format!("<button id=\"{}\">Buy by {0}</button>\n", purchase.way))
        .collect();
    let shop = format!(
        "<!doctype html><title>Shop</title>\n{buttons}<script>{}</script>",
        super::purchases::script()
    );
    Router::new().route("/", get(async move || Html(ad))).route(SHOP, get(async move || Html(shop.clone())))
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> anyhow::Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = dated(CertificateParams::default());
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let pem = params.self_signed(&key)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), pem })
    }

    fn server(&self, names: &[&str]) -> anyhow::Result<Arc<ServerConfig>> {
        let key = KeyPair::generate()?;
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = dated(CertificateParams::new(names)?);
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)?;
        Ok(Arc::new(config))
    }
}

/// Valid whatever the time is.
fn dated(mut params: CertificateParams) -> CertificateParams {
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2120, 1, 1);
    params
}
