//! What single packets show between two decisions.

use core::time::Duration;

use crate::units::{Bytes, PacketNumber, duration_nanos};

/// The fold of the acknowledgements between two decisions.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Packets {
    /// Largest round-trip time, in nanoseconds; zero without a sample.
    pub(super) largest_rtt: u64,
    /// Most by which a packet's round trip exceeded that of the packet before it.
    pub(super) rise: u64,
    /// Size of the largest packet, or burst under one number.
    pub(super) largest: Bytes,
    /// What was acknowledged.
    pub(super) acked: Bytes,
    /// Packets acknowledged after packets that left later.
    pub(super) late: u32,
}

/// Follows the acknowledgements.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PacketFold {
    current: Packets,
    newest: Option<PacketNumber>,
    /// Round trip of the newest packet in nanoseconds; zero without one.
    before: u64,
}

impl PacketFold {
    /// Notes a packet newly acknowledged and its round-trip time, if it tells one.
    pub(super) fn on_packet_acked(
        &mut self,
        number: PacketNumber,
        bytes: Bytes,
        sample: Option<Duration>,
    ) {
        let fold = &mut self.current;
        fold.acked = fold.acked.saturating_add(bytes);
        fold.largest = fold.largest.max(bytes);
        let Some(rtt) = sample.map(duration_nanos) else {
            return;
        };
        fold.largest_rtt = fold.largest_rtt.max(rtt);
        if self.newest.is_some_and(|newest| number < newest) {
            fold.late = fold.late.saturating_add(1);
            return;
        }
        if self.before != 0 {
            fold.rise = fold.rise.max(rtt.saturating_sub(self.before));
        }
        self.newest = Some(number);
        self.before = rtt;
    }

    /// Yields what was folded and begins anew.
    pub(super) fn take(&mut self) -> Packets {
        core::mem::take(&mut self.current)
    }
}
