//! Which records are lost.

use smoltcp::wire::TcpSeqNumber;
use tautline_core::units::{Bytes, PacketNumber, Timestamp};

use super::{Ledger, Record, State};

/// The packets of one detection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Losses {
    /// How many, a burst counted by its bytes.
    pub(in super::super) packets: u64,
    /// Their size together.
    pub(in super::super) bytes: Bytes,
    /// The largest packet number.
    pub(in super::super) number: PacketNumber,
    /// When that packet left.
    pub(in super::super) time_sent: Timestamp,
    /// When the first of them left.
    pub(in super::super) first_sent: Timestamp,
}

impl<const SEGMENTS: usize> Ledger<SEGMENTS> {
    /// Declares lost what left before packet `third`, the third of those that arrived.
    pub(in super::super) fn lose_before(
        &mut self,
        third: PacketNumber,
        max_segment: u32,
    ) -> Option<Losses> {
        let late = |record: &Record| record.number < third;
        // In order, the first record carries the smallest number.
        if !self.disordered && !self.front().is_some_and(late) {
            return None;
        }
        self.lose(max_segment, late)
    }

    /// Declares lost what is in flight of the first record (RFC 5681 §3.2, RFC 6582).
    pub(in super::super) fn lose_front(&mut self, max_segment: u32) -> Option<Losses> {
        let number = self.front()?.number;
        self.lose(max_segment, |record| record.number == number)
    }

    /// Declares lost all that is in flight (RFC 6675 §5.1).
    pub(in super::super) fn lose_all(&mut self, max_segment: u32) -> Option<Losses> {
        self.lose(max_segment, |_| true)
    }

    /// Lost bytes before `end`.
    pub(in super::super) fn lost_before(&self, end: TcpSeqNumber) -> u32 {
        let records = self.live().iter().take_while(|record| record.start < end);
        let lost = records.filter(|record| record.state == State::Lost);
        lost.fold(0, |sum, record| record.bytes.saturating_add(sum))
    }

    fn lose(&mut self, max_segment: u32, which: impl Fn(&Record) -> bool) -> Option<Losses> {
        let mut losses: Option<Losses> = None;
        let mut gone = 0_u64;
        let mut disordered = false;
        for record in self.live_mut() {
            disordered |= record.repeated || record.state == State::Sacked;
            if record.state != State::Outstanding || !which(record) {
                continue;
            }
            record.state = State::Lost;
            gone = gone.saturating_add(record.bytes.into());
            if record.owed == 0 {
                continue;
            }
            let (number, time_sent) = (record.number, record.time_sent);
            let packets = u64::from(record.owed.div_ceil(max_segment.max(1)).max(1));
            let bytes = Bytes::new(record.owed.into());
            let total = losses.get_or_insert(Losses {
                packets: 0,
                bytes: Bytes::ZERO,
                number,
                time_sent,
                first_sent: time_sent,
            });
            total.packets = total.packets.saturating_add(packets);
            total.bytes = total.bytes.saturating_add(bytes);
            (total.number, total.time_sent) =
                (total.number, total.time_sent).max((number, time_sent));
            total.first_sent = total.first_sent.min(time_sent);
        }
        self.disordered = disordered;
        self.outstanding = self.outstanding.saturating_sub(gone);
        losses
    }
}
