//! The judge's own account of one direction of one connection, from the wire alone.
//!
//! Outstanding is what was sent and is neither cumulatively acknowledged, nor reported by SACK, nor
//! lost; every byte counts once, with its last transmission. Lost is a range after whose last
//! transmission three later ones are known to be delivered (RFC 6675 §4 `IsLost`, with transmissions
//! in place of sequence numbers so that retransmissions can be lost too), and everything that was
//! under way when the sender went back to the start of its window after a retransmission timeout
//! (RFC 5681 §3.1).
//!
//! Offsets are 64-bit distances from the initial sequence number, so nothing here wraps.

use std::collections::VecDeque;

/// How a data segment relates to what left before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Never sent before.
    New,
    /// The second or a later segment after going back.
    Repeated,
    /// The first unacknowledged segment, where the wire shows that it was lost.
    FastRetransmission,
    /// The first unacknowledged segment, a second or more after the last progress.
    TimeoutProbe,
    /// The first unacknowledged segment, earlier than that and without a sign of loss.
    TailProbe,
    /// One byte where the peer's window is zero or too small for the stack to be told, or where the
    /// stack could not accept the segment that opened it (its own window was zero).
    ZeroWindowProbe,
    /// One byte that was acknowledged before.
    KeepAlive,
    /// Nothing that was not acknowledged before.
    Stale,
}

/// One data segment that left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Departure {
    /// What it is.
    pub(crate) kind: Kind,
    /// Offset of its first byte.
    #[expect(dead_code, reason = "said in complaints")]
    pub(crate) start: i64,
    /// Its payload.
    pub(crate) payload: i64,
    /// Bytes outstanding without it.
    pub(crate) before: i64,
    /// Bytes outstanding with it.
    pub(crate) after: i64,
    /// Bytes of it beyond the largest window edge that the peer ever showed.
    pub(crate) beyond_peer: i64,
}

#[derive(Clone, Copy, Debug)]
struct Range {
    start: i64,
    end: i64,
    transmission: u64,
    /// When it left, where it left only once.
    sent_at: Option<i64>,
    sacked: bool,
}

/// What else an acknowledgement carries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Content<'a> {
    /// SACK blocks.
    pub(crate) sack: &'a [(u32, u32)],
    /// Bytes of data.
    pub(crate) payload: i64,
}

/// The account of one sending direction.
#[derive(Debug)]
pub(crate) struct Ledger {
    isn: u32,
    /// First unacknowledged offset.
    una: i64,
    /// Where the sender goes on.
    next: i64,
    /// End of everything ever sent.
    max: i64,
    ranges: VecDeque<Range>,
    /// Transmissions so far; the next one has this number.
    transmissions: u64,
    /// The three last transmissions known to be delivered, the latest first, plus one.
    delivered: [u64; 3],
    /// Transmissions before this one were given up by a timeout.
    given_up: u64,
    /// A retransmission of the first segment that may or may not have been the start of going
    /// back: its end, and its transmission.
    undecided: Option<(i64, u64)>,
    duplicates: u32,
    partial: bool,
    recover: Option<i64>,
    /// Since when the retransmission timer may be running.
    progress_at: i64,
    /// The smallest one so far.
    round_trip: i64,
    /// The peer's window scale.
    scale: u8,
    edge: i64,
    largest_edge: i64,
    timeouts: u64,
}

impl Ledger {
    /// The account that starts with a SYN of sequence number `isn` at `now` (µs).
    pub(crate) fn new(isn: u32, now: i64) -> Self {
        Self {
            isn,
            una: 1,
            next: 1,
            max: 1,
            ranges: VecDeque::new(),
            transmissions: 0,
            delivered: [0; 3],
            given_up: 0,
            undecided: None,
            duplicates: 0,
            partial: false,
            recover: None,
            progress_at: now,
            round_trip: i64::MAX,
            scale: 0,
            edge: 1,
            largest_edge: 1,
            timeouts: 0,
        }
    }

    /// First unacknowledged offset.
    pub(crate) const fn una(&self) -> i64 {
        self.una
    }

    /// Initial sequence number.
    pub(crate) const fn isn(&self) -> u32 {
        self.isn
    }

