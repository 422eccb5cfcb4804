//! What smoltcp's sender believes, followed from the segments it sends and is given.
//!
//! Everything here repeats a piece of `smoltcp::socket::tcp`: which acknowledgement it counts as a
//! duplicate, when it retransmits once and when it goes back, and up to where it may send. Names
//! of its fields stand beside ours.

use core::time::Duration;

use smoltcp::wire::TcpSeqNumber;
use tautline_core::units::Timestamp;

use super::sequence::{after, distance};
use crate::segment::Segment;

/// smoltcp's sender.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mirror {
    /// First unacknowledged sequence number: `local_seq_no`.
    pub(super) una: TcpSeqNumber,
    /// Next one that it sends: `remote_last_seq`.
    pub(super) nxt: TcpSeqNumber,
    /// The end of all that ever left.
    pub(super) max_sent: TcpSeqNumber,
    /// The window it was last given, and the largest that it may still believe: `remote_win_len`.
    /// They differ only where it may have ignored the last.
    window: u32,
    window_high: u32,
    /// The last window it was given, whether it has looked at it or not.
    given: u32,
    /// The last acknowledgement number it was given: `local_rx_last_ack`.
    heard: Option<TcpSeqNumber>,
    /// Duplicates of it: `local_rx_dup_acks`.
    duplicates: u8,
    fast: Fast,
    /// Its retransmission timer was not started before this.
    timer_since: Timestamp,
    /// It may have gone back without a segment that shows it.
    hidden_rewind: bool,
}

/// Whether smoltcp will retransmit its first segment once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fast {
    No,
    /// It has counted three duplicates.
    Due,
    /// It had, and then data was acknowledged: it still does if it had tried to before.
    Perhaps,
}

/// An acknowledgement that smoltcp takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    pub(super) acknowledgement: TcpSeqNumber,
    /// The window in bytes.
    pub(super) window: u32,
    /// Bytes of data that came with it.
    pub(super) payload_bytes: u32,
    /// How sure it is that smoltcp looks at it.
    pub(super) effect: Effect,
}

/// How sure it is that smoltcp looks at an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Certain,
    /// In LAST-ACK it ignores what acknowledges nothing new, and whether an application in
    /// CLOSE-WAIT has closed its end cannot be seen while it has more to send.
    Unsure,
}

/// What a departing segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Without data or FIN.
    PureAck,
    /// One byte before the next (RFC 9293 §3.8.4).
    KeepAlive,
    /// One byte beyond a closed window (RFC 9293 §3.8.6.1).
    ZeroWindowProbe,
    /// What comes next.
    Next,
    /// The first unacknowledged segment once more, out of turn (RFC 5681 §3.2).
    FastRetransmission,
    /// After smoltcp's retransmission timeout: it goes back to the first unacknowledged byte.
    Rewind,
}

impl Mirror {
    /// A sender whose SYN carries `initial`.
    pub(super) const fn new(now: Timestamp, initial: TcpSeqNumber) -> Self {
        let nxt = after(initial, 1);
        Self {
            una: initial,
            nxt,
            max_sent: nxt,
            window: 0,
            window_high: 0,
            given: 0,
            heard: None,
            duplicates: 0,
            fast: Fast::No,
            timer_since: now,
            hidden_rewind: false,
        }
    }

    /// A sender first seen when it sends from `start` on, with any window.
    pub(super) const fn adopted(now: Timestamp, start: TcpSeqNumber) -> Self {
        Self {
            una: start,
            nxt: start,
            max_sent: start,
            window: 0,
            window_high: ANY_WINDOW,
            ..Self::new(now, start)
        }
    }

    /// What `segment`, neither SYN nor RST, is.
    pub(super) fn classify(&self, now: Timestamp, effect: Effect, segment: &Segment) -> Kind {
        let (start, end) = (segment.sequence, segment.end());
        if start == end {
            return if start < self.nxt && self.una <= start {
                Kind::Rewind
            } else {
                Kind::PureAck
            };
        }
        if start < self.una {
            return Kind::KeepAlive;
        }
        let single = segment.payload_bytes == 1;
        if self.nxt <= start {
            return if single && start == self.nxt && self.window_high == 0 {
                Kind::ZeroWindowProbe
            } else {
                Kind::Next
            };
        }
        if start != self.una {
            return if single && end == self.nxt {
                Kind::KeepAlive
            } else {
                Kind::Rewind
            };
        }
        // The probe says from where it would go on: it has gone back.
        if single && self.window_high == 0 && self.fast != Fast::Due {
            return Kind::ZeroWindowProbe;
        }
        let before_timeout = now < self.timer_since.saturating_add(LEAST_TIMEOUT);
        let fast = match self.fast {
            Fast::No => false,
            Fast::Due => effect == Effect::Certain || before_timeout,
            Fast::Perhaps => before_timeout && !self.hidden_rewind,
        };
        if fast {
            Kind::FastRetransmission
        } else {
            Kind::Rewind
        }
    }

