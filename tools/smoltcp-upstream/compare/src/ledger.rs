//! The segments in flight, sorted by sequence number, in a fixed number of records.

use smoltcp_patched::wire::TcpSeqNumber;
use tautline_core::units::{PacketNumber, Timestamp};

/// What is known about a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Outstanding,
    Sacked,
    Lost,
}

/// A segment, or a burst of them where records ran out.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    pub start: TcpSeqNumber,
    pub end: TcpSeqNumber,
    pub number: PacketNumber,
    pub time_sent: Timestamp,
    pub state: State,
    pub repeated: bool,
}

impl Record {
    pub fn bytes(&self) -> u64 {
        (self.end - self.start) as u64
    }
}

/// A ring of at most `N` records.
#[derive(Debug)]
pub struct Ledger<const N: usize> {
    ring: [Option<Record>; N],
    head: usize,
    len: usize,
    /// Bytes of the outstanding records: RFC 6675's pipe.
    pipe: u64,
}

impl<const N: usize> Ledger<N> {
    pub const fn new() -> Self {
        Self {
            ring: [None; N],
            head: 0,
            len: 0,
            pipe: 0,
        }
    }

    pub const fn pipe(&self) -> u64 {
        self.pipe
    }

    pub fn records(&self) -> impl Iterator<Item = &Record> {
        (0..self.len).filter_map(|i| self.ring[(self.head + i) % N].as_ref())
    }

    pub fn first(&self) -> Option<&Record> {
        self.records().next()
    }

    /// Appends what was sent for the first time; `record` starts where the last one ends.
    pub fn push(&mut self, record: Record) {
        if self.len == N {
            self.join_sacked();
        }
        self.pipe += record.bytes();
        if self.len < N {
            self.ring[(self.head + self.len) % N] = Some(record);
            self.len += 1;
        } else if let Some(last) = &mut self.ring[(self.head + self.len - 1) % N] {
            if last.state != State::Outstanding {
                self.pipe += last.bytes();
            }
            *last = Record {
                start: last.start,
                ..record
            };
        }
    }

    /// Removes the part of the first record before `acked`; gives the record, or its part, if there
    /// is one.
    pub fn pop_before(&mut self, acked: TcpSeqNumber) -> Option<Record> {
        let first = self.ring[self.head].as_mut().filter(|_| self.len > 0)?;
        if first.start >= acked {
            return None;
        }
        let mut gone = *first;
        if first.end <= acked {
            self.ring[self.head] = None;
            self.head = (self.head + 1) % N;
            self.len -= 1;
        } else {
            gone.end = acked;
            first.start = acked;
        }
        if gone.state == State::Outstanding {
            self.pipe -= gone.bytes();
        }
        Some(gone)
    }

    /// Notes that `start..end`, which was sent before, was sent again.
    pub fn resend(
        &mut self,
        start: TcpSeqNumber,
        end: TcpSeqNumber,
        number: PacketNumber,
        now: Timestamp,
    ) {
        self.split(end);
        self.update(|record| {
            let within = start <= record.start && record.start < end;
            if within && record.state != State::Sacked {
                record.state = State::Outstanding;
                record.number = number;
                record.time_sent = now;
                record.repeated = true;
            }
        });
    }

    /// Makes two records of the one around `at`, if there is room; otherwise all of it counts as
    /// sent again when its head is.
    fn split(&mut self, at: TcpSeqNumber) {
        let around = self
            .records()
            .position(|record| record.start < at && at < record.end);
        let Some(around) = around.filter(|_| self.len < N) else {
            return;
        };
        for i in (around..self.len).rev() {
            self.ring[(self.head + i + 1) % N] = self.ring[(self.head + i) % N];
        }
        self.len += 1;
        if let Some(first) = &mut self.ring[(self.head + around) % N] {
            first.end = at;
        }
        if let Some(second) = &mut self.ring[(self.head + around + 1) % N] {
            second.start = at;
        }
    }

