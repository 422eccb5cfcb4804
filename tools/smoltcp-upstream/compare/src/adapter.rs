//! A controller of ours behind the trait that the patch opens: what replaces the middleware.

use std::time::Duration;

use smoltcp_patched::socket::tcp::{AckInfo, CongestionController, Retransmission, SentSegment};
use smoltcp_patched::time::Instant;
use smoltcp_patched::wire::TcpSeqNumber;
use tautline_core::controller::{
    AckBatch, AckedPacket, CongestionEvent, CongestionTrigger, Controller, Decision, RoundTrip,
    SentPacket, Timeout,
};
use tautline_core::units::{Bandwidth, Bytes, PacketNumber, Timestamp};
use tautline_tcp_integration::ControllerSource;

use crate::ledger::{Ledger, Record, State};

/// Who decides what is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// smoltcp alone: one fast retransmit per three duplicate acknowledgements, and its timer.
    Stack,
    /// The adapter, by SACK blocks and a probe timeout, but only the first segment: what the
    /// middleware can make an unmodified smoltcp do.
    First,
    /// The adapter, whatever is lost.
    Holes,
}

/// Drives a controller by smoltcp's hooks.
#[derive(Debug)]
pub struct InStack<S: ControllerSource, const N: usize> {
    source: S,
    recovery: Recovery,
    controller: S::Controller,
    ledger: Ledger<N>,
    /// The first segment of a connection is its SYN.
    syn: Option<TcpSeqNumber>,
    /// The end of what was ever sent.
    sent_end: Option<TcpSeqNumber>,
    next_number: u64,
    largest_acked: u64,
    /// As smoltcp counts it.
    in_flight: usize,
    mss: u64,
    rtt: Option<Rtt>,
    /// When the next departure would be on time (generic cell rate algorithm).
    due: Timestamp,
    /// The restart window after a timeout (RFC 5681 §3.1); the maximum otherwise.
    restart_window: u64,
    timeouts: u32,
    probe: Probe,
}

/// The probe timeout (RFC 9002 §6.2).
#[derive(Clone, Copy, Debug, Default)]
struct Probe {
    /// The last departure or acknowledgement; none if nothing is outstanding.
    since: Option<Timestamp>,
    count: u32,
    /// The timeout expired and the first segment was not repeated yet.
    wanted: bool,
}

/// RFC 6298 §2 in nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Rtt {
    least: u64,
    smoothed: u64,
    variation: u64,
}

impl<S: ControllerSource, const N: usize> InStack<S, N> {
    pub fn new(source: S, recovery: Recovery) -> Self {
        let controller = source.controller(Bytes::new(DEFAULT_MSS));
        Self {
            source,
            recovery,
            controller,
            ledger: Ledger::new(),
            syn: None,
            sent_end: None,
            next_number: 0,
            largest_acked: 0,
            in_flight: 0,
            mss: DEFAULT_MSS,
            rtt: None,
            due: Timestamp::ZERO,
            restart_window: u64::MAX,
            timeouts: 0,
            probe: Probe::default(),
        }
    }

    fn decision(&self) -> Decision {
        self.controller.decision()
    }

    fn cwnd(&self) -> u64 {
        let window = self.decision().congestion_window.as_u64();
        window.min(self.restart_window).max(self.mss)
    }

    fn pipe(&self) -> Bytes {
        Bytes::new(self.ledger.pipe())
    }

    /// A departure at `now` uses up its share of the pacing rate.
    fn pace(&mut self, now: Timestamp, bytes: u64) {
        let rate = self.decision().pacing_rate;
        if rate == Bandwidth::MAX || self.rtt.is_none() {
            return;
        }
        let due = self.due.max(now);
        self.due = due.saturating_add(rate.time_for(Bytes::new(bytes)));
    }

    fn acknowledged(&mut self, now: Timestamp, ack: &AckInfo) {
        self.in_flight = ack.in_flight;
        let packets = self.newly_acknowledged(ack);
        if packets.is_empty() {
            return;
        }
        for (record, round_trip) in packets {
            self.packet_acknowledged(now, record, round_trip);
        }
        self.timeouts = 0;
        self.probe = Probe {
            since: (self.ledger.pipe() > 0).then_some(now),
            ..Probe::default()
        };
        let batch = AckBatch {
            bytes_in_flight: self.pipe(),
            ecn_ce_count: 0,
        };
        self.controller.on_ack_end(now, batch);
        let largest_acked = self.largest_acked;
        // RFC 9002 §6.1.1.
        self.lose(now, |record| {
            record.number.as_u64() + PACKET_THRESHOLD <= largest_acked
        });
    }

