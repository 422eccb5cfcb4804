//! A Prague-like scalable controller for L4S queues (draft-briscoe-iccrg-prague-congestion-control,
//! RFC 9331 §4), in `f64`, for simulations only.

use core::time::Duration;

use tautline_core::controller::{
    AckBatch, AckedPacket, CongestionEvent, CongestionTrigger, Controller, Decision, RetryTiming,
    SentPacket, Timeout, initial_window, pacing_rate,
};
use tautline_core::fixed::Q16;
use tautline_core::observe::SmoothedRtt;
use tautline_core::units::{Bytes, Timestamp, duration_nanos};

use super::fold::{AckFold, Acknowledged, minimum_window, segments, window_bytes};

/// Prague's state; windows are in segments of one maximum datagram.
///
/// It reads marks from [`AckBatch::ecn_ce_count`]; the classic meaning of
/// [`CongestionTrigger::EcnCe`], a mark being worth a loss, is not its own. As in the draft the
/// window keeps growing by what is acknowledged without a mark while it is being reduced, and
/// stands still only while it recovers from loss. There is no fallback for classic queues.
#[derive(Clone, Debug)]
pub struct Prague {
    max_datagram_size: Bytes,
    window: f64,
    ssthresh: f64,
    fold: AckFold,
    smoothed_rtt: SmoothedRtt,
    /// The moving average of the marked fraction, 1 before the first mark so that it halves.
    alpha: f64,
    has_seen_marks: bool,
    round_packets: u64,
    round_marks: u64,
    /// When the average was last updated.
    average_ns: u64,
    /// When the window was last reduced for marks.
    reduction: Option<Timestamp>,
    /// Rounds since slow start ended.
    rounds: u32,
}

impl Prague {
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
            alpha: 1.0,
            has_seen_marks: false,
            round_packets: 0,
            round_marks: 0,
            average_ns: 0,
            reduction: None,
            rounds: 0,
        }
    }

    /// The congestion window: the fractional one rounded up to whole datagrams, as the pacing
    /// rate follows the fraction.
    pub fn window(&self) -> Bytes {
        window_bytes(libm::ceil(self.window), self.max_datagram_size)
    }

    /// True until the first mark or loss, and again after persistent congestion.
    pub fn in_slow_start(&self) -> bool {
        self.window < self.ssthresh
    }

    /// The moving average of the fraction of marked packets.
    pub const fn alpha(&self) -> f64 {
        self.alpha
    }

    /// The draft's RTT independence begins some rounds after slow start, so that short flows are
    /// not slowed.
    fn is_rtt_independent(&self) -> bool {
        self.rounds >= TRANSITION_ROUNDS && !self.in_slow_start()
    }

    /// Additive increase in segments per round trip: one per virtual round trip, at the rate that
    /// a flow of that round-trip time would have.
    fn increase_per_rtt(&self) -> f64 {
        let rtt_ns = duration_nanos(self.smoothed_rtt.get());
        if !self.is_rtt_independent() || rtt_ns >= VIRTUAL_RTT_NS {
            return 1.0;
        }
        let ratio = rtt_ns as f64 / VIRTUAL_RTT_NS as f64;
        ratio * ratio
    }

    /// By half the average, once per round trip, real and virtual.
    fn reduce_for_marks(&mut self, now: Timestamp, acked: &Acknowledged) {
        let since = |start: Timestamp| duration_nanos(now.saturating_since(start));
        let is_early = self.reduction.is_some_and(|start| {
            acked.time_sent <= start || (self.is_rtt_independent() && since(start) < VIRTUAL_RTT_NS)
        });
        if is_early || self.fold.in_recovery(acked.time_sent) {
            return;
        }
        self.reduction = Some(now);
        self.window = (self.window * (1.0 - self.alpha / 2.0)).max(MINIMUM_SEGMENTS);
        self.ssthresh = self.window;
    }

    fn grow(&mut self, acked: &Acknowledged, marks: u64) {
        let packets = segments(acked.growth_bytes, self.max_datagram_size);
        let unmarked = (packets - marks as f64).max(0.0);
        if !acked.window_used {
            return;
        }
        self.window += if self.in_slow_start() {
            unmarked
        } else {
            unmarked * self.increase_per_rtt() / self.window
        };
    }

    /// Once per round trip, and once per virtual one where that is longer.
    fn update_average(&mut self, now_ns: u64) {
        let since_ns = now_ns - self.average_ns;
        if self.is_rtt_independent() && since_ns < VIRTUAL_RTT_NS {
            return;
        }
        self.fold.begin_round();
        self.average_ns = now_ns;
        let packets = core::mem::take(&mut self.round_packets);
        let marks = core::mem::take(&mut self.round_marks);
        if self.has_seen_marks {
            let fraction = marks as f64 / packets.max(1) as f64;
            self.alpha += GAIN * (fraction - self.alpha);
        }
        if !self.in_slow_start() {
            self.rounds = self.rounds.saturating_add(1);
        }
    }
}

