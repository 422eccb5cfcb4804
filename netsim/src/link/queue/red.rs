//! Random early detection.

use super::fifo::Fifo;
use super::{Limit, Queue, happens};
use crate::rng::Stream;
use crate::transport::{Ecn, Packet};

/// Drops arrivals with a probability that grows with the average length of the queue.
///
/// The average counts bytes. Where it is below the upper threshold, ECN-capable packets are marked
/// in place of a drop; above it everything is dropped alike (RFC 3168 §7). While the queue is
/// empty the average decays as if packets of the usual transmission time had found it so; that time
/// is a moving average over the departures of a busy queue.
///
/// # Source
/// Floyd and Jacobson, "Random early detection gateways for congestion avoidance", IEEE/ACM ToN
/// 1(4), 1993, figure 2; the gentle region is Floyd, "Recommendation on using the gentle variant of
/// RED", 2000.
#[derive(Debug)]
pub struct Red {
    fifo: Fifo,
    limit: Limit,
    law: DropLaw,
    weight: f64,
    average_bytes: f64,
    /// Packets since the last drop or mark; −1 below the lower threshold.
    count: i64,
    /// Up to when the idle time is in the average: the queue became empty, or an arrival found it so.
    idle_since_ns: u64,
    transmission: TransmissionTime,
    stream: Stream,
}

/// Where RED drops and how often.
#[derive(Clone, Copy, Debug)]
pub struct DropLaw {
    /// Average from which packets are dropped.
    pub min_bytes: u64,
    /// Average at which `max_probability` is reached; at twice as much, everything is dropped.
    pub max_bytes: u64,
    /// Probability at `max_bytes`.
    pub max_probability: f64,
}

impl Red {
    /// An empty queue of at most `limit`; `weight` is that of one packet in the average.
    pub const fn new(law: DropLaw, weight: f64, limit: Limit, stream: Stream) -> Self {
        Self {
            fifo: Fifo::new(),
            limit,
            law,
            weight,
            average_bytes: 0.0,
            count: -1,
            idle_since_ns: 0,
            transmission: TransmissionTime {
                mean_ns: 0.0,
                departed_ns: None,
            },
            stream,
        }
    }

    /// The average that an arrival sees.
    fn update_average(&mut self, now_ns: u64) {
        if !self.fifo.is_empty() {
            self.average_bytes += self.weight * (self.fifo.bytes() as f64 - self.average_bytes);
            return;
        }
        let idle_ns = now_ns.saturating_sub(self.idle_since_ns);
        // An arrival may be dropped and leave the queue empty: its idle time counts only once.
        self.idle_since_ns = now_ns;
        if self.transmission.mean_ns > 0.0 {
            let packets = idle_ns as f64 / self.transmission.mean_ns;
            self.average_bytes *= libm::pow(1.0 - self.weight, packets);
        }
    }

    /// What becomes of an arrival.
    fn decide(&mut self) -> Fate {
        let Some(p_b) = self.law.probability(self.average_bytes) else {
            self.count = -1;
            return Fate::Admit;
        };
        self.count += 1;
        let is_hard = self.average_bytes >= self.law.max_bytes as f64;
        if !happens(&mut self.stream, spaced(p_b, self.count)) {
            return Fate::Admit;
        }
        self.count = 0;
        if is_hard { Fate::Drop } else { Fate::Mark }
    }
}

impl Queue for Red {
    #[inline]
    fn enqueue(&mut self, now_ns: u64, mut packet: Packet, dropped: &mut Vec<Packet>) {
        self.update_average(now_ns);
        let fate = self.decide();
        let is_dropped = fate == Fate::Drop || (fate == Fate::Mark && !packet.ecn.is_capable());
        if is_dropped || !self.limit.fits(self.fifo.len(), self.fifo.bytes(), &packet) {
            dropped.push(packet);
            return;
        }
        if fate == Fate::Mark {
            packet.ecn = Ecn::Ce;
        }
        self.fifo.push(packet);
    }

    #[inline]
    fn dequeue(&mut self, now_ns: u64, _dropped: &mut Vec<Packet>) -> Option<Packet> {
        let packet = self.fifo.pop()?;
        let is_empty = self.fifo.is_empty();
        self.transmission.departs(now_ns, is_empty);
        if is_empty {
            self.idle_since_ns = now_ns;
        }
        Some(packet)
    }

    fn waiting(&self) -> impl Iterator<Item = &Packet> {
        self.fifo.iter()
    }

