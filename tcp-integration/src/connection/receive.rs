//! What the stack takes from the network: its receive window, as RFC 9293 §3.10.7.4 tests it and
//! as smoltcp does.
//!
//! Of the next sequence number that the stack expects, only what it acknowledged is seen. Data
//! that arrives in order and waits for a delayed acknowledgement is followed here; data out of
//! order, or filling a hole, smoltcp acknowledges at once (RFC 5681 §4.2), so nothing is guessed.

use smoltcp::wire::TcpSeqNumber;

use super::sequence::{after, before, distance};
use crate::segment::Segment;

/// The receiving side of the stack.
#[derive(Clone, Copy, Debug)]
pub(super) struct Receive {
    /// The next sequence number that it expects: RCV.NXT.
    next: TcpSeqNumber,
    /// The end of the window that it last announced.
    edge: TcpSeqNumber,
    /// The last acknowledgement number that it sent.
    acknowledged: TcpSeqNumber,
    /// The shift count of the windows that it announces.
    shift: u8,
    /// The peer's FIN was taken.
    finished: bool,
}

/// What the stack does with an arriving segment of a synchronized connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It takes it.
    Taken,
    /// It takes it, and the connection is gone.
    Reset,
    /// It does not look at it, but for an answer.
    Ignored,
}

impl Receive {
    /// A window of `window` units, of 2^`shift` bytes each, announced from `acknowledged` on.
    pub(super) fn new(acknowledged: TcpSeqNumber, window: u16, shift: u8) -> Self {
        Self {
            next: acknowledged,
            edge: after(acknowledged, scaled(window, shift)),
            acknowledged,
            shift,
            finished: false,
        }
    }

    /// The peer's SYN, which ends at `next`, answers ours. smoltcp takes the window that its own
    /// SYN announced as announced from the peer's SYN on, and scales it.
    pub(super) fn on_answer(&mut self, next: TcpSeqNumber, syn_window: u16, shift: u8) {
        *self = Self {
            next,
            ..Self::new(before(next, 1), syn_window, shift)
        };
    }

    /// A segment of the stack with an acknowledgement leaves.
    pub(super) fn on_departure(&mut self, acknowledgement: TcpSeqNumber, window: u16) {
        self.acknowledged = acknowledgement;
        self.next = acknowledgement;
        self.edge = after(acknowledgement, scaled(window, self.shift));
    }

    /// What the stack does with a segment that arrives.
    pub(super) fn fate_of(&self, segment: &Segment) -> Fate {
        if !self.accepts(segment.sequence, segment.payload_bytes) {
            return Fate::Ignored;
        }
        if segment.flags.rst {
            return Fate::Reset;
        }
        // A FIN behind a hole is disregarded, and after the first one there is no second.
        let finishes = segment.flags.fin && segment.sequence <= self.next;
        if segment.flags.syn || !segment.flags.ack || (finishes && self.finished) {
            return Fate::Ignored;
        }
        Fate::Taken
    }

    /// The stack has taken a segment.
    pub(super) fn advance(&mut self, segment: &Segment) {
        if self.next < segment.sequence {
            return;
        }
        let end = after(segment.sequence, segment.payload_bytes).min(self.edge);
        self.next = self.next.max(end);
        if segment.flags.fin && !self.finished {
            self.finished = true;
            self.next = after(self.next, 1);
        }
    }

    /// The test of smoltcp's `process`: does the segment touch the window?
    fn accepts(&self, start: TcpSeqNumber, bytes: u32) -> bool {
        let (next, edge) = (self.next, self.edge);
        let closed = next == edge;
        if bytes == 0 {
            return start != before(next, 1)
                && if closed {
                    start == next
                } else {
                    next <= start && start < edge
                };
        }
        let end = after(start, bytes);
        let touches = (next <= start && start < edge) || (next < end && end <= edge);
        !closed && touches
    }

