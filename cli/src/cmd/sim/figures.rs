//! Charts of runs.

use super::matrix::{Estimate, Row};
use super::results::{Course, Detailed, FlowCourse, Run};
use crate::plot::{Axis, Chart, Mark, Panel, Series, colour};

/// Rate, queueing delay, window and round-trip time of one run over time.
pub(super) fn course(run: &Run, course: &Course) -> Chart {
    let duration = run.duration_s;
    let lines = |of: fn(&FlowCourse, usize) -> Option<f64>| {
        let flows = course.flows.iter().take(MOST_FLOWS).enumerate();
        let lines = flows.map(move |(number, flow)| {
            let bins = 0..flow.goodput_mbps.len();
            let points = bins.map(|bin| Some((middle(course, bin), of(flow, bin)?)));
            Series::line(&flow_name(run, number), number, points.collect())
        });
        lines.collect::<Vec<_>>()
    };
    let mut rates = lines(|flow, bin| flow.goodput_mbps.get(bin).copied());
    let drawn = course.flows.iter().take(MOST_FLOWS);
    let fastest = drawn.flat_map(|flow| &flow.goodput_mbps).copied();
    let fastest = fastest.fold(0.0, f64::max);
    let most = course.capacity_mbps.iter().copied().fold(0.0, f64::max);
    let mut about = vec![
        format!("seed {}", run.seed),
        format!("bins of {} ms", 1000.0 * course.bin_s),
    ];
    if run.flows.len() > MOST_FLOWS {
        about.push(format!(
            "the first {MOST_FLOWS} of {} flows",
            run.flows.len()
        ));
    }
    // Where it is far above the flows' rates, they would be squashed onto the axis.
    if most > SQUASHED * fastest {
        about.push(format!("capacity up to {most:.1} Mbit/s"));
    } else {
        rates.insert(0, capacity(course, duration));
    }
    let delays = course.queue_delay_mean_ms.iter().enumerate();
    let delays = delays.map(|(bin, &delay)| Some((middle(course, bin), delay)));
    let delay = Series {
        colour: colour(INK),
        ..Series::line("", 0, delays.collect())
    };
    let panel = |label: &str, series| Panel {
        y_label: label.to_owned(),
        y_start: 0.0,
        y_end: None,
        series,
    };
    Chart {
        title: format!("{}: {}", run.scenario, run.controller),
        subtitle: about.join("; "),
        x_label: "time (s)".to_owned(),
        x_axis: Axis::UpTo(duration),
        panels: vec![
            panel("goodput (Mbit/s)", rates),
            panel("queueing delay (ms)", vec![delay]),
            panel(
                "window (kB)",
                lines(|flow, bin| flow.window_bytes.get(bin).map(|&it| it as f64 / 1000.0)),
            ),
            panel(
                "round-trip time (ms)",
                lines(|flow, bin| flow.rtt_ms.get(bin).copied().filter(|&it| it > 0.0)),
            ),
        ],
    }
}

/// The first link's capacity; level within bins.
fn capacity(course: &Course, duration_s: f64) -> Series {
    let bins = course.capacity_mbps.iter().enumerate();
    let mut points: Vec<_> = bins
        .map(|(bin, &capacity)| Some((course.at_s(bin), capacity)))
        .collect();
    if let Some(&last) = course.capacity_mbps.last() {
        points.push(Some((duration_s, last)));
    }
    Series {
        name: "capacity".to_owned(),
        colour: PALE,
        mark: Mark::Step,
        points,
        bars: Vec::new(),
    }
}

