//! The segments that left and are not acknowledged cumulatively, in a fixed number of records.
//!
//! Records lie in the order of their sequence numbers and never overlap. A retransmission cuts its
//! bytes out of the records it repeats. Where records run out, neighbours become one burst, which
//! costs nothing but detail: a burst is acknowledged, and lost, by its last packet.

use smoltcp::wire::TcpSeqNumber;
use tautline_core::units::{Bytes, PacketNumber, Timestamp};

use super::sequence::{after, distance};

mod acknowledge;
mod losses;
#[cfg(test)]
mod tests;

pub(super) use acknowledge::{Acknowledgement, Delivered, Largest};
pub(super) use losses::Losses;

/// One departure, or a burst of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) start: TcpSeqNumber,
    pub(super) bytes: u32,
    pub(super) number: PacketNumber,
    pub(super) time_sent: Timestamp,
    pub(super) state: State,
    /// Its bytes, or some of them, left before.
    pub(super) repeated: bool,
    /// The front of a burst: its own time of departure is not known.
    pub(super) partial: bool,
    /// Bytes of it that were not reported yet, as acknowledged or lost: all of them, except where
    /// records ran out.
    pub(super) owed: u32,
}

/// Data at the moment it leaves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Departure {
    pub(super) start: TcpSeqNumber,
    pub(super) bytes: u32,
    pub(super) number: PacketNumber,
    pub(super) time_sent: Timestamp,
    /// Some of it left before.
    pub(super) repeated: bool,
}

/// What is known of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// In flight.
    Outstanding,
    /// Acknowledged selectively (RFC 2018).
    Sacked,
    /// Declared lost, and not sent again since.
    Lost,
    /// Acknowledged by the acknowledgement at hand, and not reported yet.
    Fresh,
}

impl Record {
    pub(super) const fn end(&self) -> TcpSeqNumber {
        after(self.start, self.bytes)
    }

    const EMPTY: Self = Self {
        start: TcpSeqNumber(0),
        bytes: 0,
        number: PacketNumber::new(0),
        time_sent: Timestamp::ZERO,
        state: State::Lost,
        repeated: false,
        partial: false,
        owed: 0,
    };
}

/// Up to `SEGMENTS` records.
#[derive(Debug)]
pub(super) struct Ledger<const SEGMENTS: usize> {
    records: [Record; SEGMENTS],
    /// The records in use are `head..tail`.
    head: usize,
    tail: usize,
    outstanding: u64,
    /// True while some record is repeated or selectively acknowledged: only then can a lower
    /// packet number lie behind a higher one.
    disordered: bool,
}

impl<const SEGMENTS: usize> Ledger<SEGMENTS> {
    /// No segments.
    pub(super) const fn new() -> Self {
        const { assert!(SEGMENTS >= MIN_SEGMENTS, "a connection needs a few records") };
        Self {
            records: [Record::EMPTY; SEGMENTS],
            head: 0,
            tail: 0,
            outstanding: 0,
            disordered: false,
        }
    }

    /// Bytes in flight: sent, and neither acknowledged in any way nor lost (the pipe of RFC 6675).
    pub(super) const fn bytes_in_flight(&self) -> Bytes {
        Bytes::new(self.outstanding)
    }

    /// The record that begins at the first unacknowledged byte.
    pub(super) fn front(&self) -> Option<&Record> {
        self.live().first()
    }

    /// The records in use.
    pub(super) fn live(&self) -> &[Record] {
        self.records.get(self.head..self.tail).unwrap_or_default()
    }

    fn live_mut(&mut self) -> &mut [Record] {
        self.records
            .get_mut(self.head..self.tail)
            .unwrap_or_default()
    }

    const fn len(&self) -> usize {
        self.tail.saturating_sub(self.head)
    }

    /// Data leaves; returns the bytes of it that are in flight with it.
    ///
    /// What the peer has already, as it said by SACK, stays acknowledged though it is sent again
    /// (RFC 6675 §4 does not count it either).
    pub(super) fn on_departure(&mut self, departure: Departure) -> u32 {
        let end = after(departure.start, departure.bytes);
        let mut start = departure.start;
        let mut counted = 0_u32;
        while start < end {
            let sacked = self.next_sacked(start, end);
            let (stop, next) = sacked.map_or((end, end), |known| (known.start, known.end()));
            let bytes = distance(start, stop);
            if bytes > 0 {
                self.fly(&departure, start, bytes);
                counted = counted.saturating_add(bytes);
            }
            start = next;
        }
        counted
    }

