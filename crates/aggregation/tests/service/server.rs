//! The job API over a real socket, in a directory that is its only bucket.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    thread::JoinHandle,
    time::{Duration, SystemTime},
};

use ascribe_aggregation::{Service, ServiceConfig};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::{net::TcpListener, runtime::Runtime, sync::oneshot};

use crate::common::{ORIGIN, Report, World, key};

pub(crate) const TOKEN: &str = "a-token-that-nobody-else-knows";

/// Keys, a token, batches of the last hour, and a domain.
pub(crate) fn world(reports: u128) -> World {
    let world = World::new();
    let path = |name: &str| world.path(name);
    fs::create_dir(path("keys")).unwrap();
    key().write(&path("keys/key-1.json")).unwrap();
    fs::write(path("client.token"), TOKEN).unwrap();
    fs::set_permissions(path("client.token"), fs::Permissions::from_mode(0o600)).unwrap();
    let records: Vec<_> = (0..reports).map(|id| report(id).sealed()).collect();
    world.batch("1.avro", &records);
    world.domain([1, 2]);
    world
}

/// A report that is an hour old.
pub(crate) fn report(id: u128) -> Report {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    Report::new(id, &[(1, 5, 0)]).with("scheduled_report_time", (now - 3600).to_string())
}

/// A configuration in the directory of a world.
pub(crate) fn config(directory: &Path, ledger: &str, more: &str) -> ServiceConfig {
    let text = format!(
        "listen = \"127.0.0.1:0\"\noperations = \"127.0.0.1:0\"\nkeys = \"keys\"\nledger = \"{ledger}\"\n\
         staging = \"staging\"\ntokens = [\"client.token\"]\n{more}\n[buckets]\ndata = \".\"\n"
    );
    ServiceConfig::parse(&text, directory).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

/// A service that runs until it is dropped.
pub(crate) struct Running {
    url: String,
    operations: String,
    client: Client,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    pub(crate) fn start(config: ServiceConfig) -> Self {
        let (end, ended) = oneshot::channel::<()>();
        let (tell, addresses) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = Runtime::new().unwrap();
            let bind = || runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
            let (clients, operations) = (bind(), bind());
            tell.send((clients.local_addr().unwrap(), operations.local_addr().unwrap())).unwrap();
            let service = Service::start(config).unwrap();
            runtime.block_on(service.serve(clients, operations, None, async { drop(ended.await) }));
            drop(service);
        });
        let (clients, operations) = addresses.recv().unwrap();
        Self {
            url: format!("http://{clients}"),
            operations: format!("http://{operations}"),
            client: Client::new(),
            end: Some(end),
            thread: Some(thread),
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) async fn answer(&self, request: RequestBuilder) -> (StatusCode, Value) {
        let answer = request.bearer_auth(TOKEN).send().await.unwrap();
        let status = answer.status();
        assert_eq!(answer.headers()["content-type"], "application/json");
        (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap())
    }

    pub(crate) async fn create(&self, body: &Value) -> (StatusCode, Value) {
        self.answer(self.client.post(format!("{}/v1alpha/createJob", self.url)).body(body.to_string())).await
    }

    pub(crate) async fn get(&self, path_and_query: &str) -> (StatusCode, Value) {
        self.answer(self.client.get(format!("{}/v1alpha/{path_and_query}", self.url))).await
    }

    /// The job, once it is finished.
    pub(crate) async fn finished(&self, id: &str) -> Value {
        for _ in 0..1200 {
            let (status, job) = self.get(&format!("getJob?job_request_id={id}")).await;
            assert_eq!(status, 200, "{job}");
            if job["job_status"] == "FINISHED" {
                return job;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("job {id} does not end");
    }

    pub(crate) async fn operations(&self, path: &str) -> (StatusCode, String) {
        let answer = self.client.get(format!("{}{path}", self.operations)).send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.end.take());
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || std::thread::panicking(), "the service panicked");
    }
}

/// A request as the aggregation service's documentation has it.
pub(crate) fn request(id: &str) -> Value {
    json!({
        "job_request_id": id,
        "input_data_blob_prefix": "batches/",
        "input_data_bucket_name": "data",
        "output_data_blob_prefix": format!("out/{id}.avro"),
        "output_data_bucket_name": "data",
        "job_parameters": {
            "output_domain_blob_prefix": "domain.txt",
            "output_domain_bucket_name": "data",
            "attribution_report_to": ORIGIN,
        },
    })
}
