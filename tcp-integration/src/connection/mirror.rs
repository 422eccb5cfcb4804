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
