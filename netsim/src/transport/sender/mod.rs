//! The sending side: what may leave when, and what is lost (RFC 9002 §6, §7).

use std::collections::VecDeque;

use tautline_core::controller::{
    AckBatch, Controller, Counters, Decision, Event, RetryTiming, SentPacket,
};
use tautline_core::units::{Bytes, PacketNumber, Timestamp, duration_nanos};

use super::pacer::Pacer;
use super::persistent::LossRun;
use super::sent::SentPackets;
use super::{Ack, Direction, Ecn, NEVER, Packet, RttEstimator};
use crate::baseline;
use crate::endpoint::Endpoint;
use crate::scenario::{EcnSpec, FlowSpec, Pacing, TransportSpec};

mod recovery;
mod stats;

pub use stats::SenderStats;

/// What an application wants to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workload {
    /// When it starts.
    pub start: Timestamp,
    /// When it stops offering data; [`Timestamp::MAX`] for never.
    pub stop: Timestamp,
    /// Payload in total; [`Bytes::MAX`] without a limit.
    pub limit: Bytes,
    /// The ECN field of its packets.
    pub ecn: Ecn,
}

impl Workload {
    /// What `flow` sends as bulk data.
    pub fn of(flow: &FlowSpec) -> Self {
        Self {
            start: flow.start,
            stop: flow.stop,
            limit: flow.limit,
            ecn: match flow.ecn {
                EcnSpec::Auto => baseline::ecn_of(&flow.controller),
                EcnSpec::Off => Ecn::NotEct,
                EcnSpec::Classic => Ecn::Ect0,
                EcnSpec::L4s => Ecn::Ect1,
            },
        }
    }
}

/// A sender under the control of `C`.
///
/// Lost payload leaves again before new payload, as often as it is lost (RFC 9000 §13.3).
#[derive(Debug)]
pub struct Sender<C> {
    controller: C,
    /// Events reached the controller since it was last asked.
    stale: bool,
    window: u64,
    retry: RetryTiming,
    pacer: Pacer,
    sent: SentPackets,
    in_flight: u64,
    rtt: RttEstimator,
    largest_acked: Option<u64>,
    loss_time_ns: u64,
    last_sent_ns: u64,
    pto_ns: u64,
    pto_count: u32,
    probes_due: u32,
    run: LossRun,
    start_ns: u64,
    stop_ns: u64,
    /// New payload that waits.
    unsent: u64,
    /// Where new payload starts in the stream.
    next_offset: u64,
    /// Payload in packets that are neither acknowledged nor lost.
    unsettled: u64,
    /// Payload that was lost: offsets and lengths, at most a packet's each.
    resend: VecDeque<(u64, u64)>,
    completed_ns: Option<u64>,
    wake_ns: u64,
    mtu: u64,
    overhead: u64,
    /// IP and UDP headers, which come on top of everything that is counted here.
    header: u64,
    receive_window: u64,
    max_ack_delay_ns: u64,
    flow: u32,
    ecn: Ecn,
    /// Marks reported so far, modulo 2¹⁶.
    ce_count: u16,
    pacing: Pacing,
    stats: SenderStats,
    /// Numbers of lost packets that nobody has asked for yet, where they are wanted.
    lost_numbers: Option<Vec<u64>>,
    log: Option<Vec<(Timestamp, Event)>>,
}

/// Whether a sender keeps the events that it gives to its controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventLog {
    /// Keep them all, for a replay elsewhere.
    Keep,
    /// Keep none.
    Discard,
}

impl<C: Controller> Sender<C> {
    /// A sender of flow number `flow` that has sent nothing.
    pub fn new(
        flow: u32,
        controller: C,
        workload: &Workload,
        transport: &TransportSpec,
        log: EventLog,
    ) -> Self {
        let mut sender = Self {
            controller,
            stale: true,
            window: 0,
            retry: RetryTiming::RFC9002,
            pacer: Pacer::new(),
            sent: SentPackets::new(),
            in_flight: 0,
            rtt: RttEstimator::default(),
            largest_acked: None,
            loss_time_ns: NEVER,
            last_sent_ns: 0,
            pto_ns: 0,
            pto_count: 0,
            probes_due: 0,
            run: LossRun::new(),
            start_ns: workload.start.as_nanos(),
            stop_ns: workload.stop.as_nanos(),
            unsent: workload.limit.as_u64(),
            next_offset: 0,
            unsettled: 0,
            resend: VecDeque::new(),
            completed_ns: None,
            wake_ns: workload.start.as_nanos(),
            mtu: transport.max_datagram_size().as_u64(),
            overhead: u64::from(
                transport
                    .overhead_bytes
                    .saturating_sub(transport.header_bytes),
            ),
            header: u64::from(transport.header_bytes),
            receive_window: transport.receive_window.as_u64(),
            max_ack_delay_ns: duration_nanos(transport.max_ack_delay),
            flow,
            ecn: workload.ecn,
            ce_count: 0,
            pacing: transport.pacing,
            stats: SenderStats::default(),
            lost_numbers: None,
            log: (log == EventLog::Keep).then(Vec::new),
        };
        sender.refresh(0);
        sender
    }

