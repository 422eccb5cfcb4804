//! BBR version 3 (draft-ietf-ccwg-bbr), for simulations only.
//!
//! Names of the draft's variables are kept where this house has no shorter word for them; section
//! numbers are those of the working group's text of 2026. What the draft leaves to the transport,
//! and how it is answered here:
//!
//! - *Application-limited phases* (§4.1.2.4): the events do not say whether unsent data exists. A
//!   phase starts when, with room in the window all the time, the sender left unused what the
//!   pacing rate allows by more than a quantum and a datagram. A full receive window looks the
//!   same.
//! - *In flight at the long-term bound* (§5.3.3.7): judged before the acknowledgement, and reached
//!   where not one more datagram fits under it.
//! - *Per-packet losses* (§5.2.4): losses arrive as one event per detection. RFC 9002 §6.1
//!   declares packets lost in number order, so the packets meant are all that were outstanding up
//!   to the largest lost one, and each is handled by itself, in order. The event comes after the
//!   end of the acknowledgement that revealed it, so window and rate are bounded once more then.
//! - *Loss recovery* (§5.6.4.4): an episode starts with a loss and ends when a packet is
//!   acknowledged that left after the episode's last detection.
//! - *Retransmission timeout* (§5.6.4.4): persistent congestion (RFC 9002 §7.6). A probe timeout
//!   is no sign of loss.
//! - *Spurious loss* (§5.5.11): no stack reports one, so nothing is ever undone.
//! - *ECN* (§3.6): marks must count as congestion; each counts as one lost datagram.
//! - *ProbeRTT's interval*: 5 s beside a minimum filter of 10 s, as in the published revisions and
//!   in Linux. The working group's text has since merged both into one filter of 10 s; its window
//!   for ProbeRTT, fixed at entry from the estimate before it expires, is used here as well.

use core::time::Duration;

use tautline_core::controller::{
    AckBatch, AckedPacket, CongestionEvent, CongestionTrigger, Controller, Decision, RetryTiming,
    SentPacket, Timeout, initial_window,
};
use tautline_core::units::{Bandwidth, Bytes, Timestamp};

use crate::rng::{Component, Stream};

mod aggregation;
mod control;
mod filter;
mod long_term;
mod loss;
mod phase;
mod probe_bw;
mod probe_rtt;
mod rate_sample;
mod startup;

use aggregation::Aggregation;
use control::{Control, SendingGap};
use filter::MaxBandwidth;
use loss::Congestion;
pub use phase::Phase;
use probe_bw::Cycle;
use probe_rtt::MinRtt;
use rate_sample::{RateSample, Sampler};
use startup::{FullPipe, Startup};

/// BBRv3's state.
#[derive(Clone, Debug)]
pub struct Bbr {
    max_datagram_size: u64,
    phase: Phase,
    sampler: Sampler,
    /// RS of the latest acknowledgement.
    sample: RateSample,
    /// C.inflight.
    in_flight: u64,
    round: Round,
    /// BBR.max_bw_filter.
    max_bw: MaxBandwidth,
    /// BBR.bw in bytes per second.
    bw: u64,
    full_pipe: FullPipe,
    startup: Startup,
    cycle: Cycle,
    min_rtt: MinRtt,
    aggregation: Aggregation,
    congestion: Congestion,
    /// BBR.inflight_longterm; [`UNBOUNDED`] until a probe went too high.
    inflight_longterm: u64,
    control: Control,
    gap: SendingGap,
    random: Stream,
}

/// Packet-timed round trips (§5.5.1).
#[derive(Clone, Copy, Debug, Default)]
struct Round {
    /// BBR.round_count.
    count: u64,
    /// BBR.round_start.
    starts: bool,
    /// BBR.next_round_delivered.
    next_delivered: u64,
}

