//! Submitting a plan, waiting for it, and fetching its sums.
//!
//! Whatever happens to the scheduler or to executors meanwhile, nothing has been spent yet: a job that fails
//! here can be run again.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use ascribe_aggregation::{Collected, Collector, Failure, Reports, ReturnCode, Totals};
use ballista_core::{
    client::BallistaClient,
    extension::BallistaConfigGrpcEndpoint,
    serde::protobuf::{
        CancelJobParams, CleanJobDataParams, ExecuteQueryParams, GetJobStatusParams, PartitionLocation,
        RemoveSessionParams, execute_query_params::Query, execute_query_result, job_status::Status,
        scheduler_grpc_client::SchedulerGrpcClient,
    },
    version::insert_version_header,
};
use datafusion::arrow::{
    array::{AsArray, RecordBatch},
    datatypes::Decimal128Type,
};
use futures::StreamExt;
use rand::{TryRng, rngs::SysRng};
use tokio::{signal, time::sleep};
use tonic::transport::{Channel, Uri};

use crate::{entry::Entry, plan, scheduler::MAX_MESSAGE_BYTES, tls::Peers};

/// A cluster, to sum reports on.
pub(crate) struct Cluster {
    pub(crate) scheduler: (String, u16),
    pub(crate) peers: Peers,
    pub(crate) partitions: usize,
}

impl Collector for Cluster {
    fn collect(&mut self, reports: &Reports<'_>) -> Result<Collected, Failure> {
        let plan = plan::plan(reports, self.partitions).and_then(plan::encode);
        let plan =
            plan.map_err(|error| Failure { code: ReturnCode::InvalidJob, message: error.strip_backtrace() })?;
        let runtime = tokio::runtime::Runtime::new().map_err(|error| lost(&error))?;
        runtime.block_on(self.run(plan))
    }
}

type Scheduler = SchedulerGrpcClient<Channel>;

impl Cluster {
    async fn run(&self, plan: Vec<u8>) -> Result<Collected, Failure> {
        let mut scheduler = self.connect().await?;
        let session_id = format!("ascribe-{:032x}", random().map_err(|error| lost(&error))?);
        let job_id = submit(&mut scheduler, &session_id, plan).await?;
        let ended = tokio::select! {
            ended = self.wait_and_fetch(&mut scheduler, &job_id) => ended,
            _ = signal::ctrl_c() => Err(cluster_error("interrupted")),
        };
        // Sums are removed from the executors whatever became of the job. If the scheduler is lost, they do it
        // themselves, later.
        if ended.is_err() {
            let _ = scheduler.cancel_job(CancelJobParams { job_id: job_id.clone() }).await;
        }
        let clean = CleanJobDataParams { job_id, remove_stage_ids: Vec::new() };
        let _ = scheduler.clean_job_data(clean).await;
        let _ = scheduler.remove_session(RemoveSessionParams { session_id }).await;
        ended
    }

    async fn connect(&self) -> Result<Scheduler, Failure> {
        let (host, port) = &self.scheduler;
        let at = |error: &dyn std::fmt::Display| {
            cluster_error(&format!("the scheduler at {host}:{port}: {error}"))
        };
        let uri: Uri = format!("http://{host}:{port}").parse().map_err(|error| at(&error))?;
        let endpoint = self.peers.endpoint(&uri).map_err(|error| at(&format!("{error:#}")))?;
        let channel = endpoint.connect().await.map_err(|error| at(&chain(&error)))?;
        Ok(SchedulerGrpcClient::new(channel)
            .max_decoding_message_size(MAX_MESSAGE_BYTES as usize)
            .max_encoding_message_size(MAX_MESSAGE_BYTES as usize))
    }

    async fn wait_and_fetch(&self, scheduler: &mut Scheduler, job_id: &str) -> Result<Collected, Failure> {
        let locations = wait(scheduler, job_id).await?;
        let mut sums = Sums::default();
        for location in locations {
            self.fetch(location, &mut sums).await?;
        }
        sums.finish()
    }

    async fn fetch(&self, location: PartitionLocation, sums: &mut Sums) -> Result<(), Failure> {
        let failed = |error: &dyn std::fmt::Display| {
            cluster_error(&format!("an executor was lost with its sums: {error}"))
        };
        let layout = location.layout();
        let (Some(executor), Some(partition)) = (location.executor_meta, location.partition_id) else {
            return Err(failed(&"it has no name"));
        };
        let port = u16::try_from(executor.port).map_err(|error| failed(&error))?;
        let endpoint = Arc::new(BallistaConfigGrpcEndpoint::new(self.peers.endpoint_override()));
        let mut client = BallistaClient::try_new(
            &executor.host,
            port,
            MAX_MESSAGE_BYTES as usize,
            self.peers.uses_tls(),
            Some(endpoint),
            RETRIES,
            RETRY_AFTER_MS,
            0,
            0,
        )
        .await
        .map_err(|error| failed(&error))?;
        let partition = partition.into();
        let mut batches = client
            .fetch_partition(&executor.id, &partition, location.file_id, layout, true)
            .await
            .map_err(|error| failed(&error))?;
        while let Some(batch) = batches.next().await {
            sums.add(&batch.map_err(|error| failed(&error.strip_backtrace()))?)?;
        }
        Ok(())
    }
}

