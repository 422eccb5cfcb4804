//! Proportional integral controller, enhanced.

use core::time::Duration;

use super::fifo::Fifo;
use super::timer::Timer;
use super::{Limit, Queue, happens, nanoseconds};
use crate::rng::Stream;
use crate::transport::{Ecn, Packet};

/// Drops arrivals with a probability that a PI controller keeps such that the delay meets a target.
///
/// The delay is the waiting time of the packet at the head (zero where nothing waits), which §4.2
/// allows in place of an estimate from the departure rate. MEAN_PKTSIZE, of which twice as much is
/// never dropped from, is the largest packet seen so far. Without the optional derandomisation
/// (§5.4) and activation threshold (Appendix B).
///
/// α and β of the RFC are for a T_UPDATE of 15 ms. For another one they follow §4.2: where it is
/// halved, α is halved and β grows by α/4. In closed form α is proportional to T_UPDATE and β + α/2
/// stays what it is at 15 ms, the integral by the trapezoidal rule, so that the probability answers
/// the delay at the same speed; from 315 ms on β is negative. What the RFC applies once per update
/// (the decay by 0.98, the cap of 0.02) stays as it is.
///
/// # Source
/// RFC 8033 Appendix A with the marks of §5.1.
#[derive(Debug)]
pub struct Pie {
    fifo: Fifo,
    limit: Limit,
    largest_bytes: u64,
    control: Control,
    timer: Timer,
    stream: Stream,
}

impl Pie {
    /// An empty queue of at most `limit`, with QDELAY_REF, T_UPDATE and MAX_BURST.
    pub fn new(
        target: Duration,
        update: Duration,
        max_burst: Duration,
        limit: Limit,
        stream: Stream,
    ) -> Self {
        let control = Control {
            target_ns: nanoseconds(target),
            update_ns: nanoseconds(update),
            gains: Gains::every(nanoseconds(update)),
            max_burst_ns: nanoseconds(max_burst),
            drop_probability: 0.0,
            old_delay_ns: 0,
            burst_allowance_ns: nanoseconds(max_burst),
        };
        Self {
            fifo: Fifo::new(),
            limit,
            largest_bytes: 0,
            control,
            timer: Timer::new(nanoseconds(update)),
            stream,
        }
    }

    /// Since the last call the head stayed the same, so its delay at each update is known now.
    #[inline]
    fn catch_up(&mut self, now_ns: u64) {
        if self.fifo.is_empty() && self.control.is_at_rest() {
            // The burst allowance is spent too, but the next arrival restores it.
            self.timer.skip(now_ns);
            return;
        }
        while let Some(due_ns) = self.timer.take(now_ns) {
            self.control.update(self.fifo.head_sojourn_ns(due_ns));
        }
    }

    /// RFC 8033 §4.1, Appendix A `drop_early`.
    #[inline]
    fn drops_early(&mut self) -> bool {
        if self.control.is_calm() || self.fifo.bytes() <= 2 * self.largest_bytes {
            return false;
        }
        happens(&mut self.stream, self.control.drop_probability)
    }
}

impl Queue for Pie {
    #[inline]
    fn enqueue(&mut self, now_ns: u64, mut packet: Packet, dropped: &mut Vec<Packet>) {
        self.catch_up(now_ns);
        self.largest_bytes = self.largest_bytes.max(u64::from(packet.bytes));
        if !self.limit.fits(self.fifo.len(), self.fifo.bytes(), &packet) {
            dropped.push(packet);
            return;
        }
        if self.control.burst_allowance_ns == 0 && self.drops_early() {
            // RFC 8033 §5.1: marks up to mark_ecnth, drops above.
            if !packet.ecn.is_capable() || self.control.drop_probability >= MARK_ECN_THRESHOLD {
                dropped.push(packet);
                return;
            }
            packet.ecn = Ecn::Ce;
        }
        self.control.rearm_burst(self.fifo.head_sojourn_ns(now_ns));
        self.fifo.push(packet);
    }

