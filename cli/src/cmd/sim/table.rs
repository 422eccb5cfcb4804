//! Runs one by one, for people.

use super::results::Run;
use crate::output::Table;

/// A row per run.
pub(super) fn table(runs: &[Run]) -> String {
    let header = [
        "scenario",
        "controller",
        "seed",
        "flows",
        "goodput Mbit/s",
        "utilisation",
        "queue mean ms",
        "queue p95 ms",
        "loss",
        "Jain",
    ];
    let mut table = Table::new(2, header);
    for run in runs {
        table.row([
            run.scenario.clone(),
            run.controller.clone(),
            run.seed.to_string(),
            run.flows.len().to_string(),
            format!("{:.2}", run.goodput_mbps()),
            format!("{:.1} %", 100.0 * run.link.utilisation),
            format!("{:.1}", run.link.queue_delay_mean_ms),
            format!("{:.1}", run.link.queue_delay_p95_ms),
            format!("{:.2} %", 100.0 * run.link.loss),
            format!("{:.3}", run.jain),
        ]);
    }
    table.to_string()
}