    /// Data was dropped before it left: what of it had never left counts as lost.
    pub(super) fn on_drop(&mut self, departure: Departure) {
        let known = self.live().last().map_or(departure.start, Record::end);
        let end = after(departure.start, departure.bytes);
        let start = known.max(departure.start);
        if end <= start {
            return;
        }
        self.make_room();
        let record = Record {
            start,
            bytes: distance(start, end),
            number: departure.number,
            time_sent: departure.time_sent,
            state: State::Lost,
            repeated: departure.repeated,
            partial: false,
            owed: 0,
        };
        self.place(self.tail, record);
        self.tail = self.tail.saturating_add(1);
    }

    /// The first SACKed record that overlaps `start..end`.
    fn next_sacked(&self, start: TcpSeqNumber, end: TcpSeqNumber) -> Option<Record> {
        let last = self.live().last()?;
        if last.end() <= start {
            return None;
        }
        let from = self.live().partition_point(|record| record.end() <= start);
        let overlapping = self.live().iter().skip(from);
        overlapping
            .take_while(|record| record.start < end)
            .find(|record| record.state == State::Sacked)
            .copied()
    }

    /// Of a departure, `bytes` from `start` on are in flight.
    fn fly(&mut self, departure: &Departure, start: TcpSeqNumber, bytes: u32) {
        self.make_room();
        let record = Record {
            start,
            bytes,
            number: departure.number,
            time_sent: departure.time_sent,
            state: State::Outstanding,
            repeated: departure.repeated,
            partial: false,
            owed: bytes,
        };
        self.disordered |= record.repeated;
        self.outstanding = self.outstanding.saturating_add(bytes.into());
        if self.live().last().is_none_or(|last| last.end() <= start) {
            self.place(self.tail, record);
            self.tail = self.tail.saturating_add(1);
            return;
        }
        let end = record.end();
        let from = self.live().partition_point(|old| old.end() <= start);
        let to = self.live().partition_point(|old| old.start < end);
        let repeated = record.repeated || from < to;
        self.disordered = true;
        self.replace(from, to, Record { repeated, ..record });
    }

    /// Puts `record` where those of `from..to` lie, of which what it does not cover remains.
    fn replace(&mut self, from: usize, to: usize, record: Record) {
        let mut parts = [record; 3];
        let mut count = 0;
        let mut push = |part: Record| {
            if let Some(place) = parts.get_mut(count) {
                *place = part;
                count = count.saturating_add(1);
            }
        };
        let covered = self.live().get(from..to).unwrap_or_default();
        let before: u64 = covered.iter().map(outstanding).sum();
        let mut kept = 0;
        let (mut owner, mut owed) = (None, 0);
        if let Some(first) = covered.first().filter(|first| first.start < record.start) {
            let (front, rest) = first.cut(record.start);
            (owner, owed) = (Some(first.start), rest.owed);
            kept = outstanding(&front);
            push(front);
        }
        push(record);
        if let Some(last) = covered.last().filter(|last| record.end() < last.end()) {
            let (_, mut back) = last.cut(record.end());
            if owner == Some(last.start) {
                back.owed = owed.min(back.bytes);
            }
            kept = kept.saturating_add(outstanding(&back));
            push(back);
        }
        self.outstanding = self.outstanding.saturating_sub(before).saturating_add(kept);
        self.splice(from, to, parts.get(..count).unwrap_or_default());
    }

    /// Replaces the live records `from..to` by up to two more than they are.
    fn splice(&mut self, from: usize, to: usize, parts: &[Record]) {
        let first = self.head.saturating_add(from);
        let rest = self.head.saturating_add(to);
        let moved = first.saturating_add(parts.len());
        let tail = moved.saturating_add(self.tail.saturating_sub(rest));
        if tail > SEGMENTS || rest > self.tail || first > rest {
            return;
        }
        self.records.copy_within(rest..self.tail, moved);
        self.tail = tail;
        for (place, part) in (first..).zip(parts) {
            self.place(place, *part);
        }
    }

    fn place(&mut self, index: usize, record: Record) {
        if let Some(place) = self.records.get_mut(index) {
            *place = record;
        }
    }