    /// The application has written `total` bytes since the start; payload that left stays.
    pub fn offer(&mut self, total: u64) {
        self.unsent = total.saturating_sub(self.next_offset);
        if self.unsent > 0 {
            self.completed_ns = None;
        }
    }

    /// Payload that left at least once.
    pub const fn written(&self) -> u64 {
        self.next_offset
    }

    /// Keeps the numbers of lost packets for [`Sender::take_lost`].
    pub fn keep_lost_numbers(&mut self) {
        self.lost_numbers = Some(Vec::new());
    }

    /// The numbers of packets declared lost since the last call, where they are kept.
    pub fn take_lost(&mut self) -> Vec<u64> {
        self.lost_numbers
            .as_mut()
            .map(core::mem::take)
            .unwrap_or_default()
    }

    /// What the controller decided last.
    pub fn decision(&self) -> Decision {
        self.controller.decision()
    }

    /// Consecutive probe timeouts.
    pub const fn consecutive_timeouts(&self) -> u32 {
        self.pto_count
    }

    /// What was done so far.
    pub const fn stats(&self) -> &SenderStats {
        &self.stats
    }

    /// Bytes in flight.
    pub const fn in_flight(&self) -> Bytes {
        Bytes::new(self.in_flight)
    }

    /// The window in force: congestion window, buffer cap and receive window together.
    pub const fn window(&self) -> Bytes {
        Bytes::new(self.window)
    }

    /// The round-trip time estimate.
    pub const fn rtt(&self) -> &RttEstimator {
        &self.rtt
    }

    /// The controller's counters.
    pub fn counters(&self) -> Counters {
        self.controller.counters()
    }

    /// When the last byte of a limited workload was acknowledged.
    pub fn completed(&self) -> Option<Timestamp> {
        self.completed_ns.map(Timestamp::from_nanos)
    }

    /// Takes the sender apart into its controller and the events that it was given.
    pub fn into_parts(self) -> (C, Option<Vec<(Timestamp, Event)>>) {
        (self.controller, self.log)
    }

    #[inline]
    fn notify(&mut self, now: Timestamp, event: Event) {
        if let Some(log) = &mut self.log {
            log.push((now, event));
        }
        event.replay(now, &mut self.controller);
        self.stale = true;
    }

    /// Asks the controller what to do from now on.
    #[inline]
    fn refresh(&mut self, now_ns: u64) {
        if !self.stale {
            return;
        }
        self.stale = false;
        let decision: Decision = self.controller.decision();
        let cap = decision.buffer_cap.as_u64().min(self.receive_window);
        self.window = decision.congestion_window.as_u64().min(cap);
        if self.pacing == Pacing::Controller {
            self.pacer.follow(now_ns, &decision, self.mtu);
        }
        self.retry = decision.retry;
        self.pto_ns = self.probe_timeout_ns();
    }

    /// RFC 9002 §6.2.1, scaled by the controller's retry timing and backed off.
    #[inline]
    fn probe_timeout_ns(&self) -> u64 {
        let base = self.rtt.timeout_ns().saturating_add(self.max_ack_delay_ns);
        if self.retry == RetryTiming::RFC9002 {
            let factor = 1_u64.checked_shl(self.pto_count).unwrap_or(u64::MAX);
            return base.saturating_mul(factor);
        }
        let mut timeout = self.retry.timeout_factor().scale(base);
        for _ in 0..self.pto_count.min(u64::BITS) {
            timeout = self.retry.backoff_factor().scale(timeout);
        }
        timeout
    }

    /// When loss detection must look again: the time threshold if armed, else the probe timeout.
    #[inline]
    const fn timer_ns(&self) -> u64 {
        if self.loss_time_ns != NEVER {
            return self.loss_time_ns;
        }
        if self.in_flight == 0 {
            NEVER
        } else {
            self.last_sent_ns.saturating_add(self.pto_ns)
        }
    }

