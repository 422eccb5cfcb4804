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
/// congestion avoidance compares the smallest sample of the round and needs three of them.
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
    fn queued(&self, rtt_ns: u64) -> f64 {
        let base = self.base_rtt_ns as f64;
        self.window * (rtt_ns as f64 - base) / base
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
            self.judge_slow_start(acked.rtt_ns);
        } else {
            let queued = self.queued(self.round_min_ns);
            if queued > BETA {
                self.window = (self.window - 1.0).max(MINIMUM_SEGMENTS);
                self.cap_threshold();
            } else if queued < ALPHA && self.round_used {
                self.window += 1.0;
            }
        }
        self.begin_round();
    }

    /// By the packet that ends the round: it left when the window was full grown (the
    /// "distinguished segment" of §4.2), while the first ones of the round met a shorter queue.
    fn judge_slow_start(&mut self, rtt_ns: u64) {
        if self.slow_start_round == SlowStartRound::Growing || self.queued(rtt_ns) <= GAMMA {
            self.alternate();
            return;
        }
        // Linux: down to what the path carries and one more, then linear.
        let carried = self.window * self.base_rtt_ns as f64 / rtt_ns as f64;
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

#[cfg(test)]
mod tests {
    use super::super::path::{MTU, Path};
    use super::*;

    const BASE: Duration = Duration::from_millis(40);

    /// In congestion avoidance with a window of `segments` and a base round-trip time of 40 ms.
    fn steady(segments: f64) -> Path<Vegas> {
        let mut path = Path::new(Vegas::new(MTU));
        path.round(BASE);
        path.controller.ssthresh = 2.0;
        path.controller.window = segments;
        path.controller.begin_round();
        // The first packet ends a round of one sample, too few to judge.
        path
    }

    #[test]
    fn slow_start_doubles_every_other_round_trip() {
        let mut path = Path::new(Vegas::new(MTU));
        let first = path.segments();
        let mut ratios = Vec::new();
        for _ in 0..6 {
            path.round(BASE);
            ratios.push(libm::round(libm::log2(path.segments() / first)));
        }
        assert_eq!(ratios, [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]);
    }

    #[test]
    fn slow_start_ends_above_one_packet_in_the_queue() {
        let mut path = Path::new(Vegas::new(MTU));
        path.round(BASE);
        path.round(Duration::from_millis(44));
        // 18.8 · 4 / 40 = 1.9 packets.
        let window = path.segments();
        path.round(Duration::from_millis(44));
        assert!(!path.controller.in_slow_start());
        let carried = window * 40.0 / 44.0 + 1.0;
        assert!(
            (path.segments() - carried).abs() < 0.5,
            "{}",
            path.segments()
        );
    }

    // A window of 40 over 40 ms. 41 ms: 40 · 1/40 = 1 packet in the queue, not above one; 41.2 ms:
    // 40 · 1.2/40 = 1.2, so down to 40 · 40/41.2 + 1 = 39.834951 and a threshold of one less.
    #[test]
    fn slow_start_goes_on_at_one_packet_in_the_queue_and_ends_at_one_and_a_fifth() {
        for (rtt_ns, window) in [(41_000_000, 40.0), (41_200_000, 39.834_951)] {
            let mut vegas = Vegas::new(MTU);
            vegas.base_rtt_ns = 40_000_000;
            vegas.window = 40.0;
            vegas.judge_slow_start(rtt_ns);
            assert!((vegas.window - window).abs() < 1e-6, "{}", vegas.window);
            assert_eq!(vegas.in_slow_start(), rtt_ns == 41_000_000);
        }
    }

    #[test]
    fn two_to_four_packets_stay_in_the_queue() {
        // A window of 41 at 40 ms carries 40: one packet in the queue, so one more.
        for (rtt_us, change) in [(41_000, 1.0), (43_000, 0.0), (44_500, -1.0)] {
            let mut path = steady(40.0);
            path.round(Duration::from_micros(rtt_us));
            path.round(Duration::from_micros(rtt_us));
            let expected = 40.0 + change;
            let window = path.segments();
            assert!((window - expected).abs() < 0.05, "{rtt_us}: {window}");
        }
    }

    #[test]
    fn the_smallest_sample_of_the_round_counts() {
        let mut path = steady(40.0);
        path.controller.round_min_ns = 41_000_000;
        path.controller.round_samples = 9;
        path.round(Duration::from_millis(60));
        assert!((path.segments() - 41.0).abs() < 0.01, "{}", path.segments());
    }

    #[test]
    fn fewer_than_three_samples_grow_like_reno() {
        let mut path = steady(2.0);
        path.round(Duration::from_millis(80));
        path.round(Duration::from_millis(80));
        let window = path.controller.window;
        assert!((2.3..3.1).contains(&window), "{window}");
    }

    #[test]
    fn loss_halves_the_window_once_per_recovery_period() {
        let mut path = steady(40.0);
        path.lose(1);
        path.lose(1);
        assert!((path.segments() - 20.0).abs() < 0.01);
        assert!(!path.controller.in_slow_start());
    }

    #[test]
    fn persistent_congestion_falls_to_the_minimum_window_and_slow_start() {
        let mut path = steady(40.0);
        path.lose(1);
        path.persist();
        assert_eq!(path.controller.window(), Bytes::new(3001));
        assert!(path.controller.in_slow_start());
    }

    #[test]
    fn an_unused_window_does_not_grow() {
        let mut path = steady(100.0);
        path.idle_round(BASE, 5);
        path.idle_round(BASE, 5);
        assert!((path.segments() - 100.0).abs() < 0.01);
    }
}
