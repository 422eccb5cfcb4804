//! Which packet was it? quinn names no packet number when it reports an acknowledgement or a
//! loss, only when the packet left.

use std::collections::VecDeque;
use std::time::Duration;

use tautline_core::units::{PacketNumber, Timestamp};

/// Bursts remembered at most; beyond that neighbours are merged.
pub const MAX_BURSTS: usize = 4096;

/// Remembers, per burst of packets that left at the same instant, the number of its last packet.
///
/// quinn numbers packets separately in the Initial, Handshake and application spaces
/// (RFC 9000 §12.3). Controllers want one increasing sequence, so the ring shifts a space whose
/// numbers fall behind: within one space, differences between numbers are those of quinn.
///
/// Memory is bounded: a full ring merges neighbouring bursts, which keeps every answer a number
/// of a packet that left no earlier than the one asked for.
#[derive(Clone, Debug, Default)]
pub struct SentRing {
    bursts: VecDeque<Burst>,
    forgotten: Option<Burst>,
    /// Where the last answer stood; only a place to look first.
    cursor: usize,
    shift: u64,
    last: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Burst {
    sent: Timestamp,
    last: PacketNumber,
}

impl SentRing {
    /// Notes that the packets up to quinn's number `last` left at `sent`; instants never decrease.
    ///
    /// Returns the number of that last packet in the one increasing sequence.
    pub fn push(&mut self, sent: Timestamp, last: u64) -> PacketNumber {
        let mut number = last.saturating_add(self.shift);
        if let Some(previous) = self.last.filter(|&previous| number <= previous) {
            number = previous.saturating_add(1);
            self.shift = number.saturating_sub(last);
        }
        self.last = Some(number);
        let last = PacketNumber::new(number);
        match self.bursts.back_mut() {
            Some(burst) if burst.sent >= sent => burst.last = last,
            _ => {
                if self.bursts.len() == MAX_BURSTS {
                    self.merge_neighbours();
                }
                self.bursts.push_back(Burst { sent, last });
            }
        }
        last
    }

    /// The number of the packet that left at `sent`, or that of the last packet of its burst.
    ///
    /// Packets older than anything remembered get the number of the last one forgotten.
    pub fn number_of(&mut self, sent: Timestamp) -> PacketNumber {
        if let Some(forgotten) = self.forgotten.filter(|burst| sent <= burst.sent) {
            return forgotten.last;
        }
        self.cursor = self.place_of(sent);
        self.bursts
            .get(self.cursor)
            .or_else(|| self.bursts.back())
            .or(self.forgotten.as_ref())
            .map(|burst| burst.last)
            .unwrap_or_default()
    }

    /// Forgets bursts that left more than `horizon` before `acked`, a packet just acknowledged.
    ///
    /// Loss detection gives such packets up by their age (RFC 9002 §6.1.2), so with a horizon of
    /// a few round-trip times nobody asks for them again.
    pub fn forget_before(&mut self, acked: Timestamp, horizon: Duration) {
        while let Some(burst) = self.bursts.front() {
            if acked.saturating_since(burst.sent) <= horizon {
                break;
            }
            self.forgotten = Some(*burst);
            self.bursts.pop_front();
            self.cursor = self.cursor.saturating_sub(1);
        }
    }

    /// Bursts remembered now.
    pub fn len(&self) -> usize {
        self.bursts.len()
    }

    /// True if no burst is remembered.
    pub fn is_empty(&self) -> bool {
        self.bursts.is_empty()
    }

    /// The first burst that left at `sent` or later. Packets are mostly acknowledged in the order in
    /// which they left, so it is mostly the last answer or the one after it.
    fn place_of(&self, sent: Timestamp) -> usize {
        let left_before = |index| self.bursts.get(index).is_none_or(|burst| burst.sent < sent);
        [self.cursor, self.cursor.saturating_add(1)]
            .into_iter()
            .find(|&index| !left_before(index) && (index == 0 || left_before(index - 1)))
            .unwrap_or_else(|| self.bursts.partition_point(|burst| burst.sent < sent))
    }

