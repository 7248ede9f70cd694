//! The sites, as tests hold them.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::certificates::Certificates;
use crate::log::{Log, NotReceived};
use crate::routes::Routes;
use crate::server::Server;
use crate::{Received, Reply};

/// What hosts end with: names that are reserved, so that no test ever reaches a real site.
const SUFFIXES: [&str; 3] = ["test", "example", "example.com"];

/// All made-up sites. Dropping them stops the server and closes its connections.
pub struct Sites {
    server: Arc<Server>,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Sites {
    /// Serves on a port of 127.0.0.1 that the system chooses, from a thread of its own.
    ///
    /// # Errors
    /// When the port or the certificate authority cannot be had.
    pub fn start() -> io::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let server =
            Server { certificates: Certificates::new()?, routes: Routes::default(), log: Log::new() };
        let server = Arc::new(server);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let running = Arc::clone(&server);
        let thread = std::thread::Builder::new().name("test-sites".to_owned()).spawn(move || {
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).expect("it is nonblocking");
                running.run(listener, stopped).await;
            });
        })?;
        Ok(Self { server, address, stop: Some(stop), thread: Some(thread) })
    }

    /// One of the sites, to be scripted and asked.
    ///
    /// # Panics
    /// When `host` is not under `.test`, `.example` or `.example.com`.
    #[must_use]
    pub fn site(&self, host: &str) -> Site {
        let served =
            SUFFIXES.iter().any(|suffix| host.strip_suffix(suffix).is_some_and(|rest| rest.ends_with('.')));
        assert!(served, "{host} is no made-up host");
        Site { host: host.to_owned(), server: Arc::clone(&self.server) }
    }

    /// Rules for Chromium's `--host-resolver-rules`: all made-up hosts, with every port, are here.
    #[must_use]
    pub fn host_map(&self) -> String {
        let rules = SUFFIXES.map(|suffix| format!("MAP *.{suffix} {}", self.address));
        rules.join(",")
    }

    /// The certificate authority that all certificates are signed by, as a PEM file has it.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        self.server.certificates.ca_pem()
    }

    /// Where all sites are served.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What all sites received.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.server.log
    }
}

impl Drop for Sites {
    fn drop(&mut self) {
        // Neither fails unless the server has panicked already, which it has reported.
        let _ = self.stop.take().map(|stop| stop.send(()));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// One site. Cheap to clone; all that name a host are the same site.
///
/// Paths are without a query, which requests may have or not; one that ends with `*` stands for all that begin
/// so. Of several that fit, the exact one counts, else the longest. What has no path is answered by 404.
#[derive(Clone)]
pub struct Site {
    host: String,
    server: Arc<Server>,
}

impl Site {
    /// `https://HOST`, which is how the Attribution Reporting API names an origin.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("https://{}", self.host)
    }

    /// The secure URL of a path, which may have a query.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.host)
    }

    /// The same without TLS.
    #[must_use]
    pub fn plain_url(&self, path: &str) -> String {
        format!("http://{}{path}", self.host)
    }

    /// Always answers so.
    pub fn reply(&self, path: &str, reply: Reply) -> &Self {
        self.answer(path, move |_| reply.clone())
    }

    /// Redirects with status 302.
    pub fn redirect(&self, path: &str, to: &str) -> &Self {
        self.reply(path, Reply::redirect(to))
    }

    /// Answers as the closure says, which runs on the server's thread and must not wait.
    pub fn answer(&self, path: &str, answer: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> &Self {
        self.server.routes.set(&self.host, path, Arc::new(answer));
        self
    }

    /// Speaks no HTTP/2 on connections that are made from now on.
    pub fn http1_only(&self) -> &Self {
        self.server.routes.set_http1_only(&self.host);
        self
    }

    /// Refuses TLS from now on, so that a browser that would upgrade `http:` URLs does not.
    pub fn no_tls(&self) -> &Self {
        self.server.routes.set_no_tls(&self.host);
        self
    }

    /// What this site received for a path, in order of arrival.
    #[must_use]
    pub fn received(&self, path: &str) -> Vec<Arc<Received>> {
        self.server.log.matching(|request| self.is(request, path))
    }

    /// The first request for a path, waiting up to 20 s for it.
    ///
    /// # Errors
    /// When none came; the error lists what did.
    pub async fn wait_for(&self, path: &str) -> Result<Arc<Received>, NotReceived> {
        self.server.log.wait_for(|request| self.is(request, path)).await
    }

    /// The requests for a path, once there are at least `n`, waiting up to 20 s.
    ///
    /// # Errors
    /// When fewer came; the error lists what did.
    pub async fn wait_for_many(&self, path: &str, n: usize) -> Result<Vec<Arc<Received>>, NotReceived> {
        let timeout = Duration::from_secs(20);
        self.server.log.wait_for_many(n, timeout, |request| self.is(request, path)).await
    }

    fn is(&self, request: &Received, path: &str) -> bool {
        request.host == self.host && request.path() == path
    }
}
