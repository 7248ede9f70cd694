//! One port for all sites: TLS or not by the first byte, HTTP/1.1 or HTTP/2 by what is negotiated.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::HOST;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep};
use tokio_rustls::LazyConfigAcceptor;

use crate::certificates::Certificates;
use crate::log::Log;
use crate::reply::{Kind, Pace};
use crate::routes::Routes;
use crate::wire::{Fault, Wire};
use crate::{Received, Reply};

/// More connections than this wait until one ends.
const MAX_CONNECTIONS: usize = 1_000;
const MAX_BODY: usize = 4 << 20;
/// What a client sends in one header list: room for tests of its limits.
const MAX_HEADERS: u32 = 1 << 20;
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);
const TLS_HANDSHAKE: u8 = 22;

pub(crate) struct Server {
    pub(crate) certificates: Certificates,
    pub(crate) routes: Routes,
    pub(crate) log: Log,
}

impl Server {
    /// Serves until told to stop; then all connections are closed at once.
    pub(crate) async fn run(self: Arc<Self>, listener: TcpListener, mut stop: oneshot::Receiver<()>) {
        let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            let permit = Arc::clone(&permits).acquire_owned();
            let accepted = async {
                let permit = permit.await;
                (listener.accept().await, permit)
            };
            tokio::select! {
                _ = &mut stop => return, // dropping the set ends its tasks
                (Ok((stream, _)), permit) = accepted => {
                    let server = Arc::clone(&self);
                    connections.spawn(async move {
                        let _permit = permit;
                        // A client that goes away in the middle is everyday life, and no concern of the tests.
                        let _ = server.connection(stream).await;
                    });
                }
                Some(_) = connections.join_next() => {}
            }
        }
    }

    async fn connection(self: &Arc<Self>, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut first = [0];
        if stream.peek(&mut first).await? == 0 {
            return Ok(());
        }
        if first[0] != TLS_HANDSHAKE {
            return self.http(stream, false).await;
        }
        let shaken = tokio::time::timeout(HANDSHAKE_TIMEOUT, self.shake_hands(stream)).await;
        match shaken.map_err(io::Error::from).flatten() {
            Ok(stream) => self.http(stream, true).await,
            Err(error) => {
                self.log.handshake_failed();
                Err(error)
            }
        }
    }

    async fn shake_hands(
        &self,
        stream: TcpStream,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Unpin + use<>> {
        let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let host = start.client_hello().server_name().unwrap_or_default().to_owned();
        let http2 = self.routes.offers_http2(&host).ok_or(io::ErrorKind::ConnectionRefused)?;
        start.into_stream(self.certificates.config(&host, http2)?).await
    }

    async fn http(
        self: &Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
        secure: bool,
    ) -> io::Result<()> {
        let fault = Arc::new(Fault::default());
        let service = service_fn(|request| {
            let (server, fault) = (Arc::clone(self), Arc::clone(&fault));
            async move { Ok::<_, Infallible>(server.respond(request, secure, &fault).await) }
        });
        let mut http = auto::Builder::new(TokioExecutor::new());
        http.http1().max_buf_size(MAX_HEADERS as usize);
        http.http2().max_header_list_size(MAX_HEADERS);
        let wire = TokioIo::new(Wire::new(stream, Arc::clone(&fault)));
        tokio::select! {
            served = http.serve_connection(wire, service) => served.map_err(io::Error::other),
            () = fault.ended() => Ok(()),
        }
    }

    async fn respond(&self, request: Request<Incoming>, secure: bool, fault: &Fault) -> Response<Pieces> {
        let request = Arc::new(self.receive(request, secure).await);
        self.log.push(Arc::clone(&request));
        let reply = self.routes.answer(&request);
        sleep(reply.delay).await;
        if let Some(gate) = &reply.gate {
            gate.opened().await;
        }
        match &reply.kind {
            Kind::Http => {}
            Kind::DropConnection => {
                fault.end();
                std::future::pending().await
            }
            Kind::Garbage(bytes) => fault.write_instead(bytes.clone()),
            Kind::Silence => std::future::pending().await,
        }
        response(reply)
    }

    async fn receive(&self, request: Request<Incoming>, secure: bool) -> Received {
        let (head, body) = request.into_parts();
        // HTTP/2 has the host in the URI, HTTP/1.1 in a header.
        let authority = head.uri.authority().map(ToString::to_string);
        let host = head.headers.get(HOST).map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned());
        let host = authority.or(host).unwrap_or_default();
        let headers = head.headers.iter();
        let headers = headers
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        let headers = headers.collect();
        let body = Limited::new(body, MAX_BODY).collect().await;
        Received {
            at: self.log.elapsed(),
            secure,
            version: head.version,
            method: head.method.to_string(),
            host: host.split(':').next().unwrap_or_default().to_owned(),
            target: head.uri.path_and_query().map_or("", |target| target.as_str()).to_owned(),
            headers,
            body: body.map(|body| body.to_bytes().to_vec()).unwrap_or_default(),
        }
    }
}

fn response(reply: Reply) -> Response<Pieces> {
    let mut response = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        response = response.header(name, value);
    }
    response
        .body(Pieces::new(reply.body, reply.pace, reply.cut))
        .expect("a test's status and headers are valid")
}

/// A body in pieces, with a pause before each, and maybe a break at the end.
struct Pieces {
    pieces: VecDeque<Bytes>,
    pause: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    cut: bool,
}

/// Before a break, so that what precedes it is on its way.
const PAUSE_BEFORE_BREAK: Duration = Duration::from_millis(1);

impl Pieces {
    fn new(mut body: Bytes, pace: Option<Pace>, cut: bool) -> Self {
        let length = pace.map_or(body.len(), |pace| pace.bytes);
        let mut pieces = VecDeque::new();
        while !body.is_empty() {
            pieces.push_back(body.split_to(length.min(body.len())));
        }
        Self { pieces, pause: pace.map_or(Duration::ZERO, |pace| pace.pause), sleep: None, cut }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let pause = match self.pieces.is_empty() {
            false => self.pause,
            true if self.cut => PAUSE_BEFORE_BREAK,
            true => return Poll::Ready(None),
        };
        if !pause.is_zero() {
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep(pause)));
            ready!(sleep.as_mut().poll(cx));
            self.sleep = None;
        }
        let piece = self.pieces.pop_front();
        Poll::Ready(Some(piece.map(Frame::data).ok_or_else(|| io::Error::other("cut short"))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty() && !self.cut
    }

    fn size_hint(&self) -> SizeHint {
        // A body that is cut has no length to be told by; nor should one that comes slowly.
        if self.cut || !self.pause.is_zero() {
            return SizeHint::default();
        }
        SizeHint::with_exact(self.pieces.iter().map(|piece| piece.len() as u64).sum())
    }
}