    /// The peer's SYN arrived at `now`, in whose segment windows are not scaled.
    pub(crate) fn set_peer(&mut self, now: i64, scale: u8, window: u16) {
        self.round_trip = match now - self.progress_at {
            0 => self.round_trip,
            passed => passed,
        };
        self.scale = scale;
        self.edge = 1 + i64::from(window);
        self.largest_edge = self.largest_edge.max(self.edge);
    }

    /// Times the sender went back to the start of its window.
    pub(crate) const fn timeouts(&self) -> u64 {
        self.timeouts
    }

    /// Bytes outstanding.
    pub(crate) fn outstanding(&self) -> i64 {
        let lost_before = self.lost_before();
        let open = |range: &&Range| !range.sacked && range.transmission >= lost_before;
        let bytes = self.ranges.iter().filter(open);
        bytes.map(|range| range.end - range.start).sum()
    }

    /// A segment with `payload` bytes leaves.
    pub(crate) fn on_departure(&mut self, now: i64, sequence: u32, payload: i64) -> Departure {
        let start = self.offset(sequence);
        let end = start + payload;
        let settled = self.settle(start);
        let before = self.outstanding();
        let kind = self.kind(now, start, end, settled);
        match kind {
            Kind::KeepAlive | Kind::Stale => {}
            Kind::ZeroWindowProbe => self.max = self.max.max(end),
            Kind::Repeated if start <= self.una && start != self.next && !settled => {
                self.repeat_first(now, start, end);
            }
            Kind::New | Kind::Repeated => {
                if before == 0 {
                    self.progress_at = now;
                }
                self.record(now, start, end);
                self.next = end;
            }
            Kind::FastRetransmission | Kind::TailProbe => self.repeat_first(now, start, end),
            Kind::TimeoutProbe => {
                self.given_up = self.transmissions;
                self.timeouts += 1;
                self.repeat_first(now, start, end);
                self.undecided = None;
                self.next = end;
            }
        }
        // smoltcp's fast retransmissions heed no window at all.
        let counted = kind == Kind::New || (kind == Kind::Repeated && start > self.una);
        Departure {
            kind,
            start,
            payload,
            before,
            after: self.outstanding(),
            beyond_peer: if counted {
                (end - self.largest_edge).max(0)
            } else {
                0
            },
        }
    }

    fn repeat_first(&mut self, now: i64, start: i64, end: i64) {
        self.undecided = Some((end, self.transmissions));
        self.recover = self.recover.or(Some(self.max));
        self.duplicates = 0;
        self.partial = false;
        self.progress_at = now;
        self.record(now, start, end);
    }

    /// A FIN leaves after the data that ends at `sequence`.
    pub(crate) fn on_fin(&mut self, sequence: u32) {
        let end = self.offset(sequence) + 1;
        self.max = self.max.max(end);
    }

    /// An acknowledgement arrives; returns whether it is one of something that was sent.
    pub(crate) fn on_acknowledgement(
        &mut self,
        now: i64,
        acknowledgement: u32,
        window: u16,
        content: Content<'_>,
    ) -> bool {
        let ack = self.offset(acknowledgement);
        if ack > self.max {
            return false;
        }
        for &(left, right) in content.sack {
            let (left, right) = (self.offset(left), self.offset(right));
            if left < right && right <= self.max {
                self.sack(left, right);
            }
        }
        if ack < self.una {
            return true;
        }
        if self.round_trip == i64::MAX {
            self.round_trip = now - self.progress_at;
        }
        self.edge = ack + (i64::from(window) << self.scale);
        self.largest_edge = self.largest_edge.max(self.edge);
        if ack == self.una {
            // RFC 5681 §2: a duplicate carries no data.
            self.duplicates += u32::from(self.max > self.una && content.payload == 0);
            return true;
        }
        self.advance(now, ack);
        true
    }