impl Controller for Prague {
    fn on_packet_sent(&mut self, _now: Timestamp, packet: SentPacket) {
        let slack = minimum_window(self.max_datagram_size);
        self.fold.on_packet_sent(packet, self.window(), slack);
    }

    fn on_packet_acked(&mut self, now: Timestamp, packet: AckedPacket) {
        self.fold.on_packet_acked(now, packet);
    }

    fn on_ack_end(&mut self, now: Timestamp, batch: AckBatch) {
        let slack = minimum_window(self.max_datagram_size);
        let Some(acked) = self.fold.end(batch, self.window(), slack) else {
            return;
        };
        self.smoothed_rtt.update(Duration::from_nanos(acked.rtt_ns));
        let marks = batch.ecn_ce_count.min(acked.packets);
        self.round_packets += acked.packets;
        self.round_marks += marks;
        if marks > 0 {
            self.has_seen_marks = true;
            self.reduce_for_marks(now, &acked);
        }
        self.grow(&acked, marks);
        if self.fold.round_is_over(&acked) {
            self.update_average(now.as_nanos());
        }
    }

    fn on_congestion_event(&mut self, now: Timestamp, event: CongestionEvent) {
        match event.trigger {
            CongestionTrigger::EcnCe => {
                // Answered with the acknowledgement that reported it.
            }
            CongestionTrigger::Loss { .. } => {
                if self.fold.enter_recovery(now, event.time_sent) {
                    // RFC 9331 §4.3: as Reno, for coexistence where queues drop.
                    self.window = (self.window * LOSS_FACTOR).max(MINIMUM_SEGMENTS);
                    self.ssthresh = self.window;
                }
            }
            CongestionTrigger::Persistent => {
                // RFC 9002 §7.6.2: the minimum window, and slow start from there.
                self.window = MINIMUM_SEGMENTS;
                self.fold.leave_recovery();
                self.reduction = None;
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
        let gain = if self.window < self.ssthresh / 2.0 {
            SLOW_START_PACING_GAIN
        } else {
            Q16::ONE
        };
        let fraction = window_bytes(self.window, self.max_datagram_size);
        let pacing_rate = pacing_rate(fraction, self.smoothed_rtt.get(), gain);
        let burst = pacing_rate.bytes_in(BURST);
        Decision {
            congestion_window,
            pacing_rate,
            send_quantum: burst
                .max(self.max_datagram_size)
                .min(self.max_datagram_size.saturating_mul(10)),
            buffer_cap: congestion_window.saturating_mul(2),
            retry: RetryTiming::RFC9002,
        }
    }
}

/// Gain of the moving average.
const GAIN: f64 = 1.0 / 16.0;
/// The round-trip time that shorter flows imitate.
const VIRTUAL_RTT_NS: u64 = 25_000_000;
/// Rounds of congestion avoidance before they do; Linux's default.
const TRANSITION_ROUNDS: u32 = 500;
/// The draft allows Reno's or CUBIC's factor; Linux takes Reno's.
const LOSS_FACTOR: f64 = 0.5;
/// What may leave at once, as time at the pacing rate.
const BURST: Duration = Duration::from_micros(250);
const SLOW_START_PACING_GAIN: Q16 = Q16::from_units(2 << 16);
const MINIMUM_SEGMENTS: f64 = 2.0;

#[cfg(test)]
mod tests {
    use super::super::path::{MTU, Path};
    use super::*;

    const RTT: Duration = Duration::from_millis(40);

    /// In congestion avoidance with a window of `segments` and an average of `alpha`.
    fn steady(segments: f64, alpha: f64) -> Path<Prague> {
        let mut path = Path::new(Prague::new(MTU));
        path.round(RTT);
        path.controller.window = segments;
        path.controller.ssthresh = 2.0;
        path.controller.alpha = alpha;
        path.controller.has_seen_marks = true;
        path.controller.update_average(path.now_ns);
        path.controller.alpha = alpha;
        path
    }

    #[test]
    fn slow_start_doubles_until_the_first_mark_and_that_halves() {
        let mut path = Path::new(Prague::new(MTU));
        path.round(RTT);
        path.round(RTT);
        let window = path.controller.window;
        assert!((36.0..=40.0).contains(&window), "{window}");
        assert!(
            (path.controller.alpha() - 1.0).abs() < 1e-12,
            "no mark, no average"
        );
        path.marked_round(RTT, 1);
        assert!(!path.controller.in_slow_start());
        let doubled = 2.0 * window;
        assert!((path.controller.window - doubled / 2.0).abs() < 2.0);
    }

    #[test]
    fn the_average_follows_the_marked_fraction_with_a_gain_of_a_sixteenth() {
        let mut path = steady(100.0, 0.5);
        path.controller.update_average(path.now_ns + 1);
        assert!((path.controller.alpha() - 0.5 * 15.0 / 16.0).abs() < 1e-12);
        let mut path = steady(100.0, 0.0);
        path.controller.round_packets = 80;
        path.controller.round_marks = 20;
        path.controller.update_average(path.now_ns + 1);
        assert!((path.controller.alpha() - 0.25 / 16.0).abs() < 1e-12);
    }

    #[test]
    fn marks_reduce_by_half_the_average_once_per_round_trip() {
        let mut path = steady(100.0, 0.2);
        // Ten marks, one reduction; nine tenths of a segment from the packets without a mark.
        path.marked_round(RTT, 10);
        let window = path.controller.window;
        // The round before had no marks: 15 / 16 of 0.2.
        let expected = 100.9 * (1.0 - 0.1875 / 2.0);
        assert!((window - expected).abs() < 0.1, "{window}");
        path.marked_round(RTT, 1);
        let expected = (window + 1.0) * (1.0 - path.controller.alpha() / 2.0);
        let again = path.controller.window;
        assert!((again - expected).abs() < 0.1, "{again} {expected}");
    }

    #[test]
    fn a_round_without_marks_adds_one_segment_and_marked_packets_add_nothing() {
        let mut path = steady(100.0, 0.0);
        path.round(RTT);
        assert!((path.controller.window - 101.0).abs() < 0.05);
        path.controller.window = 100.0;
        path.marked_round(RTT, 100);
        // The average was zero at the one reduction of this round.
        assert!((path.controller.window - 100.0).abs() < 0.05);
    }

    #[test]
    fn short_round_trips_imitate_25_ms_after_500_rounds() {
        let short = Duration::from_millis(5);
        let growth = |rounds: u32| {
            let mut path = steady(100.0, 0.0);
            for _ in 0..40 {
                path.controller.window = 100.0;
                path.round(short);
            }
            path.controller.rounds = rounds;
            path.controller.window = 100.0;
            path.round(short);
            path.controller.window - 100.0
        };
        assert!((growth(0) - 1.0).abs() < 0.05, "{}", growth(0));
        // (5 / 25)² of a segment per round trip.
        assert!((growth(500) - 0.04).abs() < 0.01, "{}", growth(500));
        let mut path = steady(100.0, 0.5);
        path.controller.rounds = 500;
        path.controller.update_average(path.now_ns + 24_000_000);
        assert!((path.controller.alpha() - 0.5).abs() < 1e-12, "too early");
        path.controller.update_average(path.now_ns + 25_000_000);
        assert!(path.controller.alpha() < 0.5);
    }

    #[test]
    fn loss_halves_once_per_recovery_period_and_marks_wait_for_its_end() {
        let mut path = steady(100.0, 1.0);
        path.lose(1);
        path.lose(1);
        assert!((path.controller.window - 50.0).abs() < 1e-9);
        let acked = Acknowledged {
            packets: 1,
            time_sent: Timestamp::from_nanos(path.now_ns - 1),
            ..Acknowledged::default()
        };
        let now = Timestamp::from_nanos(path.now_ns + 1);
        path.controller.reduce_for_marks(now, &acked);
        assert!((path.controller.window - 50.0).abs() < 1e-9);
    }

    #[test]
    fn the_classic_event_of_a_mark_changes_nothing() {
        let mut path = steady(100.0, 1.0);
        let event = CongestionEvent {
            trigger: CongestionTrigger::EcnCe,
            number: tautline_core::units::PacketNumber::new(1),
            time_sent: Timestamp::from_nanos(path.now_ns),
            bytes_in_flight: Bytes::ZERO,
        };
        let before = path.controller.decision();
        let now = Timestamp::from_nanos(path.now_ns);
        path.controller.on_congestion_event(now, event);
        assert_eq!(path.controller.decision(), before);
    }

    #[test]
    fn persistent_congestion_falls_to_the_minimum_window_and_slow_start() {
        let mut path = steady(100.0, 0.1);
        path.lose(1);
        path.persist();
        assert_eq!(path.controller.window(), Bytes::new(3001));
        assert!(path.controller.in_slow_start());
    }

    #[test]
    fn pacing_follows_the_fraction_and_bursts_last_a_quarter_of_a_millisecond() {
        let mut path = steady(100.5, 0.0);
        path.controller.ssthresh = 100.0;
        let decision = path.controller.decision();
        assert_eq!(decision.congestion_window, Bytes::new(101 * 1500));
        let rate = decision.pacing_rate.as_bytes_per_sec() as f64;
        assert!(
            (rate / (100.5 * 1500.0 / 0.04) - 1.0).abs() < 0.01,
            "{rate}"
        );
        assert_eq!(decision.send_quantum, MTU);
        path.controller.window = 1000.0;
        let burst = path.controller.decision().send_quantum.as_u64();
        assert!((9000..=9500).contains(&burst), "{burst}");
    }
}