/// Share of the packets that waited at most so long, one line per controller.
pub(super) fn delay_distribution(scenario: &str, runs: &[Detailed]) -> Option<Chart> {
    let lines = runs.iter().enumerate().filter_map(|(number, detailed)| {
        let quantiles = &detailed.course.as_ref()?.queue_delay_quantiles_ms;
        let last = quantiles.len().checked_sub(1)?;
        let points = quantiles.iter().enumerate();
        let points = points.map(|(at, &delay)| Some((delay, at as f64 / last as f64)));
        Some(Series::line(
            &detailed.run.controller,
            number,
            points.collect(),
        ))
    });
    let series: Vec<_> = lines.collect();
    (!series.is_empty()).then(|| Chart {
        title: format!("{scenario}: distribution of the queueing delay"),
        subtitle: "packets at the first link after the warm-up; one seed".to_owned(),
        x_label: "queueing delay (ms)".to_owned(),
        x_axis: Axis::FromZero,
        panels: vec![Panel {
            y_label: "share of packets with at most this delay".to_owned(),
            y_start: 0.0,
            y_end: Some(1.0),
            series,
        }],
    })
}

/// Jain's index of the flows' rates over time, one line per controller; none for single flows.
pub(super) fn fairness(scenario: &str, runs: &[Detailed]) -> Option<Chart> {
    let mut duration = 0.0_f64;
    let lines = runs.iter().enumerate().filter_map(|(number, detailed)| {
        let course = detailed.course.as_ref()?;
        if course.flows.len() < 2 {
            return None;
        }
        duration = duration.max(detailed.run.duration_s);
        let points = jain_over_time(course);
        Some(Series::line(&detailed.run.controller, number, points))
    });
    let series: Vec<_> = lines.collect();
    (!series.is_empty()).then(|| Chart {
        title: format!("{scenario}: convergence to equal rates"),
        subtitle: format!("goodput in windows of {WINDOW_S} s; one seed; 1 is equal"),
        x_label: "time (s)".to_owned(),
        x_axis: Axis::UpTo(duration),
        panels: vec![Panel {
            y_label: "Jain's index of all flows".to_owned(),
            y_start: 0.0,
            y_end: Some(1.0),
            series,
        }],
    })
}

/// In windows; nothing where nothing was delivered.
fn jain_over_time(course: &Course) -> Vec<Option<(f64, f64)>> {
    let bins = course.capacity_mbps.len();
    let per_window = ((WINDOW_S / course.bin_s).round() as usize).max(1);
    let windows = (0..bins.div_ceil(per_window)).map(|window| {
        let from = window * per_window;
        let until = (from + per_window).min(bins);
        let sums = course.flows.iter().map(|flow| {
            let rates = flow.goodput_mbps.get(from..until);
            rates.map_or(0.0, |rates| rates.iter().sum::<f64>())
        });
        let sums: Vec<f64> = sums.collect();
        let middle = f64::midpoint(course.at_s(from), course.at_s(until));
        let delivered = sums.iter().any(|&sum| sum > 0.0);
        delivered.then(|| (middle, tautline_netsim::report::jain(sums)))
    });
    windows.collect()
}

/// Queueing delay against utilisation, a dot per scenario and controller with its intervals.
pub(super) fn trade_off(title: &str, rows: &[&Row]) -> Chart {
    let mut controllers: Vec<&str> = Vec::new();
    for row in rows {
        if !controllers.contains(&row.controller.as_str()) {
            controllers.push(&row.controller);
        }
    }
    let series = controllers.iter().enumerate().map(|(number, controller)| {
        let own = rows.iter().filter(|row| row.controller == *controller);
        let mut series = Series {
            mark: Mark::Dot(number),
            ..Series::line(controller, number, Vec::new())
        };
        for row in own {
            let (x, y) = (row.queue_delay_mean_ms, row.utilisation);
            let at = (x.mean, 100.0 * y.mean);
            series.points.push(Some(at));
            if let Some(half) = x.ci95 {
                let ends = [(at.0 - half).max(0.0), at.0 + half];
                series.bars.push(ends.map(|x| (x, at.1)));
            }
            if let Some(half) = y.ci95 {
                let half = 100.0 * half;
                let ends = [(at.1 - half).max(0.0), (at.1 + half).min(100.0)];
                series.bars.push(ends.map(|y| (at.0, y)));
            }
        }
        series
    });
    let delays = rows.iter().map(|row| row.queue_delay_mean_ms.mean);
    let (least, most) = delays.fold((f64::INFINITY, 0.0_f64), |(least, most), delay| {
        (least.min(delay), most.max(delay))
    });
    let least = least.max(LEAST_MS);
    let (x_axis, x_label) = if most > WIDE * least {
        let label = "mean queueing delay (ms), logarithmic; smaller ones at the left end";
        (Axis::Ratios(least), label)
    } else {
        (Axis::FromZero, "mean queueing delay (ms)")
    };
    let seeds = rows.iter().map(|row| row.seeds).max().unwrap_or(0);
    let what = if seeds > 1 {
        format!("means over {seeds} seeds with 95 % intervals; ")
    } else {
        String::new()
    };
    Chart {
        title: title.to_owned(),
        subtitle: format!("{what}up and to the left is better"),
        x_label: x_label.to_owned(),
        x_axis,
        panels: vec![Panel {
            y_label: "utilisation (%)".to_owned(),
            y_start: y_start(rows),
            y_end: Some(100.0),
            series: series.collect(),
        }],
    }
}

