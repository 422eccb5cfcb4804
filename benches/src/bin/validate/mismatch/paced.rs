//! The pacing rate of quinn in place of the controller's.

use core::time::Duration;

use tautline_core::controller::{
    AckBatch, AckedPacket, CongestionEvent, Controller, Counters, Decision, SentPacket, Timeout,
    pacing_rate,
};
use tautline_core::fixed::Q16;
use tautline_core::units::{Bytes, Timestamp};
use tautline_netsim::baseline::BoxedController;
use tautline_netsim::transport::RttEstimator;

/// A controller whose packets leave at 5/4 of a window per smoothed round-trip time, which is what
/// quinn does whatever rate and quantum its controller has (`connection/pacing.rs`).
#[derive(Debug)]
pub(super) struct PacedAsQuinn {
    inner: BoxedController,
    max_datagram_size: Bytes,
    /// Latest sample in nanoseconds.
    latest_ns: u64,
    rtt: Option<RttEstimator>,
}

impl PacedAsQuinn {
    pub(super) const fn new(inner: BoxedController, max_datagram_size: Bytes) -> Self {
        Self {
            inner,
            max_datagram_size,
            latest_ns: 0,
            rtt: None,
        }
    }
}

impl Controller for PacedAsQuinn {
    fn on_packet_sent(&mut self, now: Timestamp, packet: SentPacket) {
        self.inner.on_packet_sent(now, packet);
    }

    fn on_packet_acked(&mut self, now: Timestamp, packet: AckedPacket) {
        self.latest_ns = now.as_nanos().saturating_sub(packet.time_sent.as_nanos());
        self.inner.on_packet_acked(now, packet);
    }

    fn on_ack_end(&mut self, now: Timestamp, batch: AckBatch) {
        let rtt = self.rtt.get_or_insert_default();
        rtt.sample(now.as_nanos(), self.latest_ns, 0);
        self.inner.on_ack_end(now, batch);
    }

    fn on_congestion_event(&mut self, now: Timestamp, event: CongestionEvent) {
        self.inner.on_congestion_event(now, event);
    }

    fn on_timeout(&mut self, now: Timestamp, timeout: Timeout) {
        self.inner.on_timeout(now, timeout);
    }

    fn on_mtu_update(&mut self, now: Timestamp, max_datagram_size: Bytes) {
        self.max_datagram_size = max_datagram_size;
        self.inner.on_mtu_update(now, max_datagram_size);
    }

    fn decision(&self) -> Decision {
        let decision = self.inner.decision();
        let window = decision.congestion_window;
        let smoothed_ns = self.rtt.map_or(0, |rtt| rtt.smoothed_ns());
        let smoothed = Duration::from_nanos(smoothed_ns);
        let size = self.max_datagram_size.as_u64();
        let burst = window.as_u64().saturating_mul(BURST_NS) / smoothed_ns.max(1);
        let burst = burst.clamp(LEAST_BURST * size, MOST_BURST * size);
        Decision {
            pacing_rate: pacing_rate(window, smoothed, GAIN),
            send_quantum: Bytes::new(burst),
            ..decision
        }
    }

    fn counters(&self) -> Counters {
        self.inner.counters()
    }
}

/// A burst is what the rate sends in this time, and within these numbers of datagrams.
const BURST_NS: u64 = 2_000_000;
const LEAST_BURST: u64 = 10;
const MOST_BURST: u64 = 256;
/// 5/4.
const GAIN: Q16 = Q16::from_units(5 << 14);
