//! Which packet was it? quinn names no packet number when it reports an acknowledgement or a
//! loss, only when the packet left.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tautline_core::units::{PacketNumber, Timestamp, duration_nanos};

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
    forgotten: Option<Departure>,
    /// Where the last answer stood; only a place to look first.
    cursor: usize,
    shift: u64,
    next_number: u64,
}

/// When a packet left and its number, or that of the last packet of its burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Departure {
    /// When.
    pub at: Timestamp,
    /// The number in the one increasing sequence.
    pub number: PacketNumber,
}

/// quinn names packets by the instant alone: it is kept beside the timestamp, because equal instants
/// are found without converting them.
#[derive(Clone, Copy, Debug)]
struct Burst {
    instant: Instant,
    last: Departure,
}

impl SentRing {
    /// Notes that the packets up to quinn's number `last` left at `instant`, which is `sent` in the
    /// connection's time; `sent` never decreases.
    ///
    /// Returns the number of that last packet in the one increasing sequence.
    #[inline]
    pub fn push(&mut self, instant: Instant, sent: Timestamp, last: u64) -> PacketNumber {
        let mut number = last.saturating_add(self.shift);
        if number < self.next_number {
            number = self.next_number;
            self.shift = number.saturating_sub(last);
        }
        self.next_number = number.saturating_add(1);
        let number = PacketNumber::new(number);
        match self.bursts.back_mut() {
            Some(burst) if burst.last.at >= sent => burst.last.number = number,
            _ => {
                if self.bursts.len() == MAX_BURSTS {
                    self.merge_neighbours();
                }
                let last = Departure { at: sent, number };
                self.bursts.push_back(Burst { instant, last });
            }
        }
        number
    }

    /// The burst that left at exactly `instant`, if it is the one of the last answer or the one
    /// after it, as it mostly is: packets are mostly acknowledged in the order in which they left.
    #[inline]
    pub fn departure_near_last(&mut self, instant: Instant) -> Option<Departure> {
        let burst = self.bursts.get(self.cursor)?;
        if burst.instant == instant {
            return Some(burst.last);
        }
        let next = self.cursor + 1;
        let burst = self.bursts.get(next)?;
        if burst.instant != instant {
            return None;
        }
        self.cursor = next;
        Some(burst.last)
    }

    /// The number of the packet that left at `sent`, or that of the last packet of its burst.
    ///
    /// Packets older than anything remembered get the number of the last one forgotten.
    pub fn number_of(&mut self, sent: Timestamp) -> PacketNumber {
        if let Some(forgotten) = self.forgotten.filter(|last| sent <= last.at) {
            return forgotten.number;
        }
        self.cursor = self.bursts.partition_point(|burst| burst.last.at < sent);
        self.bursts
            .get(self.cursor)
            .or_else(|| self.bursts.back())
            .map(|burst| burst.last)
            .or(self.forgotten)
            .map(|last| last.number)
            .unwrap_or_default()
    }

    /// Forgets bursts that left more than `horizon` before `acked`, a packet just acknowledged.
    ///
    /// Loss detection gives such packets up by their age (RFC 9002 §6.1.2), so with a horizon of
    /// a few round-trip times nobody asks for them again.
    pub fn forget_before(&mut self, acked: Timestamp, horizon: Duration) {
        let horizon = duration_nanos(horizon);
        let oldest = Timestamp::from_nanos(acked.as_nanos().saturating_sub(horizon));
        let old = self.bursts.partition_point(|burst| burst.last.at < oldest);
        if let Some(burst) = self.bursts.drain(..old).next_back() {
            self.forgotten = Some(burst.last);
        }
        self.cursor = self.cursor.saturating_sub(old);
    }

    /// Bursts remembered now.
    pub fn len(&self) -> usize {
        self.bursts.len()
    }

