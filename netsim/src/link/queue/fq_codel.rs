//! Flow queueing with controlled delay.

use core::cmp::Reverse;
use core::time::Duration;
use std::collections::VecDeque;

use super::buckets::Buckets;
use super::codel::ControlLaw;
use super::{Limit, Queue};
use crate::rng::Stream;
use crate::transport::Packet;

/// A queue with CoDel per hash bucket, served by deficit round robin; new flows go first.
///
/// Buckets are chosen by a seeded hash of flow and direction. Each bucket runs CoDel on its own
/// backlog, so the last packet of a bucket is never dropped by it.
///
/// # Source
/// RFC 8290 §4, batch drops as in §4.1.3.
#[derive(Debug)]
pub struct FqCoDel {
    buckets: Buckets,
    /// Places in the buckets' order of first use, here and below.
    new_queues: VecDeque<u32>,
    old_queues: VecDeque<u32>,
    quantum: i64,
    law: ControlLaw,
    perturbation: u64,
    limit: Limit,
    packets: u64,
    bytes: u64,
    largest_bytes: u64,
}

impl FqCoDel {
    /// Empty queues of at most `limit` together; `stream` seeds the hash. A quantum of zero counts as
    /// one byte, and the number of buckets is held in 1..=65,536.
    pub fn new(law: FqCoDelLaw, limit: Limit, mut stream: Stream) -> Self {
        Self {
            buckets: Buckets::new(law.flows.clamp(1, MOST_BUCKETS)),
            new_queues: VecDeque::new(),
            old_queues: VecDeque::new(),
            quantum: i64::from(law.quantum.max(1)),
            law: ControlLaw::new(law.target, law.interval),
            perturbation: stream.bits(),
            limit,
            packets: 0,
            bytes: 0,
            largest_bytes: 0,
        }
    }

    /// §4.1.1.
    fn bucket_of(&self, packet: &Packet) -> u32 {
        let key = (u64::from(packet.flow) << 1) | packet.direction as u64;
        let hash = mixed(key ^ self.perturbation) >> 32;
        ((hash * u64::from(self.buckets.count())) >> 32) as u32
    }

    /// §4.1.3: half of the packets of the longest queue, at most 64, from its head.
    fn drop_from_fattest(&mut self, dropped: &mut Vec<Packet>) {
        let active = self.new_queues.iter().chain(&self.old_queues);
        let fattest = active.copied().max_by_key(|&place| self.backlog(place));
        let Some(bucket) = fattest.and_then(|place| self.buckets.at_mut(place)) else {
            return;
        };
        for _ in 0..(bucket.fifo.len() / 2).clamp(1, DROP_BATCH) {
            if let Some(packet) = bucket.fifo.pop() {
                self.packets -= 1;
                self.bytes -= u64::from(packet.bytes);
                dropped.push(packet);
            }
        }
    }

    /// Its bytes; of equally long ones, the bucket with the smallest number counts as longest.
    fn backlog(&self, place: u32) -> (u64, Reverse<u32>) {
        let bucket = self.buckets.at(place);
        bucket.map_or((0, Reverse(u32::MAX)), |bucket| {
            (bucket.fifo.bytes(), Reverse(bucket.number))
        })
    }

    /// §4.2: the queue at the head of the list that is served, with credits left.
    fn select(&mut self) -> Option<(u32, List)> {
        loop {
            let (place, list) = match self.new_queues.front() {
                Some(&place) => (place, List::New),
                None => (*self.old_queues.front()?, List::Old),
            };
            let bucket = self.buckets.at_mut(place)?;
            if bucket.credits > 0 {
                return Some((place, list));
            }
            bucket.credits += self.quantum;
            self.leave(list);
            self.old_queues.push_back(place);
        }
    }

    fn leave(&mut self, list: List) {
        match list {
            List::New => self.new_queues.pop_front(),
            List::Old => self.old_queues.pop_front(),
        };
    }
}

impl Queue for FqCoDel {
    fn enqueue(&mut self, _now_ns: u64, packet: Packet, dropped: &mut Vec<Packet>) {
        let place = self.buckets.place_of(self.bucket_of(&packet));
        let Some(bucket) = place.and_then(|place| self.buckets.at_mut(place)) else {
            dropped.push(packet);
            return;
        };
        self.packets += 1;
        self.bytes += u64::from(packet.bytes);
        self.largest_bytes = self.largest_bytes.max(u64::from(packet.bytes));
        bucket.fifo.push(packet);
        if !bucket.active {
            bucket.active = true;
            bucket.credits = self.quantum;
            self.new_queues.push_back(bucket.place);
        }
        while !self.limit.holds(self.packets, self.bytes) {
            self.drop_from_fattest(dropped);
        }
    }