    #[inline]
    fn bytes(&self) -> u64 {
        self.fifo.bytes()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Admit,
    /// Mark what is capable, drop what is not.
    Mark,
    Drop,
}

impl DropLaw {
    /// p_b before spacing; none below the lower threshold.
    fn probability(self, average_bytes: f64) -> Option<f64> {
        let (min, max) = (self.min_bytes as f64, self.max_bytes as f64);
        if average_bytes < min {
            None
        } else if average_bytes < max {
            Some(self.max_probability * (average_bytes - min) / (max - min))
        } else if average_bytes < 2.0 * max {
            let rest = (1.0 - self.max_probability) * (average_bytes - max) / max;
            Some(self.max_probability + rest)
        } else {
            Some(1.0)
        }
    }
}

/// p_a: spaces drops evenly, the `count`-th packet after one. Gaps become uniform up to 1/p_b, so
/// about twice as many packets are dropped as p_b says, and all of them from p_b = ½ on.
fn spaced(p_b: f64, count: i64) -> f64 {
    let left = 1.0 - count as f64 * p_b;
    if left <= p_b { 1.0 } else { p_b / left }
}

/// How long a packet takes on the wire, measured.
#[derive(Clone, Copy, Debug)]
struct TransmissionTime {
    mean_ns: f64,
    /// The last departure that left others waiting.
    departed_ns: Option<u64>,
}

impl TransmissionTime {
    #[inline]
    fn departs(&mut self, now_ns: u64, leaves_empty: bool) {
        if let Some(departed_ns) = self.departed_ns {
            let sample_ns = now_ns.saturating_sub(departed_ns) as f64;
            if self.mean_ns == 0.0 {
                self.mean_ns = sample_ns;
            } else {
                self.mean_ns += (sample_ns - self.mean_ns) / 8.0;
            }
        }
        self.departed_ns = (!leaves_empty).then_some(now_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::queue::tests::{packet, stream};

    const LAW: DropLaw = DropLaw {
        min_bytes: 5000,
        max_bytes: 15_000,
        max_probability: 0.1,
    };

    fn red(limit: Limit) -> Red {
        Red::new(LAW, 0.002, limit, stream())
    }

    // The n-th arrival sees n − 1 packets of 1000 bytes, the first one an empty queue that never
    // served: 0; 0.002·1000 = 2; 2 + 0.002·(2000 − 2) = 5.996; 5.996 + 0.002·(3000 − 5.996) = 11.984008.
    #[test]
    fn the_average_follows_the_queue_with_its_weight() {
        let mut queue = red(Limit::Packets(100));
        for (number, expected) in [0.0, 2.0, 5.996, 11.984_008].into_iter().enumerate() {
            queue.enqueue(0, packet(0, number as u64, 1000, Ecn::NotEct), &mut vec![]);
            assert!((queue.average_bytes - expected).abs() < 1e-9);
        }
    }

    // Three departures 1 ms apart of a busy queue: 1 ms per packet. Empty from 3 ms on; at 13 ms ten
    // packets could have been sent: average · 0.998^10 = 0.980179...
    #[test]
    fn the_average_decays_while_idle_as_if_small_queues_had_been_seen() {
        let mut queue = red(Limit::Packets(100));
        for number in 0..3 {
            queue.enqueue(0, packet(0, number, 1000, Ecn::NotEct), &mut vec![]);
        }
        for ms in 1..=3 {
            queue.dequeue(ms * 1_000_000, &mut vec![]);
        }
        queue.average_bytes = 1000.0;
        queue.enqueue(13_000_000, packet(0, 3, 1000, Ecn::NotEct), &mut vec![]);
        assert!((queue.average_bytes - 980.178_96).abs() < 1e-3);
        // Its departure ends no busy period, so it says nothing about the time on the wire.
        queue.dequeue(13_000_000, &mut vec![]);
        assert_eq!(queue.transmission.mean_ns, 1_000_000.0);
    }

    // 1 ms per packet and 100 ms idle: 4·10⁶ · 0.998^100 = 4·10⁶ · 0.818567 = 3,274,267, far above
    // 2 · 15,000, so every arrival is dropped and the queue stays empty: ten arrivals 10 ms apart
    // make the same average as one after 100 ms.
    #[test]
    fn the_idle_time_between_dropped_arrivals_counts_once() {
        for steps in [1, 10] {
            let mut queue = red(Limit::Packets(100));
            queue.average_bytes = 4e6;
            queue.transmission.mean_ns = 1_000_000.0;
            let mut dropped = vec![];
            for step in 1..=steps {
                let now_ns = step * 100_000_000 / steps;
                queue.enqueue(now_ns, packet(0, step, 1000, Ecn::NotEct), &mut dropped);
            }
            assert_eq!(dropped.len() as u64, steps);
            let average = queue.average_bytes;
            assert!((average - 3_274_267.0).abs() < 1.0, "{average}");
        }
    }

    // Departures at 1, 2 and 11 ms: samples of 1 and 9 ms. The first is the mean, then
    // 1 + (9 − 1)/8 = 2 ms.
    #[test]
    fn the_transmission_time_moves_by_an_eighth() {
        let mut time = TransmissionTime {
            mean_ns: 0.0,
            departed_ns: None,
        };
        for (ms, mean_ms) in [(1, 0.0), (2, 1.0), (11, 2.0)] {
            time.departs(ms * 1_000_000, false);
            assert_eq!(time.mean_ns, mean_ms * 1e6);
        }
    }

    #[test]
    fn spacing_starts_afresh_when_the_average_falls_below_the_lower_threshold() {
        let mut queue = Red::new(LAW, 0.0, Limit::Packets(100), stream());
        queue.average_bytes = 5001.0;
        for number in 0..10 {
            queue.enqueue(0, packet(0, number, 1000, Ecn::NotEct), &mut vec![]);
        }
        assert_eq!(queue.count, 9, "p_b is 10⁻⁵");
        queue.average_bytes = 4999.0;
        queue.enqueue(0, packet(0, 10, 1000, Ecn::NotEct), &mut vec![]);
        assert_eq!(queue.count, -1);
    }

    // 10,000 is half-way: 0.1 · 0.5 = 0.05. 22,500 is half-way in the gentle region:
    // 0.1 + 0.9 · 0.5 = 0.55.
    #[test]
    fn the_probability_is_linear_between_the_thresholds_and_in_the_gentle_region() {
        assert_eq!(LAW.probability(4_999.9), None);
        assert_eq!(LAW.probability(5_000.0), Some(0.0));
        assert_eq!(LAW.probability(10_000.0), Some(0.05));
        assert_eq!(LAW.probability(15_000.0), Some(0.1));
        assert_eq!(LAW.probability(22_500.0), Some(0.55));
        assert_eq!(LAW.probability(30_000.0), Some(1.0));
    }

    // p_b = 0.05: 0.05/(1 − 0) = 0.05; after ten packets 0.05/0.5 = 0.1; the nineteenth 0.05/0.05 = 1.
    #[test]
    fn spacing_drops_one_in_every_reciprocal_of_the_probability_at_the_latest() {
        assert_eq!(spaced(0.05, 0), 0.05);
        assert_eq!(spaced(0.05, 10), 0.1);
        assert!(spaced(0.05, 19) > 0.999_999);
        assert_eq!(spaced(0.05, 1000), 1.0);
    }

    /// Gaps between the drops or marks of 20,000 arrivals at a constant average.
    fn gaps(average_bytes: f64, ecn: Ecn) -> (Vec<u64>, usize) {
        let mut queue = Red::new(LAW, 0.0, Limit::Packets(1_000_000), stream());
        queue.average_bytes = average_bytes;
        let mut dropped = vec![];
        for number in 0..20_000 {
            queue.enqueue(0, packet(0, number, 1000, ecn), &mut dropped);
        }
        let marked = queue.waiting().filter(|waits| waits.ecn == Ecn::Ce);
        let hit: Vec<u64> = dropped.iter().chain(marked).map(|hit| hit.number).collect();
        let gaps = hit.windows(2).map(|pair| pair[1] - pair[0]).collect();
        (gaps, dropped.len())
    }

    // Uniform on 1..=20 for p_b = 0.05 (Floyd and Jacobson §7, method 2): mean 10.5. A drop resets
    // the count to 0, so the next packet has count 1 and probability 0.05/0.95 = 1/19: uniform on
    // 1..=19 here, mean 10 (the first gap, from −1, is on 1..=20).
    #[test]
    fn gaps_between_drops_are_uniform() {
        let (gaps, dropped) = gaps(10_000.0, Ecn::NotEct);
        assert_eq!(dropped, gaps.len() + 1);
        assert!(gaps.iter().all(|gap| (1..=19).contains(gap)));
        let mean = gaps.iter().sum::<u64>() as f64 / gaps.len() as f64;
        assert!((9.5..10.5).contains(&mean), "{mean}");
        for length in 1..=19 {
            let share = gaps.iter().filter(|&&gap| gap == length).count() * 19;
            assert!(share > gaps.len() / 2 && share < gaps.len() * 3 / 2);
        }
    }

    #[test]
    fn capable_packets_are_marked_below_the_upper_threshold_and_dropped_above() {
        let (marks, dropped) = gaps(10_000.0, Ecn::Ect0);
        assert!(marks.len() > 1500 && dropped == 0);
        let (_, dropped) = gaps(20_000.0, Ecn::Ect0);
        assert!(dropped > 1500);
        let (_, dropped) = gaps(30_000.0, Ecn::Ect0);
        assert_eq!(dropped, 20_000);
    }
}
