//! A browser and a server for tests.

#![allow(dead_code, reason = "each test program uses a part")]

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use ascribe_browser::{Browser, LaunchOptions};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

/// A browser without windows.
pub(crate) async fn launch() -> Browser {
    let options = LaunchOptions { headless: true, ..LaunchOptions::default() };
    Browser::launch(options).await.unwrap_or_else(|error| panic!("{error}"))
}

/// One request, as it came over the wire.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// What the server answers: the status line and headers, and the body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) delay: Duration,
}

impl Answer {
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

pub(crate) fn answer(status: u16, content_type: &str, body: &[u8]) -> Answer {
    let headers = vec![("content-type".into(), content_type.into())];
    Answer { status, headers, body: body.into(), delay: Duration::ZERO }
}

pub(crate) fn html(body: &str) -> Answer {
    answer(200, "text/html; charset=utf-8", format!("<!doctype html>{body}").as_bytes())
}

pub(crate) fn image() -> Answer {
    let pixel = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";
    answer(200, "image/gif", pixel)
}

pub(crate) fn script(body: &str) -> Answer {
    answer(200, "text/javascript", body.as_bytes())
}

pub(crate) fn redirect(to: &str) -> Answer {
    answer(302, "text/plain", b"").with("location", to)
}

pub(crate) fn not_found() -> Answer {
    answer(404, "text/plain", b"")
}

/// A server on loopback that writes down what it receives.
pub(crate) struct Server {
    port: u16,
    log: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub(crate) async fn start(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let log = Arc::<Mutex<Vec<Request>>>::default();
        let (answer, kept) = (Arc::new(answer), Arc::clone(&log));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, log) = (Arc::clone(&answer), Arc::clone(&kept));
                tokio::spawn(async move { serve(stream, &*answer, &log).await });
            }
        });
        Self { port, log }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// A URL on `localhost`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.port)
    }

    /// A URL on another host name of the same server: another origin and site.
    pub(crate) fn at(&self, host: &str, path: &str) -> String {
        format!("http://{host}.localhost:{}{path}", self.port)
    }

    pub(crate) fn log(&self) -> Vec<Request> {
        self.log.lock().expect("whole").clone()
    }

    /// The requests for a path so far.
    pub(crate) fn requests(&self, path: &str) -> Vec<Request> {
        self.log().into_iter().filter(|request| request.path == path).collect()
    }

    /// The first request for a path, within ten seconds.
    pub(crate) async fn wait_for(&self, path: &str) -> Request {
        for _ in 0..500 {
            if let Some(request) = self.requests(path).into_iter().next() {
                return request;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("nobody asked for {path}: {:?}", self.log().iter().map(|r| r.path.clone()).collect::<Vec<_>>())
    }
}

async fn serve(
    mut stream: TcpStream,
    answer: &(dyn Fn(&Request) -> Answer + Send + Sync),
    log: &Mutex<Vec<Request>>,
) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let (read, mut write) = stream.split();
    let mut read = BufReader::new(read);
    loop {
        let mut line = String::new();
        if read.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let mut words = line.split_whitespace().map(str::to_owned);
        let (method, path) = (words.next()?, words.next()?);
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            read.read_line(&mut line).await.ok()?;
            let Some((name, value)) = line.trim().split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut request = Request { method, path, headers, body: Vec::new() };
        let length = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        request.body.resize(length, 0);
        read.read_exact(&mut request.body).await.ok()?;
        log.lock().expect("whole").push(request.clone());
        let Answer { status, headers, body, delay } = answer(&request);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let mut head = format!("HTTP/1.1 {status} -\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        write.write_all(&[head.as_bytes(), &body].concat()).await.ok()?;
    }
}

/// Whether some process has been started with this profile.
pub(crate) fn somebody_uses(profile: &Path) -> bool {
    let profile = profile.to_string_lossy().into_owned();
    std::fs::read_dir("/proc").expect("Linux").flatten().any(|process| {
        let command = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&command).contains(&profile)
    })
}
