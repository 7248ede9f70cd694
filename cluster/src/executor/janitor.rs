//! Removing what jobs left that nobody will ask for.
//!
//! Clients have the sums of their jobs removed. What they cannot reach is left to this: of jobs that failed
//! while a task was still writing, and of those that a scheduler knew that is no more.

use std::{fs, io, path::PathBuf, time::Duration};

use ballista_core::serde::protobuf::{
    GetJobStatusParams, job_status::Status, scheduler_grpc_client::SchedulerGrpcClient,
};
use tokio::time::sleep;
use tonic::transport::{Channel, Endpoint};

const INTERVAL: Duration = Duration::from_secs(5);

/// Looks after the directory for as long as the process is there.
pub(super) async fn look_after(work_dir: PathBuf, scheduler: Endpoint) {
    let mut scheduler = SchedulerGrpcClient::new(scheduler.connect_lazy());
    loop {
        sleep(INTERVAL).await;
        for job_id in jobs(&work_dir).unwrap_or_default() {
            if is_over(&mut scheduler, &job_id).await
                && let Err(error) = fs::remove_dir_all(work_dir.join(&job_id))
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!("what job {job_id} left is not removed: {error}");
            }
        }
    }
}

/// The jobs that have something there: Ballista keeps a directory for each.
fn jobs(work_dir: &PathBuf) -> io::Result<Vec<String>> {
    let entries = fs::read_dir(work_dir)?.filter_map(Result::ok);
    let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    Ok(directories.filter_map(|entry| entry.file_name().into_string().ok()).collect())
}

/// Whether the scheduler says that the job failed, or does not know it. One that cannot be reached may be back
/// before long, and go on.
async fn is_over(scheduler: &mut SchedulerGrpcClient<Channel>, job_id: &str) -> bool {
    let asked = scheduler.get_job_status(GetJobStatusParams { job_id: job_id.to_owned() }).await;
    match asked {
        Ok(answer) => match answer.into_inner().status {
            Some(job) => matches!(job.status, Some(Status::Failed(_))),
            None => true,
        },
        Err(_) => false,
    }
}
