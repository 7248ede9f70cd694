//! The process: started with two pipes for the protocol, watched, and ended with all its children.

use std::{
    ffi::OsString,
    io::{self, pipe},
    os::fd::OwnedFd,
    path::Path,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use command_fds::{CommandFdExt as _, FdMapping};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    net::unix::pipe::{Receiver, Sender},
    process::{Child, Command},
    time::timeout,
};

use crate::LaunchError;

/// As much of what Chromium says last is kept for error messages.
const STDERR_KEPT: usize = 16 * 1024;
/// A Chromium that is asked to close has this long to write its profile.
const GRACE: Duration = Duration::from_secs(5);

/// Our ends of the protocol's two pipes.
pub(crate) struct Pipes {
    pub(crate) commands: Sender,
    pub(crate) events: Receiver,
}

/// A running Chromium; dropping it kills the whole process group.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    group: Option<Pid>,
    stderr: Arc<Mutex<Vec<u8>>>,
}

impl Process {
    /// Starts it. The protocol's pipes become its descriptors 3 and 4, as `--remote-debugging-pipe` wants.
    pub(crate) fn start(
        program: &Path,
        arguments: &[OsString],
        home: Option<&Path>,
    ) -> Result<(Self, Pipes), LaunchError> {
        let failed = |source| LaunchError::Start { path: program.to_owned(), source };
        let (read_commands, write_commands) = pipe().map_err(failed)?;
        let (read_events, write_events) = pipe().map_err(failed)?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        if let Some(home) = home {
            command.env("HOME", home).env_remove("XDG_DATA_HOME");
        }
        let mappings = vec![
            FdMapping { parent_fd: OwnedFd::from(read_commands), child_fd: 3 },
            FdMapping { parent_fd: OwnedFd::from(write_events), child_fd: 4 },
        ];
        command.fd_mappings(mappings).expect("3 and 4 are different");
        let mut child = command.spawn().map_err(failed)?;
        // The command holds Chromium's ends: without this the pipes would never close.
        drop(command);
        let stderr = Arc::<Mutex<Vec<u8>>>::default();
        if let Some(pipe) = child.stderr.take() {
            tokio::spawn(keep_the_end(pipe, Arc::clone(&stderr)));
        }
        let group = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        let pipes = Pipes {
            commands: Sender::from_owned_fd(OwnedFd::from(write_commands)).map_err(failed)?,
            events: Receiver::from_owned_fd(OwnedFd::from(read_events)).map_err(failed)?,
        };
        Ok((Self { child, group, stderr }, pipes))
    }

    /// What it said last on its standard error.
    pub(crate) fn last_words(&self) -> String {
        let stderr = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&stderr).trim().to_owned()
    }

    /// Waits until it is gone, and kills it when it takes too long.
    pub(crate) async fn end(&mut self) -> io::Result<ExitStatus> {
        if let Ok(status) = timeout(GRACE, self.child.wait()).await {
            return status;
        }
        self.kill();
        self.child.wait().await
    }

    fn kill(&mut self) {
        if let Some(group) = self.group.take() {
            // It may have ended on its own; its children then end by themselves.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn keep_the_end(mut pipe: impl AsyncRead + Unpin, kept: Arc<Mutex<Vec<u8>>>) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = pipe.read(&mut buffer).await {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(&buffer[..length]);
        let surplus = kept.len().saturating_sub(STDERR_KEPT);
        kept.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_end_of_long_complaints_is_kept() {
        let kept = Arc::<Mutex<Vec<u8>>>::default();
        let mut text = vec![b'x'; STDERR_KEPT];
        text.extend_from_slice(b"the end");
        keep_the_end(text.as_slice(), Arc::clone(&kept)).await;
        let kept = kept.lock().expect("whole");
        assert_eq!(kept.len(), STDERR_KEPT);
        assert!(kept.ends_with(b"xthe end"));
    }
}
