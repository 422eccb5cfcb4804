//! The scenarios in which both transports run.

use core::time::Duration;

use tautline_core::units::{Bandwidth, Timestamp};
use tautline_netsim::link::capacity::WifiSpec;
use tautline_netsim::scenario::{Buffer, CapacitySpec, LinkSpec, QueueSpec, RateStep};

/// A scenario, sixty seconds of it.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) controller: String,
    pub(super) name: String,
    pub(super) link: LinkSpec,
    pub(super) flows: u32,
    /// Runs over which means are taken, with seeds from 1 on.
    pub(super) runs: u64,
    pub(super) pacer: Pacer,
}

/// Whose pacing rate the model follows; quinn always follows its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pacer {
    Controller,
    Quinn,
}

impl Case {
    /// A drop-tail link of `[Mbit/s, ms, flows]` with `products` bandwidth-delay products of queue.
    fn new(controller: &str, [rate_mbps, rtt_ms, flows]: [u64; 3], products: f64) -> Self {
        let rate = Bandwidth::from_bits_per_sec(rate_mbps * 1_000_000);
        let buffer = Buffer::BandwidthDelayProducts(products);
        let shown = if flows == 1 {
            "1 flow".to_owned()
        } else {
            format!("{flows} flows")
        };
        Self {
            controller: controller.to_owned(),
            name: format!("{rate_mbps} Mbit/s, {rtt_ms} ms, {products} BDP, {shown}"),
            link: LinkSpec::new(rate, Duration::from_millis(rtt_ms), buffer),
            flows: flows as u32,
            // Single flows over paths without chance repeat to the bit.
            runs: if flows == 1 { 1 } else { MANY },
            pacer: Pacer::Controller,
        }
    }

    fn over(self, what: &str, link: impl FnOnce(LinkSpec) -> LinkSpec) -> Self {
        Self {
            name: format!("{}, {what}", self.name),
            link: link(self.link),
            ..self
        }
    }

    fn runs(self, runs: u64) -> Self {
        Self { runs, ..self }
    }

    fn paced_as_quinn(self) -> Self {
        Self {
            name: format!("{}, paced as by quinn", self.name),
            pacer: Pacer::Quinn,
            ..self
        }
    }

    /// When a flow starts: one at once, more 0.1 s apart and up to 0.1 s later as chance has it.
    pub(super) fn start(&self, flow: u32, seed: u64) -> Timestamp {
        let chance = if self.flows == 1 {
            0
        } else {
            seed % SPACING_NS
        };
        Timestamp::from_nanos(u64::from(flow) * SPACING_NS + chance)
    }

    /// About how much there is to do.
    pub(super) fn packets(&self) -> u64 {
        self.link.first_rate().as_bytes_per_sec() * self.runs
    }
}

/// What the documentation shows.
pub(super) fn all() -> Vec<Case> {
    let mut cases = bulk();
    cases.extend(impaired());
    cases.extend(others());
    cases
}

/// A few that take little time.
pub(super) fn quick() -> Vec<Case> {
    vec![
        Case::new("newreno", [10, 40, 1], 1.0),
        Case::new("cubic", [10, 40, 1], 1.0),
        steps("newreno"),
        codel("newreno"),
        Case::new("fixed:75000", [10, 40, 1], 1.0),
        Case::new("certified", [10, 40, 1], 1.0),
    ]
}

fn bulk() -> Vec<Case> {
    vec![
        Case::new("newreno", [5, 40, 1], 1.0),
        Case::new("newreno", [10, 40, 1], 1.0),
        Case::new("newreno", [10, 40, 8], 1.0),
        Case::new("newreno", [20, 10, 1], 2.0),
        Case::new("newreno", [20, 200, 1], 1.0),
        Case::new("newreno", [50, 20, 1], 0.5),
        Case::new("newreno", [50, 40, 4], 1.0),
        Case::new("newreno", [100, 40, 1], 1.0),
        Case::new("newreno", [100, 40, 8], 1.0),
        Case::new("newreno", [200, 20, 2], 1.0),
        Case::new("cubic", [5, 100, 1], 1.0),
        Case::new("cubic", [10, 40, 1], 1.0),
        Case::new("cubic", [10, 40, 1], 4.0),
        Case::new("cubic", [10, 40, 8], 1.0),
        Case::new("cubic", [20, 40, 2], 2.0),
        Case::new("cubic", [40, 10, 2], 2.0),
        Case::new("cubic", [50, 100, 1], 0.5),
        Case::new("cubic", [100, 40, 1], 1.0),
        Case::new("cubic", [200, 40, 1], 1.0),
    ]
}

