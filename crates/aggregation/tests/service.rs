//! The job API, as its clients see it.

mod common;
#[path = "service/server.rs"]
mod server;

use std::{fs, sync::Arc};

use ascribe_aggregation::{Ledger, Service, SqliteLedger};
use serde_json::{Value, json};
use server::{Running, TOKEN, config, report, request, world};

const LEDGER: &str = "ledger.sqlite";

/// Members of an object, sorted.
fn members(value: &Value) -> Vec<&str> {
    let mut names: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[track_caller]
fn assert_error(
    (status, body): (reqwest::StatusCode, Value),
    http: u16,
    code: u32,
    name: &str,
    reason: &str,
) {
    assert_eq!(status, http, "{body}");
    assert_eq!(members(&body), ["error"]);
    let error = &body["error"];
    assert_eq!(members(error), ["code", "details", "message", "status"]);
    assert_eq!((&error["code"], &error["status"]), (&json!(code), &json!(name)), "{body}");
    assert_eq!(error["details"][0]["reason"], reason, "{body}");
    assert!(error["details"][0]["domain"].is_string() && !error["message"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn a_job_is_created_runs_and_is_told_as_the_documentation_has_it() {
    let world = world(3);
    let service = Running::start(config(world.directory.path(), LEDGER, ""));
    let (status, body) = service.create(&request("day-1")).await;
    assert_eq!((status.as_u16(), &body), (202, &json!({})));
    let job = service.finished("day-1").await;
    assert_eq!(
        members(&job),
        [
            "input_data_blob_prefix",
            "input_data_bucket_name",
            "job_parameters",
            "job_request_id",
            "job_status",
            "output_data_blob_prefix",
            "output_data_bucket_name",
            "request_processing_started_at",
            "request_received_at",
            "request_updated_at",
            "result_info",
        ]
    );
    let description = include_str!("../../../docs/aggregation-api.yaml");
    for member in members(&job).into_iter().chain(members(&job["result_info"])) {
        assert!(description.contains(&format!(" {member}:")), "{member} is not described");
    }
    for echoed in ["job_request_id", "input_data_blob_prefix", "output_data_bucket_name", "job_parameters"] {
        assert_eq!(job[echoed], request("day-1")[echoed]);
    }
    let result = &job["result_info"];
    assert_eq!(members(result), ["error_summary", "finished_at", "return_code", "return_message"]);
    assert_eq!(result["return_code"], "SUCCESS");
    assert_eq!(result["error_summary"]["error_counts"], json!([]));
    for time in [&job["request_received_at"], &job["request_processing_started_at"], &result["finished_at"]] {
        let time = time.as_str().unwrap();
        assert!(time.starts_with("20") && time.ends_with('Z'), "{time}");
    }
    assert!(job["request_received_at"].as_str() <= job["request_updated_at"].as_str());
    assert!(world.path("out/day-1-1-of-1.avro").is_file(), "named as the aggregation service names it");

    let (status, summary) = service.get("getSummary?job_request_id=day-1").await;
    assert_eq!(status, 200);
    assert_eq!(summary["total"], 2);
    let buckets: Vec<_> =
        summary["buckets"].as_array().unwrap().iter().map(|b| b["bucket"].clone()).collect();
    assert_eq!(buckets, [json!("1"), json!("2")]);
    let metric = summary["buckets"][0]["metric"].as_i64().unwrap();
    assert!((metric - 15).abs() < 300_000, "15, and noise of a scale of 6553.6: {metric}");
    let (_, first) = service.get("getSummary?job_request_id=day-1&limit=1").await;
    assert_eq!((first["buckets"].as_array().unwrap().len(), &first["total"]), (1, &json!(2)));
    assert_eq!(first["buckets"][0], summary["buckets"][0]);
}

#[tokio::test]
async fn errors_have_the_model_of_the_documentation() {
    let world = world(1);
    let service = Running::start(config(world.directory.path(), LEDGER, ""));
    let invalid = "INVALID_ARGUMENT";
    service.create(&request("day-1")).await;
    assert_error(service.create(&request("day-1")).await, 409, 6, "ALREADY_EXISTS", "DUPLICATE_JOB_KEY");
    assert_error(service.create(&json!([])).await, 400, 3, invalid, "JSON_ERROR");
    let mut illegal = request("a|b");
    assert_error(service.create(&illegal).await, 400, 3, invalid, "VALIDATION_FAILED");
    illegal["job_request_id"] = json!("x".repeat(300 << 10));
    assert_error(service.create(&illegal).await, 400, 3, invalid, "JSON_ERROR");
    assert_error(service.get("getJob").await, 400, 3, invalid, "ARGUMENT_MISSING");
    assert_error(service.get("getJob?job_request_id=").await, 400, 3, invalid, "VALIDATION_FAILED");
    for unknown in ["nobody", "%00", "%ff"] {
        let got = service.get(&format!("getJob?job_request_id={unknown}")).await;
        assert_error(got, 404, 5, "NOT_FOUND", "JOB_NOT_FOUND");
    }
    assert_error(service.get("getSummary?job_request_id=x").await, 404, 5, "NOT_FOUND", "JOB_NOT_FOUND");
    for limit in ["0", "-1", "x", "1001"] {
        assert_error(
            service.get(&format!("listJobs?limit={limit}")).await,
            400,
            3,
            invalid,
            "VALIDATION_FAILED",
        );
    }
    assert_error(service.get("createJob").await, 405, 12, "UNIMPLEMENTED", "METHOD_NOT_ALLOWED");
    assert_error(service.get("deleteJob").await, 404, 5, "NOT_FOUND", "PATH_NOT_FOUND");
}

#[tokio::test]
async fn nothing_is_told_without_a_token() {
    let world = world(1);
    let service = Running::start(config(world.directory.path(), LEDGER, ""));
    service.create(&request("day-1")).await;
    let client = reqwest::Client::new();
    for path in ["getJob?job_request_id=day-1", "listJobs", "getSummary?job_request_id=day-1", "nothing"] {
        let request = client.get(format!("{}/v1alpha/{path}", service.url()));
        for request in [request.try_clone().unwrap(), request.bearer_auth(&TOKEN[1..])] {
            let answer = request.send().await.unwrap();
            assert_eq!(answer.headers()["www-authenticate"], "Bearer");
            let status = answer.status();
            let answer = (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap());
            assert_error(answer, 401, 16, "UNAUTHENTICATED", "UNAUTHENTICATED");
        }
    }
}

#[tokio::test]
async fn a_request_leads_nowhere_but_into_configured_buckets() {
    let world = world(1);
    fs::write(world.path("outside.txt"), "1\n").unwrap();
    let more = "reporting_sites = [\"https://report.test\"]";
    let service = Running::start(config(world.directory.path(), LEDGER, more));
    let outside = ["../x", "/etc/passwd", "a/../../x", "..", "a\\..", "a//b", "", "./x"];
    for name in ["input_data_blob_prefix", "output_data_blob_prefix", "output_domain_blob_prefix"] {
        for prefix in outside {
            let mut body = request("x");
            match name {
                "output_domain_blob_prefix" => body["job_parameters"][name] = json!(prefix),
                _ => body[name] = json!(prefix),
            }
            let (status, answer) = service.create(&body).await;
            assert_eq!(status, 400, "{name} {prefix:?}: {answer}");
        }
    }
    for name in ["input_data_bucket_name", "output_data_bucket_name"] {
        let mut body = request("x");
        body[name] = json!(world.directory.path().display().to_string());
        assert_error(service.create(&body).await, 400, 3, "INVALID_ARGUMENT", "VALIDATION_FAILED");
    }
    for other in ["https://other.test", "report.test", "https://report.test.other.test"] {
        let mut body = request("x");
        body["job_parameters"]["attribution_report_to"] = json!(other);
        assert_error(service.create(&body).await, 403, 7, "PERMISSION_DENIED", "REPORTING_SITE_NOT_ALLOWED");
    }
    assert_eq!(service.get("listJobs").await.1, json!({"jobs": []}));
}

#[tokio::test]
async fn jobs_end_with_the_codes_of_the_service() {
    let world = world(3);
    let more = "jobs = { attempts = 2 }";
    let service = Running::start(config(world.directory.path(), LEDGER, more));
    let with = |id: &str, name: &str, value: Value| {
        let mut body = request(id);
        body["job_parameters"][name] = value;
        body
    };
    let mut no_input = request("no-input");
    no_input["input_data_blob_prefix"] = json!("nothing/");
    let mut no_domain = request("no-domain");
    no_domain["job_parameters"] = json!({"attribution_report_to": common::ORIGIN});
    let mut prefixes = request("prefixes");
    prefixes["input_data_blob_prefix"] = json!("");
    prefixes["input_data_blob_prefixes"] = json!(["batches/1", "batches/1.av"]);
    prefixes["job_parameters"]["filtering_ids"] = json!("7");
    let requests = [
        (request("first"), "SUCCESS"),
        (request("second"), "PRIVACY_BUDGET_EXHAUSTED"),
        (with("epsilon", "debug_privacy_epsilon", json!("65")), "INVALID_JOB"),
        (
            with("other", "attribution_report_to", json!("https://o.test")),
            "REPORTS_WITH_ERRORS_EXCEEDED_THRESHOLD",
        ),
        (with("debug", "debug_run", json!("true")), "REPORTS_WITH_ERRORS_EXCEEDED_THRESHOLD"),
        (no_input, "INPUT_DATA_READ_FAILED"),
        (no_domain, "INVALID_JOB"),
        (prefixes, "SUCCESS"),
    ];
    for (body, _) in &requests {
        assert_eq!(service.create(body).await.0, 202, "{body}");
    }
    for (body, code) in &requests {
        let job = service.finished(body["job_request_id"].as_str().unwrap()).await;
        assert_eq!(job["result_info"]["return_code"], *code, "{job}");
        let query = format!("getSummary?job_request_id={}", job["job_request_id"].as_str().unwrap());
        let summary = service.get(&query);
        match *code {
            "SUCCESS" => assert_eq!(summary.await.0, 200),
            _ => assert_error(summary.await, 404, 5, "NOT_FOUND", "SUMMARY_NOT_FOUND"),
        }
    }
    let other = service.finished("other").await;
    let counts = other["result_info"]["error_summary"]["error_counts"].as_array().unwrap();
    assert_eq!(counts[0]["category"], "ATTRIBUTION_REPORT_TO_MISMATCH");
    assert_eq!((&counts[1]["category"], &counts[1]["count"]), (&json!("NUM_REPORTS_WITH_ERRORS"), &json!(3)));
    let (_, list) = service.get("listJobs?limit=3").await;
    let listed: Vec<_> =
        list["jobs"].as_array().unwrap().iter().map(|job| job["job_request_id"].clone()).collect();
    assert_eq!(listed, [json!("prefixes"), json!("no-domain"), json!("no-input")], "newest first");
    assert_eq!(list["jobs"][0], service.finished("prefixes").await);

    assert_eq!(service.operations("/health").await, (200u16.try_into().unwrap(), "ok\n".to_owned()));
    assert_eq!(service.operations("/ready").await.0, 200);
    let (_, metrics) = service.operations("/metrics").await;
    for line in [
        r#"ascribe_aggregation_jobs_total{return_code="SUCCESS"} 2"#,
        r#"ascribe_aggregation_queue{status="FINISHED"} 8"#,
        r#"ascribe_aggregation_requests_total{method="createJob",status="202"} 8"#,
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
}

#[tokio::test]
async fn a_debug_run_shows_what_is_in_the_reports_and_spends_nothing() {
    let world = world(0);
    world.batch("1.avro", &[report(1).with("debug_mode", "enabled").sealed()]);
    let service = Running::start(config(world.directory.path(), LEDGER, ""));
    let mut body = request("debug");
    body["job_parameters"]["debug_run"] = json!("true");
    service.create(&body).await;
    assert_eq!(service.finished("debug").await["result_info"]["return_code"], "SUCCESS");
    assert!(world.path("out/debug/debug-1-of-1.avro").is_file());
    assert_eq!(service.get("getSummary?job_request_id=debug").await.1["total"], 2);
    assert!(SqliteLedger::open(&world.path(LEDGER)).unwrap().jobs(10).unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_served_over_tls_and_who_speaks_none_is_not() {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let world = world(1);
    let service = Service::start(config(world.directory.path(), LEDGER, "")).unwrap();
    let bind = async || tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (clients, operations) = (bind().await, bind().await);
    let url = format!("localhost:{}/v1alpha/listJobs", clients.local_addr().unwrap().port());
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let requests = async {
        let certificate = reqwest::Certificate::from_der(certified.cert.der()).unwrap();
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([certificate]).build().unwrap();
        let answer = client.get(format!("https://{url}")).bearer_auth(TOKEN).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert!(client.get(format!("http://{url}")).bearer_auth(TOKEN).send().await.is_err());
        end.send(()).unwrap();
    };
    let tls = Some(Arc::new(tls));
    tokio::join!(service.serve(clients, operations, tls, async { drop(ended.await) }), requests);
    // Where others would not let it be dropped.
    drop(service);
}

#[tokio::test]
async fn a_full_queue_takes_no_more() {
    let world = world(1);
    // A worker that cannot have the keys tries again later: what waits, waits.
    let service = Running::start(config(world.directory.path(), LEDGER, "jobs = { max_waiting = 2 }"));
    fs::remove_dir_all(world.path("keys")).unwrap();
    for id in ["a", "b"] {
        assert_eq!(service.create(&request(id)).await.0, 202);
    }
    assert_error(service.create(&request("c")).await, 429, 8, "RESOURCE_EXHAUSTED", "QUEUE_FULL");
}

#[tokio::test]
async fn what_fails_for_now_is_tried_again_and_not_forever() {
    let world = world(1);
    let service = Running::start(config(world.directory.path(), LEDGER, "jobs = { attempts = 2 }"));
    fs::rename(world.path("keys"), world.path("hidden")).unwrap();
    service.create(&request("never")).await;
    let job = service.finished("never").await;
    assert_eq!(job["result_info"]["return_code"], "RETRIES_EXHAUSTED");
    let message = job["result_info"]["return_message"].as_str().unwrap();
    assert!(message.contains("2 times") && message.contains("keys cannot be read"), "{message}");
    service.create(&request("later")).await;
    while service.get("getJob?job_request_id=later").await.1["job_status"] == "RECEIVED" {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    fs::rename(world.path("hidden"), world.path("keys")).unwrap();
    assert_eq!(service.finished("later").await["result_info"]["return_code"], "SUCCESS");
}

/// Enough that a job takes a while.
const MANY: u128 = 60_000;

#[tokio::test]
async fn a_running_job_tells_its_progress_is_handed_back_and_ends_with_the_next_start() {
    let world = world(0);
    for file in 0..8 {
        let one: Vec<_> = (0..MANY / 8).map(|id| report(file * MANY + id).clear()).collect();
        world.batch(&format!("{file}.avro"), &one);
    }
    // Reports that cannot be opened are left out, and take their time.
    let mut body = request("long");
    body["job_parameters"]["report_error_threshold_percentage"] = json!("100");
    body["job_parameters"]["input_report_count"] = json!(MANY.to_string());
    let service = Running::start(config(world.directory.path(), LEDGER, ""));
    service.create(&body).await;
    let running = loop {
        let (_, job) = service.get("getJob?job_request_id=long").await;
        assert_ne!(job["job_status"], "FINISHED", "too few reports for this machine");
        if job["job_status"] == "IN_PROGRESS" {
            break job;
        }
    };
    assert_eq!(running["progress"]["reports_total"], 60_000);
    assert!(running["progress"]["reports_read"].is_u64());
    assert!(running.get("result_info").is_none());
    drop(service);
    let queue = rusqlite::Connection::open(world.path(LEDGER)).unwrap();
    let state = "SELECT finished_at, worker, attempts FROM queued_job";
    let state: (Option<i64>, Option<String>, i64) =
        queue.query_row(state, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    assert_eq!(state, (None, None, 0), "it is handed back, and that was no attempt");
    let service = Running::start(config(world.directory.path(), LEDGER, ""));
    let job = service.finished("long").await;
    assert_eq!(job["result_info"]["return_code"], "SUCCESS_WITH_ERRORS");
    assert!(job.get("progress").is_none());
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_ends() {
    let world = world(0);
    let records: Vec<_> = (0..MANY).map(|id| report(id).clear()).collect();
    for file in 0..40 {
        world.batch(&format!("{file}.avro"), &records);
    }
    let more = "jobs = { timeout_seconds = 1, attempts = 1, threads = 1 }";
    let service = Running::start(config(world.directory.path(), LEDGER, more));
    let mut body = request("long");
    body["job_parameters"]["report_error_threshold_percentage"] = json!("100");
    service.create(&body).await;
    let job = service.finished("long").await;
    assert_eq!(job["result_info"]["return_code"], "RETRIES_EXHAUSTED");
    assert!(job["result_info"]["return_message"].as_str().unwrap().contains("longer than 1 s"), "{job}");
}

#[tokio::test]
async fn an_output_that_cannot_be_written_is_kept_and_an_id_that_spent_is_taken() {
    let world = world(1);
    fs::write(world.path("out"), "a file where a directory should be").unwrap();
    let service = Running::start(config(world.directory.path(), LEDGER, ""));
    service.create(&request("day-1")).await;
    while SqliteLedger::open(&world.path(LEDGER)).unwrap().unpublished().unwrap().is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    fs::remove_file(world.path("out")).unwrap();
    let job = service.finished("day-1").await;
    assert_eq!(job["result_info"]["return_code"], "SUCCESS", "{job}");
    assert_eq!(service.get("getSummary?job_request_id=day-1").await.1["total"], 2);
    drop(service);
    // The queue forgets; the ledger does not.
    let mut ledger = SqliteLedger::open(&world.path(LEDGER)).unwrap();
    assert_eq!(ledger.jobs(10).unwrap().len(), 1);
    let queue = rusqlite::Connection::open(world.path(LEDGER)).unwrap();
    queue.execute("DELETE FROM queued_job", []).unwrap();
    let service = Running::start(config(world.directory.path(), LEDGER, ""));
    assert_eq!(service.create(&request("day-1")).await.0, 409);
}

#[tokio::test]
async fn a_job_whose_process_died_each_time_ends_and_one_that_had_spent_succeeds() {
    let world = world(1);
    let service = Running::start(config(world.directory.path(), LEDGER, ""));
    service.create(&request("spent")).await;
    service.finished("spent").await;
    drop(service);
    let output = fs::read(world.path("out/spent-1-of-1.avro")).unwrap();
    let queue = rusqlite::Connection::open(world.path(LEDGER)).unwrap();
    let died = "UPDATE queued_job SET attempts = 5, claimable_at = 0, worker = 'dead', finished_at = NULL,
                    result = NULL, buckets = NULL";
    queue.execute(died, []).unwrap();
    let copy = "INSERT INTO queued_job SELECT 'unspent', replace(request, 'spent', 'unspent'), received_at,
                    updated_at, started_at, NULL, 5, 0, 'dead', 0, NULL, NULL FROM queued_job";
    queue.execute(copy, []).unwrap();
    let service = Running::start(config(world.directory.path(), LEDGER, ""));
    let spent = service.finished("spent").await;
    assert_eq!(spent["result_info"]["return_code"], "SUCCESS", "{spent}");
    assert_eq!(service.get("getSummary?job_request_id=spent").await.1["total"], 2);
    assert!(fs::read(world.path("out/spent-1-of-1.avro")).unwrap() == output, "noise was drawn again");
    let unspent = service.finished("unspent").await;
    assert_eq!(unspent["result_info"]["return_code"], "RETRIES_EXHAUSTED", "{unspent}");
    assert!(!world.path("out/unspent-1-of-1.avro").exists());
}

#[tokio::test]
async fn two_services_on_one_postgresql_run_each_job_once() {
    let Some(server) = common::postgres::Server::start() else { return };
    const JOBS: usize = 12;
    let world = world(0);
    for job in 0..JOBS {
        let hour = report(job as u128).with("attribution_destination", format!("https://shop-{job}.test"));
        fs::create_dir(world.path(&format!("batches/{job}"))).unwrap();
        world.batch(&format!("{job}/1.avro"), &[hour.sealed()]);
    }
    let more = "jobs = { workers = 3, threads = 1 }";
    let config = || config(world.directory.path(), &server.url(), more);
    let services = [Running::start(config()), Running::start(config())];
    for job in 0..JOBS {
        let mut body = request(&format!("job-{job}"));
        body["input_data_blob_prefix"] = json!(format!("batches/{job}/"));
        assert_eq!(services[job % 2].create(&body).await.0, 202);
        assert_eq!(services[(job + 1) % 2].create(&body).await.0, 409, "they share the queue");
    }
    for job in 0..JOBS {
        let job = services[0].finished(&format!("job-{job}")).await;
        assert_eq!(job["result_info"]["return_code"], "SUCCESS", "{job}");
    }
    let mut ended = 0;
    for service in &services {
        let (_, metrics) = service.operations("/metrics").await;
        let line = metrics.lines().find(|line| line.starts_with("ascribe_aggregation_attempt_seconds_count"));
        ended += line.unwrap().rsplit(' ').next().unwrap().parse::<usize>().unwrap();
    }
    assert_eq!(ended, JOBS, "no job had two attempts");
}

#[tokio::test]
async fn on_postgresql_a_job_of_a_dead_process_is_taken_over_when_its_lease_has_run_out() {
    let Some(server) = common::postgres::Server::start() else { return };
    let world = world(1);
    let config = || config(world.directory.path(), &server.url(), "");
    let service = Running::start(config());
    service.create(&request("day-1")).await;
    service.finished("day-1").await;
    drop(service);
    let output = fs::read(world.path("out/day-1-1-of-1.avro")).unwrap();
    server.query(
        "UPDATE ascribe_budget.queued_job SET worker = 'dead', finished_at = NULL, result = NULL,
         claimable_at = (extract(epoch FROM clock_timestamp()) * 1000)::bigint + 2000",
    );
    let service = Running::start(config());
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!(
        service.get("getJob?job_request_id=day-1").await.1["job_status"],
        "IN_PROGRESS",
        "it is leased"
    );
    let job = service.finished("day-1").await;
    assert_eq!(job["result_info"]["return_code"], "SUCCESS", "{job}");
    assert!(fs::read(world.path("out/day-1-1-of-1.avro")).unwrap() == output, "noise was drawn again");
}