    fn advance(&mut self, now: i64, ack: i64) {
        while let Some(front) = self.ranges.front_mut() {
            if front.start >= ack {
                break;
            }
            let (transmission, sacked) = (front.transmission, front.sacked);
            let sent_at = front.sent_at;
            if front.end <= ack {
                self.ranges.pop_front();
            } else {
                front.start = ack;
            }
            if !sacked {
                self.deliver(transmission);
                let passed = sent_at.map_or(i64::MAX, |sent_at| now - sent_at);
                self.round_trip = self.round_trip.min(passed);
            }
        }
        self.una = ack;
        self.next = self.next.max(ack);
        if let Some((end, _)) = &mut self.undecided {
            *end = (*end).max(ack);
        }
        self.duplicates = 0;
        self.progress_at = now;
        match self.recover {
            Some(recover) if ack < recover => self.partial = true,
            _ => {
                self.recover = None;
                self.partial = false;
            }
        }
    }

    /// Decides whether an earlier retransmission was the start of going back, now that the next
    /// segment starts at `start`.
    fn settle(&mut self, start: i64) -> bool {
        let Some((end, transmission)) = self.undecided else {
            return false;
        };
        if start == self.next && end != self.next {
            self.undecided = None;
            return false;
        }
        if start != end {
            return false;
        }
        self.undecided = None;
        if start == self.una {
            // As likely the retransmission that a partial acknowledgement asks for (RFC 6582 §3.2).
            return false;
        }
        self.given_up = self.given_up.max(transmission);
        self.timeouts += 1;
        self.next = end;
        true
    }

    fn kind(&self, now: i64, start: i64, end: i64, settled: bool) -> Kind {
        if end <= self.una {
            let alive = end - start == 1 && end == self.una;
            return if alive { Kind::KeepAlive } else { Kind::Stale };
        }
        let waited = now - self.progress_at >= LEAST_TIMEOUT_MICROS;
        let closed = waited && (self.edge - start < WINDOW_STEP || start >= self.max);
        if end - start == 1 && (start == self.next || start == self.una) && closed {
            return Kind::ZeroWindowProbe;
        }
        if start >= self.max {
            return Kind::New;
        }
        if settled || start == self.next || start > self.una {
            return Kind::Repeated;
        }
        let lost_before = self.lost_before();
        let lost = self
            .ranges
            .front()
            .is_some_and(|range| !range.sacked && range.transmission < lost_before);
        if lost || self.duplicates >= 3 || self.partial {
            Kind::FastRetransmission
        } else if now - self.progress_at >= LEAST_TIMEOUT_MICROS {
            Kind::TimeoutProbe
        } else if now - self.progress_at >= self.round_trip {
            Kind::TailProbe
        } else {
            Kind::Repeated
        }
    }

    /// Notes that `start..end` leaves with a transmission of its own.
    fn record(&mut self, now: i64, start: i64, end: i64) {
        let transmission = self.transmissions;
        self.transmissions += 1;
        let start = start.max(self.una);
        self.split(start);
        self.split(end);
        let first = self.ranges.partition_point(|range| range.end <= start);
        for range in self.ranges.iter_mut().skip(first) {
            if range.start >= end {
                break;
            }
            range.transmission = transmission;
            range.sent_at = None;
        }
        let known = self
            .ranges
            .back()
            .map_or(start, |range| range.end.max(start));
        if known < end {
            self.ranges.push_back(Range {
                start: known,
                end,
                transmission,
                sent_at: Some(now),
                sacked: false,
            });
        }
        self.max = self.max.max(end);
    }

    fn sack(&mut self, left: i64, right: i64) {
        self.split(left);
        self.split(right);
        let first = self.ranges.partition_point(|range| range.end <= left);
        let mut index = first;
        while let Some(range) = self.ranges.get_mut(index) {
            if range.start >= right {
                break;
            }
            let newly = !range.sacked;
            range.sacked = true;
            let transmission = range.transmission;
            if newly {
                self.deliver(transmission);
            }
            index += 1;
        }
    }

    /// Makes `at` a border between ranges where it lies inside one.
    fn split(&mut self, at: i64) {
        let index = self.ranges.partition_point(|range| range.end <= at);
        let Some(range) = self.ranges.get_mut(index) else {
            return;
        };
        if range.start >= at {
            return;
        }
        let mut tail = *range;
        tail.start = at;
        range.end = at;
        self.ranges.insert(index + 1, tail);
    }

    fn deliver(&mut self, transmission: u64) {
        let mark = transmission + 1;
        if self.delivered.contains(&mark) || mark < self.delivered[2] {
            return;
        }
        self.delivered[2] = mark;
        self.delivered.sort_unstable_by(|a, b| b.cmp(a));
    }

