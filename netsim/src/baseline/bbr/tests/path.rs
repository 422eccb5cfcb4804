//! A path of one bottleneck that a test can change at any moment.

use std::collections::{BTreeMap, VecDeque};

use tautline_core::controller::{
    AckBatch, AckedPacket, CongestionEvent, CongestionTrigger, Controller as _, RoundTrip,
    SentPacket,
};
use tautline_core::units::{Bytes, PacketNumber, Timestamp};

use crate::baseline::bbr::{Bbr, Phase};

pub(super) const MTU: u64 = 1500;
pub(super) const MILLISECOND: u64 = 1_000_000;

/// A controller, its packets, and the events between them.
pub(super) struct Path {
    pub(super) bbr: Bbr,
    pub(super) now_ns: u64,
    pub(super) bytes_per_sec: u64,
    pub(super) rtt_ns: u64,
    /// Of every so many packets the last one is lost; zero for none.
    pub(super) lose_every: u64,
    /// Whether those are marked instead.
    pub(super) marks: bool,
    /// Time that the application takes to offer the next packet.
    pub(super) offer_ns: u64,
    /// The buffer, in bytes.
    pub(super) buffer: u64,
    pub(super) in_flight: u64,
    /// Every phase with the time of its start.
    pub(super) visits: Vec<(Phase, u64)>,
    next: u64,
    sent: BTreeMap<u64, u64>,
    acks: VecDeque<(u64, u64, bool)>,
    free_ns: u64,
    send_ns: u64,
}

impl Path {
    /// 10 Mbit/s and 40 ms with a deep buffer and an application that always has data.
    pub(super) fn new() -> Self {
        Self {
            bbr: Bbr::new(Bytes::new(MTU), 7),
            now_ns: 0,
            bytes_per_sec: 1_250_000,
            rtt_ns: 40 * MILLISECOND,
            lose_every: 0,
            marks: false,
            offer_ns: 0,
            buffer: 1_000_000,
            in_flight: 0,
            visits: vec![(Phase::Startup, 0)],
            next: 0,
            sent: BTreeMap::new(),
            acks: VecDeque::new(),
            free_ns: 0,
            send_ns: 0,
        }
    }

    /// The path's own bandwidth-delay product, in bytes.
    pub(super) fn bdp(&self) -> u64 {
        self.bytes_per_sec * (self.rtt_ns / MILLISECOND) / 1000 + MTU
    }

    pub(super) fn window(&self) -> u64 {
        self.bbr.decision().congestion_window.as_u64()
    }

    /// The pacing rate in bytes per second.
    pub(super) fn rate(&self) -> u64 {
        self.bbr.decision().pacing_rate.as_bytes_per_sec()
    }

    /// Runs for `millis` more.
    pub(super) fn run(&mut self, millis: u64) {
        let until_ns = self.now_ns + millis * MILLISECOND;
        while self.step(until_ns) {}
        self.now_ns = until_ns;
    }

    /// Runs until `phase` begins anew; fails after 20 s.
    pub(super) fn run_to(&mut self, phase: Phase) {
        let seen = self.visits.len();
        let until_ns = self.now_ns + 20_000 * MILLISECOND;
        while self.visits[seen..]
            .iter()
            .all(|&(entered, _)| entered != phase)
        {
            assert!(self.step(until_ns), "no {phase:?}: {:?}", self.visits);
        }
    }

    /// The phases entered since the first `from`.
    pub(super) fn phases(&self, from: usize) -> Vec<Phase> {
        self.visits[from..]
            .iter()
            .map(|&(phase, _)| phase)
            .collect()
    }

    /// The application has nothing for `millis`; what is in flight arrives.
    pub(super) fn stop_sending(&mut self, millis: u64) {
        self.send_ns = self.now_ns + millis * MILLISECOND;
        while !self.acks.is_empty() {
            self.step(u64::MAX);
        }
        assert_eq!(self.in_flight, 0);
    }