    /// `segment` leaves as what it was found to be.
    pub(super) fn on_departure(&mut self, now: Timestamp, kind: Kind, segment: &Segment) {
        let (start, end) = (segment.sequence, segment.end());
        match kind {
            Kind::KeepAlive => return,
            Kind::ZeroWindowProbe => self.nxt = start,
            Kind::PureAck => {
                if self.una <= start && start <= self.max_sent {
                    self.nxt = start;
                    self.hidden_rewind = false;
                }
                return;
            }
            Kind::Next => {
                if self.nxt <= self.una {
                    self.timer_since = now;
                }
                // Due, it would have gone first: it was forgotten, or never was.
                self.fast = Fast::No;
                self.nxt = end;
                self.hidden_rewind = false;
            }
            Kind::FastRetransmission => {
                self.timer_since = now;
                self.fast = Fast::No;
                self.nxt = self.nxt.max(end);
            }
            Kind::Rewind => {
                self.timer_since = now;
                self.fast = Fast::No;
                self.nxt = end;
                self.hidden_rewind = false;
            }
        }
        self.max_sent = self.max_sent.max(end);
    }

    /// More had left than was seen.
    pub(super) fn raise(&mut self, end: TcpSeqNumber) {
        self.max_sent = self.max_sent.max(end);
    }

    /// smoltcp believes that `segment`, its fast retransmission, has left.
    pub(super) fn on_withheld(&mut self, now: Timestamp, segment: &Segment) {
        self.timer_since = now;
        self.fast = Fast::No;
        self.nxt = self.nxt.max(segment.end());
    }

    /// Data up to `acknowledgement` is acknowledged; returns how much is new.
    pub(super) fn advance(&mut self, now: Timestamp, acknowledgement: TcpSeqNumber) -> u32 {
        let advanced = distance(self.una, acknowledgement);
        if advanced == 0 {
            return 0;
        }
        self.hidden_rewind |= now >= self.timer_since.saturating_add(LEAST_TIMEOUT);
        self.timer_since = now;
        if self.fast == Fast::Due {
            self.fast = Fast::Perhaps;
        }
        self.una = acknowledgement;
        self.nxt = self.nxt.max(acknowledgement);
        // The edge stays where it was until the window of this acknowledgement is known.
        self.window = self.window.saturating_sub(advanced);
        self.window_high = self.window_high.saturating_sub(advanced);
        advanced
    }

    /// smoltcp gets an acknowledgement, whose news [`advance`](Self::advance) has told.
    pub(super) fn on_acknowledgement(&mut self, advanced: u32, heard: Heard) {
        let same_window = advanced == 0 && heard.window == self.given;
        self.given = heard.window;
        let duplicate = heard.payload_bytes == 0
            && self.heard == Some(heard.acknowledgement)
            && heard.acknowledgement < self.nxt
            && same_window;
        if duplicate {
            self.duplicates = self.duplicates.saturating_add(1);
            if self.duplicates == DUPLICATES_TO_RETRANSMIT {
                self.fast = Fast::Due;
            }
        } else {
            self.duplicates = 0;
            self.heard = Some(heard.acknowledgement);
        }
        if advanced == 0 && heard.effect == Effect::Unsure {
            self.window = self.window.min(heard.window);
            self.window_high = self.window_high.max(heard.window);
        } else {
            (self.window, self.window_high) = (heard.window, heard.window);
        }
    }

    /// Bytes that it surely may send next.
    pub(super) fn room(&self) -> u32 {
        distance(self.nxt, after(self.una, self.window))
    }

    /// Bytes that it may send next, at most.
    pub(super) fn room_high(&self) -> u32 {
        distance(self.nxt, after(self.una, self.window_high))
    }

    /// Bytes that it has sent and not seen acknowledged.
    pub(super) const fn flight(&self) -> u32 {
        distance(self.una, self.nxt)
    }

    /// Bytes that ever left and are not acknowledged, SYN and FIN among them.
    pub(super) const fn unacknowledged(&self) -> u32 {
        distance(self.una, self.max_sent)
    }

    /// The retransmission that was due has not come: it may have been forgotten for want of room
    /// in the device, and then no timer of smoltcp's runs.
    pub(super) fn give_up_retransmission(&mut self) {
        if self.fast == Fast::Due {
            self.fast = Fast::Perhaps;
        }
    }

    /// True if nothing that ever left waits for an acknowledgement.
    pub(super) fn is_quiet(&self) -> bool {
        self.una == self.max_sent
    }

    /// Since when its retransmission timer runs, at the latest known start.
    pub(super) const fn timer_since(&self) -> Timestamp {
        self.timer_since
    }

    /// Duplicate acknowledgements counted.
    pub(super) const fn duplicates(&self) -> u8 {
        self.duplicates
    }

    /// True if it is about to retransmit its first segment, as far as is known.
    pub(super) fn is_retransmitting(&self) -> bool {
        self.fast == Fast::Due
    }
}

