//! Serving small answers to the open Internet: bounded connections, bounded waiting.

use std::{future::Future, io, sync::Arc, time::Duration};

use ascribe_serving::{Bounds, accept};
use axum::{Router, body::Body};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::Watcher},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};
use tower_service::Service;

const BOUNDS: Bounds = Bounds { connections: 1_024, grace: Duration::from_secs(5) };
/// For a handshake, and for the head of a request.
const PATIENCE: Duration = Duration::from_secs(10);
/// A whole connection: nobody needs the keys so often that a longer one would pay.
const LIFETIME: Duration = Duration::from_secs(60);

/// Serves the routes until `shutdown` is done: over TLS if it is configured, HTTP/1.1 or HTTP/2.
pub async fn serve(
    listener: TcpListener,
    routes: Router,
    tls: Option<Arc<ServerConfig>>,
    shutdown: impl Future<Output = ()>,
) {
    let tls = tls.map(TlsAcceptor::from);
    accept(
        listener,
        BOUNDS,
        shutdown,
        || (),
        |stream, _, watcher| {
            let served = timeout(LIFETIME, connection(stream, routes.clone(), tls.clone(), watcher));
            // What ends a connection early is the client's affair.
            async { drop(served.await) }
        },
    )
    .await;
}

async fn connection(
    stream: TcpStream,
    routes: Router,
    tls: Option<TlsAcceptor>,
    watcher: Watcher,
) -> io::Result<()> {
    match tls {
        Some(tls) => {
            let stream = timeout(PATIENCE, tls.accept(stream)).await??;
            requests(stream, routes, watcher).await
        }
        None => requests(stream, routes, watcher).await,
    }
}

async fn requests(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    routes: Router,
    watcher: Watcher,
) -> io::Result<()> {
    let service =
        service_fn(move |request: hyper::Request<Incoming>| routes.clone().call(request.map(Body::new)));
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1().timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_buf_size(16 << 10);
    http.http2().timer(TokioTimer::new()).max_concurrent_streams(16).max_header_list_size(16 << 10);
    let connection = http.serve_connection(TokioIo::new(stream), service).into_owned();
    watcher.watch(connection).await.map_err(io::Error::other)
}
