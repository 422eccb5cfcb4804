//! Two coupled queues: low latency and classic.

use core::time::Duration;

use super::fifo::{Fifo, sojourn_ns};
use super::timer::Timer;
use super::{Limit, Queue, nanoseconds};
use crate::transport::{Ecn, Packet};

/// DualPI2: ECT(1) and CE wait in a low-latency (L) queue that is marked from a step on, the rest in
/// a classic (C) queue whose PI controller drops by the square of the probability that is coupled
/// to the L queue.
///
/// L marks at a step of its waiting time in place of a ramp (a range of zero), and never a packet
/// behind which none waits (Th_len). The scheduler is weighted round robin by bytes with 10 % for C,
/// as in Linux. On overload (p_CL = 1) L drops like C, and C drops capable packets too. The base
/// probability is held in 0.0..=1.0.
///
/// # Source
/// RFC 9332 Appendix A, with its overload handling; k = 2, RTT_max = 100 ms.
#[derive(Debug)]
pub struct DualPi2 {
    low_latency: Lane,
    classic: Lane,
    /// Positive where the classic queue is owed service.
    credit: i64,
    core: Core,
    timer: Timer,
    step_ns: u64,
    limit: Limit,
}

impl DualPi2 {
    /// Two empty queues of at most `limit` together, with the target of C, Tupdate and the step of L.
    pub fn new(target: Duration, update: Duration, step: Duration, limit: Limit) -> Self {
        Self {
            low_latency: Lane::new(),
            classic: Lane::new(),
            credit: 0,
            core: Core::new(nanoseconds(target), nanoseconds(update)),
            timer: Timer::new(nanoseconds(update)),
            step_ns: nanoseconds(step),
            limit,
        }
    }

    /// Since the last call both heads stayed the same, so their delays at each update are known now.
    #[inline]
    fn catch_up(&mut self, now_ns: u64) {
        let is_empty = self.low_latency.fifo.is_empty() && self.classic.fifo.is_empty();
        if is_empty && self.core.is_at_rest() {
            self.timer.skip(now_ns);
            return;
        }
        while let Some(due_ns) = self.timer.take(now_ns) {
            let classic_ns = self.classic.fifo.head_sojourn_ns(due_ns);
            let low_latency_ns = self.low_latency.fifo.head_sojourn_ns(due_ns);
            self.core.update(classic_ns.max(low_latency_ns));
        }
    }

    /// Which queue is served, by the credit of the classic one.
    #[inline]
    fn schedule(&mut self) -> Option<Class> {
        let low_latency_waits = !self.low_latency.fifo.is_empty();
        if self.classic.fifo.is_empty() {
            if !low_latency_waits {
                self.credit = 0;
            }
            low_latency_waits.then_some(Class::LowLatency)
        } else if low_latency_waits && self.credit <= 0 {
            Some(Class::LowLatency)
        } else {
            Some(Class::Classic)
        }
    }

    /// Service counts only while the other queue waits for it.
    #[inline]
    fn account(&mut self, class: Class, packet: &Packet) {
        let bytes = i64::from(packet.bytes);
        match class {
            Class::LowLatency if !self.classic.fifo.is_empty() => {
                self.credit += CLASSIC_WEIGHT * bytes;
            }
            Class::Classic if !self.low_latency.fifo.is_empty() => {
                self.credit -= (100 - CLASSIC_WEIGHT) * bytes;
            }
            _ => {}
        }
    }

    /// The head of the L queue, unless it is dropped.
    fn serve_low_latency(&mut self, now_ns: u64, dropped: &mut Vec<Packet>) -> Option<Packet> {
        let lane = &mut self.low_latency;
        let others_wait = lane.fifo.len() > TH_LEN;
        let mut packet = lane.fifo.pop()?;
        let coupled = self.core.coupled();
        if coupled < P_L_MAX {
            let is_late = others_wait && sojourn_ns(&packet, now_ns) >= self.step_ns;
            let native = if is_late { 1.0 } else { 0.0 };
            if lane.recurs(coupled.max(native)) {
                packet.ecn = Ecn::Ce;
            }
        } else if lane.recurs(self.core.classic()) {
            dropped.push(packet);
            return None;
        } else if lane.recurs(coupled.min(1.0)) {
            packet.ecn = Ecn::Ce;
        }
        Some(packet)
    }

