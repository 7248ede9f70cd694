//! What was measured, a line a run.

use std::process::Child;

use crate::generator::Run;

/// A table on the standard output.
pub(crate) struct Table;

/// What a process has used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    cpu_seconds: f64,
    resident_mib: f64,
}

/// What `/proc` counts processor time in: Linux has told user space hundredths of a second on all platforms.
const TICKS_PER_SECOND: f64 = 100.0;

impl Table {
    pub(crate) fn start() -> Self {
        println!(
            "{:<20} {:>9} {:>8} {:>8} {:>8} {:>14} {:>8}",
            "", "answers/s", "p50 ms", "p99 ms", "max ms", "CPU us/answer", "RSS MiB"
        );
        Self
    }

    /// The server had used `before` when the run began, and `after` at its end.
    pub(crate) fn line(&self, name: &str, run: &Run, (before, after): (Usage, Usage)) {
        let cpu = (after.cpu_seconds - before.cpu_seconds) * 1e6 / run.acknowledged as f64;
        println!(
            "{name:<20} {:>9.0} {:>8.2} {:>8.2} {:>8.2} {cpu:>14.1} {:>8.0}",
            run.per_second(),
            run.quantile(0.5),
            run.quantile(0.99),
            run.quantile(1.0),
            after.resident_mib,
        );
    }
}

impl Usage {
    /// What a process has used until now.
    pub(crate) fn of(process: &Child) -> Self {
        let read = |name: &str| std::fs::read_to_string(format!("/proc/{}/{name}", process.id())).ok();
        let resident = read("status").and_then(|status| {
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
            line.trim().strip_suffix(" kB")?.parse::<f64>().ok()
        });
        // The fields after the program's name, which may hold anything: user and system time are the 12th and 13th.
        let ticks = read("stat").and_then(|stat| {
            let fields = stat.rsplit_once(") ")?.1.split(' ').skip(11).take(2);
            fields.map(|ticks| ticks.parse::<f64>().ok()).sum::<Option<f64>>()
        });
        Self {
            cpu_seconds: ticks.map_or(f64::NAN, |ticks| ticks / TICKS_PER_SECOND),
            resident_mib: resident.map_or(f64::NAN, |kib| kib / 1024.0),
        }
    }
}
