//! Copa (Arun and Balakrishnan, NSDI 2018): a target rate of one packet per δ times the queueing
//! delay, and a second mode among flows that fill the queue. In `f64`, for simulations only.

use core::time::Duration;

use tautline_core::controller::{
    AckBatch, AckedPacket, CongestionEvent, CongestionTrigger, Controller, Decision, RetryTiming,
    SentPacket, Timeout, initial_window, pacing_rate,
};
use tautline_core::fixed::Q16;
use tautline_core::observe::SmoothedRtt;
use tautline_core::units::{Bytes, Timestamp, duration_nanos};

use super::extremum::{WindowedMax, WindowedMin};
use super::fold::{AckFold, Acknowledged, minimum_window, segments, window_bytes};

/// Copa's state; the window is in segments of one maximum datagram.
///
/// Beside the paper, as in implementations by its authors and users: a reversal resets the
/// velocity at once and not only at the end of the window, the window at most doubles per round
/// trip, and it falls where more than three in ten packets are lost.
#[derive(Clone, Debug)]
pub struct Copa {
    max_datagram_size: Bytes,
    window: f64,
    in_slow_start: bool,
    mode: CopaMode,
    fold: AckFold,
    smoothed_rtt: SmoothedRtt,
    /// RTTmin (§2.1), over ten seconds.
    min_rtt: WindowedMin,
    /// RTTstanding (§2.1), over half a smoothed round-trip time.
    standing_rtt: WindowedMin,
    /// RTTmax (§2.2), over four round-trip times.
    max_rtt: WindowedMax,
    /// Whole round trips since the queue was last seen nearly empty.
    rounds_with_queue: u32,
    nearly_empty_in_round: bool,
    velocity: f64,
    direction: Direction,
    /// Consecutive windows in the same direction, after the first one.
    same_direction: u32,
    window_at_round_start: f64,
    congested_in_round: bool,
    packets: u64,
    lost_packets: u64,
}