    /// Drops every second burst; the one after it answers for it from now on.
    fn merge_neighbours(&mut self) {
        let mut keep = false;
        let newest = self.bursts.back().copied();
        self.bursts.retain(|_| {
            keep = !keep;
            !keep
        });
        if let Some(newest) = newest.filter(|n| self.bursts.back().map(|b| b.last) != Some(n.last))
        {
            self.bursts.push_back(newest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nanos(nanos: u64) -> Timestamp {
        Timestamp::from_nanos(1_000_000).saturating_add(Duration::from_nanos(nanos))
    }

    fn ms(ms: u64) -> Timestamp {
        nanos(ms * 1_000_000)
    }

    #[test]
    fn a_burst_answers_with_its_last_packet() {
        let mut ring = SentRing::default();
        ring.push(ms(0), 0);
        ring.push(ms(0), 1);
        ring.push(ms(1), 2);
        assert_eq!(ring.number_of(ms(0)), PacketNumber::new(1));
        assert_eq!(ring.number_of(ms(1)), PacketNumber::new(2));
    }

    #[test]
    fn packet_number_spaces_become_one_increasing_sequence() {
        let mut ring = SentRing::default();
        // Initial 0 and 1, Handshake 0, application data 0, 1 and (one number skipped) 3.
        let numbers: Vec<u64> = [0, 1, 0, 0, 1, 3]
            .iter()
            .map(|&number| ring.push(ms(0), number).as_u64())
            .collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 6]);
    }

    #[test]
    fn forgotten_packets_get_the_last_forgotten_number() {
        let mut ring = SentRing::default();
        for i in 0..10 {
            ring.push(ms(i), i);
        }
        ring.forget_before(ms(9), Duration::from_millis(4));
        assert_eq!(ring.len(), 5);
        assert_eq!(ring.number_of(ms(2)), PacketNumber::new(4));
        assert_eq!(ring.number_of(ms(5)), PacketNumber::new(5));
    }

    proptest! {
        #[test]
        fn memory_is_bounded_and_answers_never_precede_the_packet(
            gaps in prop::collection::vec((0u64..3, 1u64..3), 1..12_000),
            horizon in prop::option::of(1_000u64..5_000),
        ) {
                let mut ring = SentRing::default();
            let mut sent = Vec::new();
            let (mut at, mut number) = (0, 0);
            for (gap, step) in gaps {
                at += gap;
                number += step;
                let instant = nanos(at);
                prop_assert_eq!(ring.push(instant, number).as_u64(), number);
                prop_assert!(ring.len() <= MAX_BURSTS);
                sent.push((instant, number));
            }
            let newest = sent[sent.len() - 1];
            if let Some(nanos) = horizon {
                ring.forget_before(newest.0, Duration::from_nanos(nanos));
            }
            prop_assert_eq!(ring.number_of(newest.0).as_u64(), newest.1);
            let mut previous = 0;
            for &(instant, number) in &sent {
                let answer = ring.number_of(instant).as_u64();
                prop_assert!(answer >= previous, "answers increase with time");
                prop_assert!(answer <= newest.1);
                let aged = horizon
                    .is_some_and(|h| newest.0.saturating_since(instant) > Duration::from_nanos(h));
                prop_assert!(answer >= number || aged || instant < sent[0].0);
                previous = answer;
            }
        }

        #[test]
        fn without_merging_the_answer_is_exact(
            gaps in prop::collection::vec(1u64..1000, 1..2_000),
        ) {
                let mut ring = SentRing::default();
            let mut at = 0;
            let mut instants = Vec::new();
            for (number, gap) in gaps.into_iter().enumerate() {
                at += gap;
                instants.push(nanos(at));
                ring.push(instants[number], number as u64);
            }
            for (number, &instant) in instants.iter().enumerate() {
                prop_assert_eq!(ring.number_of(instant).as_u64(), number as u64);
            }
        }
    }
}
