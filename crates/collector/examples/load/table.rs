//! What was measured, a line a run.

use crate::generator::Run;

/// A table on the standard output.
pub struct Table;

impl Table {
    pub fn start() -> Self {
        println!("{:<22} {:>9} {:>9} {:>9} {:>9} {:>9}", "", "answers/s", "p50 ms", "p99 ms", "max ms", "RSS MiB");
        Self
    }

    pub fn line(&mut self, name: &str, run: &mut Run, resident_mib: Option<f64>) {
        let resident = resident_mib.map_or(String::new(), |mib| format!("{mib:.0}"));
        println!(
            "{name:<22} {:>9.0} {:>9.2} {:>9.2} {:>9.2} {resident:>9}",
            run.per_second(),
            run.quantile(0.5),
            run.quantile(0.99),
            run.quantile(1.0),
        );
    }
}
