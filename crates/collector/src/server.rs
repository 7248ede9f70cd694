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

use ascribe_serving::{Bounds, accept};
use axum::{Router, body::Body};
use http::Response;
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::graceful::Watcher,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::Notify,
};
use tokio_rustls::{TlsAcceptor, rustls};
use tower_service::Service;

use crate::collector::{Collector, Inner};

/// The address of the connection that a request came by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// A mark on a response: reset the connection in its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResetConnection;

/// How long requests that are under way may go on when the server is to end.
const GRACE: Duration = Duration::from_secs(20);
/// The longest head of a request.
const MAX_HEAD_BYTES: u32 = 64 * 1024;

impl Collector {
    /// Serves the routes until `shutdown` is done, then ends what is under way.
    ///
    /// With `tls`, over TLS, in HTTP/2 if the client agrees to it by ALPN; else in HTTP/1.1. More connections
    /// than the limits allow wait to be accepted.
    pub async fn serve(
        &self,
        listener: TcpListener,
        routes: Router,
        tls: Option<Arc<rustls::ServerConfig>>,
        shutdown: impl Future<Output = ()>,
    ) {
        let collector = self.inner();
        let tls = tls.map(TlsAcceptor::from);
        let bounds = Bounds { connections: collector.limits.connections, grace: GRACE };
        let refused = || {
            collector.metrics.refused_connections.get_or_create(&[("reason", "accept")]).inc();
        };
        accept(listener, bounds, shutdown, refused, |stream, peer, watcher| {
            let connection = Connection {
                collector: collector.clone(),
                routes: routes.clone(),
                peer: Peer(peer),
                reset: Arc::new(Reset::default()),
                watcher,
            };
            let tls = tls.clone();
            async move {
                let metrics = connection.collector.metrics.clone();
                metrics.connections.inc();
                connection.serve(stream, tls).await;
                metrics.connections.dec();
            }
        })
        .await;
    }
}

/// A connection, and what its requests need.
struct Connection {
    collector: Inner,
    routes: Router,
    peer: Peer,
    reset: Arc<Reset>,
    watcher: Watcher,
}

impl Connection {
    async fn serve(self, stream: TcpStream, tls: Option<TlsAcceptor>) {
        let socket = Socket { stream, reset: self.reset.clone() };
        let Some(tls) = tls else { return self.serve_http1(socket).await };
        let handshake = tokio::time::timeout(self.collector.limits.head_timeout, tls.accept(socket));
        let Ok(Ok(stream)) = handshake.await else {
            self.collector.metrics.refused_connections.get_or_create(&[("reason", "tls")]).inc();
            return;
        };
        match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => self.serve_http2(stream).await,
            _ => self.serve_http1(stream).await,
        }
    }

    /// What ends a connection early is the client's affair.
    async fn serve_http1(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(self.collector.limits.head_timeout)
            // Answers are short: copying them together costs less than writing them in parts.
            .writev(false)
            .max_buf_size(MAX_HEAD_BYTES as usize);
        let connection = http.serve_connection(TokioIo::new(stream), self.service());
        self.reset.unless(self.watcher.watch(connection)).await;
    }

    async fn serve_http2(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let timeout = self.collector.limits.head_timeout;
        let mut http = http2::Builder::new(TokioExecutor::new());
        http.timer(TokioTimer::new())
            .max_concurrent_streams(64)
            .max_header_list_size(MAX_HEAD_BYTES)
            .keep_alive_interval(timeout)
            .keep_alive_timeout(timeout);
        let connection = http.serve_connection(TokioIo::new(stream), self.service());
        self.reset.unless(self.watcher.watch(connection)).await;
    }

    fn service(
        &self,
    ) -> impl hyper::service::Service<
        http::Request<Incoming>,
        Response = Response<Body>,
        Error = io::Error,
        Future: Send + 'static,
    > + use<> {
        let (routes, peer, reset) = (self.routes.clone(), self.peer, self.reset.clone());
        service_fn(move |mut request: http::Request<Incoming>| {
            request.extensions_mut().insert(peer);
            let answer = routes.clone().call(request.map(Body::new));
            let reset = reset.clone();
            async move { or_reset(answer.await, &reset).await }
        })
    }
}

/// Either the answer, or the end of the connection.
async fn or_reset(
    answer: Result<Response<Body>, Infallible>,
    reset: &Reset,
) -> Result<Response<Body>, io::Error> {
    let Ok(answer) = answer;
    if answer.extensions().get::<ResetConnection>().is_none() {
        return Ok(answer);
    }
    reset.now();
    // An error would end the stream alone, if it were quicker than the end of the connection, which ends this too.
    std::future::pending().await
}

/// A connection that can end with a reset: the client is to know that nothing was answered.
struct Socket {
    stream: TcpStream,
    reset: Arc<Reset>,
}

/// Whether a connection is to be reset. In HTTP/2 that takes its other requests with it, which user agents send
/// again as well; a stream that is reset alone they would not.
#[derive(Debug, Default)]
struct Reset {
    wanted: AtomicBool,
    told: Notify,
}

impl Reset {
    fn now(&self) {
        self.wanted.store(true, Ordering::Relaxed);
        self.told.notify_one();
    }

    fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    /// Serves a connection until its end, or until it is to be reset.
    async fn unless<T>(&self, connection: impl Future<Output = T>) {
        tokio::select! {
            _ = connection => {}
            () = self.told.notified() => {}
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
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
        if self.reset.is_wanted() {
            // An orderly end first would look like an empty answer.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.reset.is_wanted() {
            // Closed without lingering, a connection is reset.
            let _ = self.stream.set_zero_linger();
        }
    }
}
