//! TCP Vegas (Brakmo and Peterson, IEEE JSAC 1995) with Linux's parameters, in `f64`, for
//! simulations only.

use core::time::Duration;

use tautline_core::controller::{
    AckBatch, AckedPacket, CongestionEvent, CongestionTrigger, Controller, Decision, RetryTiming,
    SentPacket, Timeout, initial_window, pacing_rate,
};
use tautline_core::fixed::Q16;
use tautline_core::observe::SmoothedRtt;
use tautline_core::units::{Bytes, Timestamp};

use super::fold::{AckFold, Acknowledged, minimum_window, segments, window_bytes};

/// Vegas' state; windows are in segments of one maximum datagram.
///
/// Once per round trip it compares the window with what the smallest round-trip time ever seen
/// (`base_rtt`) would have carried; the difference is its own packets in the queue. As in Linux
/// the comparison takes the smallest sample of the round and needs three of them.
#[derive(Clone, Debug)]
pub struct Vegas {
    max_datagram_size: Bytes,
    window: f64,
    ssthresh: f64,
    fold: AckFold,
    smoothed_rtt: SmoothedRtt,
    base_rtt_ns: u64,
    round_min_ns: u64,
    round_samples: u32,
    round_used: bool,
    slow_start_round: SlowStartRound,
}

/// §4.3: slow start grows in every other round, so that the one between is a valid measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SlowStartRound {
    Growing,
    Measuring,
}

impl Vegas {
    /// A controller at the start of a connection.
    pub fn new(max_datagram_size: Bytes) -> Self {
        Self {
            max_datagram_size,
            window: segments(
                initial_window(max_datagram_size).as_u64(),
                max_datagram_size,
            ),
            ssthresh: f64::INFINITY,
            fold: AckFold::default(),
            smoothed_rtt: SmoothedRtt::new(),
            base_rtt_ns: u64::MAX,
            round_min_ns: u64::MAX,
            round_samples: 0,
            round_used: false,
            // Nothing is known yet of the first window, so it is measured first.
            slow_start_round: SlowStartRound::Measuring,
        }
    }

    /// The congestion window.
    pub fn window(&self) -> Bytes {
        window_bytes(self.window, self.max_datagram_size)
    }

    /// True below the slow start threshold.
    pub fn in_slow_start(&self) -> bool {
        self.window < self.ssthresh
    }

    /// Own packets in the queue: window · (rtt − base) / base, as in Linux (expected minus actual
    /// rate, times the base round-trip time).
    fn queued(&self) -> f64 {
        let base = self.base_rtt_ns as f64;
        self.window * (self.round_min_ns as f64 - base) / base
    }

    /// Once per round trip.
    fn end_round(&mut self, acked: &Acknowledged) {
        if self.round_samples < MINIMUM_SAMPLES {
            // Too few samples to filter the acknowledgement delay: Reno for this acknowledgement.
            if self.round_used && !self.in_slow_start() {
                self.window += segments(acked.growth_bytes, self.max_datagram_size) / self.window;
            }
            self.alternate();
        } else if self.in_slow_start() {
            self.judge_slow_start();
        } else {
            let queued = self.queued();
            if queued > BETA {
                self.window = (self.window - 1.0).max(MINIMUM_SEGMENTS);
                self.cap_threshold();
            } else if queued < ALPHA && self.round_used {
                self.window += 1.0;
            }
        }
        self.begin_round();
    }

    fn judge_slow_start(&mut self) {
        if self.queued() <= GAMMA {
            self.alternate();
            return;
        }
        // Linux: down to what the path carries and one more, then linear.
        let carried = self.window * self.base_rtt_ns as f64 / self.round_min_ns as f64;
        self.window = self.window.min(carried + 1.0).max(MINIMUM_SEGMENTS);
        self.cap_threshold();
    }

    const fn alternate(&mut self) {
        self.slow_start_round = match self.slow_start_round {
            SlowStartRound::Growing => SlowStartRound::Measuring,
            SlowStartRound::Measuring => SlowStartRound::Growing,
        };
    }

