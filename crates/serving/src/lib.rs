//! Accepting connections, for everything here that serves: so many at once, and an orderly end.
//!
//! What is done with a connection (TLS, HTTP, how long its client is waited for) is the server's own affair.

use std::{future::Future, net::IpAddr, sync::Arc, time::Duration};

use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

/// How many, and how long.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections that are served at the same time; others wait to be accepted.
    pub connections: usize,
    /// How long requests that are under way may go on when the server is to end.
    pub grace: Duration,
}

/// How long to wait when the system has no more connections to give.
const OUT_OF_FILES: Duration = Duration::from_millis(100);

/// Accepts connections until `shutdown` is done, and gives each, with its peer's address, to `serve`; then waits
/// for those whose [`Watcher`] watches them. `refused` is told of those that the system did not give.
pub async fn accept<Served>(
    listener: TcpListener,
    bounds: Bounds,
    shutdown: impl Future<Output = ()>,
    refused: impl Fn(),
    serve: impl Fn(TcpStream, IpAddr, Watcher) -> Served,
) where
    Served: Future<Output = ()> + Send + 'static,
{
    let free = Arc::new(Semaphore::new(bounds.connections.min(Semaphore::MAX_PERMITS)));
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
                refused();
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(OUT_OF_FILES).await;
                continue;
            }
        };
        // Answers are small, and wait for nothing.
        let _ = stream.set_nodelay(true);
        let served = serve(stream, peer.ip(), graceful.watcher());
        tokio::spawn(async move {
            served.await;
            drop(permit);
        });
    }
    drop(listener);
    if tokio::time::timeout(bounds.grace, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were still under way at the end");
    }
}
