//! What a run measured.

mod histogram;
mod timeline;

pub use histogram::Histogram;
pub(crate) use timeline::Recorder;
pub use timeline::{FlowTimeline, Timeline};

use tautline_core::controller::Counters;

use crate::transport::SenderStats;
use crate::workload::ApplicationReport;

/// Where packets went; `sent = delivered + dropped + random_lost + in_network`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketCounts {
    /// Left the sender.
    pub sent: u64,
    /// Reached the receiver.
    pub delivered: u64,
    /// Dropped by the queue.
    pub dropped: u64,
    /// Lost at random.
    pub random_lost: u64,
    /// Still queued, in transmission or propagating at the end.
    pub in_network: u64,
}

impl PacketCounts {
    /// Both together.
    #[must_use]
    pub const fn plus(&self, other: &Self) -> Self {
        Self {
            sent: self.sent + other.sent,
            delivered: self.delivered + other.delivered,
            dropped: self.dropped + other.dropped,
            random_lost: self.random_lost + other.random_lost,
            in_network: self.in_network + other.in_network,
        }
    }

    /// Share of the packets whose way ended, delivered or not, that was dropped or lost at random;
    /// zero where none ended.
    pub fn loss(&self) -> f64 {
        let lost = self.dropped + self.random_lost;
        let ended = lost + self.delivered;
        if ended == 0 {
            0.0
        } else {
            lost as f64 / ended as f64
        }
    }
}

/// One flow. Figures are over the measurement window unless they say otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowReport {
    /// Name of its controller in the scenario.
    pub controller: String,
    /// Packets of the whole run.
    pub packets: PacketCounts,
    /// Packets of the window; `in_network` is left zero.
    pub measured: PacketCounts,
    /// What its sender did in the window. Real stacks tell of `sent_packets`, `lost_packets` and
    /// the samples of the round-trip time only; the rest is zero for them.
    pub sender: SenderStats,
    /// Payload that reached the receiver.
    pub delivered_bytes: u64,
    /// Payload per time of the whole window, in Mbit/s.
    pub goodput_mbps: f64,
    /// Share of its packets that were dropped or lost at random.
    pub loss: f64,
    /// Mean of the round-trip time samples; zero without any.
    pub rtt_mean_ms: f64,
    /// Minimum round-trip time as the transport knows it at the end; zero without a sample.
    pub rtt_min_ms: f64,
    /// Mean time of its data packets in queues: the sum over the hops of its way.
    pub queue_delay_mean_ms: f64,
    /// When the last byte of a limited bulk flow was acknowledged, or over a real stack read by
    /// the receiving application, since the start of the run.
    pub completed_s: Option<f64>,
    /// Bytes in flight at the end, as the sender counts them; for real stacks UDP payload.
    pub in_flight_bytes: u64,
    /// The controller's counters at the end.
    pub counters: Counters,
    /// Why its connection ended, if it did; real stacks only.
    pub failure: Option<String>,
    /// What its application measured; none for bulk data over the transport model.
    pub application: Option<ApplicationReport>,
}

/// The first link, and all flows together: packets, loss, goodput and Jain's index are those of the
/// flows, also of any that take other links. [`LinkUse`] has each link by itself. Figures are over
/// the measurement window unless they say otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkReport {
    /// Packets of the whole run.
    pub packets: PacketCounts,
    /// Packets of the window; `in_network` is left zero.
    pub measured: PacketCounts,
    /// Mean capacity.
    pub capacity_mbps: f64,
    /// Bytes on the wire that left the bottleneck, per capacity; 0 to 1 up to one packet.
    pub utilisation: f64,
    /// Payload that reached all receivers.
    pub goodput_mbps: f64,
    /// Share of the packets that were dropped or lost at random.
    pub loss: f64,
    /// Mean time between arrival at the queue and start of transmission.
    pub queue_delay_mean_ms: f64,
    /// 95th percentile of the same, to 1/64.
    pub queue_delay_p95_ms: f64,
    /// 99th percentile of the same, to 1/64.
    pub queue_delay_p99_ms: f64,
    /// Jain's index of the flows' goodputs: 1/N to 1; 1 where nothing was delivered.
    pub jain: f64,
}

/// One link. Figures are over the measurement window unless they say otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkUse {
    /// Its name in the scenario; may be empty.
    pub name: String,
    /// Packets of the whole run, in both directions; `sent` counts arrivals at the queue,
    /// `delivered` what left the transmitter and was not lost, `in_network` what has not left it.
    pub packets: PacketCounts,
    /// Packets of the window; `in_network` is left zero.
    pub measured: PacketCounts,
    /// Packets that its queue marked, in the window.
    pub marked: u64,
    /// Mean capacity.
    pub capacity_mbps: f64,
    /// Bytes on the wire that left the transmitter, per capacity; 0 to 1 up to one packet.
    pub utilisation: f64,
    /// Mean time between arrival at the queue and start of transmission.
    pub queue_delay_mean_ms: f64,
    /// 95th percentile of the same, to 1/64.
    pub queue_delay_p95_ms: f64,
    /// 99th percentile of the same, to 1/64.
    pub queue_delay_p99_ms: f64,
}

/// Jain's fairness index (Jain, Chiu, Hawe 1984).
pub fn jain(shares: impl IntoIterator<Item = f64>) -> f64 {
    let (mut count, mut sum, mut squares) = (0_u32, 0.0, 0.0);
    for share in shares {
        count += 1;
        sum += share;
        squares += share * share;
    }
    if squares > 0.0 {
        sum * sum / (f64::from(count) * squares)
    } else {
        1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jain_is_one_for_equals_and_one_over_n_for_a_monopoly() {
        assert!((jain([3.0, 3.0, 3.0]) - 1.0).abs() < 1e-12);
        assert!((jain([5.0, 0.0, 0.0, 0.0]) - 0.25).abs() < 1e-12);
    }
}
