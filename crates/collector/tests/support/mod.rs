//! What several tests need: databases, and reports to put into them.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::{path::PathBuf, process::Command};

use ascribe_collector::*;
use ascribe_headers::{Coordinators, Destinations, FilteringIdMaxBytes, Site, SourceType, SuitableOrigin};
use ascribe_reports::*;
use tempfile::TempDir;

/// The campaigns file that is shown to people.
pub(crate) const EXAMPLE: &str = include_str!("../../examples/campaigns.toml");

pub(crate) fn secrets() -> Secrets {
    Secrets::new(Secret::from_bytes([1; 32]), [])
}

pub(crate) fn campaigns() -> Campaigns {
    Campaigns::parse(EXAMPLE, secrets()).unwrap_or_else(|problems| panic!("{problems}"))
}

/// A collector that serves on a port of its own.
pub(crate) struct Serving {
    pub(crate) collector: std::sync::Arc<Collector>,
    pub(crate) url: String,
    pub(crate) store: StoreLocation,
    pub(crate) folder: TempDir,
    end: Option<tokio::sync::oneshot::Sender<()>>,
    task: tokio::task::JoinHandle<()>,
}

impl Serving {
    pub(crate) async fn start(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = StoreLocation::File(folder.path().join("reports.db"));
        Self::with_store(limits, store, folder).await
    }

    pub(crate) async fn with_store(limits: Limits, store: StoreLocation, folder: TempDir) -> Self {
        let clock = Clock::new(|| Time::from_secs(1_700_000_100));
        let collector = Collector::start(campaigns(), store.clone(), limits, clock).unwrap();
        let collector = std::sync::Arc::new(collector);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (end, ended) = tokio::sync::oneshot::channel();
        let task = tokio::spawn({
            let collector = collector.clone();
            let routes = collector.public_routes().merge(collector.operations_routes());
            async move { collector.serve(listener, routes, None, async { drop(ended.await) }).await }
        });
        Self { collector, url, store, folder, end: Some(end), task }
    }

    /// Ends it in good order; what it stored stays.
    pub(crate) async fn end(mut self) -> TempDir {
        drop(self.end.take());
        self.task.await.unwrap();
        self.folder
    }

    pub(crate) fn stored(&self, endpoint: Endpoint) -> u64 {
        Store::open(&self.store).unwrap().count(endpoint).unwrap()
    }

    pub(crate) async fn metrics(&self) -> String {
        client().get(format!("{}/metrics", self.url)).send().await.unwrap().text().await.unwrap()
    }

    pub(crate) async fn post(&self, endpoint: Endpoint, body: impl Into<reqwest::Body>) -> u16 {
        let url = format!("{}{}", self.url, endpoint.path());
        let request = client().post(url).header("content-type", "application/json").body(body);
        request.send().await.unwrap().status().as_u16()
    }
}

/// A client that follows no redirects.
pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap()
}

/// TLS for `localhost`, and the certificate to trust.
pub(crate) fn tls() -> (std::sync::Arc<rustls::ServerConfig>, Vec<u8>) {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    (std::sync::Arc::new(config), certified.cert.der().to_vec())
}

/// A PostgreSQL server of its own, in a temporary directory; it ends when dropped.
pub(crate) struct Server {
    bin: PathBuf,
    folder: TempDir,
}