    /// What `ack` is the first to acknowledge, in the order of numbers.
    fn newly_acknowledged(&mut self, ack: &AckInfo) -> Vec<(Record, RoundTrip)> {
        let mut acked = Vec::with_capacity(8);
        let mut ambiguous = false;
        while let Some(record) = self.ledger.pop_before(ack.ack_number) {
            ambiguous |= record.repeated;
            if record.state != State::Sacked {
                acked.push(record);
            }
        }
        let cumulative = acked.len();
        for (left, right) in ack.sack_ranges.into_iter().flatten() {
            self.ledger.update(|record| {
                let covered = left <= record.start && record.end <= right;
                if covered && record.state != State::Sacked {
                    record.state = State::Sacked;
                    acked.push(*record);
                }
            });
        }
        // Karn's algorithm (RFC 6298 §3): no sample from what was sent twice, nor from what a
        // repeated segment held back.
        let mut packets: Vec<(Record, RoundTrip)> = acked
            .into_iter()
            .enumerate()
            .map(
                |(i, record)| match record.repeated || (ambiguous && i < cumulative) {
                    true => (record, RoundTrip::Ambiguous),
                    false => (record, RoundTrip::Measured),
                },
            )
            .collect();
        packets.sort_unstable_by_key(|(record, _)| record.number);
        packets
    }

    fn packet_acknowledged(&mut self, now: Timestamp, record: Record, round_trip: RoundTrip) {
        let packet = AckedPacket {
            number: record.number,
            bytes: Bytes::new(record.bytes()),
            time_sent: record.time_sent,
            round_trip,
        };
        if let Some(sample) = packet.round_trip_time(now) {
            self.sample(sample);
        }
        // RFC 8985 §6.2: too early to be the answer to a repetition, it is one to the original.
        let age = now.saturating_since(record.time_sent).as_nanos() as u64;
        if !record.repeated || self.rtt.is_some_and(|rtt| age >= rtt.least) {
            self.largest_acked = self.largest_acked.max(record.number.as_u64());
        }
        self.restart_window = match self.restart_window.checked_add(record.bytes()) {
            Some(window) if window < self.decision().congestion_window.as_u64() => window,
            _ => u64::MAX,
        };
        self.controller.on_packet_acked(now, packet);
    }

    /// Declares the outstanding records lost that `is_lost` picks, and tells the controller once.
    fn lose(&mut self, now: Timestamp, is_lost: impl Fn(&Record) -> bool) {
        let (mut packets, mut bytes, mut last) = (0, 0, None::<Record>);
        self.ledger.update(|record| {
            if record.state == State::Outstanding && is_lost(record) {
                record.state = State::Lost;
                packets += 1;
                bytes += record.bytes();
                if last.is_none_or(|last| last.number < record.number) {
                    last = Some(*record);
                }
            }
        });
        let Some(last) = last else { return };
        let event = CongestionEvent {
            trigger: CongestionTrigger::Loss {
                packets,
                bytes: Bytes::new(bytes),
            },
            number: last.number,
            time_sent: last.time_sent,
            bytes_in_flight: self.pipe(),
        };
        self.controller.on_congestion_event(now, event);
    }

    fn sample(&mut self, sample: Duration) {
        let sample = sample.as_nanos() as u64;
        self.rtt = Some(match self.rtt {
            None => Rtt {
                least: sample,
                smoothed: sample,
                variation: sample / 2,
            },
            Some(old) => Rtt {
                least: old.least.min(sample),
                variation: (old.variation * 3 + old.smoothed.abs_diff(sample)) / 4,
                smoothed: (old.smoothed * 7 + sample) / 8,
            },
        });
    }

    /// When the probe timeout expires.
    fn probe_at(&self) -> Option<Timestamp> {
        let (since, rtt) = (self.probe.since?, self.rtt?);
        if self.recovery == Recovery::Stack || self.probe.count >= MOST_PROBES {
            return None;
        }
        let retry = self.decision().retry;
        let mut timeout = rtt.smoothed + (4 * rtt.variation).max(GRANULARITY_NS) + ACK_DELAY_NS;
        timeout = retry.timeout_factor().scale(timeout);
        for _ in 0..self.probe.count {
            timeout = retry.backoff_factor().scale(timeout);
        }
        Some(since.saturating_add(Duration::from_nanos(timeout)))
    }
}