    /// One event, unless nothing happens before `until_ns`.
    pub(super) fn step(&mut self, until_ns: u64) -> bool {
        let ack_ns = self.acks.front().map_or(u64::MAX, |ack| ack.0);
        let open = self.in_flight + MTU <= self.window();
        let send_ns = if open {
            self.send_ns.max(self.now_ns)
        } else {
            u64::MAX
        };
        if ack_ns.min(send_ns) > until_ns {
            return false;
        }
        if ack_ns <= send_ns {
            self.acknowledge();
        } else {
            self.send(send_ns);
        }
        let phase = self.bbr.phase();
        if self.visits.last().is_none_or(|last| last.0 != phase) {
            self.visits.push((phase, self.now_ns));
        }
        true
    }

    fn send(&mut self, send_ns: u64) {
        self.now_ns = send_ns;
        let number = self.next;
        self.next += 1;
        self.in_flight += MTU;
        self.sent.insert(number, send_ns);
        let packet = SentPacket {
            number: PacketNumber::new(number),
            bytes: Bytes::new(MTU),
            bytes_in_flight: Bytes::new(self.in_flight),
        };
        self.bbr
            .on_packet_sent(Timestamp::from_nanos(send_ns), packet);
        let rate = self.bbr.decision().pacing_rate.as_bytes_per_sec();
        self.send_ns = send_ns + (MTU * 1_000_000_000 / rate).max(self.offer_ns);
        let start_ns = self.free_ns.max(send_ns);
        let queued = (start_ns - send_ns) / 1000 * self.bytes_per_sec / 1_000_000;
        let hit = self.lose_every > 0 && number % self.lose_every == self.lose_every - 1;
        if queued > self.buffer || (hit && !self.marks) {
            return;
        }
        self.free_ns = start_ns + MTU * 1_000_000_000 / self.bytes_per_sec;
        self.acks
            .push_back((self.free_ns + self.rtt_ns, number, hit));
    }

    fn acknowledge(&mut self) {
        let Some((ack_ns, number, marked)) = self.acks.pop_front() else {
            return;
        };
        self.now_ns = self.now_ns.max(ack_ns);
        let now = Timestamp::from_nanos(self.now_ns);
        let sent_ns = self.sent.remove(&number).unwrap();
        self.in_flight -= MTU;
        let packet = AckedPacket {
            number: PacketNumber::new(number),
            bytes: Bytes::new(MTU),
            time_sent: Timestamp::from_nanos(sent_ns),
            round_trip: RoundTrip::Measured,
        };
        self.bbr.on_packet_acked(now, packet);
        let batch = AckBatch {
            bytes_in_flight: Bytes::new(self.in_flight),
            ecn_ce_count: u64::from(marked),
        };
        self.bbr.on_ack_end(now, batch);
        if marked {
            self.report(CongestionTrigger::EcnCe, number, sent_ns);
        }
        self.detect_losses(number);
    }

    fn detect_losses(&mut self, largest: u64) {
        let Some(limit) = largest.checked_sub(3) else {
            return;
        };
        let lost: Vec<(u64, u64)> = self.sent.range(..=limit).map(|(&n, &at)| (n, at)).collect();
        let Some(&(number, sent_ns)) = lost.last() else {
            return;
        };
        for (number, _) in &lost {
            self.sent.remove(number);
        }
        let packets = lost.len() as u64;
        self.in_flight -= packets * MTU;
        let bytes = Bytes::new(packets * MTU);
        self.report(CongestionTrigger::Loss { packets, bytes }, number, sent_ns);
    }

    pub(super) fn report(&mut self, trigger: CongestionTrigger, number: u64, sent_ns: u64) {
        let event = CongestionEvent {
            trigger,
            number: PacketNumber::new(number),
            time_sent: Timestamp::from_nanos(sent_ns),
            bytes_in_flight: Bytes::new(self.in_flight),
        };
        let now = Timestamp::from_nanos(self.now_ns);
        self.bbr.on_congestion_event(now, event);
    }
}
