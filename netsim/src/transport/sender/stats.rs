//! What a sender counts.

/// What a sender has done since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderStats {
    /// Packets that left, probes included.
    pub sent_packets: u64,
    /// Their bytes on the wire.
    pub sent_bytes: u64,
    /// Packets acknowledged.
    pub acked_packets: u64,
    /// Packets declared lost (RFC 9002 §6.1).
    pub lost_packets: u64,
    /// Packets whose payload had been sent before.
    pub retransmitted_packets: u64,
    /// Probes; they alone may exceed the window.
    pub probe_packets: u64,
    /// Probe timeouts that expired.
    pub timeouts: u64,
    /// Persistent congestion episodes.
    pub persistent_congestions: u64,
    /// Packets reported as ECN-CE marked.
    pub marked_packets: u64,
    /// Round-trip time samples.
    pub rtt_samples: u64,
    /// Their sum in nanoseconds.
    pub rtt_sum_ns: u64,
}

impl SenderStats {
    /// What happened after `earlier`.
    #[must_use]
    pub const fn since(&self, earlier: &Self) -> Self {
        Self {
            sent_packets: self.sent_packets - earlier.sent_packets,
            sent_bytes: self.sent_bytes - earlier.sent_bytes,
            acked_packets: self.acked_packets - earlier.acked_packets,
            lost_packets: self.lost_packets - earlier.lost_packets,
            retransmitted_packets: self.retransmitted_packets - earlier.retransmitted_packets,
            probe_packets: self.probe_packets - earlier.probe_packets,
            timeouts: self.timeouts - earlier.timeouts,
            persistent_congestions: self.persistent_congestions - earlier.persistent_congestions,
            marked_packets: self.marked_packets - earlier.marked_packets,
            rtt_samples: self.rtt_samples - earlier.rtt_samples,
            rtt_sum_ns: self.rtt_sum_ns - earlier.rtt_sum_ns,
        }
    }
}
