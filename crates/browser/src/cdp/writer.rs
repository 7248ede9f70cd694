//! The way out: commands in the order in which they were given, each followed by a zero byte.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{io::AsyncWriteExt as _, net::unix::pipe::Sender, sync::mpsc};

use super::MAX_UNSENT;

/// Queues commands; a task of its own writes them.
pub(super) struct Writer {
    queue: mpsc::UnboundedSender<Vec<u8>>,
    unsent: Arc<AtomicUsize>,
}

impl Writer {
    pub(super) fn start(mut pipe: Sender) -> Self {
        let (queue, mut commands) = mpsc::unbounded_channel::<Vec<u8>>();
        let unsent = Arc::<AtomicUsize>::default();
        let sent = Arc::clone(&unsent);
        tokio::spawn(async move {
            let mut batch = Vec::new();
            while let Some(command) = commands.recv().await {
                batch.extend_from_slice(&command);
                while let Ok(command) = commands.try_recv() {
                    batch.extend_from_slice(&command);
                }
                if pipe.write_all(&batch).await.is_err() {
                    break;
                }
                sent.fetch_sub(batch.len(), Ordering::Relaxed);
                batch.clear();
                batch.shrink_to(MAX_KEPT);
            }
        });
        Self { queue, unsent }
    }

    /// Whether the command will be sent, as far as can be known now.
    pub(super) fn send(&self, command: Vec<u8>) -> bool {
        let length = command.len();
        let unsent = self.unsent.fetch_add(length, Ordering::Relaxed) + length;
        unsent <= MAX_UNSENT && self.queue.send(command).is_ok()
    }
}

/// As much of the buffer stays between two batches.
const MAX_KEPT: usize = 64 << 10;
