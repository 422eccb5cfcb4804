//! Cumulative and selective acknowledgements (RFC 9293 §3.4, RFC 2018).

use core::time::Duration;

use smoltcp::wire::TcpSeqNumber;
use tautline_core::controller::{AckedPacket, RoundTrip};
use tautline_core::units::{Bytes, PacketNumber, Timestamp};

use super::{Ledger, Record, State};

/// SACK blocks as they are on the wire.
pub(in super::super) type Blocks = [Option<(TcpSeqNumber, TcpSeqNumber)>; 3];

/// One acknowledgement that the stack takes.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Acknowledgement<'a> {
    pub(in super::super) now: Timestamp,
    /// Everything before it has arrived.
    pub(in super::super) cumulative: TcpSeqNumber,
    /// What arrived beyond.
    pub(in super::super) blocks: &'a Blocks,
    /// The smallest round-trip time so far: what is acknowledged sooner was not a retransmission
    /// (RFC 8985 §6.2, step 2).
    pub(in super::super) least_round_trip: Option<Duration>,
}

/// What an acknowledgement told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Delivered {
    /// Bytes reported.
    pub(in super::super) bytes: Bytes,
    /// Round-trip time of the largest packet number that tells one.
    pub(in super::super) round_trip_time: Option<Duration>,
    /// The largest packet numbers that certainly arrived.
    pub(in super::super) largest: Largest,
    /// The time at which the last of the packets left.
    pub(in super::super) latest_sent: Option<Timestamp>,
}

impl<const SEGMENTS: usize> Ledger<SEGMENTS> {
    /// Reports each packet that `ack` newly acknowledges, in the order of packet numbers.
    ///
    /// What was declared lost and arrived all the same is not reported: it is accounted for.
    pub(in super::super) fn acknowledge(
        &mut self,
        ack: Acknowledgement<'_>,
        mut report: impl FnMut(AckedPacket),
    ) -> Delivered {
        let cumulative = ack.cumulative;
        self.make_room();
        self.split(cumulative);
        let mut ambiguous = false;
        for record in self.live_mut() {
            if cumulative < record.end() {
                break;
            }
            ambiguous |= record.repeated && record.state != State::Sacked;
            if record.state == State::Outstanding {
                record.state = State::Fresh;
            }
        }
        let mut reach = cumulative;
        for (start, end) in ack.blocks.iter().flatten() {
            if self.mark(cumulative, *start, *end) == News::Some {
                reach = reach.max(*end);
            }
        }
        // Cutting at the blocks' edges may have moved records.
        let covered = self.covered(cumulative);
        let touched = self.covered(reach);
        let mut delivered = Delivered::default();
        let mut tell = |index: usize, record: &Record| {
            if record.owed == 0 {
                return;
            }
            let packet = acked_packet(record, ambiguous && index < covered);
            delivered.count(&ack, record, packet);
            report(packet);
        };
        if self.is_ordered(touched) {
            for (index, record) in self.live().iter().take(touched).enumerate() {
                if record.state == State::Fresh {
                    tell(index, record);
                }
            }
        } else {
            self.tell_in_order(touched, &mut tell);
        }
        self.settle(covered, touched);
        delivered
    }

    /// Live records that end at or before `end`.
    fn covered(&self, end: TcpSeqNumber) -> usize {
        self.live().partition_point(|record| record.end() <= end)
    }

    /// Marks what lies in a block.
    fn mark(&mut self, cumulative: TcpSeqNumber, start: TcpSeqNumber, end: TcpSeqNumber) -> News {
        // A block below the cumulative acknowledgement reports a duplicate (RFC 2883).
        if start < cumulative || end <= start {
            return News::None;
        }
        for edge in [start, end] {
            self.make_room();
            self.split(edge);
        }
        let from = self.live().partition_point(|record| record.start < start);
        let to = self.covered(end);
        let mut news = News::None;
        for record in self.live_mut().iter_mut().take(to).skip(from) {
            match record.state {
                State::Outstanding => record.state = State::Fresh,
                State::Lost => record.state = State::Sacked,
                State::Sacked | State::Fresh => continue,
            }
            news = News::Some;
        }
        self.disordered |= news == News::Some;
        news
    }

