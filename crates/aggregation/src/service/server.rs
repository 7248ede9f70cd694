//! Serving HTTP: bounded connections, bounded waiting, an orderly end.

use std::{future::Future, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::Semaphore,
};
use tokio_rustls::{TlsAcceptor, rustls};
use tower_service::Service as _;

use super::{Service, routes};

/// Connections that are served at the same time; others wait to be accepted.
const MAX_CONNECTIONS: usize = 512;
/// How long a client may take for the head of a request, or for TLS; and idle between requests.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest head of a request.
const MAX_HEAD_BYTES: usize = 32 << 10;
/// How long requests that are under way may go on when the server is to end.
const GRACE: Duration = Duration::from_secs(10);
/// How long to wait when the system has no more connections to give.
const OUT_OF_FILES: Duration = Duration::from_millis(100);

impl Service {
    /// Serves the job API on `clients`, over TLS if it is given, and `/health`, `/ready` and `/metrics` on
    /// `operations`, until `shutdown` is done; then ends what is under way.
    pub async fn serve(
        &self,
        clients: TcpListener,
        operations: TcpListener,
        tls: Option<Arc<rustls::ServerConfig>>,
        shutdown: impl Future<Output = ()>,
    ) {
        let (end, ended) = tokio::sync::watch::channel(());
        let until = |mut ended: tokio::sync::watch::Receiver<()>| async move { drop(ended.changed().await) };
        tokio::join!(
            serve(clients, routes::api(self.inner.clone()), tls, until(ended.clone())),
            serve(operations, routes::operations(self.inner.clone()), None, until(ended)),
            async {
                shutdown.await;
                drop(end);
            },
        );
    }
}

async fn serve(
    listener: TcpListener,
    routes: Router,
    tls: Option<Arc<rustls::ServerConfig>>,
    shutdown: impl Future<Output = ()>,
) {
    let free = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let tls = tls.map(TlsAcceptor::from);
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = async {
            // The semaphore is never closed.
            let permit = free.clone().acquire_owned().await.ok();
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut shutdown => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(OUT_OF_FILES).await;
                continue;
            }
        };
        // Answers are small, and wait for nothing.
        let _ = stream.set_nodelay(true);
        let (routes, tls, watcher) = (routes.clone(), tls.clone(), graceful.watcher());
        tokio::spawn(async move {
            let _permit = permit;
            let Some(tls) = tls else { return watcher.watch(connection(stream, routes)).await.unwrap_or(()) };
            // What ends a connection early is the client's affair.
            if let Ok(Ok(stream)) = tokio::time::timeout(HEAD_TIMEOUT, tls.accept(stream)).await {
                let _ = watcher.watch(connection(stream, routes)).await;
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were still under way at the end");
    }
}

fn connection<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    routes: Router,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> {
    let service = service_fn(move |request: Request<Incoming>| routes.clone().call(request.map(Body::new)));
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
}