    /// The head of the C queue, unless it is dropped.
    fn serve_classic(&mut self, dropped: &mut Vec<Packet>) -> Option<Packet> {
        let mut packet = self.classic.fifo.pop()?;
        let probability = self.core.classic();
        if self.classic.recurs(probability) {
            if !packet.ecn.is_capable() || probability >= P_C_MAX {
                dropped.push(packet);
                return None;
            }
            packet.ecn = Ecn::Ce;
        }
        Some(packet)
    }
}

impl Queue for DualPi2 {
    #[inline]
    fn enqueue(&mut self, now_ns: u64, packet: Packet, dropped: &mut Vec<Packet>) {
        self.catch_up(now_ns);
        let waiting = self.low_latency.fifo.len() + self.classic.fifo.len();
        if !self.limit.fits(waiting, self.bytes(), &packet) {
            dropped.push(packet);
            return;
        }
        match packet.ecn {
            Ecn::Ect1 | Ecn::Ce => self.low_latency.fifo.push(packet),
            Ecn::NotEct | Ecn::Ect0 => self.classic.fifo.push(packet),
        }
    }

    #[inline]
    fn dequeue(&mut self, now_ns: u64, dropped: &mut Vec<Packet>) -> Option<Packet> {
        self.catch_up(now_ns);
        loop {
            let class = self.schedule()?;
            let served = match class {
                Class::LowLatency => self.serve_low_latency(now_ns, dropped),
                Class::Classic => self.serve_classic(dropped),
            };
            if let Some(packet) = served {
                self.account(class, &packet);
                return Some(packet);
            }
        }
    }

    fn waiting(&self) -> impl Iterator<Item = &Packet> {
        self.low_latency.fifo.iter().chain(self.classic.fifo.iter())
    }

    #[inline]
    fn bytes(&self) -> u64 {
        self.low_latency.fifo.bytes() + self.classic.fifo.bytes()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    LowLatency,
    Classic,
}

/// One of the two queues with its accumulated likelihood.
#[derive(Debug)]
struct Lane {
    fifo: Fifo,
    count: f64,
}

impl Lane {
    const fn new() -> Self {
        Self {
            fifo: Fifo::new(),
            count: 0.0,
        }
    }

    /// `recur`: true as often as `likelihood` says, evenly spaced.
    #[inline]
    fn recurs(&mut self, likelihood: f64) -> bool {
        self.count += likelihood;
        if self.count > 1.0 {
            self.count -= 1.0;
            return true;
        }
        false
    }
}

/// The PI controller.
#[derive(Clone, Copy, Debug)]
struct Core {
    target_ns: u64,
    /// PI integral gain in Hz.
    alpha: f64,
    /// PI proportional gain in Hz.
    beta: f64,
    /// p'.
    base: f64,
    previous_ns: u64,
}

impl Core {
    fn new(target_ns: u64, update_ns: u64) -> Self {
        Self {
            target_ns,
            alpha: 0.1 * seconds(update_ns) / (RTT_MAX_S * RTT_MAX_S),
            beta: 0.3 / RTT_MAX_S,
            base: 0.0,
            previous_ns: 0,
        }
    }

    /// `dualpi2_update` with the greater queuing time of the two heads.
    fn update(&mut self, delay_ns: u64) {
        let delay_s = seconds(delay_ns);
        let change = self.alpha * (delay_s - seconds(self.target_ns))
            + self.beta * (delay_s - seconds(self.previous_ns));
        self.base = (self.base + change).clamp(0.0, 1.0);
        self.previous_ns = delay_ns;
    }

    /// p_CL, which may exceed one.
    #[inline]
    const fn coupled(&self) -> f64 {
        COUPLING_FACTOR * self.base
    }

    /// p_C.
    #[inline]
    const fn classic(&self) -> f64 {
        self.base * self.base
    }

