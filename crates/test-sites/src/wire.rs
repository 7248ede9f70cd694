//! A connection that can misbehave: bytes in place of what HTTP would write, and a sudden end.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use hyper::body::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

/// What a reply does to the connection that it is on.
#[derive(Default)]
pub(crate) struct Fault {
    instead: Mutex<Option<Bytes>>,
    end: Notify,
}

impl Fault {
    /// Writes these bytes in place of what is written next, then ends the connection.
    pub(crate) fn write_instead(&self, bytes: Bytes) {
        *self.instead.lock().unwrap_or_else(PoisonError::into_inner) = Some(bytes);
    }

    pub(crate) fn end(&self) {
        self.end.notify_one();
    }

    pub(crate) async fn ended(&self) {
        self.end.notified().await;
    }
}

pub(crate) struct Wire<IO> {
    io: IO,
    fault: Arc<Fault>,
}

impl<IO> Wire<IO> {
    pub(crate) fn new(io: IO, fault: Arc<Fault>) -> Self {
        Self { io, fault }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Wire<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Wire<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let mut instead = this.fault.instead.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(bytes) = &mut *instead else {
            drop(instead);
            return Pin::new(&mut this.io).poll_write(cx, data);
        };
        while !bytes.is_empty() {
            match Pin::new(&mut this.io).poll_write(cx, bytes) {
                Poll::Ready(Ok(written)) if written > 0 => drop(bytes.split_to(written)),
                Poll::Ready(Ok(_)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Err(io::Error::other("garbage was written")))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