    /// A sequence number at which the stack takes an empty segment now, if there is one.
    ///
    /// It is the window's last: acceptable also where more has arrived than was acknowledged. A
    /// FIN beyond a full window leaves none until the stack acknowledges it.
    pub(super) fn acceptable(&self) -> Option<TcpSeqNumber> {
        if self.next == self.edge {
            Some(self.edge)
        } else if self.next < self.edge {
            Some(before(self.edge, 1))
        } else {
            None
        }
    }

    /// True once the peer's FIN was taken: the stack is then in CLOSE-WAIT or beyond.
    pub(super) const fn is_finished(&self) -> bool {
        self.finished
    }

    /// True once the stack has acknowledged the peer's FIN.
    pub(super) fn is_finish_acknowledged(&self) -> bool {
        self.finished && distance(self.acknowledged, self.next) == 0
    }
}

/// A window in bytes.
pub(super) const fn scaled(window: u16, shift: u8) -> u32 {
    #[expect(
        clippy::as_conversions,
        reason = "u16 to u32 loses nothing; From is not const"
    )]
    let units = window as u32;
    let shift = if shift > 14 { 14 } else { shift };
    units << shift
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::{Ecn, Flags, Layout, Options, Tuple};
    use smoltcp::wire::{IpAddress, IpEndpoint};

    const START: TcpSeqNumber = TcpSeqNumber(i32::MAX - 50);

    fn segment(offset: i32, payload_bytes: u32) -> Segment {
        let end = IpEndpoint::new(IpAddress::v4(10, 0, 0, 1), 80);
        Segment {
            tuple: Tuple {
                local: end,
                remote: end,
            },
            flags: Flags {
                ack: true,
                ..Flags::default()
            },
            sequence: TcpSeqNumber(START.0.wrapping_add(offset)),
            acknowledgement: TcpSeqNumber(0),
            window: 0,
            payload_bytes,
            wire_bytes: 0,
            options: Options::default(),
            ecn: Ecn::NotEct,
            layout: Layout::default(),
        }
    }

    #[test]
    fn segments_are_taken_as_smoltcp_takes_them() {
        let receive = Receive::new(START, 50, 1);
        let taken = |offset, bytes| receive.fate_of(&segment(offset, bytes)) == Fate::Taken;
        assert!(taken(0, 0) && taken(99, 0) && !taken(100, 0));
        assert!(!taken(-1, 0), "a keep-alive");
        assert!(
            taken(-5, 6) && !taken(-5, 5),
            "only what reaches the window"
        );
        assert!(taken(99, 500), "the rest is cut off");
        assert!(!taken(100, 1));
        let closed = Receive::new(START, 0, 1);
        let taken = |offset, bytes| closed.fate_of(&segment(offset, bytes)) == Fate::Taken;
        assert!(taken(0, 0) && !taken(0, 1) && !taken(1, 0));
    }

    #[test]
    fn made_acknowledgements_are_acceptable_while_delayed_ones_wait() {
        let mut receive = Receive::new(START, 50, 1);
        for bytes in [10, 89, 1] {
            let sequence = receive.acceptable().unwrap();
            assert!(receive.accepts(sequence, 0));
            let offset = i32::try_from(distance(START, receive.next)).unwrap();
            receive.advance(&segment(offset, bytes));
        }
        let sequence = receive.acceptable().unwrap();
        assert!(receive.accepts(sequence, 0), "also in a full window");
        let mut last = segment(100, 0);
        last.flags.fin = true;
        receive.advance(&last);
        assert_eq!(
            receive.acceptable(),
            None,
            "beyond a FIN there is no window"
        );
        assert!(receive.is_finished() && !receive.is_finish_acknowledged());
        receive.on_departure(after(START, 101), 50);
        assert!(receive.is_finish_acknowledged());
        assert!(receive.acceptable().is_some());
    }

    #[test]
    fn a_fin_behind_a_hole_is_disregarded() {
        let mut receive = Receive::new(START, 50, 0);
        let mut last = segment(10, 5);
        last.flags.fin = true;
        assert_eq!(receive.fate_of(&last), Fate::Taken);
        receive.advance(&last);
        assert!(!receive.is_finished());
    }
}