/// What decides δ (§2.2).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CopaMode {
    /// δ is 0.5: the queue empties regularly, so nobody else fills it.
    Default,
    /// Somebody does: 1/δ grows by one per round trip and is halved by loss, never below two.
    Competitive {
        /// 1/δ, in packets.
        inverse_delta: f64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

impl Copa {
    /// A controller at the start of a connection.
    pub fn new(max_datagram_size: Bytes) -> Self {
        let window = segments(
            initial_window(max_datagram_size).as_u64(),
            max_datagram_size,
        );
        Self {
            max_datagram_size,
            window,
            in_slow_start: true,
            mode: CopaMode::Default,
            fold: AckFold::default(),
            smoothed_rtt: SmoothedRtt::new(),
            min_rtt: WindowedMin::default(),
            standing_rtt: WindowedMin::default(),
            max_rtt: WindowedMax::default(),
            rounds_with_queue: 0,
            nearly_empty_in_round: false,
            velocity: 1.0,
            direction: Direction::Up,
            same_direction: 0,
            window_at_round_start: window,
            congested_in_round: false,
            packets: 0,
            lost_packets: 0,
        }
    }

    /// The congestion window.
    pub fn window(&self) -> Bytes {
        window_bytes(self.window, self.max_datagram_size)
    }

    /// True until the rate first exceeds its target (§2.1).
    pub const fn in_slow_start(&self) -> bool {
        self.in_slow_start
    }

    /// The mode in force.
    pub const fn mode(&self) -> CopaMode {
        self.mode
    }

    const fn inverse_delta(&self) -> f64 {
        match self.mode {
            CopaMode::Default => DEFAULT_INVERSE_DELTA,
            CopaMode::Competitive { inverse_delta } => inverse_delta,
        }
    }

    /// §2.2: with Copa flows alone the queue is nearly empty at least once in five round trips.
    /// A queue of less than what one acknowledgement reports cannot be told from an empty one; at
    /// low rates a tenth of the few packets that Copa itself keeps there would be less than one.
    fn look_for_empty_queue(&mut self, acked: &Acknowledged, queueing_ns: u64, range_ns: u64) {
        let grain_ns = acked.packets as f64 * acked.rtt_ns as f64 / self.window;
        let range_ns = range_ns as f64;
        let threshold_ns = (NEARLY_EMPTY * range_ns).max(grain_ns.min(MOST_GRAIN * range_ns));
        if queueing_ns as f64 <= threshold_ns {
            self.nearly_empty_in_round = true;
            self.mode = CopaMode::Default;
        }
    }

    fn choose_mode(&mut self) {
        if core::mem::take(&mut self.nearly_empty_in_round) {
            self.rounds_with_queue = 0;
            return;
        }
        self.rounds_with_queue = self.rounds_with_queue.saturating_add(1);
        if self.rounds_with_queue >= EMPTY_WITHIN_ROUNDS && self.mode == CopaMode::Default {
            self.mode = CopaMode::Competitive {
                inverse_delta: DEFAULT_INVERSE_DELTA,
            };
        }
    }

    /// Once per window: the velocity (§2.1) and δ of the competitive mode (§2.2).
    fn end_round(&mut self) {
        let congested = core::mem::take(&mut self.congested_in_round);
        if let CopaMode::Competitive { inverse_delta } = &mut self.mode {
            *inverse_delta = if congested {
                (*inverse_delta / 2.0).max(DEFAULT_INVERSE_DELTA)
            } else {
                *inverse_delta + 1.0
            };
        }
        if !self.in_slow_start {
            let direction = if self.window > self.window_at_round_start {
                Direction::Up
            } else {
                Direction::Down
            };
            if direction == self.direction {
                self.same_direction += 1;
                if self.same_direction >= ROUNDS_BEFORE_DOUBLING {
                    self.velocity *= 2.0;
                }
            } else {
                self.turn(direction);
            }
        }
        self.yield_to_heavy_loss();
        self.window_at_round_start = self.window;
    }

    /// Where losses are no exception, the delay says nothing about the queue: without this a flow
    /// that never saw the queue empty grows for ever.
    fn yield_to_heavy_loss(&mut self) {
        if self.packets + self.lost_packets <= LOSS_SAMPLE {
            return;
        }
        let packets = core::mem::take(&mut self.packets);
        let lost = core::mem::take(&mut self.lost_packets);
        if lost as f64 > HEAVY_LOSS * (packets + lost) as f64 {
            self.window = (self.window * HEAVY_LOSS_FACTOR).max(MINIMUM_SEGMENTS);
            self.in_slow_start = false;
            self.turn(Direction::Down);
        }
    }

    const fn turn(&mut self, direction: Direction) {
        self.direction = direction;
        self.velocity = 1.0;
        self.same_direction = 0;
    }

    /// §2.1, steps 2 and 3, for an acknowledgement under a queueing delay.
    fn steer(&mut self, acked: &Acknowledged, queueing_ns: u64, standing_ns: u64) {
        // λ ≤ λ_t, that is window / standing ≤ 1 / (δ · queueing).
        let below_target =
            self.window * queueing_ns as f64 <= self.inverse_delta() * standing_ns as f64;
        if self.in_slow_start && below_target {
            if acked.window_used {
                self.window += acked.packets as f64;
            }
            return;
        }
        if self.in_slow_start {
            self.in_slow_start = false;
            self.window_at_round_start = self.window;
            self.turn(Direction::Down);
        }
        let towards = if below_target {
            Direction::Up
        } else {
            Direction::Down
        };
        if towards != self.direction && self.velocity > 1.0 {
            self.turn(towards);
        }
        self.velocity = self
            .velocity
            .min(self.window / self.inverse_delta())
            .max(1.0);
        let packets = acked.packets as f64;
        let change = self.velocity * self.inverse_delta() * packets / self.window;
        if !below_target {
            self.window = (self.window - change).max(MINIMUM_SEGMENTS);
        } else if acked.window_used {
            self.window += change.min(packets);
        }
    }
}

impl Controller for Copa {
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
        let (now_ns, rtt_ns) = (now.as_nanos(), acked.rtt_ns);
        self.smoothed_rtt.update(Duration::from_nanos(rtt_ns));
        let smoothed_ns = duration_nanos(self.smoothed_rtt.get());
        let min_ns = self.min_rtt.update(now_ns, MIN_RTT_WINDOW_NS, rtt_ns);
        let standing_ns = self.standing_rtt.update(now_ns, smoothed_ns / 2, rtt_ns);
        let max_ns = self
            .max_rtt
            .update(now_ns, MAX_RTT_WINDOW_RTTS * smoothed_ns, rtt_ns);
        let queueing_ns = standing_ns.saturating_sub(min_ns);
        self.look_for_empty_queue(&acked, queueing_ns, max_ns.saturating_sub(min_ns));
        self.steer(&acked, queueing_ns, standing_ns);
        self.packets += acked.packets;
        if self.fold.round_is_over(&acked) {
            self.fold.begin_round();
            self.end_round();
            self.choose_mode();
        }
    }

    fn on_congestion_event(&mut self, _now: Timestamp, event: CongestionEvent) {
        match event.trigger {
            // §2.1: the default mode does not react to loss; the competitive one does by its δ.
            CongestionTrigger::Loss { packets, .. } => {
                self.congested_in_round = true;
                self.lost_packets += packets;
            }
            CongestionTrigger::EcnCe => self.congested_in_round = true,
            CongestionTrigger::Persistent => {
                // RFC 9002 §7.6.2: the minimum window, and slow start from there.
                self.window = MINIMUM_SEGMENTS;
                self.in_slow_start = true;
                self.turn(Direction::Up);
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
        self.window_at_round_start *= ratio;
    }

    fn decision(&self) -> Decision {
        let congestion_window = self.window();
        let standing = Duration::from_nanos(self.standing_rtt.value());
        Decision {
            congestion_window,
            pacing_rate: pacing_rate(congestion_window, standing, PACING_GAIN),
            send_quantum: self.max_datagram_size,
            buffer_cap: congestion_window.saturating_mul(2),
            retry: RetryTiming::RFC9002,
        }
    }
}

/// §2.2: δ is 0.5 by default and at most 0.5 in the competitive mode.
const DEFAULT_INVERSE_DELTA: f64 = 2.0;
/// §2.1: RTTmin over ten seconds.
const MIN_RTT_WINDOW_NS: u64 = 10_000_000_000;
/// §2.2: RTTmax over four round-trip times.
const MAX_RTT_WINDOW_RTTS: u64 = 4;
/// §2.2: the queue is nearly empty below a tenth of RTTmax − RTTmin,
const NEARLY_EMPTY: f64 = 0.1;
/// or below one acknowledgement's packets, where these are less than a quarter of it,
const MOST_GRAIN: f64 = 0.25;
/// and that at least once in five whole round trips.
const EMPTY_WITHIN_ROUNDS: u32 = 5;
/// §2.1: the velocity doubles only after the direction stayed for three round-trip times.
const ROUNDS_BEFORE_DOUBLING: u32 = 3;
/// A loss rate is judged from more packets than these.
const LOSS_SAMPLE: u64 = 20;
const HEAVY_LOSS: f64 = 0.3;
const HEAVY_LOSS_FACTOR: f64 = 0.7;
/// §2.1: pacing at 2 · window / RTTstanding.
const PACING_GAIN: Q16 = Q16::from_units(2 << 16);
const MINIMUM_SEGMENTS: f64 = 2.0;

#[cfg(test)]
mod tests;
