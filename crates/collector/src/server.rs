//! Serving HTTP to the open Internet: bounded connections, bounded waiting, an end without losses.

use std::{
    convert::Infallible,
    future::Future,
    io,
    net::IpAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{Router, body::Body};
use http::Response;
use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tower_service::Service;

use crate::collector::Collector;

/// The address of the connection that a request came by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// A mark on a response: reset the connection in its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResetConnection;

/// How long requests that are under way may go on when the server is to end.
const GRACE: Duration = Duration::from_secs(20);
/// How long to wait when the system has no more connections to give.
const OUT_OF_FILES: Duration = Duration::from_millis(100);

impl Collector {
    /// Serves the routes until `shutdown` is done, then ends what is under way.
    ///
    /// More connections than the limits allow wait to be accepted.
    pub async fn serve(&self, listener: TcpListener, routes: Router, shutdown: impl Future<Output = ()>) {
        let collector = self.inner().clone();
        let limits = &collector.limits;
        let mut http = Builder::new(TokioExecutor::new());
        http.http1().timer(TokioTimer::new()).header_read_timeout(limits.head_timeout).max_buf_size(64 * 1024);
        http.http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(64)
            .max_header_list_size(64 * 1024)
            .keep_alive_interval(limits.head_timeout)
            .keep_alive_timeout(limits.head_timeout);
        let http = Arc::new(http);
        let free = Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS)));
        let graceful = GracefulShutdown::new();
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
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    collector.metrics.refused_connections.get_or_create(&[("reason", "accept")]).inc();
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(OUT_OF_FILES).await;
                    continue;
                }
            };
            // Answers are small, and wait for nothing.
            let _ = stream.set_nodelay(true);
            let reset = Arc::new(AtomicBool::new(false));
            let socket = Socket { stream, reset: reset.clone() };
            let peer = Peer(peer.ip());
            let routes = routes.clone();
            let service = service_fn(move |mut request: http::Request<hyper::body::Incoming>| {
                request.extensions_mut().insert(peer);
                let answer = routes.clone().call(request.map(Body::new));
                let reset = reset.clone();
                async move { or_reset(answer.await, &reset) }
            });
            let connection = http.serve_connection(TokioIo::new(socket), service).into_owned();
            let watched = graceful.watch(connection);
            let collector = collector.clone();
            tokio::spawn(async move {
                collector.metrics.connections.inc();
                // What ends a connection early is the client's affair.
                let _ = watched.await;
                collector.metrics.connections.dec();
                drop(permit);
            });
        }
        drop(listener);
        if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
            tracing::warn!("requests were still under way at the end");
        }
    }
}

/// Either the answer, or the end of the connection.
fn or_reset(
    answer: Result<Response<Body>, Infallible>,
    reset: &AtomicBool,
) -> Result<Response<Body>, io::Error> {
    let Ok(answer) = answer;
    if answer.extensions().get::<ResetConnection>().is_none() {
        return Ok(answer);
    }
    reset.store(true, Ordering::Relaxed);
    Err(io::Error::from(io::ErrorKind::ConnectionReset))
}

/// A connection that can end with a reset: the client is to know that nothing was answered.
struct Socket {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, out)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.reset.load(Ordering::Relaxed) {
            // An orderly end first would look like an empty answer.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.reset.load(Ordering::Relaxed) {
            // Closed without lingering, a connection is reset.
            let _ = self.stream.set_zero_linger();
        }
    }
}