const RETRIES: u8 = 3;
const RETRY_AFTER_MS: u64 = 250;

async fn submit(scheduler: &mut Scheduler, session_id: &str, plan: Vec<u8>) -> Result<String, Failure> {
    let mut request = tonic::Request::new(ExecuteQueryParams {
        session_id: session_id.to_owned(),
        settings: Vec::new(),
        operation_id: session_id.to_owned(),
        query: Some(Query::PhysicalPlan(plan)),
    });
    insert_version_header(request.metadata_mut());
    let answer = scheduler.execute_query(request).await.map_err(|status| lost(&status))?;
    match answer.into_inner().result {
        Some(execute_query_result::Result::Success(success)) => Ok(success.job_id),
        Some(execute_query_result::Result::Failure(failure)) => {
            Err(cluster_error(&format!("the scheduler refused the plan: {failure:?}")))
        }
        None => Err(lost(&"no answer")),
    }
}

/// Waits until the job has ended, and tells where its sums are.
async fn wait(scheduler: &mut Scheduler, job_id: &str) -> Result<Vec<PartitionLocation>, Failure> {
    const MAX_PAUSE: Duration = Duration::from_secs(1);
    let mut pause = Duration::from_millis(20);
    loop {
        let status = scheduler.get_job_status(GetJobStatusParams { job_id: job_id.to_owned() }).await;
        let status = status.map_err(|status| lost(&status))?.into_inner().status;
        match status.ok_or_else(|| lost(&"it does not know the job any more"))?.status {
            Some(Status::Successful(job)) => return Ok(job.partition_location),
            Some(Status::Failed(job)) => return Err(cluster_error(&job.error)),
            Some(Status::Queued(_) | Status::Running(_)) | None => {}
        }
        sleep(pause).await;
        pause = (pause * 2).min(MAX_PAUSE);
    }
}

/// What executors told.
#[derive(Default)]
struct Sums {
    buckets: Vec<(u128, i64)>,
    groups: BTreeSet<ascribe_aggregation::BudgetGroup>,
    collected: Collected,
    failure: Option<Failure>,
}

impl Sums {
    fn add(&mut self, batch: &RecordBatch) -> Result<(), Failure> {
        let wrong = || cluster_error("an executor of another release told what is no sum");
        let [keys, values] = batch.columns() else { return Err(wrong()) };
        let (Some(keys), Some(values)) =
            (keys.as_binary_opt::<i32>(), values.as_primitive_opt::<Decimal128Type>())
        else {
            return Err(wrong());
        };
        for (key, value) in keys.iter().zip(values.iter()) {
            let (Some(key), Some(value)) = (key, value) else { return Err(wrong()) };
            self.add_entry(Entry::decode(key).ok_or_else(wrong)?, value).ok_or_else(wrong)?;
        }
        Ok(())
    }

    /// `None` if the sum cannot be one of these.
    fn add_entry(&mut self, entry: Entry, sum: i128) -> Option<()> {
        let count = u64::try_from(sum);
        match entry {
            // Sums stay at the end of the range of 64 bits, as those on one machine do.
            Entry::Bucket(bucket) if sum >= 0 => {
                self.buckets.push((bucket, i64::try_from(sum).unwrap_or(i64::MAX)));
            }
            Entry::Bucket(_) => return None,
            Entry::Rows => self.collected.reports = count.ok()?,
            Entry::Duplicates => self.collected.duplicates = count.ok()?,
            Entry::Errors(errors) => self.collected.errors.add_reports(errors, count.ok()?),
            Entry::Group(group) => {
                self.groups.insert(group);
            }
            Entry::UnsupportedVersion(version) => self.fail(
                ReturnCode::UnsupportedReportVersion,
                format!("a report has version {version}: versions below 2.0 can be read"),
            ),
            Entry::Unreadable { is_denied: true, message } => self.fail(ReturnCode::PermissionError, message),
            Entry::Unreadable { is_denied: false, message } => {
                self.fail(ReturnCode::InputDataReadFailed, message);
            }
        }
        Some(())
    }

    fn fail(&mut self, code: ReturnCode, message: String) {
        self.failure.get_or_insert(Failure { code, message });
    }

    fn finish(self) -> Result<Collected, Failure> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let totals: Totals = self.buckets.into_iter().collect();
        Ok(Collected { totals, groups: self.groups, ..self.collected })
    }
}

fn lost(error: &dyn std::fmt::Display) -> Failure {
    cluster_error(&format!("the scheduler is lost: {error}"))
}

fn cluster_error(what: &str) -> Failure {
    let message = format!("{what}. No privacy budget is spent: the job can be run again");
    Failure { code: ReturnCode::InternalError, message }
}

/// An error with all that caused it: that of a connection alone says nothing.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

fn random() -> Result<u128, rand::rngs::SysError> {
    Ok(u128::from(SysRng.try_next_u64()?) << 64 | u128::from(SysRng.try_next_u64()?))
}
