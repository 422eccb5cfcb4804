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
            shown(&run.scenario),
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

/// `name` on one line: control characters as escapes, which would move a terminal's cursor.
pub(super) fn shown(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for letter in name.chars() {
        if letter.is_control() {
            text.extend(letter.escape_default());
        } else {
            text.push(letter);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_nothing_else_is() {
        assert_eq!(shown("a\tb\u{1b}[2J\u{85}\n"), "a\\tb\\u{1b}[2J\\u{85}\\n");
        assert_eq!(shown("é \"x\" \\ ±"), "é \"x\" \\ ±");
    }
}
