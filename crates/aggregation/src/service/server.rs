//! Serving HTTP: bounded connections, bounded waiting, an orderly end.

use std::{future::Future, sync::Arc, time::Duration};

use ascribe_serving::{Bounds, accept};
use axum::{Router, body::Body};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
};
use tokio_rustls::{TlsAcceptor, rustls};
use tower_service::Service as _;

use super::{Service, routes};

const BOUNDS: Bounds = Bounds { connections: 512, grace: Duration::from_secs(10) };
/// How long a client may take for the head of a request, or for TLS; and idle between requests.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest head of a request.
const MAX_HEAD_BYTES: usize = 32 << 10;

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
    let tls = tls.map(TlsAcceptor::from);
    accept(
        listener,
        BOUNDS,
        shutdown,
        || (),
        |stream, _, watcher| {
            let (routes, tls) = (routes.clone(), tls.clone());
            async move {
                let Some(tls) = tls else {
                    return watcher.watch(connection(stream, routes)).await.unwrap_or(());
                };
                // What ends a connection early is the client's affair.
                if let Ok(Ok(stream)) = tokio::time::timeout(HEAD_TIMEOUT, tls.accept(stream)).await {
                    let _ = watcher.watch(connection(stream, routes)).await;
                }
            }
        },
    )
    .await;
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
