//! What a site answers, well-behaved or not.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::Bytes;
use tokio::sync::watch;

/// A transparent GIF of one pixel.
const PIXEL: &[u8] =
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\x00\x00\x00\x21\xf9\x04\x01\x00\x00\x00\x00\
\x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00\x3b";

/// An answer, built from left to right: `Reply::html("…").header("x", "y").after(delay)`.
#[derive(Clone, Debug)]
pub struct Reply {
    pub(crate) kind: Kind,
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
    pub(crate) delay: Duration,
    pub(crate) gate: Option<Gate>,
    pub(crate) pace: Option<Pace>,
    pub(crate) cut: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Http,
    DropConnection,
    Garbage(Bytes),
    Silence,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) bytes: usize,
    pub(crate) pause: Duration,
}

impl Reply {
    /// An empty answer with a status.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self {
            kind: Kind::Http,
            status,
            headers: Vec::new(),
            body: Bytes::new(),
            delay: Duration::ZERO,
            gate: None,
            pace: None,
            cut: false,
        }
    }

    /// 200, empty.
    #[must_use]
    pub fn ok() -> Self {
        Self::status(200)
    }

    /// A page. What is given is the body as it is; it need not be a whole document.
    #[must_use]
    pub fn html(text: impl Into<String>) -> Self {
        Self::typed("text/html; charset=utf-8", text.into())
    }

    /// A script.
    #[must_use]
    pub fn script(text: impl Into<String>) -> Self {
        Self::typed("text/javascript; charset=utf-8", text.into())
    }

    /// JSON text.
    #[must_use]
    pub fn json(text: impl Into<String>) -> Self {
        Self::typed("application/json", text.into())
    }

    /// An image of one pixel.
    #[must_use]
    pub fn image() -> Self {
        Self::typed("image/gif", PIXEL)
    }

    /// 302 to a URL, which may be relative.
    #[must_use]
    pub fn redirect(to: &str) -> Self {
        Self::status(302).header("location", to)
    }

    /// No answer: the connection is closed once the request is read, and with it all that was under way on it.
    #[must_use]
    pub fn drop_connection() -> Self {
        Self { kind: Kind::DropConnection, ..Self::ok() }
    }

    /// These bytes in place of HTTP, then the end of the connection.
    #[must_use]
    pub fn garbage(bytes: impl Into<Bytes>) -> Self {
        Self { kind: Kind::Garbage(bytes.into()), ..Self::ok() }
    }

    /// No answer ever; the connection stays open.
    #[must_use]
    pub fn silence() -> Self {
        Self { kind: Kind::Silence, ..Self::ok() }
    }

    fn typed(content_type: &str, body: impl Into<Bytes>) -> Self {
        Self::ok().header("content-type", content_type).body(body)
    }

    /// Adds a header; one of the same name stays beside it.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Lets every origin read the answer, without credentials.
    #[must_use]
    pub fn cors(self) -> Self {
        self.header("access-control-allow-origin", "*")
    }

    /// With this body in place of what it had.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// With the body compressed.
    #[must_use]
    pub fn gzip(mut self) -> Self {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        let compressed = encoder.write_all(&self.body).and_then(|()| encoder.finish());
        self.body = compressed.expect("a vector takes every write").into();
        self.header("content-encoding", "gzip")
    }

    /// Sent this long after the request.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Sent once the gate is open.
    #[must_use]
    pub fn when(mut self, gate: &Gate) -> Self {
        self.gate = Some(gate.clone());
        self
    }

    /// The body comes in pieces of `bytes` (at least one), with a pause before each.
    #[must_use]
    pub fn slowly(mut self, bytes: usize, pause: Duration) -> Self {
        self.pace = Some(Pace { bytes: bytes.max(1), pause });
        self
    }

    /// The connection breaks where the body should end.
    #[must_use]
    pub fn cut_short(mut self) -> Self {
        self.cut = true;
        self
    }
}

/// What holds answers back until a test opens it, once and for good. Clones are the same gate.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets everything through that waits, and whatever comes.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    pub(crate) async fn opened(&self) {
        // The sender is in `self`: the channel cannot be closed.
        let _ = self.0.subscribe().wait_for(|open| *open).await;
    }
}
