//! Means and intervals over seeds.

use serde::Serialize;

use super::results::Run;
use super::table::shown;
use crate::output::Table;

/// A scenario under a controller, over all seeds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Row {
    pub(super) scenario: String,
    pub(super) controller: String,
    pub(super) seeds: usize,
    pub(super) goodput_mbps: Estimate,
    pub(super) utilisation: Estimate,
    pub(super) queue_delay_mean_ms: Estimate,
    pub(super) queue_delay_p95_ms: Estimate,
    pub(super) loss: Estimate,
    pub(super) jain: Estimate,
}

/// A mean with the half width of its 95 % confidence interval (Student's t); none for one value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Estimate {
    pub(super) mean: f64,
    pub(super) ci95: Option<f64>,
}

impl Estimate {
    fn of(values: &[f64]) -> Self {
        let count = values.len().max(1) as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values
            .iter()
            .map(|value| (value - mean) * (value - mean))
            .sum();
        let freedom = values.len().saturating_sub(1);
        let ci95 = (freedom > 0).then(|| {
            let variance = squares / freedom as f64;
            student_t975(freedom) * (variance / count).sqrt()
        });
        Self { mean, ci95 }
    }

    /// `19.02 ± 0.04`, times `factor`.
    fn shown(&self, factor: f64, decimals: usize) -> String {
        let mean = factor * self.mean;
        match self.ci95 {
            Some(half) => format!("{mean:.decimals$} ± {:.decimals$}", factor * half),
            None => format!("{mean:.decimals$}"),
        }
    }
}

/// One row per scenario and controller, in the order of `runs`, whose seeds follow each other.
pub(super) fn rows(runs: &[Run]) -> Vec<Row> {
    let same = |a: &Run, b: &Run| {
        let scenario = a.scenario == b.scenario && a.controller == b.controller;
        scenario && a.seed < b.seed
    };
    let groups = runs.chunk_by(same).filter_map(|group| {
        let first = group.first()?;
        let estimate = |of: fn(&Run) -> f64| {
            let values: Vec<f64> = group.iter().map(of).collect();
            Estimate::of(&values)
        };
        Some(Row {
            scenario: first.scenario.clone(),
            controller: first.controller.clone(),
            seeds: group.len(),
            goodput_mbps: estimate(Run::goodput_mbps),
            utilisation: estimate(|run| run.link.utilisation),
            queue_delay_mean_ms: estimate(|run| run.link.queue_delay_mean_ms),
            queue_delay_p95_ms: estimate(|run| run.link.queue_delay_p95_ms),
            loss: estimate(|run| run.link.loss),
            jain: estimate(|run| run.jain),
        })
    });
    groups.collect()
}

/// The rows for people.
pub(super) fn table(rows: &[Row]) -> String {
    let header = [
        "scenario",
        "controller",
        "seeds",
        "goodput Mbit/s",
        "utilisation %",
        "queue mean ms",
        "queue p95 ms",
        "loss %",
        "Jain",
    ];
    let mut table = Table::new(2, header);
    for row in rows {
        table.row([
            shown(&row.scenario),
            row.controller.clone(),
            row.seeds.to_string(),
            row.goodput_mbps.shown(1.0, 2),
            row.utilisation.shown(100.0, 1),
            row.queue_delay_mean_ms.shown(1.0, 1),
            row.queue_delay_p95_ms.shown(1.0, 1),
            row.loss.shown(100.0, 2),
            row.jain.shown(1.0, 3),
        ]);
    }
    table.to_string()
}

/// The quantile 0.975 of Student's t distribution with `freedom` degrees of freedom, at least 1:
/// from the table up to 30, then from the expansion of Cornish and Fisher (Abramowitz and Stegun
/// 26.7.5), which is exact to 10⁻⁵ there.
fn student_t975(freedom: usize) -> f64 {
    if let Some(&value) = T975.get(freedom.wrapping_sub(1)) {
        return value;
    }
    let (x, n) = (NORMAL_975, freedom as f64);
    let (x3, x5, x7) = (x.powi(3), x.powi(5), x.powi(7));
    let first = (x3 + x) / (4.0 * n);
    let second = (5.0 * x5 + 16.0 * x3 + 3.0 * x) / (96.0 * n * n);
    let third = (3.0 * x7 + 19.0 * x5 + 17.0 * x3 - 15.0 * x) / (384.0 * n * n * n);
    x + first + second + third
}

/// Quantile of the normal distribution.
const NORMAL_975: f64 = 1.959_963_984_540_054;
/// For 1 to 30 degrees of freedom.
const T975: [f64; 30] = [
    12.706_205, 4.302_653, 3.182_446, 2.776_445, 2.570_582, 2.446_912, 2.364_624, 2.306_004,
    2.262_157, 2.228_139, 2.200_985, 2.178_813, 2.160_369, 2.144_787, 2.131_450, 2.119_905,
    2.109_816, 2.100_922, 2.093_024, 2.085_963, 2.079_614, 2.073_873, 2.068_658, 2.063_899,
    2.059_539, 2.055_529, 2.051_831, 2.048_407, 2.045_230, 2.042_272,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_that_of_student() {
        // Mean 5, standard deviation √2.5, t(4) = 2.776445: 2.776445 · √(2.5 / 5).
        let estimate = Estimate::of(&[3.0, 4.0, 5.0, 6.0, 7.0]);
        assert_eq!(estimate.mean, 5.0);
        assert!((estimate.ci95.unwrap() - 1.963_243).abs() < 1e-5);
        assert_eq!(estimate.shown(1.0, 2), "5.00 ± 1.96");
        let single = Estimate::of(&[3.0]);
        assert_eq!((single.mean, single.ci95), (3.0, None));
        assert_eq!(single.shown(100.0, 1), "300.0");
    }

    #[test]
    fn the_expansion_continues_the_table() {
        // Tables: t(40) = 2.021075, t(100) = 1.983972, t(1000) = 1.962339.
        for (freedom, expected) in [(40, 2.021_075), (100, 1.983_972), (1000, 1.962_339)] {
            let found = student_t975(freedom);
            assert!((found - expected).abs() < 2e-5, "{freedom}: {found}");
        }
        assert!(student_t975(31) < student_t975(30));
    }
}