    /// True if the fresh ones of the first `count` records lie in the order of their numbers.
    fn is_ordered(&self, count: usize) -> bool {
        !self.disordered || {
            let records = self.live().iter().take(count);
            records
                .filter(|record| record.state == State::Fresh)
                .is_sorted_by_key(|record| record.number)
        }
    }

    /// Tells the fresh ones of the first `count` records in the order of their numbers.
    #[inline(never)]
    fn tell_in_order(&self, count: usize, tell: &mut impl FnMut(usize, &Record)) {
        let mut order = [(PacketNumber::new(0), 0_usize); SEGMENTS];
        let mut fresh = 0_usize;
        for (index, record) in self.live().iter().take(count).enumerate() {
            if record.state == State::Fresh
                && let Some(place) = order.get_mut(fresh)
            {
                *place = (record.number, index);
                fresh = fresh.saturating_add(1);
            }
        }
        let order = order.get_mut(..fresh).unwrap_or_default();
        order.sort_unstable();
        for (_, index) in order {
            if let Some(record) = self.live().get(*index) {
                tell(*index, record);
            }
        }
    }

    /// Forgets the first `covered` records, and keeps the fresh ones up to `touched` as SACKed.
    fn settle(&mut self, covered: usize, touched: usize) {
        let mut acknowledged = 0_u64;
        for record in self.live_mut().iter_mut().take(touched) {
            if record.state == State::Fresh {
                record.state = State::Sacked;
                acknowledged = acknowledged.saturating_add(record.bytes.into());
            }
        }
        self.outstanding = self.outstanding.saturating_sub(acknowledged);
        self.head = self.head.saturating_add(covered);
        if self.head >= self.tail {
            (self.head, self.tail, self.disordered) = (0, 0, false);
        }
    }
}

/// Whether a block tells what was not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    None,
    Some,
}

/// The largest three packet numbers that arrived, the largest first, and when their packets left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Largest([Option<(PacketNumber, Timestamp)>; PACKET_THRESHOLD]);

impl Largest {
    fn insert(&mut self, number: PacketNumber, time_sent: Timestamp) {
        // A packet that arrives in two pieces has arrived once.
        if self.0.iter().flatten().any(|(known, _)| *known == number) {
            return;
        }
        let mut next = Some((number, time_sent));
        for place in &mut self.0 {
            if *place < next {
                core::mem::swap(place, &mut next);
            }
        }
    }

    /// Takes those of `other` in.
    pub(in super::super) fn merge(&mut self, other: &Self) {
        for (number, time_sent) in other.0.iter().flatten() {
            self.insert(*number, *time_sent);
        }
    }

    /// The largest, and when it left.
    pub(in super::super) fn first(&self) -> Option<(PacketNumber, Timestamp)> {
        self.0.iter().copied().next().flatten()
    }

    /// The third largest: of what left before it, at least three later packets have arrived.
    pub(in super::super) fn third(&self) -> Option<PacketNumber> {
        let last = self.0.iter().copied().next_back().flatten();
        last.map(|(number, _)| number)
    }
}

/// kPacketThreshold of RFC 9002 §6.1.1, counted in packets that arrived, as DupThresh of RFC 6675
/// is: a gap in the numbers alone may be what the network still carries.
const PACKET_THRESHOLD: usize = 3;

impl Delivered {
    fn count(&mut self, ack: &Acknowledgement<'_>, record: &Record, packet: AckedPacket) {
        self.bytes = self.bytes.saturating_add(packet.bytes);
        self.round_trip_time = packet.round_trip_time(ack.now).or(self.round_trip_time);
        self.latest_sent = self.latest_sent.max(Some(record.time_sent));
        let since = ack.now.saturating_since(record.time_sent);
        let too_soon = ack.least_round_trip.is_none_or(|least| since < least);
        if !(record.repeated && too_soon) {
            self.largest.insert(record.number, record.time_sent);
        }
    }
}

/// Karn's algorithm (RFC 6298 §3): neither what left more than once tells a round-trip time, nor
/// what an acknowledgement covers together with it.
fn acked_packet(record: &Record, ambiguous: bool) -> AckedPacket {
    let unclear = ambiguous || record.repeated || record.partial;
    AckedPacket {
        number: record.number,
        bytes: Bytes::new(record.owed.into()),
        time_sent: record.time_sent,
        round_trip: if unclear {
            RoundTrip::Ambiguous
        } else {
            RoundTrip::Measured
        },
    }
}