    /// True if no burst is remembered.
    pub fn is_empty(&self) -> bool {
        self.bursts.is_empty()
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

    /// Pushes under an instant that corresponds to the timestamp.
    struct Path {
        start: Instant,
        ring: SentRing,
    }

    impl Path {
        fn new() -> Self {
            Self {
                #[expect(clippy::disallowed_methods, reason = "some instant is needed")]
                start: Instant::now(),
                ring: SentRing::default(),
            }
        }

        fn instant(&self, at: Timestamp) -> Instant {
            self.start + Duration::from_nanos(at.as_nanos())
        }

        fn push(&mut self, at: Timestamp, last: u64) -> PacketNumber {
            self.ring.push(self.instant(at), at, last)
        }
    }

    #[test]
    fn a_burst_answers_with_its_last_packet() {
        let mut path = Path::new();
        path.push(ms(0), 0);
        path.push(ms(0), 1);
        path.push(ms(1), 2);
        assert_eq!(path.ring.number_of(ms(0)), PacketNumber::new(1));
        assert_eq!(path.ring.number_of(ms(1)), PacketNumber::new(2));
    }

    #[test]
    fn packet_number_spaces_become_one_increasing_sequence() {
        let mut path = Path::new();
        // Initial 0 and 1, Handshake 0, application data 0, 1 and (one number skipped) 3.
        let numbers: Vec<u64> = [0, 1, 0, 0, 1, 3]
            .iter()
            .map(|&number| path.push(ms(0), number).as_u64())
            .collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 6]);
    }

    #[test]
    fn forgotten_packets_get_the_last_forgotten_number() {
        let mut path = Path::new();
        for i in 0..10 {
            path.push(ms(i), i);
        }
        path.ring.forget_before(ms(9), Duration::from_millis(4));
        assert_eq!(path.ring.len(), 5);
        assert_eq!(path.ring.number_of(ms(2)), PacketNumber::new(4));
        assert_eq!(path.ring.number_of(ms(5)), PacketNumber::new(5));
    }

    proptest! {
        #[test]
        fn memory_is_bounded_and_answers_never_precede_the_packet(
            gaps in prop::collection::vec((0u64..3, 1u64..3), 1..12_000),
            horizon in prop::option::of(1_000u64..5_000),
        ) {
                let mut path = Path::new();
            let mut sent = Vec::new();
            let (mut at, mut number) = (0, 0);
            for (gap, step) in gaps {
                at += gap;
                number += step;
                let instant = nanos(at);
                prop_assert_eq!(path.push(instant, number).as_u64(), number);
                prop_assert!(path.ring.len() <= MAX_BURSTS);
                sent.push((instant, number));
            }
            let newest = sent[sent.len() - 1];
            if let Some(nanos) = horizon {
                path.ring.forget_before(newest.0, Duration::from_nanos(nanos));
            }
            prop_assert_eq!(path.ring.number_of(newest.0).as_u64(), newest.1);
            let mut previous = 0;
            for &(instant, number) in &sent {
                let answer = path.ring.number_of(instant).as_u64();
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
                let mut path = Path::new();
            let mut at = 0;
            let mut instants = Vec::new();
            for (number, gap) in gaps.into_iter().enumerate() {
                at += gap;
                instants.push(nanos(at));
                path.push(instants[number], number as u64);
            }
            let mut near = 0;
            for (number, &at) in instants.iter().enumerate() {
                let number = PacketNumber::new(number as u64);
                let instant = path.instant(at);
                if let Some(departure) = path.ring.departure_near_last(instant) {
                    near += 1;
                    prop_assert_eq!(departure, Departure { at, number });
                }
                // No departure is a second later than another.
                let other = instant + Duration::from_secs(1);
                prop_assert_eq!(path.ring.departure_near_last(other), None);
            }
            prop_assert_eq!(near, instants.len(), "in order, every look-up is the next");
            for (number, &instant) in instants.iter().enumerate() {
                prop_assert_eq!(path.ring.number_of(instant).as_u64(), number as u64);
            }
        }
    }
}
