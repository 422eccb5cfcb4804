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

/// The shift counts of a connection's windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scales {
    /// With which smoltcp reads windows.
    pub(crate) stack: u8,
    /// With which the peer writes them.
    pub(crate) peer: u8,
}

impl Scales {
    /// The peer's `window` as smoltcp must read it, rounded down.
    pub(crate) fn rescale(self, window: u16) -> u16 {
        let units = scaled(window, self.peer)
            .checked_shr(self.stack.into())
            .unwrap_or(0);
        u16::try_from(units).unwrap_or(u16::MAX)
    }
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

    /// Both shift counts.
    pub(super) const fn scales(self) -> Scales {
        Scales {
            stack: self.shift,
            peer: self.peer_shift,
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WINDOWS: Windows = Windows {
        shift: 5,
        peer_shift: 0,
        peer: 1 << 20,
    };

    fn fit(window: u64, in_flight: u64, flight: u32, edge: Edge) -> u32 {
        let bytes = Bytes::new;
        let admission = admit(bytes(window), bytes(in_flight), 1460, Bytes::MAX, 0);
        WINDOWS.fit(flight, admission, edge)
    }

    #[test]
    fn a_few_whole_segments_are_admitted_and_slivers_only_where_they_fit() {
        // 2 · 1460 = 91 · 32 + 8.
        assert_eq!(fit(2921, 0, 0, Edge::Segment), 92 * 32);
        assert_eq!(fit(2921, 0, 0, Edge::Strict), 91 * 32);
        assert_eq!(fit(2921, 2920, 2920, Edge::Strict), 91 * 32, "closed");
        assert_eq!(fit(3000, 0, 0, Edge::Strict), 92 * 32);
        assert_eq!(fit(3000, 0, 0, Edge::Below), 91 * 32);
    }

    #[test]
    fn one_segment_is_admitted_with_nothing_in_flight_whatever_the_window() {
        assert_eq!(fit(0, 0, 0, Edge::Segment), 46 * 32);
        assert_eq!(fit(0, 1, 1460, Edge::Segment), 45 * 32);
        let slow = admit(Bytes::new(9000), Bytes::ZERO, 1460, Bytes::ZERO, 0);
        assert_eq!((slow.most, slow.wanted), (9000, 1460));
    }

    #[test]
    fn the_peers_window_is_never_exceeded_and_a_closed_one_stays_closed() {
        let admission = admit(Bytes::new(9000), Bytes::ZERO, 1460, Bytes::MAX, 0);
        for (peer, told) in [(0, 0), (31, 0), (33, 32), (1000, 992)] {
            let windows = Windows { peer, ..WINDOWS };
            assert_eq!(windows.fit(0, admission, Edge::Segment), told);
        }
    }

    #[test]
    fn a_window_is_rescaled_to_what_the_peer_meant_or_less() {
        let rescaled = |stack, peer, window| Scales { stack, peer }.rescale(window);
        assert_eq!(rescaled(0, 0, 4000), 4000);
        assert_eq!(rescaled(5, 0, 4000), 125);
        assert_eq!(rescaled(5, 7, 4000), 16_000);
        assert_eq!(rescaled(5, 14, 4000), u16::MAX);
        assert_eq!(rescaled(5, 0, 31), 0);
    }

    proptest! {
        #[test]
        fn a_strict_window_admits_no_byte_more_than_may_leave(
            window in 0u64..1 << 31,
            in_flight in 0u64..1 << 31,
            max_segment in 48u32..9000,
            allowance in 0u64..1 << 31,
            admitted in 0u32..1 << 21,
            flight in 32u32..1 << 20,
            shift in 0u8..=7,
        ) {
            let bytes = Bytes::new;
            let (window, in_flight) = (bytes(window), bytes(in_flight));
            let admission = admit(window, in_flight, max_segment, bytes(allowance), admitted);
            prop_assert!(admission.wanted <= admission.most);
            let windows = Windows { shift, peer: 1 << 30, ..WINDOWS };
            for edge in [Edge::Strict, Edge::Below] {
                let told = windows.fit(flight, admission, edge);
                prop_assert_eq!(told % windows.step(), 0);
                let most = flight.saturating_add(admission.most).max(windows.step());
                prop_assert!(told <= most, "{told} {admission:?}");
                prop_assert_eq!(scaled(windows.field(told), shift), told);
            }
        }
    }
}
