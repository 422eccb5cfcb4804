//! What runs gave, as it is written and read back; `docs/output.md` describes every field.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tautline_netsim::report::{FlowReport, Histogram, LinkUse, Timeline};
use tautline_netsim::sim::Outcome;
use tautline_netsim::workload::ApplicationReport;

use super::matrix::Row;

/// Everything that is written as JSON.
#[derive(Debug, Serialize)]
pub(super) struct Results {
    pub(super) runs: Vec<Run>,
    /// Means over the seeds.
    pub(super) matrix: Vec<Row>,
}

/// One run as reported.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Run {
    pub(super) scenario: String,
    pub(super) controller: String,
    pub(super) seed: u64,
    pub(super) duration_s: f64,
    pub(super) cpu_s: f64,
    pub(super) data_packets: u64,
    pub(super) flows: Vec<Flow>,
    /// The first link.
    pub(super) link: Link,
    /// Every link.
    pub(super) links: Vec<LinkRow>,
    pub(super) jain: f64,
    /// Fingerprint of every departure, delivery, drop and acknowledgement.
    pub(super) digest: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Flow {
    pub(super) controller: String,
    pub(super) goodput_mbps: f64,
    pub(super) loss: f64,
    pub(super) rtt_mean_ms: f64,
    pub(super) rtt_min_ms: f64,
    pub(super) queue_delay_mean_ms: f64,
    pub(super) completed_s: Option<f64>,
    pub(super) decisions: u64,
    pub(super) certified_decisions: u64,
    pub(super) guard_interventions: u64,
    /// Why a real stack's connection ended, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) failure: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) application: Option<ApplicationReport>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Link {
    pub(super) utilisation: f64,
    pub(super) capacity_mbps: f64,
    pub(super) queue_delay_mean_ms: f64,
    pub(super) queue_delay_p95_ms: f64,
    pub(super) queue_delay_p99_ms: f64,
    pub(super) loss: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct LinkRow {
    pub(super) name: String,
    pub(super) utilisation: f64,
    pub(super) capacity_mbps: f64,
    pub(super) queue_delay_mean_ms: f64,
    pub(super) queue_delay_p95_ms: f64,
    pub(super) queue_delay_p99_ms: f64,
    /// Packets in the measurement window: that arrived, that the queue dropped, that were lost at
    /// random, that the queue marked.
    pub(super) packets: u64,
    pub(super) dropped: u64,
    pub(super) lost: u64,
    pub(super) marked: u64,
}

/// A run with its course, of which only files are made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Detailed {
    pub(super) run: Run,
    pub(super) course: Option<Course>,
}

/// A run over time, and its queueing delays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Course {
    pub(super) bin_s: f64,
    pub(super) flows: Vec<FlowCourse>,
    pub(super) queue_delay_mean_ms: Vec<f64>,
    pub(super) drops: Vec<u64>,
    pub(super) capacity_mbps: Vec<f64>,
    /// Queueing delays at the first link: the quantiles 0, 0.005, … 1.
    pub(super) queue_delay_quantiles_ms: Vec<f64>,
}

/// One flow over time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct FlowCourse {
    pub(super) goodput_mbps: Vec<f64>,
    pub(super) window_bytes: Vec<u64>,
    pub(super) rtt_ms: Vec<f64>,
}

/// What a run is known by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name<'a> {
    pub(super) scenario: &'a str,
    pub(super) controller: &'a str,
    pub(super) seed: u64,
}

impl Detailed {
    /// The figures of `outcome`, which took `cpu`.
    pub(super) fn of<C>(
        name: Name<'_>,
        duration: Duration,
        cpu: Duration,
        outcome: Outcome<C>,
    ) -> Self {
        let link = &outcome.link;
        let run = Run {
            scenario: name.scenario.to_owned(),
            controller: name.controller.to_owned(),
            seed: name.seed,
            duration_s: duration.as_secs_f64(),
            cpu_s: cpu.as_secs_f64(),
            data_packets: outcome.data_packets,
            flows: outcome.flows.iter().map(Flow::of).collect(),
            link: Link {
                utilisation: link.utilisation,
                capacity_mbps: link.capacity_mbps,
                queue_delay_mean_ms: link.queue_delay_mean_ms,
                queue_delay_p95_ms: link.queue_delay_p95_ms,
                queue_delay_p99_ms: link.queue_delay_p99_ms,
                loss: link.loss,
            },
            links: outcome.links.iter().enumerate().map(LinkRow::of).collect(),
            jain: link.jain,
            digest: format!("{:016x}", outcome.digest),
        };
        let delays = &outcome.queue_delay;
        let course = outcome
            .timeline
            .map(|timeline| Course::of(timeline, delays));
        Self { run, course }
    }
}

impl Run {
    /// Of all flows together.
    pub(super) fn goodput_mbps(&self) -> f64 {
        self.flows.iter().map(|flow| flow.goodput_mbps).sum()
    }

    pub(super) fn name(&self) -> Name<'_> {
        Name {
            scenario: &self.scenario,
            controller: &self.controller,
            seed: self.seed,
        }
    }
}

impl Flow {
    fn of(report: &FlowReport) -> Self {
        Self {
            controller: report.controller.clone(),
            goodput_mbps: report.goodput_mbps,
            loss: report.loss,
            rtt_mean_ms: report.rtt_mean_ms,
            rtt_min_ms: report.rtt_min_ms,
            queue_delay_mean_ms: report.queue_delay_mean_ms,
            completed_s: report.completed_s,
            decisions: report.counters.decisions,
            certified_decisions: report.counters.certified_decisions,
            guard_interventions: report.counters.guard_interventions,
            failure: report.failure.clone(),
            application: report.application.clone(),
        }
    }
}

impl LinkRow {
    /// Links without a name are known by their number.
    fn of((number, link): (usize, &LinkUse)) -> Self {
        let name = if link.name.is_empty() {
            number.to_string()
        } else {
            link.name.clone()
        };
        Self {
            name,
            utilisation: link.utilisation,
            capacity_mbps: link.capacity_mbps,
            queue_delay_mean_ms: link.queue_delay_mean_ms,
            queue_delay_p95_ms: link.queue_delay_p95_ms,
            queue_delay_p99_ms: link.queue_delay_p99_ms,
            packets: link.measured.sent,
            dropped: link.measured.dropped,
            lost: link.measured.random_lost,
            marked: link.marked,
        }
    }
}

impl Course {
    fn of(timeline: Timeline, delays: &Histogram) -> Self {
        let flows = timeline.flows.into_iter().map(|flow| FlowCourse {
            goodput_mbps: flow.goodput_mbps,
            window_bytes: flow.window_bytes,
            rtt_ms: flow.rtt_ms,
        });
        let quantile = |step: u32| {
            let share = f64::from(step) / f64::from(QUANTILE_STEPS);
            delays.quantile_ns(share) / 1e6
        };
        Self {
            bin_s: timeline.bin.as_secs_f64(),
            flows: flows.collect(),
            queue_delay_mean_ms: timeline.queue_delay_mean_ms,
            drops: timeline.drops,
            capacity_mbps: timeline.capacity_mbps,
            queue_delay_quantiles_ms: if delays.total() == 0 {
                Vec::new()
            } else {
                (0..=QUANTILE_STEPS).map(quantile).collect()
            },
        }
    }

    /// Start of bin number `bin`, in seconds.
    pub(super) fn at_s(&self, bin: usize) -> f64 {
        self.bin_s * bin as f64
    }
}

const QUANTILE_STEPS: u32 = 200;
