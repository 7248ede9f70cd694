//! `ascribe-cluster executor`: Ballista's executor, with keys, behind our door.

mod janitor;
mod work_dir;

use std::{
    net::TcpListener as StdListener,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context;
use arrow_flight::flight_service_server::FlightServiceServer;
use ascribe_aggregation::Keyring;
use ballista_core::{config::TaskSchedulingPolicy, error::BallistaError};
use ballista_executor::{
    ArrowFlightServerProvider,
    executor_process::{ExecutorProcessConfig, start_executor_process},
    flight_service::BallistaFlightService,
};
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;

use crate::{
    cli::ExecutorArgs,
    plan::Codec,
    scheduler::{MAX_MESSAGE_BYTES, session_config},
    tls::Peers,
};
use work_dir::WorkDir;

pub(crate) fn run(args: &ExecutorArgs) -> anyhow::Result<ExitCode> {
    let peers = Peers::new(&args.tls)?;
    peers.check_bind(args.bind)?;
    let (scheduler_host, scheduler_port) = peers.scheduler(&args.scheduler)?;
    let scheduler = peers.endpoint(&format!("http://{scheduler_host}:{scheduler_port}").parse()?)?;
    // Each task reads them again; that they can be read is better known now.
    let keys = std::path::absolute(&args.keys)?;
    Keyring::read(&keys)?;
    let work_dir = WorkDir::take(&args.work_dir)?;
    let listener = StdListener::bind(args.bind).with_context(|| format!("listening on {}", args.bind))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;

    let config = ExecutorProcessConfig {
        bind_host: address.ip().to_string(),
        external_host: Some(args.advertise.clone().unwrap_or_else(|| address.ip().to_string())),
        port: address.port(),
        scheduler_host,
        scheduler_port,
        scheduler_connect_timeout_seconds: 60,
        vcores: args.tasks.map_or(0, usize::from),
        task_scheduling_policy: TaskSchedulingPolicy::PullStaged,
        work_dir: Some(work_dir.path()?.to_owned()),
        job_data_ttl_seconds: u64::from(args.keep) * 3600,
        job_data_clean_up_interval_seconds: 60,
        grpc_max_decoding_message_size: MAX_MESSAGE_BYTES,
        grpc_max_encoding_message_size: MAX_MESSAGE_BYTES,
        override_config_producer: Some(session_config(&peers)),
        override_physical_codec: Some(Arc::new(Codec::with_keys(keys))),
        override_create_grpc_client_endpoint: Some(peers.endpoint_override()),
        override_arrow_flight_service: Some(flight_service(peers, listener)),
        ..Default::default()
    };
    println!("listening on {address}");
    tokio::runtime::Runtime::new()?.block_on(async {
        tokio::spawn(janitor::look_after(work_dir.path()?.into(), scheduler));
        start_executor_process(Arc::new(config)).await.context("the executor ended")
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Serves what tasks have written to other executors and to clients.
fn flight_service(peers: Peers, listener: StdListener) -> Arc<ArrowFlightServerProvider> {
    let listener = Mutex::new(Some(listener));
    Arc::new(move |work_dir, _, mut shutdown, _| {
        let listener = listener.lock().unwrap_or_else(PoisonError::into_inner).take();
        let server = peers.server();
        tokio::spawn(async move {
            let failed = |error: anyhow::Error| BallistaError::General(format!("{error:#}"));
            let listener = listener.context("the service is started once").map_err(failed)?;
            let listener = TcpListener::from_std(listener)?;
            let service = FlightServiceServer::new(BallistaFlightService::new(work_dir))
                .max_decoding_message_size(MAX_MESSAGE_BYTES as usize)
                .max_encoding_message_size(MAX_MESSAGE_BYTES as usize);
            server
                .map_err(failed)?
                .add_service(service)
                .serve_with_incoming_shutdown(TcpIncoming::from(listener), shutdown.recv())
                .await
                .map_err(|error| failed(error.into()))
        })
    })
}
