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
    max_burst_ns: u64,
    drop_probability: f64,
    old_delay_ns: u64,
    burst_allowance_ns: u64,
}

impl Control {
    /// Appendix A `calculate_drop_prob`.
    fn update(&mut self, delay_ns: u64) {
        let delay_s = seconds(delay_ns);
        let mut p = ALPHA * (delay_s - seconds(self.target_ns))
            + BETA * (delay_s - seconds(self.old_delay_ns));
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

/// RFC 8033 §4.2, in 1/s.
const ALPHA: f64 = 0.125;
/// RFC 8033 §4.2, in 1/s.
const BETA: f64 = 1.25;
/// RFC 8033 §5.1 `mark_ecnth`.
const MARK_ECN_THRESHOLD: f64 = 0.1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::queue::tests::{packet, stream};

    const MS: u64 = 1_000_000;

    fn control() -> Control {
        rfc(Limit::Packets(1000)).control
    }

    fn rfc(limit: Limit) -> Pie {
        let ms = Duration::from_millis;
        Pie::new(ms(15), ms(15), ms(150), limit, stream())
    }

    // 30 ms: p = 0.125·0.015 + 1.25·0.030 = 0.039375; prob 0 < 1e-6: /2048 = 1.9226074e-5.
    // 30 ms: p = 0.125·0.015 + 0 = 0.001875; prob < 1e-4: /128 = 1.4648438e-5; sum 3.3874512e-5.
    // 50 ms: p = 0.125·0.035 + 1.25·0.020 = 0.029375; /128 = 2.2949219e-4; sum 2.6336670e-4.
    // 50 ms: p = 0.004375; prob < 1e-3: /32 = 1.3671875e-4; sum 4.0008545e-4.
    #[test]
    fn the_probability_follows_the_delay_in_steps_scaled_to_its_size() {
        let mut control = control();
        let expected = [
            1.922_607_421_875e-5,
            3.387_451_171_875e-5,
            2.633_666_992_187_5e-4,
        ];
        let expected = expected.into_iter().chain([4.000_854_492_187_5e-4]);
        for (delay_ms, expected) in [30, 30, 50, 50].into_iter().zip(expected) {
            control.update(delay_ms * MS);
            let error = (control.drop_probability - expected).abs();
            assert!(error < 1e-15, "{} {expected}", control.drop_probability);
        }
    }

    // For each step of the scale: p = 0.125·0.025 + 1.25·0 = 0.003125 at 40 ms after 40 ms.
    #[test]
    fn every_step_of_the_scale_is_the_one_of_the_rfc() {
        let steps = [
            (0.000_000_5, 2048.0),
            (0.000_005, 512.0),
            (0.000_05, 128.0),
            (0.000_5, 32.0),
            (0.005, 8.0),
            (0.05, 2.0),
            (0.5, 1.0),
        ];
        for (probability, divisor) in steps {
            let mut control = control();
            control.drop_probability = probability;
            control.old_delay_ns = 40 * MS;
            control.update(40 * MS);
            let expected = probability + 0.003_125 / divisor;
            assert!((control.drop_probability - expected).abs() < 1e-15);
        }
    }

    // 0.125·0.085 + 1.25·0.1 = 0.135625 is capped at 0.02 from a probability of 0.1 on.
    #[test]
    fn a_large_probability_grows_by_at_most_two_percent() {
        let mut control = control();
        control.drop_probability = 0.15;
        control.update(100 * MS);
        assert!((control.drop_probability - 0.17).abs() < 1e-15);
    }

    // 0.5 + 0.125·(0 − 0.015) = 0.498125, times 0.98 = 0.4881625.
    #[test]
    fn an_empty_queue_lets_the_probability_decay() {
        let mut control = control();
        control.drop_probability = 0.5;
        control.update(0);
        assert!((control.drop_probability - 0.488_162_5).abs() < 1e-15);
        for _ in 0..1000 {
            control.update(0);
        }
        assert!(control.is_at_rest());
    }

    #[test]
    fn the_burst_allowance_lasts_ten_updates_and_returns_when_the_queue_is_short() {
        let mut control = control();
        for update in 1..=12 {
            control.update(50 * MS);
            let left_ms = 150_u64.saturating_sub(15 * update);
            assert_eq!(control.burst_allowance_ns, left_ms * MS);
        }
        control.rearm_burst(0);
        assert_eq!(control.burst_allowance_ns, 0, "the probability is not zero");
        control.drop_probability = 0.0;
        control.old_delay_ns = 7 * MS;
        control.rearm_burst(8 * MS);
        assert_eq!(control.burst_allowance_ns, 0, "8 ms is above half of 15 ms");
        control.rearm_burst(7 * MS);
        assert_eq!(control.burst_allowance_ns, 150 * MS);
    }

    /// A queue with 100 packets, old delay 20 ms and no burst allowance.
    fn busy(drop_probability: f64) -> Pie {
        let mut queue = rfc(Limit::Packets(100_000));
        for number in 0..100 {
            queue.enqueue(0, packet(0, number, 1500, Ecn::NotEct), &mut vec![]);
        }
        queue.control.drop_probability = drop_probability;
        queue.control.old_delay_ns = 20 * MS;
        queue.control.burst_allowance_ns = 0;
        queue
    }

    /// Of 10,000 arrivals: (dropped, marked).
    fn arrivals(queue: &mut Pie, ecn: Ecn) -> (usize, usize) {
        let mut dropped = vec![];
        for number in 100..10_100 {
            queue.enqueue(0, packet(0, number, 1500, ecn), &mut dropped);
        }
        let marked = queue.waiting().filter(|waits| waits.ecn == Ecn::Ce);
        (dropped.len(), marked.count())
    }

    // The standard deviation is √(10,000 · 0.05 · 0.95) = 22.
    #[test]
    fn arrivals_are_dropped_or_marked_with_the_probability() {
        let (dropped, marked) = arrivals(&mut busy(0.05), Ecn::NotEct);
        assert!(dropped.abs_diff(500) < 110 && marked == 0, "{dropped}");
        let (dropped, marked) = arrivals(&mut busy(0.05), Ecn::Ect0);
        assert!(marked.abs_diff(500) < 110 && dropped == 0, "{marked}");
    }

    #[test]
    fn capable_packets_are_dropped_too_from_ten_percent_on() {
        let (dropped, marked) = arrivals(&mut busy(0.1), Ecn::Ect0);
        assert!(dropped.abs_diff(1000) < 150 && marked == 0, "{dropped}");
    }

    #[test]
    fn the_safeguards_admit_everything() {
        let mut calm = busy(0.19);
        calm.control.old_delay_ns = 7 * MS;
        assert_eq!(arrivals(&mut calm, Ecn::NotEct), (0, 0));
        let mut bursty = busy(0.5);
        bursty.control.burst_allowance_ns = 1;
        assert_eq!(arrivals(&mut bursty, Ecn::NotEct), (0, 0));
        let mut short = busy(0.5);
        while short.bytes() > 2 * 1500 {
            short.dequeue(0, &mut vec![]);
        }
        let mut dropped = vec![];
        short.enqueue(0, packet(0, 0, 1500, Ecn::NotEct), &mut dropped);
        assert_eq!(dropped, []);
    }

    // The head arrived at 0; updates at 15, 30 and 45 ms see delays of 15, 30 and 45 ms:
    // 0 + (0 + 1.25·0.015)/2048 = 9.1552734e-6;
    // + (0.001875 + 0.01875)/512 = 4.0283203e-5 → 4.9438477e-5;
    // + (0.00375 + 0.01875)/128 = 1.7578125e-4 → 2.2521973e-4.
    #[test]
    fn updates_between_two_calls_are_caught_up_with() {
        let mut queue = rfc(Limit::Packets(1000));
        for number in 0..10 {
            queue.enqueue(0, packet(0, number, 1500, Ecn::NotEct), &mut vec![]);
        }
        queue.dequeue(50 * MS, &mut vec![]);
        let error = (queue.control.drop_probability - 2.252_197_265_625e-4).abs();
        assert!(error < 1e-15, "{}", queue.control.drop_probability);
        assert_eq!(queue.control.old_delay_ns, 45 * MS);
    }

    // Updates of an empty queue: (0.5 − 0.001875) · 0.98 = 0.4881625 at 15 ms, then
    // (0.4881625 − 0.001875) · 0.98 = 0.47656175 at 30 ms.
    #[test]
    fn an_idle_queue_forgets_update_by_update() {
        let mut queue = rfc(Limit::Packets(1000));
        queue.control.drop_probability = 0.5;
        assert_eq!(queue.dequeue(44 * MS, &mut vec![]), None);
        assert!((queue.control.drop_probability - 0.476_561_75).abs() < 1e-15);
        assert_eq!(queue.dequeue(100_000 * MS, &mut vec![]), None);
        assert!(queue.control.is_at_rest());
        queue.enqueue(100_000 * MS, packet(0, 0, 1500, Ecn::NotEct), &mut vec![]);
        assert_eq!(queue.control.burst_allowance_ns, 150 * MS);
    }
}
