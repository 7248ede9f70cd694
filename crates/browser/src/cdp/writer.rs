//! The way out: commands in the order in which they were given, each followed by a zero byte.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{net::unix::pipe::Sender, sync::Notify};

use super::MAX_UNSENT;

/// Writes commands where they are given, which is sooner than any other task would; what the pipe does not take, a
/// task of its own writes when it does.
pub(super) struct Writer(Arc<Shared>);

struct Shared {
    pipe: Sender,
    unsent: Mutex<Unsent>,
    more: Notify,
}

#[derive(Default)]
struct Unsent {
    bytes: Vec<u8>,
    /// The task has taken bytes that it has not written yet.
    in_task: usize,
    closed: bool,
}

impl Writer {
    pub(super) fn start(pipe: Sender) -> Self {
        let shared = Arc::new(Shared { pipe, unsent: Mutex::default(), more: Notify::new() });
        let task = Arc::clone(&shared);
        tokio::spawn(async move { task.run().await });
        Self(shared)
    }

    /// Whether the command is sent or will be, as far as can be known now.
    pub(super) fn send(&self, command: &[u8]) -> bool {
        let mut unsent = self.0.lock();
        if unsent.closed {
            return false;
        }
        let is_first = unsent.bytes.is_empty() && unsent.in_task == 0;
        let written = if is_first { self.0.pipe.try_write(command) } else { Ok(0) };
        let rest = match written {
            Ok(length) => &command[length..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => command,
            Err(_) => {
                unsent.closed = true;
                return false;
            }
        };
        if rest.is_empty() {
            return true;
        }
        if unsent.bytes.len() + unsent.in_task + rest.len() > MAX_UNSENT {
            return false;
        }
        unsent.bytes.extend_from_slice(rest);
        self.0.more.notify_one();
        true
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.more.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Unsent> {
        self.unsent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(&self) {
        loop {
            self.more.notified().await;
            loop {
                let batch = {
                    let mut unsent = self.lock();
                    unsent.in_task = unsent.bytes.len();
                    std::mem::take(&mut unsent.bytes)
                };
                if batch.is_empty() {
                    break;
                }
                if self.write(&batch).await.is_err() {
                    self.lock().closed = true;
                }
            }
            if self.lock().closed {
                return;
            }
        }
    }

    async fn write(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.pipe.writable().await?;
            match self.pipe.try_write(bytes) {
                Ok(length) => bytes = &bytes[length..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncReadExt as _, net::unix::pipe};

    use super::*;

    #[tokio::test]
    async fn commands_keep_their_order_when_the_pipe_is_full() {
        let (sender, mut receiver) = pipe::pipe().expect("a pipe");
        let writer = Writer::start(sender);
        let commands: Vec<Vec<u8>> = (0..1000).map(|n| format!("{n:01000}").into_bytes()).collect();
        for command in &commands {
            assert!(writer.send(command));
        }
        let mut read = vec![0; 1000 * commands.len()];
        receiver.read_exact(&mut read).await.expect("written");
        assert_eq!(read, commands.concat());

        assert!(writer.send(b"the last"));
        drop(writer);
        let mut rest = Vec::new();
        receiver.read_to_end(&mut rest).await.expect("closed");
        assert_eq!(rest, b"the last");
    }

    #[tokio::test]
    async fn nothing_is_kept_for_a_pipe_that_is_closed() {
        let (sender, receiver) = pipe::pipe().expect("a pipe");
        let writer = Writer::start(sender);
        drop(receiver);
        let mut taken = 0;
        while writer.send(b"command") {
            taken += 1;
            tokio::task::yield_now().await;
            assert!(taken < 1000);
        }
    }
}