impl Bbr {
    /// A controller at the start of a connection; `seed` is for the waits between probes of
    /// bandwidth (§5.3.3.8), so flows that share a bottleneck should have different ones.
    pub fn new(max_datagram_size: Bytes, seed: u64) -> Self {
        let window = initial_window(max_datagram_size).as_u64();
        Self {
            max_datagram_size: max_datagram_size.as_u64().max(1),
            phase: Phase::Startup,
            sampler: Sampler::new(),
            sample: RateSample::default(),
            in_flight: 0,
            round: Round::default(),
            max_bw: MaxBandwidth::default(),
            bw: 0,
            full_pipe: FullPipe::default(),
            startup: Startup::default(),
            cycle: Cycle::new(),
            min_rtt: MinRtt::new(window),
            aggregation: Aggregation::default(),
            congestion: Congestion::new(),
            inflight_longterm: UNBOUNDED,
            control: Control::new(window, max_datagram_size.as_u64()),
            gap: SendingGap::default(),
            random: Stream::new(seed, Component::Controller),
        }
    }

    /// Where the state machine stands.
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// BBR.bw: the rate that matches the path, both time scales considered.
    pub const fn bandwidth(&self) -> Bandwidth {
        Bandwidth::from_bytes_per_sec(self.bw)
    }

    /// BBR.max_bw: the largest delivery rate of this and the previous cycle.
    pub fn max_bandwidth(&self) -> Bandwidth {
        Bandwidth::from_bytes_per_sec(self.max_bw.value())
    }

    /// BBR.bw_shortterm, while losses of this cycle bound the rate.
    pub fn bandwidth_shortterm(&self) -> Option<Bandwidth> {
        bounded(self.congestion.bw_shortterm).map(Bandwidth::from_bytes_per_sec)
    }

    /// BBR.min_rtt, once there is a sample.
    pub fn min_rtt(&self) -> Option<Duration> {
        bounded(self.min_rtt.value_ns).map(Duration::from_nanos)
    }

    /// BBR.bdp: bytes in flight that fill the path at [`Bbr::bandwidth`]; the initial window
    /// before the first sample.
    pub fn bdp(&self) -> Bytes {
        Bytes::new(self.bdp_multiple(self.bw, 1.0))
    }

    /// BBR.inflight_longterm, once a probe of bandwidth lost too much.
    pub fn inflight_longterm(&self) -> Option<Bytes> {
        bounded(self.inflight_longterm).map(Bytes::new)
    }

    /// BBR.inflight_shortterm, while losses of this cycle bound the bytes in flight.
    pub fn inflight_shortterm(&self) -> Option<Bytes> {
        bounded(self.congestion.inflight_shortterm).map(Bytes::new)
    }

    /// BBR.extra_acked: bytes that arrive acknowledged in lumps beyond the estimated rate.
    pub const fn extra_acked(&self) -> Bytes {
        Bytes::new(self.aggregation.extra_acked())
    }

    /// BBR.full_bw_reached: whether the path was ever found full.
    pub const fn has_filled_pipe(&self) -> bool {
        self.full_pipe.reached
    }

    /// BBR.round_count: packet-timed round trips so far.
    pub const fn rounds(&self) -> u64 {
        self.round.count
    }

    /// Whether rate samples count as limited by the application at present.
    pub const fn is_app_limited(&self) -> bool {
        self.sampler.is_app_limited()
    }

    /// BBR.MinPipeCwnd (§5.6.4.3).
    const fn minimum_window(&self) -> u64 {
        self.max_datagram_size.saturating_mul(MIN_PIPE_PACKETS)
    }

    /// UpdateRound (§5.5.1).
    const fn update_round(&mut self) {
        self.round.starts = self.sample.prior_delivered >= self.round.next_delivered;
        if self.round.starts {
            self.start_round();
            self.round.count += 1;
            self.cycle.rounds_since_probe_up += 1;
        }
    }

    /// StartRound (§5.5.1).
    const fn start_round(&mut self) {
        self.round.next_delivered = self.sampler.delivered();
    }

    /// UpdateMaxBw (§5.5.5).
    fn update_max_bw(&mut self) {
        self.update_round();
        let rate = self.sample.delivery_rate;
        let limited = self.sample.load.is_app_limited;
        if rate > 0 && (rate >= self.max_bw.value() || !limited) {
            self.max_bw.update(rate);
        }
    }

