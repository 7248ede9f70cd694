//! The processes, as `/proc` tells.

use std::{fs, io, path::Path, time::Duration};

use rustix::process::{Pid, Signal, getpgid, getpgrp, kill_process_group};
use tokio::time::sleep;

/// A Chromium that is about to start has this long to appear.
const APPEARANCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(10);

/// Whether a process was started with this profile.
pub(super) fn somebody_uses(profile: &Path) -> io::Result<bool> {
    Ok(!processes(profile)?.is_empty())
}

/// Kills the Chromium of a profile and all its children; whether there was one.
pub(super) async fn kill_chromium(profile: &Path) -> io::Result<bool> {
    let mut waited = Duration::ZERO;
    let processes = loop {
        let processes = processes(profile)?;
        if !processes.is_empty() || waited > APPEARANCE {
            break processes;
        }
        sleep(POLL).await;
        waited += POLL;
    };
    let mut killed = false;
    for process in processes {
        // It may be gone by now; and this process and its child are not to be killed here.
        if let Ok(group) = getpgid(Some(process))
            && group != getpgrp()
        {
            killed |= kill_process_group(group, Signal::KILL).is_ok();
        }
    }
    Ok(killed)
}

fn processes(profile: &Path) -> io::Result<Vec<Pid>> {
    let profile = profile.to_string_lossy();
    let mut found = Vec::new();
    for process in fs::read_dir("/proc")?.flatten() {
        let command = fs::read(process.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&command).contains(&*profile) {
            let id = process.file_name().to_string_lossy().parse().ok();
            found.extend(id.and_then(Pid::from_raw));
        }
    }
    Ok(found)
}
