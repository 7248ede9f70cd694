//! Serving small answers to the open Internet: bounded connections, bounded waiting.

use std::{future::Future, io, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};
use tower_service::Service;

/// More connections wait to be accepted.
const CONNECTIONS: usize = 1_024;
/// For a handshake, and for the head of a request.
const PATIENCE: Duration = Duration::from_secs(10);
/// A whole connection: nobody needs the keys so often that a longer one would pay.
const LIFETIME: Duration = Duration::from_secs(60);
/// How long requests may go on when the server is to end.
const GRACE: Duration = Duration::from_secs(5);
/// How long to wait when the system has no more connections to give.
const OUT_OF_FILES: Duration = Duration::from_millis(100);

/// Serves the routes until `shutdown` is done: over TLS if it is configured, HTTP/1.1 or HTTP/2.
pub async fn serve(
    listener: TcpListener,
    routes: Router,
    tls: Option<Arc<ServerConfig>>,
    shutdown: impl Future<Output = ()>,
) {
    let free = Arc::new(Semaphore::new(CONNECTIONS));
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
                sleep(OUT_OF_FILES).await;
                continue;
            }
        };
        let (routes, tls, watcher) = (routes.clone(), tls.clone(), graceful.watcher());
        tokio::spawn(async move {
            // What ends a connection early is the client's affair.
            let _ = timeout(LIFETIME, connection(stream, routes, tls, watcher)).await;
            drop(permit);
        });
    }
    drop(listener);
    let _ = timeout(GRACE, graceful.shutdown()).await;
}

async fn connection(
    stream: TcpStream,
    routes: Router,
    tls: Option<TlsAcceptor>,
    watcher: hyper_util::server::graceful::Watcher,
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
    watcher: hyper_util::server::graceful::Watcher,
) -> io::Result<()> {
    let service =
        service_fn(move |request: hyper::Request<Incoming>| routes.clone().call(request.map(Body::new)));
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1().timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_buf_size(16 << 10);
    http.http2().timer(TokioTimer::new()).max_concurrent_streams(16).max_header_list_size(16 << 10);
    let connection = http.serve_connection(TokioIo::new(stream), service).into_owned();
    watcher.watch(connection).await.map_err(io::Error::other)
}
