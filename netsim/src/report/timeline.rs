//! Figures over time, in bins of equal length.

use core::time::Duration;

use tautline_core::units::duration_nanos;

use crate::link::Link;

/// One flow over time, one entry per bin.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FlowTimeline {
    /// Payload that reached the receiver, per time.
    pub goodput_mbps: Vec<f64>,
    /// Window in force at the last acknowledgement or timer in or before the bin.
    pub window_bytes: Vec<u64>,
    /// Latest round-trip time sample at the same instant; zero before the first.
    pub rtt_ms: Vec<f64>,
}

/// A run over time, from its start to its end; the last bin may be shorter.
#[derive(Clone, Debug, PartialEq)]
pub struct Timeline {
    /// Length of a bin.
    pub bin: Duration,
    /// Each flow.
    pub flows: Vec<FlowTimeline>,
    /// Mean queueing delay of the packets whose transmission began in the bin; zero without any.
    pub queue_delay_mean_ms: Vec<f64>,
    /// Packets dropped by the queue.
    pub drops: Vec<u64>,
    /// Mean capacity of the link.
    pub capacity_mbps: Vec<f64>,
}

/// Raw sums per bin while a run goes on.
#[derive(Debug)]
pub(crate) struct Recorder {
    bin_ns: u64,
    end_ns: u64,
    delivered: Vec<Vec<u64>>,
    /// Window and round-trip time in nanoseconds.
    windows: Vec<Vec<(u64, u64)>>,
    waits: Vec<(u64, u64)>,
    drops: Vec<u64>,
}

impl Recorder {
    pub(crate) fn new(bin: Duration, duration: Duration, flows: usize) -> Self {
        let end_ns = duration_nanos(duration).max(1);
        // Bins are widened where they would need too much memory.
        let most = (MOST_ENTRIES / (flows as u64).max(1)).clamp(1, MOST_BINS);
        let bin_ns = duration_nanos(bin).max(end_ns.div_ceil(most)).max(1);
        let bins = end_ns.div_ceil(bin_ns) as usize;
        Self {
            bin_ns,
            end_ns,
            delivered: vec![vec![0; bins]; flows],
            windows: vec![vec![(NO_WINDOW, 0); bins]; flows],
            waits: vec![(0, 0); bins],
            drops: vec![0; bins],
        }
    }

    fn bin(&self, now_ns: u64) -> usize {
        ((now_ns / self.bin_ns) as usize).min(self.drops.len() - 1)
    }

    pub(crate) fn delivered(&mut self, flow: usize, arrival_ns: u64, payload: u64) {
        if arrival_ns <= self.end_ns {
            let bin = self.bin(arrival_ns);
            self.delivered[flow][bin] += payload;
        }
    }

    pub(crate) fn window(&mut self, flow: usize, now_ns: u64, window: u64, rtt_ns: u64) {
        let bin = self.bin(now_ns);
        self.windows[flow][bin] = (window, rtt_ns);
    }

    pub(crate) fn waited(&mut self, now_ns: u64, waited_ns: u64) {
        let bin = self.bin(now_ns);
        let (sum, count) = &mut self.waits[bin];
        *sum += waited_ns;
        *count += 1;
    }

    pub(crate) fn dropped(&mut self, now_ns: u64) {
        let bin = self.bin(now_ns);
        self.drops[bin] += 1;
    }

    pub(crate) fn finish(self, link: &Link) -> Timeline {
        let span = |bin: usize| {
            let from_ns = bin as u64 * self.bin_ns;
            (from_ns, (from_ns + self.bin_ns).min(self.end_ns))
        };
        let rate_mbps = |bytes: u64, bin: usize| {
            let (from_ns, until_ns) = span(bin);
            bytes as f64 * 8e3 / (until_ns - from_ns) as f64
        };
        let flows = self
            .delivered
            .iter()
            .zip(&self.windows)
            .map(|(delivered, windows)| {
                let goodput = delivered
                    .iter()
                    .enumerate()
                    .map(|(bin, &bytes)| rate_mbps(bytes, bin));
                let seen = carried_forward(windows);
                FlowTimeline {
                    goodput_mbps: goodput.collect(),
                    window_bytes: seen.iter().map(|&(window, _)| window).collect(),
                    rtt_ms: seen
                        .iter()
                        .map(|&(_, rtt_ns)| rtt_ns as f64 / 1e6)
                        .collect(),
                }
            });
        let edges: Vec<u64> = (0..=self.drops.len())
            .map(|bin| (bin as u64 * self.bin_ns).min(self.end_ns))
            .collect();
        let passing = link.capacity_between(&edges);
        let capacity = passing.iter().enumerate();
        let capacity = capacity.map(|(bin, &bytes)| rate_mbps(bytes, bin));
        let delays = self.waits.iter().map(|&(sum, count)| {
            if count == 0 {
                0.0
            } else {
                sum as f64 / count as f64 / 1e6
            }
        });
        Timeline {
            bin: Duration::from_nanos(self.bin_ns),
            flows: flows.collect(),
            queue_delay_mean_ms: delays.collect(),
            capacity_mbps: capacity.collect(),
            drops: self.drops,
        }
    }
}

/// Bins without an entry repeat the one before; zero before the first.
fn carried_forward(windows: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut last = (0, 0);
    let carried = windows.iter().map(|&seen| {
        if seen.0 != NO_WINDOW {
            last = seen;
        }
        last
    });
    carried.collect()
}

const NO_WINDOW: u64 = u64::MAX;
const MOST_BINS: u64 = 1_000_000;
/// Of all flows together.
const MOST_ENTRIES: u64 = 4_000_000;