    /// Whether updates of empty queues change nothing.
    #[inline]
    const fn is_at_rest(&self) -> bool {
        self.base == 0.0 && self.previous_ns == 0
    }
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

/// k.
const COUPLING_FACTOR: f64 = 2.0;
/// RTT_max: the worst round-trip time expected.
const RTT_MAX_S: f64 = 0.1;
/// min(1/k², 1): from here on C drops whatever it would mark.
const P_C_MAX: f64 = 1.0 / (COUPLING_FACTOR * COUPLING_FACTOR);
/// From this p_CL on L drops as C does.
const P_L_MAX: f64 = 1.0;
/// L marks by itself only where it is longer than this, in packets.
const TH_LEN: u64 = 1;
/// Share of the classic queue in percent while both wait.
const CLASSIC_WEIGHT: i64 = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::queue::tests::{at, packet};

    const MS: u64 = 1_000_000;

    fn rfc() -> DualPi2 {
        let ms = Duration::from_millis;
        DualPi2::new(ms(15), ms(16), ms(1), Limit::Packets(100_000))
    }

    fn fill(queue: &mut DualPi2, now_ns: u64, count: u64, ecn: Ecn) {
        for number in 0..count {
            let arriving = at(now_ns, packet(ecn as u32, number, 1500, ecn));
            queue.enqueue(now_ns, arriving, &mut vec![]);
        }
    }

    /// What `count` calls give: (sent, of these marked, dropped).
    fn serve(queue: &mut DualPi2, now_ns: u64, count: usize) -> (usize, usize, usize) {
        let mut dropped = vec![];
        let sent: Vec<_> = (0..count)
            .map_while(|_| queue.dequeue(now_ns, &mut dropped))
            .collect();
        let marked = sent.iter().filter(|sent| sent.ecn == Ecn::Ce).count();
        (sent.len(), marked, dropped.len())
    }

    // α = 0.1 · 0.016/0.1² = 0.16, β = 0.3/0.1 = 3. At 25 ms: p' = 0.16·0.010 + 3·0.025 = 0.0766;
    // again 25 ms: + 0.0016 = 0.0782, p_CL = 0.1564, p_C = 0.00611524;
    // at 10 ms: + 0.16·(−0.005) + 3·(−0.015) = 0.0782 − 0.0458 = 0.0324.
    #[test]
    fn the_base_probability_integrates_the_error_and_follows_the_change() {
        let mut core = Core::new(15 * MS, 16 * MS);
        for (delay_ms, expected) in [(25, 0.0766), (25, 0.0782)] {
            core.update(delay_ms * MS);
            assert!((core.base - expected).abs() < 1e-12, "{}", core.base);
        }
        assert!((core.coupled() - 0.1564).abs() < 1e-12);
        assert!((core.classic() - 0.006_115_24).abs() < 1e-12);
        core.update(10 * MS);
        assert!((core.base - 0.0324).abs() < 1e-12);
    }

    // Sums of 0.3: 0.3, 0.6, 0.9, 1.2 → 0.2, 0.5, 0.8, 1.1 → 0.1, 0.4, 0.7, 1.0 (not > 1), 1.3 → 0.3
    // (0.3 is a little below three tenths, so the tenth sum stays at one or below).
    #[test]
    fn recurrence_is_evenly_spaced() {
        let mut lane = Lane::new();
        let hits: Vec<usize> = (1..=11).filter(|_| lane.recurs(0.3)).collect();
        assert_eq!(hits, [4, 7, 11]);
        let count = (0..10_000).filter(|_| lane.recurs(0.037)).count();
        assert!(count.abs_diff(370) <= 1, "{count}");
    }

    #[test]
    fn marks_and_drops_are_coupled_by_the_square() {
        let mut queue = rfc();
        queue.step_ns = u64::MAX;
        queue.core.base = 0.2;
        fill(&mut queue, 0, 1000, Ecn::Ect1);
        // p_CL = 0.4.
        let (sent, marked, dropped) = serve(&mut queue, 0, 1000);
        assert!(sent == 1000 && marked.abs_diff(400) <= 1 && dropped == 0);
        fill(&mut queue, 0, 1000, Ecn::NotEct);
        // p_C = 0.04.
        let (sent, marked, dropped) = serve(&mut queue, 0, 1000);
        assert!(sent + dropped == 1000 && marked == 0 && dropped.abs_diff(40) <= 1);
        fill(&mut queue, 0, 1000, Ecn::Ect0);
        let (sent, marked, dropped) = serve(&mut queue, 0, 1000);
        assert!(sent == 1000 && marked.abs_diff(40) <= 1 && dropped == 0);
    }

