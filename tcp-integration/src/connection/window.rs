//! The windows that smoltcp is told: the peer's, cut to what congestion control admits.

use tautline_core::units::Bytes;

use super::receive::scaled;

/// How windows are written for smoltcp, and what the peer's last said.
#[derive(Clone, Copy, Debug)]
pub(super) struct Windows {
    /// Shift count with which smoltcp reads windows.
    pub(super) shift: u8,
    /// Shift count with which the peer writes them.
    pub(super) peer_shift: u8,
    /// The peer's window beyond its last acknowledgement, in bytes.
    pub(super) peer: u32,
}

/// What may leave next, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Admission {
    /// As much as the congestion window holds: not one byte more may leave.
    pub(super) most: u32,
    /// Whole segments that the pacer admits too, or what was admitted before.
    pub(super) wanted: u32,
    /// Payload of a full segment.
    pub(super) max_segment: u32,
}

impl Windows {
    /// Bytes of one unit.
    pub(super) const fn step(self) -> u32 {
        scaled(1, self.shift)
    }

    /// The same with another shift count for smoltcp.
    pub(super) const fn with_shift(self, shift: u8) -> Self {
        Self { shift, ..self }
    }

    /// The peer's window, read from the wire.
    pub(super) fn hear(&mut self, window: u16, scale: Scale) {
        self.peer = scaled(
            window,
            match scale {
                Scale::Negotiated => self.peer_shift,
                Scale::None => 0,
            },
        );
    }

    /// The window, in bytes, that admits `admission` beyond the `flight` bytes already sent.
    ///
    /// Windows come in steps, so an edge rarely falls on the end of a segment. One above it would
    /// admit a sliver of the next segment, which Nagle's algorithm (RFC 9293 §3.7.4) holds back
    /// where the application left it on; one below would withhold all of the last segment. So it
    /// is rounded up where the sliver fits too, or where one segment makes a difference: then the
    /// gate guards the sliver, and shuts it out with a strict edge once the segments have left.
    /// Without Nagle's algorithm every sliver would leave as a segment of its own. The window is never closed altogether while the peer's is open,
    /// because smoltcp does not retransmit into a closed one.
    pub(super) fn fit(self, flight: u32, admission: Admission, edge: Edge) -> u32 {
        let step = self.step();
        let Admission {
            most,
            wanted,
            max_segment,
        } = admission;
        let exact = flight.saturating_add(wanted);
        let up = exact.div_ceil(step).saturating_mul(step);
        let sliver = up.saturating_sub(exact);
        let few = wanted <= max_segment.saturating_mul(FEW_SEGMENTS);
        let fits = wanted.saturating_add(sliver) <= most;
        let window = match edge {
            Edge::Segment | Edge::Strict if fits => up,
            Edge::Segment if wanted > 0 && few => up,
            Edge::Segment | Edge::Strict | Edge::Below => floor(exact, step),
        };
        let peer = floor(self.peer, step);
        if peer == 0 {
            return 0;
        }
        window.min(peer).clamp(step, scaled(u16::MAX, self.shift))
    }

    /// A window in bytes as the field says it.
    pub(super) fn field(self, window: u32) -> u16 {
        let units = window.checked_div(self.step()).unwrap_or(0);
        u16::try_from(units).unwrap_or(u16::MAX)
    }
}

/// On which side of a segment's end the edge of a window falls, where it cannot fall on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edge {
    /// Rather beyond, so that the segment leaves whole.
    Segment,
    /// Beyond, but never beyond what may leave.
    Strict,
    /// Before it: the stack would send the sliver by itself.
    Below,
}

/// Whether the window of a segment is scaled: that of a SYN never is (RFC 7323 §2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    None,
    Negotiated,
}

/// `value` rounded down to a multiple of `step`.
pub(super) const fn floor(value: u32, step: u32) -> u32 {
    match value.checked_rem(step) {
        Some(rest) => value.saturating_sub(rest),
        None => value,
    }
}

/// What congestion control admits: up to `window`, of which `in_flight` is used, whole segments of
/// `max_segment` bytes, and no more than the pacer's `allowance`.
///
/// With nothing in flight one segment is always admitted, whatever the window (RFC 5681 §3.1 knows
/// none smaller) and the rate. `admitted` are bytes that smoltcp was told it may send; they are
/// not taken back unless the congestion window says so.
pub(super) fn admit(
    window: Bytes,
    in_flight: Bytes,
    max_segment: u32,
    allowance: Bytes,
    admitted: u32,
) -> Admission {
    let one = if in_flight == Bytes::ZERO {
        max_segment
    } else {
        0
    };
    let free = narrow(window.saturating_sub(in_flight));
    let paced = free.min(narrow(allowance));
    let most = free.max(one);
    let kept = if admitted <= most {
        admitted
    } else {
        floor(most, max_segment)
    };
    Admission {
        most,
        wanted: floor(paced, max_segment).max(one).max(kept),
        max_segment,
    }
}

/// Bytes that fit into sequence arithmetic.
fn narrow(bytes: Bytes) -> u32 {
    u32::try_from(bytes.as_u64().min(LARGEST)).unwrap_or(0)
}

/// Up to so many segments, one more or less counts.
const FEW_SEGMENTS: u32 = 3;
/// The largest window of TCP, and less than half of the sequence space (RFC 7323 §2.3).
const LARGEST: u64 = 1 << 30;