/// smoltcp retransmits at exactly the third duplicate.
pub(super) const DUPLICATES_TO_RETRANSMIT: u8 = 3;
/// `RTTE_MIN_RTO`: no timeout of smoltcp is shorter.
const LEAST_TIMEOUT: Duration = Duration::from_secs(1);
/// More than any window: 65 535 · 2¹⁴ rounded up (RFC 7323 §2.3).
const ANY_WINDOW: u32 = 1 << 30;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::{Ecn, Flags, Layout, Options, Tuple};
    use smoltcp::wire::{IpAddress, IpEndpoint};

    /// The wrap lies in the middle of what is sent.
    const INITIAL: TcpSeqNumber = TcpSeqNumber(i32::MAX - 1500);

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_nanos(millis * 1_000_000)
    }

    fn data(start: u32, payload_bytes: u32) -> Segment {
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
            sequence: after(INITIAL, start),
            acknowledgement: TcpSeqNumber(0),
            window: 0,
            payload_bytes,
            wire_bytes: 0,
            options: Options::default(),
            ecn: Ecn::NotEct,
            layout: Layout::default(),
        }
    }

    fn depart(mirror: &mut Mirror, millis: u64, start: u32, bytes: u32) -> Kind {
        let segment = data(start, bytes);
        let kind = mirror.classify(at(millis), Effect::Certain, &segment);
        mirror.on_departure(at(millis), kind, &segment);
        kind
    }

    fn hear(mirror: &mut Mirror, millis: u64, offset: u32, window: u32) {
        let acknowledgement = after(INITIAL, offset);
        let advanced = mirror.advance(at(millis), acknowledgement);
        let heard = Heard {
            acknowledgement,
            window,
            payload_bytes: 0,
            effect: Effect::Certain,
        };
        mirror.on_acknowledgement(advanced, heard);
    }

    /// Three segments of 1000 bytes in flight, in a window of 5000.
    fn sending() -> Mirror {
        let mut mirror = Mirror::new(at(0), INITIAL);
        hear(&mut mirror, 10, 1, 5000);
        for start in [1, 1001, 2001] {
            assert_eq!(depart(&mut mirror, 10, start, 1000), Kind::Next);
        }
        mirror
    }

    #[test]
    fn only_three_equal_duplicates_make_a_fast_retransmission() {
        let mut mirror = sending();
        hear(&mut mirror, 50, 1, 5000);
        hear(&mut mirror, 51, 1, 5000);
        hear(&mut mirror, 52, 1, 4000);
        assert_eq!(mirror.duplicates(), 0, "another window");
        for millis in 53..56 {
            assert!(!mirror.is_retransmitting());
            hear(&mut mirror, millis, 1, 4000);
        }
        assert!(mirror.is_retransmitting());
        assert_eq!(depart(&mut mirror, 56, 1, 1000), Kind::FastRetransmission);
        assert!(!mirror.is_retransmitting());
        assert_eq!((mirror.flight(), mirror.room()), (3000, 1000));
        hear(&mut mirror, 57, 1, 4000);
        assert!(!mirror.is_retransmitting(), "the fourth triggers nothing");
    }

    #[test]
    fn a_timeout_goes_back_and_what_follows_comes_next() {
        let mut mirror = sending();
        assert_eq!(depart(&mut mirror, 1100, 1, 1000), Kind::Rewind);
        assert_eq!((mirror.flight(), mirror.room()), (1000, 4000));
        assert_eq!(mirror.unacknowledged(), 3000);
        assert_eq!(depart(&mut mirror, 1101, 1001, 1000), Kind::Next);
        hear(&mut mirror, 1150, 3001, 5000);
        assert!(mirror.is_quiet());
        assert_eq!(depart(&mut mirror, 1150, 3001, 10), Kind::Next);
    }

    #[test]
    fn a_pure_acknowledgement_shows_a_timeout_that_sent_nothing() {
        let mut mirror = sending();
        assert_eq!(depart(&mut mirror, 20, 3001, 0), Kind::PureAck);
        assert_eq!(depart(&mut mirror, 1100, 1, 0), Kind::Rewind);
        assert_eq!(mirror.flight(), 0);
    }

    #[test]
    fn keep_alives_and_window_probes_move_nothing() {
        let mut mirror = sending();
        hear(&mut mirror, 50, 3001, 0);
        assert_eq!(depart(&mut mirror, 60, 3000, 1), Kind::KeepAlive);
        assert_eq!(depart(&mut mirror, 70, 3001, 1), Kind::ZeroWindowProbe);
        assert_eq!(mirror.flight(), 0);
        assert_eq!(mirror.unacknowledged(), 1, "the peer may take the byte");
        hear(&mut mirror, 80, 3002, 1000);
        assert_eq!(depart(&mut mirror, 90, 3002, 1000), Kind::Next);
    }

    #[test]
    fn where_it_may_have_ignored_a_window_both_are_believed() {
        let mut mirror = sending();
        let heard = Heard {
            acknowledgement: mirror.una,
            window: 3000,
            payload_bytes: 0,
            effect: Effect::Unsure,
        };
        mirror.on_acknowledgement(0, heard);
        assert_eq!((mirror.room(), mirror.room_high()), (0, 2000));
        hear(&mut mirror, 60, 1001, 3000);
        assert_eq!((mirror.room(), mirror.room_high()), (1000, 1000));
    }
}