    // The first packet only fills the likelihood up to one; each later one exceeds it. The last one
    // has nothing behind it.
    #[test]
    fn the_low_latency_queue_marks_from_the_step_on_unless_a_packet_is_alone() {
        let mut queue = rfc();
        fill(&mut queue, 0, 10, Ecn::Ect1);
        assert_eq!(serve(&mut queue, MS - 1, 2), (2, 0, 0));
        assert_eq!(serve(&mut queue, MS, 1), (1, 0, 0));
        assert_eq!(serve(&mut queue, MS, 6), (6, 6, 0));
        assert_eq!(serve(&mut queue, MS, 1), (1, 0, 0));
    }

    // p' = 0.5 ⇒ p_CL = 1, p_C = 0.25 = p_Cmax: a quarter is dropped whatever its ECN field, and L
    // marks the remaining ones.
    #[test]
    fn overload_drops_capable_packets_as_well() {
        let mut queue = rfc();
        queue.core.base = 0.5;
        fill(&mut queue, 0, 1000, Ecn::Ect0);
        let (sent, marked, dropped) = serve(&mut queue, 0, 1000);
        assert!(sent + dropped == 1000 && dropped.abs_diff(250) <= 1 && marked == 0);
        let mut queue = rfc();
        queue.core.base = 0.5;
        fill(&mut queue, 0, 1000, Ecn::Ect1);
        let (sent, marked, dropped) = serve(&mut queue, 0, 1000);
        assert!(sent + dropped == 1000 && dropped > 200 && marked > sent / 2);
        let mut queue = rfc();
        queue.core.base = 0.49;
        fill(&mut queue, 0, 1000, Ecn::Ect0);
        assert_eq!(serve(&mut queue, 0, 1000).2, 0);
    }

    #[test]
    fn the_classic_queue_gets_a_tenth_under_a_saturated_low_latency_queue() {
        let mut queue = rfc();
        queue.step_ns = u64::MAX;
        fill(&mut queue, 0, 1000, Ecn::Ect1);
        fill(&mut queue, 0, 1000, Ecn::NotEct);
        let sent: Vec<_> = (0..1000)
            .map(|_| queue.dequeue(0, &mut vec![]).unwrap().ecn)
            .collect();
        assert_eq!(sent[..3], [Ecn::Ect1, Ecn::NotEct, Ecn::Ect1]);
        let classic = sent.iter().filter(|&&ecn| ecn == Ecn::NotEct).count();
        assert!(classic.abs_diff(100) <= 1, "{classic}");
    }

    // Updates at 16 and 32 ms see the head that arrived at 0:
    // 0.16·0.001 + 3·0.016 = 0.04816; + 0.16·0.017 + 3·0.016 = 0.05072 → 0.09888.
    #[test]
    fn updates_between_two_calls_are_caught_up_with() {
        for ecn in [Ecn::NotEct, Ecn::Ect1] {
            let mut queue = rfc();
            fill(&mut queue, 0, 10, ecn);
            queue.dequeue(40 * MS, &mut vec![]);
            assert!((queue.core.base - 0.09888).abs() < 1e-12);
        }
    }

    #[test]
    fn an_idle_queue_forgets() {
        let mut queue = rfc();
        queue.core.base = 0.3;
        queue.core.previous_ns = 20 * MS;
        assert_eq!(queue.dequeue(100_000 * MS, &mut vec![]), None);
        assert!(queue.core.is_at_rest());
    }

    #[test]
    fn service_counts_only_while_both_queues_wait_and_is_forgotten_when_none_does() {
        let mut queue = rfc();
        fill(&mut queue, 0, 50, Ecn::Ect1);
        serve(&mut queue, 0, 49);
        assert_eq!(queue.credit, 0, "the classic queue asked for nothing");
        fill(&mut queue, 0, 2, Ecn::NotEct);
        serve(&mut queue, 0, 1);
        assert_eq!(queue.credit, 10 * 1500);
        serve(&mut queue, 0, 2);
        assert_eq!(queue.credit, 10 * 1500);
        assert_eq!(serve(&mut queue, 0, 1), (0, 0, 0));
        assert_eq!(queue.credit, 0);
    }
}