fn impaired() -> Vec<Case> {
    let lossy = |case: Case, percent: f64| {
        let loss = percent / 100.0;
        let case = case.over(&format!("{percent} % loss"), |link| link.with_loss(loss));
        case.runs(LOSSY)
    };
    let jitter = |case: Case, milliseconds| {
        let max = Duration::from_millis(milliseconds);
        let case = case.over(&format!("jitter to {milliseconds} ms"), |link| {
            link.with_jitter(max)
        });
        case.runs(MANY)
    };
    let wifi = WifiSpec {
        peak: Bandwidth::from_bits_per_sec(60_000_000),
        change_every: Duration::from_secs(1),
        contention: 0.3,
        pause: Duration::from_millis(2),
    };
    vec![
        lossy(Case::new("newreno", [20, 40, 1], 1.0), 0.1),
        lossy(Case::new("newreno", [10, 40, 1], 1.0), 1.0),
        lossy(Case::new("cubic", [20, 40, 1], 1.0), 0.5),
        lossy(Case::new("cubic", [50, 20, 1], 1.0), 0.05),
        steps("newreno"),
        steps("cubic"),
        jitter(Case::new("newreno", [20, 40, 1], 1.0), 5),
        jitter(Case::new("cubic", [20, 40, 1], 2.0), 2),
        codel("newreno"),
        codel("cubic"),
        Case::new("cubic", [40, 40, 4], 4.0)
            .over("FQ-CoDel", |link| link.with_queue(QueueSpec::fq_codel())),
        Case::new("cubic", [60, 40, 1], 2.0)
            .over("Wi-Fi", |link| link.with_capacity(CapacitySpec::Wifi(wifi)))
            .runs(MANY),
    ]
}

fn others() -> Vec<Case> {
    vec![
        Case::new("fixed:75000", [10, 40, 1], 1.0),
        Case::new("fixed:300000", [50, 40, 1], 0.5),
        Case::new("certified", [10, 40, 1], 1.0),
        Case::new("certified", [20, 20, 2], 2.0),
        Case::new("certified", [20, 20, 2], 2.0).paced_as_quinn(),
        Case::new("certified", [100, 40, 1], 1.0),
        Case::new("vegas", [20, 40, 1], 2.0),
        Case::new("copa", [20, 40, 1], 2.0),
        Case::new("copa", [20, 40, 1], 2.0).paced_as_quinn(),
        Case::new("bbr", [20, 40, 1], 1.0).runs(MANY),
        Case::new("bbr", [20, 40, 1], 1.0)
            .runs(MANY)
            .paced_as_quinn(),
    ]
}

/// From 10 to 40 to 5 Mbit/s, twenty seconds each.
fn steps(controller: &str) -> Case {
    let step = |seconds: u64, rate_mbps: u64| RateStep {
        at: Timestamp::from_nanos(seconds * 1_000_000_000),
        rate: Bandwidth::from_bits_per_sec(rate_mbps * 1_000_000),
    };
    let steps = vec![step(0, 10), step(20, 40), step(40, 5)];
    Case::new(controller, [10, 40, 1], 2.0).over("then 40, then 5", |link| link.with_rates(steps))
}

fn codel(controller: &str) -> Case {
    Case::new(controller, [20, 40, 1], 4.0)
        .over("CoDel", |link| link.with_queue(QueueSpec::codel()))
}

/// Runs where chance or many flows have a part.
const MANY: u64 = 4;
/// Runs with random loss, each of which is a sample of few losses.
const LOSSY: u64 = 10;
const SPACING_NS: u64 = 100_000_000;