    /// Transmissions before this one are lost.
    fn lost_before(&self) -> u64 {
        self.given_up.max(self.delivered[2].saturating_sub(1))
    }

    /// The offset nearest to what was sent last.
    pub(crate) fn offset(&self, sequence: u32) -> i64 {
        let reference = self.isn.wrapping_add(self.max as u32);
        self.max + i64::from(sequence.wrapping_sub(reference) as i32)
    }
}

/// The stack is told windows in steps of 32 bytes, so less than one counts as closed.
const WINDOW_STEP: i64 = 32;
/// No retransmission timer of TCP is shorter (RFC 6298 §2.4).
const LEAST_TIMEOUT_MICROS: i64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: i64 = 1000;

    fn pure(sack: &[(u32, u32)]) -> Content<'_> {
        Content { sack, payload: 0 }
    }

    fn with_segments(isn: u32, count: i64) -> Ledger {
        let mut ledger = Ledger::new(isn, 0);
        ledger.set_peer(0, 7, u16::MAX);
        for index in 0..count {
            let sequence = isn.wrapping_add(1 + (index * SEGMENT) as u32);
            let departure = ledger.on_departure(0, sequence, SEGMENT);
            assert_eq!(departure.kind, Kind::New);
            assert_eq!(departure.after, (index + 1) * SEGMENT);
        }
        ledger
    }

    fn at(ledger: &Ledger, segments: u32) -> u32 {
        ledger.isn().wrapping_add(1 + segments * SEGMENT as u32)
    }

    #[test]
    fn three_later_deliveries_make_a_segment_lost_also_where_numbers_wrap() {
        for isn in [0, u32::MAX - 2500] {
            let mut ledger = with_segments(isn, 6);
            let start = at(&ledger, 0);
            for end in [2, 3] {
                let block = (at(&ledger, 1), at(&ledger, end));
                assert!(ledger.on_acknowledgement(1, start, 1000, pure(&[block])));
            }
            assert_eq!(ledger.outstanding(), 4 * SEGMENT);
            let block = (at(&ledger, 1), at(&ledger, 4));
            assert!(ledger.on_acknowledgement(1, start, 1000, pure(&[block])));
            assert_eq!(ledger.outstanding(), 2 * SEGMENT);
            let again = ledger.on_departure(2, start, SEGMENT);
            assert_eq!(again.kind, Kind::FastRetransmission);
            assert_eq!(again.after, 3 * SEGMENT);
        }
    }

    #[test]
    fn going_back_gives_up_all_that_was_not_reported() {
        let mut ledger = with_segments(7, 5);
        let block = (at(&ledger, 3), at(&ledger, 4));
        let first = at(&ledger, 0);
        assert!(ledger.on_acknowledgement(1, first, 1000, pure(&[block])));
        let probe = ledger.on_departure(2_000_000, first, SEGMENT);
        assert_eq!(probe.kind, Kind::TimeoutProbe);
        let second = ledger.on_departure(2_000_000, at(&ledger, 1), SEGMENT);
        assert_eq!((second.kind, ledger.timeouts()), (Kind::Repeated, 1));
        assert_eq!(second.after, 2 * SEGMENT);
    }

    #[test]
    fn what_was_never_sent_is_no_acknowledgement() {
        let mut ledger = with_segments(9, 2);
        let beyond = at(&ledger, 3);
        assert!(!ledger.on_acknowledgement(1, beyond, 1000, pure(&[])));
        assert_eq!(ledger.outstanding(), 2 * SEGMENT);
    }

    #[test]
    fn probes_of_a_closed_window_and_keep_alives_count_nothing() {
        let mut ledger = with_segments(9, 2);
        let end = at(&ledger, 2);
        assert!(ledger.on_acknowledgement(1, end, 0, pure(&[])));
        let probe = ledger.on_departure(1_000_001, end, 1);
        assert_eq!((probe.kind, probe.after), (Kind::ZeroWindowProbe, 0));
        let alive = ledger.on_departure(1_000_002, end.wrapping_sub(1), 1);
        assert_eq!((alive.kind, alive.after), (Kind::KeepAlive, 0));
    }
}