    #[inline]
    fn dequeue(&mut self, now_ns: u64, _dropped: &mut Vec<Packet>) -> Option<Packet> {
        self.catch_up(now_ns);
        self.fifo.pop()
    }

    fn waiting(&self) -> impl Iterator<Item = &Packet> {
        self.fifo.iter()
    }

    #[inline]
    fn bytes(&self) -> u64 {
        self.fifo.bytes()
    }
}

/// The controller, apart from the queue.
#[derive(Clone, Copy, Debug)]
struct Control {
    target_ns: u64,
    update_ns: u64,
    gains: Gains,
    max_burst_ns: u64,
    drop_probability: f64,
    old_delay_ns: u64,
    burst_allowance_ns: u64,
}

impl Control {
    /// Appendix A `calculate_drop_prob`.
    fn update(&mut self, delay_ns: u64) {
        let delay_s = seconds(delay_ns);
        let mut p = self.gains.alpha * (delay_s - seconds(self.target_ns))
            + self.gains.beta * (delay_s - seconds(self.old_delay_ns));
        p /= self.scale();
        // §5.5: the cap on adjustments.
        if self.drop_probability >= 0.1 && p > 0.02 {
            p = 0.02;
        }
        self.drop_probability += p;
        if self.is_below_half_target(delay_ns) {
            self.drop_probability *= 0.98;
        }
        self.drop_probability = self.drop_probability.clamp(0.0, 1.0);
        self.burst_allowance_ns = self.burst_allowance_ns.saturating_sub(self.update_ns);
        self.old_delay_ns = delay_ns;
    }

    /// §4.2: small probabilities are adjusted in small steps.
    fn scale(&self) -> f64 {
        match self.drop_probability {
            p if p < 0.000_001 => 2048.0,
            p if p < 0.000_01 => 512.0,
            p if p < 0.000_1 => 128.0,
            p if p < 0.001 => 32.0,
            p if p < 0.01 => 8.0,
            p if p < 0.1 => 2.0,
            _ => 1.0,
        }
    }

    /// §4.4: a queue that has been short may take a burst.
    #[inline]
    fn rearm_burst(&mut self, delay_ns: u64) {
        if self.drop_probability == 0.0 && self.is_below_half_target(delay_ns) {
            self.burst_allowance_ns = self.max_burst_ns;
        }
    }

    #[inline]
    const fn is_below_half_target(&self, delay_ns: u64) -> bool {
        let half_ns = self.target_ns / 2;
        delay_ns < half_ns && self.old_delay_ns < half_ns
    }

    /// §4.1: the safeguard that keeps PIE work conserving.
    #[inline]
    const fn is_calm(&self) -> bool {
        self.old_delay_ns < self.target_ns / 2 && self.drop_probability < 0.2
    }

    /// Whether updates of an empty queue change nothing but the burst allowance.
    #[inline]
    const fn is_at_rest(&self) -> bool {
        self.drop_probability == 0.0 && self.old_delay_ns == 0
    }
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

/// How much one update answers, in 1/s.
#[derive(Clone, Copy, Debug)]
struct Gains {
    /// To the delay beyond the target.
    alpha: f64,
    /// To the change of the delay.
    beta: f64,
}

impl Gains {
    /// Of updates `update_ns` apart.
    fn every(update_ns: u64) -> Self {
        let alpha = ALPHA * (update_ns as f64 / GAINS_UPDATE_NS);
        Self {
            alpha,
            beta: BETA + (ALPHA - alpha) / 2.0,
        }
    }
}

/// RFC 8033 §4.2, in 1/s, at [`GAINS_UPDATE_NS`].
const ALPHA: f64 = 0.125;
/// RFC 8033 §4.2, in 1/s, at [`GAINS_UPDATE_NS`].
const BETA: f64 = 1.25;
/// RFC 8033 §4.2: the T_UPDATE that α and β are given for.
const GAINS_UPDATE_NS: f64 = 15_000_000.0;
/// RFC 8033 §5.1 `mark_ecnth`.
const MARK_ECN_THRESHOLD: f64 = 0.1;

#[cfg(test)]
mod tests;