impl<S, const N: usize> CongestionController for InStack<S, N>
where
    S: ControllerSource + Clone + Send + Sync,
    S::Controller: Send + Sync,
{
    fn window(&self) -> usize {
        // smoltcp counts what was SACKed or lost as in flight; RFC 6675's pipe does not.
        let room = self.cwnd().saturating_sub(self.ledger.pipe()) as usize;
        // Whatever the records say, smoltcp must be able to go on when nothing is in flight.
        self.in_flight
            + room.max(if self.in_flight == 0 {
                self.mss as usize
            } else {
                0
            })
    }

    fn earliest_departure(&self) -> Option<Instant> {
        let decision = self.decision();
        if decision.pacing_rate == Bandwidth::MAX {
            return None;
        }
        let burst = decision.send_quantum.max(Bytes::new(self.mss));
        let ahead = decision.pacing_rate.time_for(burst).as_nanos() as u64;
        Some(instant(Timestamp::from_nanos(
            self.due.as_nanos().saturating_sub(ahead),
        )))
    }

    fn retransmission(&self) -> Option<Retransmission> {
        if self.recovery == Recovery::Stack {
            return None;
        }
        let again = |record: &Record, at: Instant| Retransmission {
            at,
            seq_number: record.start,
            len: record.bytes() as usize,
        };
        let first = self.ledger.first()?;
        if self.probe.wanted || first.state == State::Lost {
            // Like a fast retransmit: neither the window nor pacing holds it back.
            return Some(again(first, Instant::ZERO));
        }
        let hole = self
            .ledger
            .records()
            .find(|record| record.state == State::Lost);
        match hole {
            Some(hole)
                if self.recovery == Recovery::Holes
                    && self.ledger.pipe() + hole.bytes() <= self.cwnd() =>
            {
                let at = self.earliest_departure().unwrap_or(Instant::ZERO);
                Some(again(hole, at))
            }
            _ => self.probe_at().map(|at| again(first, instant(at))),
        }
    }

    fn fast_retransmit(&self) -> bool {
        self.recovery == Recovery::Stack
    }

    fn reset(&mut self) {
        *self = Self::new(self.source.clone(), self.recovery);
    }

    fn set_mss(&mut self, mss: usize) {
        self.mss = mss as u64;
        self.controller = self.source.controller(Bytes::new(self.mss));
    }

    fn on_ack(&mut self, now: Instant, ack: &AckInfo) {
        self.acknowledged(timestamp(now), ack);
    }

    fn on_dup_ack(&mut self, now: Instant, _mss: usize, ack: &AckInfo) {
        self.acknowledged(timestamp(now), ack);
    }

    fn on_loss(&mut self, now: Instant, _in_flight: usize) {
        if let Some(first) = self.ledger.first().copied() {
            self.lose(timestamp(now), |record| record.start == first.start);
        }
    }

    fn on_rto(&mut self, now: Instant, _in_flight: usize) {
        let now = timestamp(now);
        self.in_flight = 0;
        self.timeouts += 1;
        let timeout = Timeout {
            count: self.timeouts,
            bytes_in_flight: self.pipe(),
        };
        self.controller.on_timeout(now, timeout);
        self.lose(now, |_| true);
        self.restart_window = self.mss;
        self.probe = Probe::default();
    }

    fn pre_transmit(&mut self, now: Instant) {
        let now = timestamp(now);
        if self.probe.wanted || self.probe_at().is_none_or(|at| now < at) {
            return;
        }
        self.probe.count += 1;
        self.probe.since = Some(now);
        self.probe.wanted = true;
        let timeout = Timeout {
            count: self.probe.count,
            bytes_in_flight: self.pipe(),
        };
        self.controller.on_timeout(now, timeout);
    }

    fn post_transmit(&mut self, now: Instant, segment: &SentSegment) {
        let now = timestamp(now);
        if *self.syn.get_or_insert(segment.seq_number) == segment.seq_number {
            return;
        }
        self.in_flight = segment.in_flight;
        let (start, end) = (segment.seq_number, segment.seq_number + segment.len);
        let number = PacketNumber::new(self.next_number);
        self.next_number += 1;
        let sent_end = *self.sent_end.get_or_insert(start);
        if start < sent_end {
            self.probe.wanted = false;
            self.ledger.resend(start, end, number, now);
        }
        if sent_end < end {
            self.ledger.push(Record {
                start: start.max(sent_end),
                end,
                number,
                time_sent: now,
                state: State::Outstanding,
                repeated: false,
            });
            self.sent_end = Some(end);
        }
        self.probe.since = Some(now);
        self.pace(now, segment.len as u64);
        let packet = SentPacket {
            number,
            bytes: Bytes::new(segment.len as u64),
            bytes_in_flight: self.pipe(),
        };
        self.controller.on_packet_sent(now, packet);
    }
}

fn timestamp(at: Instant) -> Timestamp {
    Timestamp::from_nanos(at.total_micros() as u64 * 1000)
}

/// Rounded up: never early.
fn instant(at: Timestamp) -> Instant {
    Instant::from_micros(at.as_nanos().div_ceil(1000) as i64)
}

/// RFC 9293 §3.7.1.
const DEFAULT_MSS: u64 = 536;
/// RFC 9002 §6.1.1.
const PACKET_THRESHOLD: u64 = 3;
/// RFC 9002 §6.1.2.
const GRANULARITY_NS: u64 = 1_000_000;
/// What the peer may wait before it acknowledges (RFC 9002 §6.2.1: its default).
const ACK_DELAY_NS: u64 = 25_000_000;
/// Probes in a row before smoltcp's own timer is waited for.
const MOST_PROBES: u32 = 2;