    /// UpdateModelAndState and UpdateControlParameters (§5.2.3).
    fn update_on_ack(&mut self, now_ns: u64) {
        self.update_latest_delivery_signals();
        self.update_congestion_signals();
        self.update_ack_aggregation(now_ns);
        self.check_full_bw_reached();
        self.check_startup_done();
        self.check_drain_done(now_ns);
        self.update_probe_bw_cycle_phase(now_ns);
        self.update_min_rtt(now_ns);
        self.check_probe_rtt(now_ns);
        self.advance_latest_delivery_signals();
        self.bound_bw_for_model();
        self.leave_recovery();
        self.update_control();
    }
}

impl Controller for Bbr {
    fn on_packet_sent(&mut self, now: Timestamp, packet: SentPacket) {
        let now_ns = now.as_nanos();
        self.check_if_app_limited(now_ns);
        let (bytes, in_flight) = (packet.bytes.as_u64(), packet.bytes_in_flight.as_u64());
        if in_flight <= bytes {
            self.handle_restart_from_idle(now_ns);
        }
        self.sampler.send(now_ns, &packet);
        self.in_flight = in_flight;
        self.note_departure(bytes);
    }

    fn on_packet_acked(&mut self, now: Timestamp, packet: AckedPacket) {
        let now_ns = now.as_nanos();
        if self.sampler.is_between_acks() {
            self.check_if_app_limited(now_ns);
        }
        self.sampler.acknowledge(now_ns, &packet);
    }

    fn on_ack_end(&mut self, now: Timestamp, batch: AckBatch) {
        let now_ns = now.as_nanos();
        self.in_flight = batch.bytes_in_flight.as_u64();
        self.congestion.new_marks = batch.ecn_ce_count;
        self.sample = self.sampler.finish();
        if self.sample.has_data {
            self.update_on_ack(now_ns);
        }
        self.note_window(now_ns);
    }

    fn on_congestion_event(&mut self, now: Timestamp, event: CongestionEvent) {
        let now_ns = now.as_nanos();
        self.in_flight = event.bytes_in_flight.as_u64();
        match event.trigger {
            CongestionTrigger::Loss { bytes, .. } => {
                self.handle_losses(now_ns, event.number.as_u64(), bytes.as_u64());
            }
            CongestionTrigger::EcnCe => self.handle_marks(now_ns, event.number.as_u64()),
            CongestionTrigger::Persistent => self.enter_timeout(),
        }
        self.note_window(now_ns);
    }

    fn on_timeout(&mut self, now: Timestamp, timeout: Timeout) {
        self.check_if_app_limited(now.as_nanos());
        self.in_flight = timeout.bytes_in_flight.as_u64();
    }

    fn on_mtu_update(&mut self, _now: Timestamp, max_datagram_size: Bytes) {
        self.max_datagram_size = max_datagram_size.as_u64().max(1);
        self.set_send_quantum();
    }

    fn decision(&self) -> Decision {
        let least = 2 * self.max_datagram_size + 1;
        let window = Bytes::new(self.control.window.max(least));
        Decision {
            congestion_window: window,
            pacing_rate: Bandwidth::from_bytes_per_sec(self.control.pacing_rate),
            send_quantum: Bytes::new(self.control.send_quantum),
            buffer_cap: window.saturating_mul(2),
            retry: RetryTiming::RFC9002,
        }
    }
}

/// A value where there is a bound.
const fn bounded(value: u64) -> Option<u64> {
    if value == UNBOUNDED {
        None
    } else {
        Some(value)
    }
}

/// `value · factor`, rounded down; an infinite value stays infinite.
fn scaled(value: u64, factor: f64) -> u64 {
    if value == UNBOUNDED {
        return UNBOUNDED;
    }
    (value as f64 * factor) as u64
}

/// The draft's infinity.
const UNBOUNDED: u64 = u64::MAX;
/// §2.5: BBR.MinPipeCwnd, in datagrams.
const MIN_PIPE_PACKETS: u64 = 4;
const NANOS_PER_SEC: u64 = 1_000_000_000;

#[cfg(test)]
mod tests;
