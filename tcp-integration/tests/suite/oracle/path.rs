//! The path between two devices: delay, rate, queue and everything that goes wrong.

use std::collections::BTreeMap;

use smoltcp::phy::Medium;

use super::chance::Chance;
use super::wire;

/// One direction of a path. Times in µs, chances per million.
#[derive(Clone, Debug, Default)]
pub(crate) struct Way {
    /// Propagation delay.
    pub(crate) delay: i64,
    /// Bytes per second, or no limit.
    pub(crate) rate: Option<u64>,
    /// Drop-tail queue in front of the rate, in bytes.
    pub(crate) queue: u64,
    /// Independent loss.
    pub(crate) loss: u64,
    /// Bursts of loss: the chance that one begins, and how long it can be.
    pub(crate) bursts: (u64, i64),
    /// Frames that are held back, by up to so much.
    pub(crate) reorder: (u64, i64),
    /// Frames that arrive twice.
    pub(crate) duplicate: u64,
    /// Frames with one wrong byte.
    pub(crate) corrupt: u64,
    /// Times at which nothing passes.
    pub(crate) blackouts: Vec<(i64, i64)>,
    busy_until_nanos: i64,
    burst_until: i64,
}

impl Way {
    /// A direction with nothing but `delay`, and `rate` with `queue`.
    pub(crate) fn clean(delay: i64, rate: Option<u64>, queue: u64) -> Self {
        Self {
            delay,
            rate,
            queue,
            ..Self::default()
        }
    }

    /// Puts a frame of `bytes` through queue and rate; when its last bit is out, or none if the
    /// queue is full.
    fn queue(&mut self, now: i64, bytes: u64) -> Option<i64> {
        let Some(rate) = self.rate else {
            return Some(now);
        };
        let nanos = now * 1000;
        let waiting = (self.busy_until_nanos - nanos).max(0) as u64;
        let backlog = waiting * (rate / 1000) / 1_000_000;
        if backlog + bytes > self.queue {
            return None;
        }
        let start = self.busy_until_nanos.max(nanos);
        self.busy_until_nanos = start + (bytes * 1_000_000 / (rate / 1000)) as i64;
        Some((self.busy_until_nanos + 999) / 1000)
    }

    fn loses(&mut self, now: i64, chance: &mut Chance) -> bool {
        let (begins, up_to) = self.bursts;
        if chance.happens(begins) {
            self.burst_until = now + chance.between(0, up_to.max(0) as u64) as i64;
        }
        let dark = self
            .blackouts
            .iter()
            .any(|&(from, to)| from <= now && now < to);
        let lost = chance.happens(self.loss);
        dark || lost || now < self.burst_until
    }
}

/// Both directions, and the frames under way.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    medium: Medium,
    ways: [Way; 2],
    chance: Chance,
    under_way: BTreeMap<(i64, u64), (usize, Vec<u8>)>,
    order: u64,
}

impl Path {
    /// A path from side 0 to side 1 by the first of `ways`, and back by the second.
    pub(crate) fn new(medium: Medium, ways: [Way; 2], seed: u64) -> Self {
        Self {
            medium,
            ways,
            chance: Chance::new(seed, 0x9A7),
            under_way: BTreeMap::new(),
            order: 0,
        }
    }

    /// When the next frame arrives.
    pub(crate) fn next_at(&self) -> Option<i64> {
        self.under_way.keys().next().map(|&(at, _)| at)
    }

    /// The next frame that has arrived by `now`, and at which side.
    pub(crate) fn arrival(&mut self, now: i64) -> Option<(usize, Vec<u8>)> {
        let entry = self.under_way.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }

    /// `frame` leaves side `from` at `now`.
    pub(crate) fn send(&mut self, now: i64, from: usize, mut frame: Vec<u8>) {
        let way = &mut self.ways[from];
        let chance = &mut self.chance;
        let lost = way.loses(now, chance);
        let Some(out) = way.queue(now, frame.len() as u64) else {
            return;
        };
        let (reordered, up_to) = way.reorder;
        let held = if chance.happens(reordered) {
            chance.between(0, up_to.max(0) as u64) as i64
        } else {
            0
        };
        if chance.happens(way.corrupt) && !wire::is_arp(self.medium, &frame) {
            let first = if self.medium == Medium::Ethernet {
                14
            } else {
                0
            };
            let at = chance.between(first, frame.len() as u64 - 1) as usize;
            frame[at] ^= chance.between(1, 255) as u8;
        }
        let twice = chance.happens(way.duplicate);
        let at = out + way.delay + held;
        if lost {
            return;
        }
        if twice {
            let later = at + chance.between(0, 20_000) as i64;
            self.put(later, 1 - from, frame.clone());
        }
        self.put(at, 1 - from, frame);
    }

    fn put(&mut self, at: i64, to: usize, frame: Vec<u8>) {
        self.under_way.insert((at, self.order), (to, frame));
        self.order += 1;
    }
}