impl Server {
    /// Starts it. The programs are looked for where distributions put them.
    pub(crate) fn start() -> Self {
        let bin = std::fs::read_dir("/usr/lib/postgresql")
            .into_iter()
            .flatten()
            .filter_map(|version| version.ok().map(|version| version.path().join("bin")))
            .find(|bin| bin.join("pg_ctl").exists())
            .expect("no PostgreSQL server in /usr/lib/postgresql: scripts/postgres.sh installs it");
        let folder = tempfile::tempdir().unwrap();
        let server = Self { bin, folder };
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(server.folder.path()));
        }
        let data = server.data();
        run(server
            .program("initdb")
            .args(["--auth=trust", "--username=ascribe", "--no-sync", "-D"])
            .arg(&data));
        server.ctl(&["start", "--wait"]);
        server
    }

    /// The URL of a new database.
    pub(crate) fn database(&self, name: &str) -> String {
        let socket = self.folder.path().display().to_string();
        run(self.program("createdb").args(["--host", &socket, "--username=ascribe", name]));
        format!("postgresql://ascribe@{}/{name}", socket.replace('/', "%2F"))
    }

    /// `pg_ctl` with these arguments.
    pub(crate) fn ctl(&self, arguments: &[&str]) {
        let socket = self.folder.path().display();
        let options = format!("-c listen_addresses='' -c unix_socket_directories='{socket}'");
        let log = self.folder.path().join("log");
        run(self
            .program("pg_ctl")
            .args(arguments)
            .arg("-D")
            .arg(self.data())
            .arg("-l")
            .arg(log)
            .arg("-o")
            .arg(options));
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// PostgreSQL does not run as root.
    fn program(&self, name: &str) -> Command {
        let program = self.bin.join(name);
        if !is_root() {
            return Command::new(program);
        }
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(program);
        command.current_dir(self.folder.path());
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ctl(&["stop", "--mode=immediate"]);
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id");
    id.stdout.trim_ascii() == b"0"
}

fn run(command: &mut Command) {
    // Into files: a server that goes on would hold a pipe open.
    let status = command.stdout(std::process::Stdio::null()).status().expect("the program can be run");
    assert!(status.success(), "{command:?}: {status}");
}

pub(crate) fn id(n: u128) -> ReportId {
    ReportId::from_u128(n)
}

/// An event-level report as received.
pub(crate) fn event(n: u128, campaign: Option<u64>, trigger_data: u64) -> NewReport {
    NewReport {
        endpoint: Endpoint::EventLevel,
        received_at: Time::from_secs(1_700_000_100),
        body: ReportBody::Event {
            report: ReceivedEventLevelReport {
                report_id: id(n),
                destinations: Destinations::new([Site::parse("https://shop.example").unwrap()]).unwrap(),
                source_event_id: u64::MAX,
                source_type: SourceType::Navigation,
                trigger_data,
                randomized_trigger_rate: 0.002_426_3,
                report_time: Time::from_secs(1_700_000_000),
                debug_keys: DebugKeys { source: Some(u64::MAX), trigger: None },
            },
            campaign,
        },
    }
}

/// The body of an aggregatable report that was scheduled then, for that destination.
pub(crate) fn aggregatable_body(n: u128, scheduled: i64, destination: &str) -> String {
    let report = AggregatableReport {
        report_id: id(n),
        reporting_origin: SuitableOrigin::parse("https://ads.example").unwrap(),
        destination: Site::parse(destination).unwrap(),
        report_time: Time::from_secs(scheduled),
        source_registration_time: None,
        contributions: [].into(),
        coordinator: Coordinators::chromium().default_coordinator().clone(),
        trigger_context_id: None,
        filtering_id_max_bytes: FilteringIdMaxBytes::DEFAULT,
        debug_keys: DebugKeys::default(),
    };
    report.body(&SealedPayload { key_id: "key-1".into(), ciphertext: n.to_be_bytes().repeat(4) })
}

/// An aggregatable report as received.
pub(crate) fn aggregatable(n: u128, scheduled: i64, destination: &str) -> NewReport {
    let body = aggregatable_body(n, scheduled, destination);
    NewReport {
        endpoint: Endpoint::Aggregatable,
        received_at: Time::from_secs(scheduled + 10),
        body: ReportBody::Aggregatable(ReceivedAggregatableReport::parse(body.as_bytes()).unwrap()),
    }
}

pub(crate) fn verbose(body: &str) -> NewReport {
    NewReport {
        endpoint: Endpoint::VerboseDebug,
        received_at: Time::from_secs(1_700_000_000),
        body: ReportBody::Verbose {
            report: ReceivedVerboseDebugReport::parse(body.as_bytes()).unwrap(),
            campaigns: Box::default(),
        },
    }
}