    /// Cuts the record that `at` lies inside of in two; its last byte keeps number and time.
    fn split(&mut self, at: TcpSeqNumber) {
        let index = self.live().partition_point(|record| record.end() <= at);
        let Some(whole) = self.live().get(index).copied() else {
            return;
        };
        if at <= whole.start {
            return;
        }
        let (front, back) = whole.cut(at);
        self.splice(index, index.saturating_add(1), &[front, back]);
    }

    /// Makes room for as many records as one step may add.
    fn make_room(&mut self) {
        if self.tail.saturating_add(STEP) <= SEGMENTS {
            return;
        }
        // Moving costs as many steps as there are records, so it must free as many places.
        if self.len() > SEGMENTS >> 1 {
            self.compact();
        }
        while self.len().saturating_add(STEP) > SEGMENTS {
            self.force();
        }
        self.records.copy_within(self.head..self.tail, 0);
        self.tail = self.len();
        self.head = 0;
    }

    /// Joins neighbours of one kind: those in flight in pairs, the others altogether.
    fn compact(&mut self) {
        let mut last = self.head;
        let mut joined = false;
        for index in self.head.saturating_add(1)..self.tail {
            let (Some(left), Some(right)) = (
                self.records.get(last).copied(),
                self.records.get(index).copied(),
            ) else {
                return;
            };
            let in_flight = left.state == State::Outstanding;
            if left.joins(&right) && !(in_flight && joined) {
                self.place(last, left.joined(&right));
                joined = true;
            } else {
                last = last.saturating_add(1);
                self.place(last, right);
                joined = false;
            }
        }
        if self.head < self.tail {
            self.tail = last.saturating_add(1);
        }
    }

    /// The last resort of a pattern without neighbours of one kind: the last two records count as
    /// in flight together, so that bytes in flight are never too few. What was reported of them
    /// stays so.
    fn force(&mut self) {
        let (Some(right), Some(left)) = (
            self.live().iter().next_back().copied(),
            self.live().iter().nth_back(1).copied(),
        ) else {
            return;
        };
        let joined = Record {
            bytes: distance(left.start, right.end()),
            state: State::Outstanding,
            repeated: true,
            partial: true,
            owed: unreported(&left).saturating_add(unreported(&right)),
            ..left.joined(&right)
        };
        let before = outstanding(&left).saturating_add(outstanding(&right));
        self.outstanding = self
            .outstanding
            .saturating_sub(before)
            .saturating_add(joined.bytes.into());
        self.tail = self.tail.saturating_sub(1);
        self.place(self.tail.saturating_sub(1), joined);
    }
}

impl Record {
    /// Itself before `at`, which lies inside it, and from there on; its last byte keeps number
    /// and time.
    fn cut(&self, at: TcpSeqNumber) -> (Self, Self) {
        let bytes = distance(self.start, at);
        let owed = self.owed.min(bytes);
        let front = Self {
            bytes,
            owed,
            partial: true,
            ..*self
        };
        let back = Self {
            start: at,
            bytes: distance(at, self.end()),
            owed: self.owed.saturating_sub(owed),
            ..*self
        };
        (front, back)
    }

    fn joins(&self, right: &Self) -> bool {
        let alike = self.state == right.state
            && self.state != State::Fresh
            && self.repeated == right.repeated
            && self.end() == right.start;
        alike && (self.state != State::Outstanding || self.number <= right.number)
    }

    /// With `right`, its neighbour: a burst, named by the packet of it that left last.
    fn joined(&self, right: &Self) -> Self {
        let last = if self.number <= right.number {
            right
        } else {
            self
        };
        Self {
            start: self.start,
            bytes: self.bytes.saturating_add(right.bytes),
            owed: self.owed.saturating_add(right.owed),
            repeated: self.repeated || right.repeated,
            ..*last
        }
    }
}

/// Its bytes that acknowledgements and losses still have to report.
const fn unreported(record: &Record) -> u32 {
    match record.state {
        State::Outstanding | State::Fresh => record.owed,
        State::Sacked | State::Lost => 0,
    }
}

/// Its share of the bytes in flight, which those of an acknowledgement leave when it is settled.
fn outstanding(record: &Record) -> u64 {
    match record.state {
        State::Outstanding | State::Fresh => record.bytes.into(),
        State::Sacked | State::Lost => 0,
    }
}

/// The most records that one departure, or one cut, adds.
const STEP: usize = 2;
/// So few that every step still fits.
const MIN_SEGMENTS: usize = 8;