    const fn cap_threshold(&mut self) {
        self.ssthresh = self.ssthresh.min(self.window - 1.0);
    }

    const fn begin_round(&mut self) {
        self.fold.begin_round();
        self.round_min_ns = u64::MAX;
        self.round_samples = 0;
        self.round_used = false;
    }
}

impl Controller for Vegas {
    fn on_packet_sent(&mut self, _now: Timestamp, packet: SentPacket) {
        let slack = minimum_window(self.max_datagram_size);
        self.fold.on_packet_sent(packet, self.window(), slack);
    }

    fn on_packet_acked(&mut self, now: Timestamp, packet: AckedPacket) {
        self.fold.on_packet_acked(now, packet);
    }

    fn on_ack_end(&mut self, _now: Timestamp, batch: AckBatch) {
        let slack = minimum_window(self.max_datagram_size);
        let Some(acked) = self.fold.end(batch, self.window(), slack) else {
            return;
        };
        self.smoothed_rtt.update(Duration::from_nanos(acked.rtt_ns));
        self.base_rtt_ns = self.base_rtt_ns.min(acked.rtt_ns);
        self.round_min_ns = self.round_min_ns.min(acked.rtt_ns);
        self.round_samples = self.round_samples.saturating_add(1);
        self.round_used |= acked.window_used;
        if acked.window_used
            && self.in_slow_start()
            && self.slow_start_round == SlowStartRound::Growing
        {
            self.window += segments(acked.growth_bytes, self.max_datagram_size);
        }
        if self.fold.round_is_over(&acked) {
            self.end_round(&acked);
        }
    }

    fn on_congestion_event(&mut self, now: Timestamp, event: CongestionEvent) {
        match event.trigger {
            CongestionTrigger::Loss { .. } | CongestionTrigger::EcnCe => {
                if self.fold.enter_recovery(now, event.time_sent) {
                    // RFC 9002 §7.3.2, as Reno.
                    self.ssthresh = (self.window / 2.0).max(MINIMUM_SEGMENTS);
                    self.window = self.ssthresh;
                    self.begin_round();
                }
            }
            CongestionTrigger::Persistent => {
                // RFC 9002 §7.6.2: the minimum window, and slow start from there.
                self.window = MINIMUM_SEGMENTS;
                self.fold.leave_recovery();
                self.slow_start_round = SlowStartRound::Growing;
                self.begin_round();
            }
        }
    }

    fn on_timeout(&mut self, _now: Timestamp, _timeout: Timeout) {
        // RFC 9002 §6.2: a probe timeout is no sign of loss, so the window stays.
    }

    fn on_mtu_update(&mut self, _now: Timestamp, max_datagram_size: Bytes) {
        let ratio = segments(self.max_datagram_size.as_u64(), max_datagram_size);
        self.max_datagram_size = max_datagram_size;
        self.window *= ratio;
        self.ssthresh *= ratio;
    }

    fn decision(&self) -> Decision {
        let congestion_window = self.window();
        Decision {
            congestion_window,
            pacing_rate: pacing_rate(congestion_window, self.smoothed_rtt.get(), PACING_GAIN),
            send_quantum: self.max_datagram_size.saturating_mul(2),
            buffer_cap: congestion_window.saturating_mul(2),
            retry: RetryTiming::RFC9002,
        }
    }
}

/// Linux's `alpha`: grow below two packets in the queue.
const ALPHA: f64 = 2.0;
/// Linux's `beta`: shrink above four.
const BETA: f64 = 4.0;
/// Linux's `gamma`: leave slow start above one.
const GAMMA: f64 = 1.0;
/// Linux compares only where more than two samples were taken.
const MINIMUM_SAMPLES: u32 = 3;
const MINIMUM_SEGMENTS: f64 = 2.0;
/// RFC 9002 §7.7 suggests 1.25.
const PACING_GAIN: Q16 = Q16::from_units(5 << 14);