    fn dequeue(&mut self, now_ns: u64, dropped: &mut Vec<Packet>) -> Option<Packet> {
        let law = self.law.with_mtu(self.largest_bytes);
        loop {
            let (place, list) = self.select()?;
            let bucket = self.buckets.at_mut(place)?;
            let (packets, bytes) = (bucket.fifo.len(), bucket.fifo.bytes());
            let packet = bucket.codel.dequeue(now_ns, law, &mut bucket.fifo, dropped);
            self.packets -= packets - bucket.fifo.len();
            self.bytes -= bytes - bucket.fifo.bytes();
            if let Some(packet) = packet {
                bucket.credits -= i64::from(packet.bytes);
                return Some(packet);
            }
            // An empty new queue waits one round as an old one, lest it return as new at once.
            bucket.active = list == List::New;
            self.leave(list);
            if list == List::New {
                self.old_queues.push_back(place);
            }
        }
    }

    fn waiting(&self) -> impl Iterator<Item = &Packet> {
        self.buckets.iter().flat_map(|bucket| bucket.fifo.iter())
    }

    #[inline]
    fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// The parameters of FQ-CoDel.
#[derive(Clone, Copy, Debug)]
pub struct FqCoDelLaw {
    /// Acceptable standing delay.
    pub target: Duration,
    /// Window in which it must be met.
    pub interval: Duration,
    /// Bytes per round.
    pub quantum: u32,
    /// Hash buckets.
    pub flows: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum List {
    New,
    Old,
}

/// The finaliser of SplitMix64.
const fn mixed(key: u64) -> u64 {
    let key = (key ^ (key >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let key = (key ^ (key >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    key ^ (key >> 31)
}

/// As many as the kernel's `sch_fq_codel` allows.
const MOST_BUCKETS: u32 = 65_536;
/// RFC 8290 §4.1.3.
const DROP_BATCH: u64 = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::queue::tests::{packet, stream};
    use crate::transport::{Direction, Ecn};

    const RFC: FqCoDelLaw = FqCoDelLaw {
        target: Duration::from_millis(5),
        interval: Duration::from_millis(100),
        quantum: 1514,
        flows: 1024,
    };

    fn rfc(limit: Limit) -> FqCoDel {
        FqCoDel::new(RFC, limit, stream())
    }

    fn fill(queue: &mut FqCoDel, flow: u32, count: u64, bytes: u32) {
        for number in 0..count {
            let mut dropped = vec![];
            queue.enqueue(0, packet(flow, number, bytes, Ecn::NotEct), &mut dropped);
            assert_eq!(dropped, []);
        }
    }

    fn flows(queue: &mut FqCoDel, count: usize) -> Vec<u32> {
        let mut dropped = vec![];
        let sent = (0..count).map_while(|_| queue.dequeue(0, &mut dropped));
        let flows = sent.map(|packet| packet.flow).collect();
        assert_eq!(dropped, []);
        flows
    }

    // Quantum 1514, packets of 1000: credits 1514 → 514 → −486 (two packets), + 1514 = 1028 → 28
    // → −972 (two), + 1514 = 542 → −458 (one), …; 500-byte packets: 1514 → 14 → −486 (four), …
    #[test]
    fn flows_share_in_bytes_whatever_their_packet_size() {
        let mut queue = rfc(Limit::Packets(10_000));
        fill(&mut queue, 1, 1000, 1000);
        fill(&mut queue, 2, 2000, 500);
        let order = flows(&mut queue, 1500);
        assert_eq!(
            order[..14],
            [1, 1, 2, 2, 2, 2, 1, 1, 2, 2, 2, 1, 2, 2],
            "{order:?}"
        );
        let bytes = |flow, size| order.iter().filter(|&&sent| sent == flow).count() * size;
        assert!(bytes(1, 1000).abs_diff(bytes(2, 500)) <= 1514 + 1000);
    }

    #[test]
    fn a_new_flow_goes_before_old_ones_for_one_quantum() {
        let mut queue = rfc(Limit::Packets(10_000));
        fill(&mut queue, 1, 100, 1514);
        fill(&mut queue, 2, 100, 1514);
        assert_eq!(flows(&mut queue, 4), [1, 2, 1, 2]);
        fill(&mut queue, 3, 2, 1514);
        // Its second packet waits behind the old queues.
        assert_eq!(flows(&mut queue, 5), [3, 1, 3, 2, 1]);
    }

    // Flow 1 is served in its first round (credits 514, −486), then moves to the old queues with
    // 1028. Flow 2 refills before it is found empty: 514, −486, then old with 1028 behind flow 1.
    #[test]
    fn a_flow_that_refills_in_time_is_new_for_one_quantum_only() {
        let mut queue = rfc(Limit::Packets(10_000));
        fill(&mut queue, 1, 100, 1000);
        fill(&mut queue, 2, 1, 1000);
        assert_eq!(flows(&mut queue, 3), [1, 1, 2]);
        fill(&mut queue, 2, 1, 1000);
        assert_eq!(flows(&mut queue, 1), [2]);
        fill(&mut queue, 2, 1, 1000);
        assert_eq!(flows(&mut queue, 3), [1, 1, 2]);
    }

    #[test]
    fn an_empty_new_queue_passes_through_the_old_ones_before_it_is_new_again() {
        let mut queue = rfc(Limit::Packets(10_000));
        fill(&mut queue, 1, 100, 1000);
        assert_eq!(flows(&mut queue, 3), [1, 1, 1]);
        fill(&mut queue, 2, 1, 1000);
        // Found empty by the second call, which serves flow 1 with its 28 credits.
        assert_eq!(flows(&mut queue, 2), [2, 1]);
        fill(&mut queue, 2, 1, 1000);
        assert!(queue.new_queues.is_empty());
        assert_eq!(queue.old_queues.len(), 2);
        assert_eq!(flows(&mut queue, 102).len(), 97);
        fill(&mut queue, 2, 1, 1000);
        assert_eq!(queue.new_queues.len(), 1);
        let bucket = queue.bucket_of(&packet(2, 0, 1000, Ecn::NotEct));
        assert_eq!(queue.buckets.of_number(bucket).unwrap().credits, 1514);
    }

    #[test]
    fn buckets_without_a_packet_take_no_memory() {
        let law = FqCoDelLaw {
            flows: 65_536,
            ..RFC
        };
        let mut queue = FqCoDel::new(law, Limit::Packets(10_000), stream());
        assert_eq!(queue.buckets.in_use(), 0);
        for flow in [7, 8, 7] {
            fill(&mut queue, flow, 100, 1000);
        }
        assert_eq!(queue.buckets.in_use(), 2);
        assert_eq!(queue.waiting().count(), 300);
    }

    #[test]
    fn overflow_drops_half_of_the_longest_queue_from_its_head() {
        let mut queue = rfc(Limit::Packets(100));
        fill(&mut queue, 1, 90, 1000);
        fill(&mut queue, 2, 10, 1000);
        let mut dropped = vec![];
        queue.enqueue(0, packet(2, 10, 1000, Ecn::NotEct), &mut dropped);
        let expected: Vec<_> = (0..45)
            .map(|number| packet(1, number, 1000, Ecn::NotEct))
            .collect();
        assert_eq!(dropped, expected);
        assert_eq!(queue.bytes(), 56_000);
    }

    #[test]
    fn overflow_drops_at_most_64_packets_at_once() {
        let mut queue = rfc(Limit::Packets(500));
        fill(&mut queue, 1, 500, 1000);
        let mut dropped = vec![];
        queue.enqueue(0, packet(2, 0, 1000, Ecn::NotEct), &mut dropped);
        assert_eq!(dropped.len(), 64);
        assert!(dropped.iter().all(|packet| packet.flow == 1));
    }

    #[test]
    fn the_longest_queue_is_the_one_with_most_bytes() {
        let mut queue = rfc(Limit::Packets(100));
        fill(&mut queue, 1, 70, 100);
        fill(&mut queue, 2, 30, 1500);
        let mut dropped = vec![];
        queue.enqueue(0, packet(1, 70, 100, Ecn::NotEct), &mut dropped);
        assert_eq!(dropped.len(), 15);
        assert!(dropped.iter().all(|packet| packet.flow == 2));
    }

    // Alone in its bucket, a flow meets CoDel as in its own tests: 105, 205, 276 ms.
    #[test]
    fn each_bucket_runs_codel() {
        let mut queue = rfc(Limit::Packets(10_000));
        fill(&mut queue, 1, 1000, 1500);
        let mut dropped_ms = vec![];
        for ms in 1..300 {
            let mut dropped = vec![];
            queue.dequeue(ms * 1_000_000, &mut dropped);
            dropped_ms.extend(dropped.iter().map(|_| ms));
        }
        assert_eq!(dropped_ms, [105, 205, 276]);
    }

    #[test]
    fn the_hash_spreads_flows_and_directions_and_depends_on_the_seed() {
        let queue = rfc(Limit::Packets(1));
        let mut load = vec![0; 1024];
        for flow in 0..10_240 {
            load[queue.bucket_of(&packet(flow, 0, 1, Ecn::NotEct)) as usize] += 1;
        }
        // Poisson of mean 10: the largest of 1024 is below 30, and 0.05 buckets are empty.
        assert!(load.iter().all(|&count| count < 30), "{load:?}");
        assert!(load.iter().filter(|&&count| count == 0).count() < 5);

        let mut other = rfc(Limit::Packets(1));
        other.perturbation ^= 1 << 63;
        let (forward, backward) = (
            packet(7, 0, 1, Ecn::NotEct),
            Packet {
                direction: Direction::Backward,
                ..packet(7, 0, 1, Ecn::NotEct)
            },
        );
        assert_ne!(queue.bucket_of(&forward), queue.bucket_of(&backward));
        assert_ne!(queue.bucket_of(&forward), other.bucket_of(&forward));
    }
}