    /// Makes one record of neighbours that arrived: nothing more will be said of them.
    fn join_sacked(&mut self) {
        let mut joined: usize = 0;
        for i in 0..self.len {
            let Some(record) = self.ring[(self.head + i) % N].take() else {
                continue;
            };
            let last = joined.checked_sub(1).map(|last| (self.head + last) % N);
            match last.and_then(|last| self.ring[last].as_mut()) {
                Some(last) if last.state == State::Sacked && record.state == State::Sacked => {
                    last.end = record.end;
                    last.repeated |= record.repeated;
                }
                _ => {
                    self.ring[(self.head + joined) % N] = Some(record);
                    joined += 1;
                }
            }
        }
        self.len = joined;
    }

    /// Gives every record to `change` and keeps count of what is outstanding.
    pub fn update(&mut self, mut change: impl FnMut(&mut Record)) {
        for i in 0..self.len {
            if let Some(record) = &mut self.ring[(self.head + i) % N] {
                if record.state == State::Outstanding {
                    self.pipe -= record.bytes();
                }
                change(record);
                if record.state == State::Outstanding {
                    self.pipe += record.bytes();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(bytes: usize) -> TcpSeqNumber {
        // The sequence numbers wrap after 50 bytes.
        TcpSeqNumber(i32::MAX - 50) + bytes
    }

    fn ledger(records: usize) -> Ledger<4> {
        let mut ledger = Ledger::new();
        for i in 0..records {
            ledger.push(Record {
                start: at(i * 100),
                end: at(i * 100 + 100),
                number: PacketNumber::new(i as u64),
                time_sent: Timestamp::ZERO,
                state: State::Outstanding,
                repeated: false,
            });
        }
        ledger
    }

    fn shape(ledger: &Ledger<4>) -> Vec<(usize, usize, State)> {
        let from = |edge| edge - at(0);
        ledger
            .records()
            .map(|record| (from(record.start), from(record.end), record.state))
            .collect()
    }

    #[test]
    fn acknowledgements_take_whole_records_and_parts_of_one() {
        let mut ledger = ledger(3);
        assert_eq!(ledger.pipe(), 300);
        assert_eq!(
            ledger.pop_before(at(150)).map(|gone| gone.bytes()),
            Some(100)
        );
        assert_eq!(
            ledger.pop_before(at(150)).map(|gone| gone.bytes()),
            Some(50)
        );
        assert!(ledger.pop_before(at(150)).is_none());
        assert_eq!(ledger.pipe(), 150);
    }

    #[test]
    fn a_part_of_a_record_can_be_sent_again() {
        let mut ledger = ledger(2);
        ledger.update(|record| record.state = State::Lost);
        ledger.resend(at(0), at(30), PacketNumber::new(9), Timestamp::ZERO);
        assert_eq!(
            shape(&ledger),
            [
                (0, 30, State::Outstanding),
                (30, 100, State::Lost),
                (100, 200, State::Lost)
            ]
        );
        assert_eq!(ledger.pipe(), 30);
    }

    #[test]
    fn a_full_ledger_first_joins_what_arrived_and_then_what_was_sent_last() {
        let mut joined = ledger(4);
        joined.update(|record| {
            if record.start == at(100) || record.start == at(200) {
                record.state = State::Sacked;
            }
        });
        let next = Record {
            start: at(400),
            end: at(500),
            number: PacketNumber::new(4),
            time_sent: Timestamp::ZERO,
            state: State::Outstanding,
            repeated: false,
        };
        joined.push(next);
        assert_eq!(joined.records().count(), 4);
        assert_eq!(shape(&joined)[1], (100, 300, State::Sacked));
        assert_eq!(joined.pipe(), 300);

        let mut burst = ledger(4);
        burst.push(next);
        assert_eq!(shape(&burst)[3], (300, 500, State::Outstanding));
        assert_eq!(burst.pipe(), 500);
    }
}
