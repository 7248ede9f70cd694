//! `ascribe-cluster scheduler`: Ballista's scheduler, behind our door.

use std::{process::ExitCode, sync::Arc};

use anyhow::Context;
use ballista_core::{
    config::TaskSchedulingPolicy, extension::SessionConfigExt,
    serde::protobuf::scheduler_grpc_server::SchedulerGrpcServer,
};
use ballista_scheduler::{
    cluster::BallistaCluster, config::SchedulerConfig, scheduler_process::create_scheduler,
};
use datafusion::prelude::SessionConfig;
use datafusion_proto::protobuf::{LogicalPlanNode, PhysicalPlanNode};
use tokio::{net::TcpListener, signal};
use tonic::transport::server::TcpIncoming;

use crate::{cli::SchedulerArgs, plan::Codec, tls::Peers};

/// Plans name all files of a job: at most 100,000.
pub(crate) const MAX_MESSAGE_BYTES: u32 = 64 << 20;

pub(crate) fn run(args: &SchedulerArgs) -> anyhow::Result<ExitCode> {
    let peers = Peers::new(&args.tls)?;
    peers.check_bind(args.bind)?;
    tokio::runtime::Runtime::new()?.block_on(serve(args, &peers))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(args: &SchedulerArgs, peers: &Peers) -> anyhow::Result<()> {
    let listener =
        TcpListener::bind(args.bind).await.with_context(|| format!("listening on {}", args.bind))?;
    let address = listener.local_addr()?;
    let config = SchedulerConfig {
        bind_host: address.ip().to_string(),
        bind_port: address.port(),
        // Executors ask for work: nobody connects to them but for results.
        scheduling_policy: TaskSchedulingPolicy::PullStaged,
        executor_timeout_seconds: args.executor_timeout,
        no_executors_grace_period_seconds: args.executor_timeout,
        expire_dead_executor_interval_seconds: 2,
        // Clients ask for it as soon as they have the sums: this is for those that ended before.
        finished_job_data_clean_up_interval_seconds: 60,
        grpc_server_max_decoding_message_size: MAX_MESSAGE_BYTES,
        grpc_server_max_encoding_message_size: MAX_MESSAGE_BYTES,
        override_physical_codec: Some(Arc::new(Codec::without_keys())),
        override_create_grpc_client_endpoint: Some(peers.endpoint_override()),
        override_config_producer: Some(session_config(peers)),
        use_tls: peers.uses_tls(),
        ..Default::default()
    };
    config.validate()?;
    let config = Arc::new(config);
    let cluster = BallistaCluster::new_from_config(&config).await?;
    let scheduler = create_scheduler::<LogicalPlanNode, PhysicalPlanNode>(cluster, config).await?;
    let service = SchedulerGrpcServer::new(scheduler)
        .max_decoding_message_size(MAX_MESSAGE_BYTES as usize)
        .max_encoding_message_size(MAX_MESSAGE_BYTES as usize);
    println!("listening on {address}");
    peers
        .server()?
        .add_service(service)
        .serve_with_incoming_shutdown(TcpIncoming::from(listener), async {
            let _ = signal::ctrl_c().await;
        })
        .await?;
    Ok(())
}

/// How sessions of the scheduler and of executors connect to others.
pub(crate) fn session_config(peers: &Peers) -> ballista_core::ConfigProducer {
    let peers = peers.clone();
    Arc::new(move || {
        SessionConfig::new_with_ballista()
            .with_ballista_use_tls(peers.uses_tls())
            .with_ballista_override_create_grpc_client_endpoint(peers.endpoint_override())
    })
}
