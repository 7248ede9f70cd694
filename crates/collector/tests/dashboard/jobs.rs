//! Jobs and summaries, from an aggregation service that says what its API says.

use std::sync::{Arc, Mutex};

use ascribe_collector::{BatchPlan, ServiceAddress, Store};
use ascribe_reports::Time;
use axum::{
    Json, Router,
    extract::{Query, State},
    response::IntoResponse,
    routing::{get, post},
};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};

use crate::{
    site::{NOW, Site, TOKEN, form},
    support::aggregatable,
};

/// The jobs of a service, and what was asked of it without its token.
#[derive(Default)]
pub(crate) struct Jobs {
    all: Mutex<Vec<Value>>,
    strangers: Mutex<u32>,
}

pub(crate) type Shared = Arc<Jobs>;

impl Jobs {
    fn knows(&self, headers: &HeaderMap) -> bool {
        let known =
            headers.get(header::AUTHORIZATION).is_some_and(|value| value == &format!("Bearer {TOKEN}"));
        *self.strangers.lock().unwrap() += u32::from(!known);
        known
    }
}

async fn list(State(jobs): State<Shared>, headers: HeaderMap) -> impl IntoResponse {
    if !jobs.knows(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    Json(json!({"jobs": *jobs.all.lock().unwrap()})).into_response()
}

async fn one(
    State(jobs): State<Shared>,
    headers: HeaderMap,
    Query(query): Query<Value>,
) -> impl IntoResponse {
    if !jobs.knows(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let all = jobs.all.lock().unwrap();
    match all.iter().find(|job| job["job_request_id"] == query["job_request_id"]) {
        Some(job) => Json(job.clone()).into_response(),
        None => (StatusCode::NOT_FOUND, Json(json!({"code": 5, "message": "no such job"}))).into_response(),
    }
}

async fn summary(Query(query): Query<Value>) -> impl IntoResponse {
    if query["job_request_id"] != "done" {
        return (StatusCode::NOT_FOUND, Json(json!({"message": "not published"}))).into_response();
    }
    // Campaign 1, country fr (3), measure revenue (2), conversion purchase (1), category 5; and no key of ours.
    let key: u128 = 1 << 16 | 3 << 12 | 2 << 10 | 1 << 4 | 5;
    let buckets = json!([{"bucket": key.to_string(), "metric": 24576}, {"bucket": u128::MAX.to_string(), "metric": -7}]);
    Json(json!({"buckets": buckets, "total": 2})).into_response()
}

async fn create(State(jobs): State<Shared>, headers: HeaderMap, Json(job): Json<Value>) -> impl IntoResponse {
    if !jobs.knows(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    if job["input_data_bucket_name"] == "full" {
        return (StatusCode::BAD_REQUEST, Json(json!({"message": "the <bucket> is full"}))).into_response();
    }
    let mut stored = job.clone();
    stored["job_status"] = "RECEIVED".into();
    jobs.all.lock().unwrap().insert(0, stored);
    (StatusCode::ACCEPTED, "").into_response()
}

pub(crate) async fn service(jobs: Shared) -> String {
    let routes = Router::new()
        .route("/v1alpha/listJobs", get(list))
        .route("/v1alpha/getJob", get(one))
        .route("/v1alpha/getSummary", get(summary))
        .route("/v1alpha/createJob", post(create))
        .with_state(jobs);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    url
}

pub(crate) async fn site_of(url: &str) -> Site {
    let url = url.parse().unwrap();
    Site::with(|options, folder| {
        options.service = Some(ServiceAddress { url, token_file: folder.join("token") });
    })
    .await
}

pub(crate) fn jobs() -> Shared {
    let done = json!({
        "job_request_id": "done",
        "job_status": "FINISHED",
        "request_received_at": "2023-11-14T21:00:00Z",
        "job_parameters": {"debug_privacy_epsilon": "20", "attribution_report_to": "https://ads.example"},
        "result_info": {
            "return_code": "SUCCESS_WITH_ERRORS",
            "return_message": "done, with errors",
            "finished_at": "2023-11-14T21:05:00Z",
            "error_summary": {
                "error_counts": [
                    {"category": "DECRYPTION_ERROR", "count": 3, "description": "could not be opened"},
                    {"category": "NUM_REPORTS_WITH_ERRORS", "count": 3, "description": "in all"},
                ],
                "error_messages": [],
            },
        },
    });
    let running = json!({
        "job_request_id": "run<ning",
        "job_status": "IN_PROGRESS",
        "progress": {"reports_read": 2500, "reports_total": 10000},
    });
    Arc::new(Jobs { all: Mutex::new(vec![running, done]), ..Jobs::default() })
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_listed_with_progress_and_errors() {
    let jobs = jobs();
    let site = site_of(&service(jobs.clone()).await).await;
    let person = site.log_in().await;
    let page = person.page("/dashboard/jobs").await;
    assert!(
        page.contains(r#"<progress value="2500" max="10000""#) && page.contains("2,500 of 10,000"),
        "{page}"
    );
    assert!(page.contains("run&lt;ning") && page.contains("id=run%3Cning"), "names are text");
    assert!(page.contains("3 reports with errors"), "{page}");
    let overview = person.page("/dashboard/").await;
    assert!(overview.contains("Latest summaries") && overview.contains("id=done"));
    assert_eq!(*jobs.strangers.lock().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_summary_is_shown_by_name_with_its_noise() {
    let site = site_of(&service(jobs()).await).await;
    let person = site.log_in().await;
    let page = person.page("/dashboard/job?id=done").await;
    assert!(page.contains("spring · country fr · purchase · category 5"), "{page}");
    // 24,576 units of revenue are 250; ε = 20.
    assert!(
        page.contains("<strong>250</strong>") && page.contains("ε = 20") && page.contains("4,634"),
        "{page}"
    );
    assert!(page.contains("not explained by the campaigns file") && page.contains("0xffffffff"), "{page}");
    assert!(page.contains("DECRYPTION_ERROR") && page.contains("could not be opened"));
    assert_eq!(page.matches("<svg").count(), 2);
    let csv = site.export("/dashboard/job?id=done&format=csv").await.text().await.unwrap();
    let row = csv.lines().nth(1).unwrap();
    assert!(row.contains("spring · country fr · purchase · category 5,revenue,24576,250.0,"), "{row}");
    let running = person.page("/dashboard/job?id=run%3Cning").await;
    assert!(running.contains("once the job has ended") && running.contains("data-reload=\"3\""));
    assert_eq!(person.get("/dashboard/job?id=none").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_aggregated_by_a_form_of_ones_own() {
    let jobs = jobs();
    let site = site_of(&service(jobs.clone()).await).await;
    site.insert(&[aggregatable(1, NOW - 86_400, "https://shop.example")]);
    let mut store = Store::open(&site.store).unwrap();
    let plan = BatchPlan { period_hours: 1, wait_seconds: 0 };
    let batch = store.assign_batches(plan, Time::from_secs(NOW)).unwrap().remove(0);
    let person = site.log_in().await;
    let path = format!("/dashboard/jobs/new?batch={}", batch.id);
    assert_eq!(person.get(&path).await.status(), StatusCode::NOT_FOUND, "its files are not there yet");
    store.batch_written(batch.id, Time::from_secs(NOW)).unwrap();
    let page = person.page(&path).await;
    assert!(
        page.contains("value=\"attribution-reporting/shop.example/2023-11-13T22Z/batch-1/reports\""),
        "{page}"
    );
    assert!(page.contains(r#"name="filtering_ids" value="0,1""#), "those of the measures: {page}");
    let csrf = person.csrf().await;
    let send = async |csrf: &str, bucket: &str, epsilon: &str| {
        let id = batch.id.to_string();
        let fields = [
            ("csrf", csrf),
            ("batch", &id),
            ("job_request_id", "new-job"),
            ("input_bucket", bucket),
            ("input_prefix", "a/reports"),
            ("output_bucket", "b"),
            ("output_prefix", "a/summary"),
            ("epsilon", epsilon),
            ("filtering_ids", "0,1"),
        ];
        person.submit("/dashboard/jobs", form(&fields)).send().await.unwrap()
    };
    assert_eq!(send("", "b", "10").await.status(), StatusCode::FORBIDDEN);
    assert_eq!(send(&csrf, "b", "100").await.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let refused = send(&csrf, "full", "10").await;
    assert_eq!(refused.status(), StatusCode::BAD_GATEWAY);
    assert!(refused.text().await.unwrap().contains("answers 400: the &lt;bucket&gt; is full"));
    assert_eq!(jobs.all.lock().unwrap().len(), 2, "nothing was created so far");
    let created = send(&csrf, "b", "10").await;
    assert_eq!(
        (created.status(), &created.headers()[header::LOCATION]),
        (StatusCode::SEE_OTHER, &"/dashboard/job?id=new-job".parse().unwrap())
    );
    let job = jobs.all.lock().unwrap()[0].clone();
    assert_eq!(job["input_data_bucket_name"], "b");
    assert_eq!(
        job["job_parameters"],
        json!({"attribution_report_to": "https://ads.example", "debug_privacy_epsilon": "10", "filtering_ids": "0,1", "input_report_count": "1"})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_not_there_is_told() {
    let site = site_of("http://127.0.0.1:1").await;
    let person = site.log_in().await;
    assert!(person.page("/dashboard/jobs").await.contains("cannot be reached"));
    assert!(person.page("/dashboard/").await.contains("cannot be reached"), "and the rest is shown");
    assert_eq!(person.get("/dashboard/job?id=done").await.status(), StatusCode::BAD_GATEWAY);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_service_the_page_says_how_to_name_one() {
    let site = Site::start().await;
    let page = site.log_in().await.page("/dashboard/jobs").await;
    assert!(page.contains("token_file"), "{page}");
}