    /// Payload that could leave now, at most one packet's.
    #[inline]
    fn available(&self, now_ns: u64) -> u64 {
        let full = self.mtu - self.overhead;
        if let Some(&(_, bytes)) = self.resend.front() {
            return bytes;
        }
        if now_ns >= self.stop_ns {
            0
        } else {
            self.unsent.min(full)
        }
    }

    /// Nothing leaves before `pacing_ns`, so wait for that or for the timer.
    #[inline]
    fn sleep(&mut self, pacing_ns: u64) -> Option<Packet> {
        self.wake_ns = pacing_ns.min(self.timer_ns());
        None
    }

    #[inline]
    fn depart(&mut self, now: Timestamp, payload: u64) -> Packet {
        let bytes = payload + self.overhead;
        let offset = if let Some((offset, _)) = self.resend.pop_front() {
            self.stats.retransmitted_packets += 1;
            offset
        } else {
            let offset = self.next_offset;
            self.next_offset += payload;
            self.unsent -= payload;
            offset
        };
        let now_ns = now.as_nanos();
        let number = self.sent.push(now_ns, offset, bytes as u32);
        self.in_flight += bytes;
        self.unsettled += payload;
        self.last_sent_ns = now_ns;
        self.pacer.spend(bytes);
        self.stats.sent_packets += 1;
        self.stats.sent_bytes += bytes + self.header;
        let packet = SentPacket {
            number: PacketNumber::new(number),
            bytes: Bytes::new(bytes),
            bytes_in_flight: Bytes::new(self.in_flight),
        };
        self.notify(now, Event::PacketSent(packet));
        Packet {
            floor: self.sent.base(),
            offset,
            ecn: self.ecn,
            ..Packet::new(
                self.flow,
                Direction::Forward,
                number,
                (bytes + self.header) as u32,
            )
        }
    }

    fn note_completion(&mut self, now_ns: u64) {
        if self.unsent == 0 && self.resend.is_empty() && self.unsettled == 0 {
            self.completed_ns.get_or_insert(now_ns);
        }
    }
}

impl<C: Controller> Endpoint for Sender<C> {
    type Incoming = Ack;
    type Outgoing = Packet;

    #[inline]
    fn receive(&mut self, now: Timestamp, incoming: Ack) {
        if !self.sent.includes(incoming.largest()) {
            // RFC 9000 §13.1 would close the connection.
            return;
        }
        let now_ns = now.as_nanos();
        let sent_ns = self.sample_rtt(now_ns, &incoming);
        let newly = self.acknowledge(now, &incoming);
        if newly == 0 {
            return;
        }
        self.stats.acked_packets += newly;
        self.pto_count = 0;
        let marks = self.new_marks(&incoming);
        self.largest_acked = self.largest_acked.max(Some(incoming.largest()));
        self.sent.advance();
        let batch = AckBatch {
            bytes_in_flight: Bytes::new(self.in_flight),
            ecn_ce_count: marks,
        };
        self.notify(now, Event::AckEnd(batch));
        self.detect_losses(now);
        if marks > 0 {
            self.answer_marks(now, incoming.largest(), sent_ns);
        }
        if self.unsent == 0 {
            self.note_completion(now_ns);
        }
        self.refresh(now_ns);
    }

    fn wake(&mut self, now: Timestamp) {
        let now_ns = now.as_nanos();
        if now_ns >= self.timer_ns() {
            if self.loss_time_ns == NEVER {
                self.expire(now);
            } else {
                self.detect_losses(now);
            }
        }
        self.refresh(now_ns);
    }

    #[inline]
    fn transmit(&mut self, now: Timestamp) -> Option<Packet> {
        let now_ns = now.as_nanos();
        if now_ns < self.start_ns {
            self.wake_ns = self.start_ns;
            return None;
        }
        let payload = self.available(now_ns);
        if self.probes_due > 0 {
            // Without payload a probe is a PING (RFC 9002 §6.2.4).
            self.probes_due -= 1;
            self.stats.probe_packets += 1;
            return Some(self.depart(now, payload));
        }
        self.refresh(now_ns);
        if payload == 0 || self.in_flight + self.mtu > self.window {
            return self.sleep(NEVER);
        }
        let ready_ns = self.pacer.ready_ns(now_ns, payload + self.overhead);
        if ready_ns > now_ns {
            return self.sleep(ready_ns);
        }
        Some(self.depart(now, payload))
    }

    #[inline]
    fn next_wake(&self) -> Timestamp {
        Timestamp::from_nanos(self.wake_ns)
    }
}