/// A round number below the utilisations, so that those near the top can be told apart.
fn y_start(rows: &[&Row]) -> f64 {
    let least = rows.iter().map(|row| {
        let Estimate { mean, ci95 } = row.utilisation;
        100.0 * (mean - ci95.unwrap_or(0.0))
    });
    let least = least.fold(95.0, f64::min);
    (10.0 * ((least - 1.0) / 10.0).floor()).max(0.0)
}

fn middle(course: &Course, bin: usize) -> f64 {
    course.at_s(bin) + course.bin_s / 2.0
}

fn flow_name(run: &Run, number: usize) -> String {
    let controller = run.flows.get(number).map_or("", |flow| &flow.controller);
    if run.flows.len() == 1 {
        controller.to_owned()
    } else {
        format!("flow {number}: {controller}")
    }
}

/// Lines that can be told apart.
const MOST_FLOWS: usize = 8;
/// A capacity so many times as high as the fastest flow leaves no room to tell flows apart.
const SQUASHED: f64 = 3.0;
/// Place of the dark grey among the colours.
const INK: usize = 6;
const PALE: crate::plot::Colour = crate::plot::Colour(0x99, 0x99, 0x99);
const WINDOW_S: f64 = 1.0;
/// Delays below it are alike.
const LEAST_MS: f64 = 0.1;
/// Delays of a larger ratio do not fit one even axis.
const WIDE: f64 = 30.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capacity_far_above_the_flows_is_said_and_not_drawn() {
        let run: Run = serde_json::from_value(serde_json::json!({
            "scenario": "many", "controller": "cubic", "seed": 1, "duration_s": 2.0, "cpu_s": 0.0,
            "data_packets": 1, "flows": [], "links": [], "jain": 1.0, "digest": "",
            "link": {"utilisation": 1.0, "capacity_mbps": 50.0, "queue_delay_mean_ms": 0.0,
                "queue_delay_p95_ms": 0.0, "queue_delay_p99_ms": 0.0, "loss": 0.0},
        }))
        .unwrap();
        let drawn = |fastest: f64| {
            let flow = FlowCourse {
                goodput_mbps: vec![fastest, 1.0],
                window_bytes: vec![1, 1],
                rtt_ms: vec![1.0, 1.0],
            };
            let course = Course {
                bin_s: 1.0,
                flows: vec![flow; 64],
                queue_delay_mean_ms: vec![0.0; 2],
                drops: vec![0; 2],
                capacity_mbps: vec![50.0; 2],
                queue_delay_quantiles_ms: Vec::new(),
            };
            let chart = super::course(&run, &course);
            let said = chart.subtitle.contains("capacity up to 50.0 Mbit/s");
            let series = &chart.panels[0].series;
            let drawn = series.iter().any(|series| series.name == "capacity");
            assert_ne!(said, drawn);
            drawn
        };
        // Flows that begin with a burst and then share the link.
        assert!(!drawn(10.0));
        assert!(drawn(20.0));
    }
}
