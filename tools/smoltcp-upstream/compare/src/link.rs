//! One direction of a path in virtual time: a bottleneck with a drop-tail buffer, then a delay.

use std::collections::VecDeque;

/// What one direction of a path does to frames.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub bits_per_sec: u64,
    pub delay_us: i64,
    pub buffer_bytes: usize,
    /// Frames lost at random after the bottleneck, in millionths.
    pub loss_ppm: u64,
}

/// Frames under way, with the microseconds at which they arrive.
#[derive(Debug)]
pub struct Link {
    shape: Shape,
    /// When the bottleneck has sent all that it was given.
    free_at_us: i64,
    /// Bytes waiting, with the time at which each frame leaves the bottleneck.
    waiting: VecDeque<(i64, usize)>,
    arriving: VecDeque<(i64, Vec<u8>)>,
    random: u64,
    pub tally: Tally,
}

/// What became of the frames that carry data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub data_frames: u64,
    pub data_bytes: u64,
    /// Of those that were not dropped, the time spent waiting for others.
    pub queued_us: i64,
    pub dropped: u64,
    pub lost: u64,
}

impl Link {
    pub fn new(shape: Shape, seed: u64) -> Self {
        Self {
            shape,
            free_at_us: 0,
            waiting: VecDeque::new(),
            arriving: VecDeque::new(),
            // SplitMix64's increment, so that no seed gives the forbidden zero state.
            random: seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            tally: Tally::default(),
        }
    }

    /// Takes a frame with `payload` bytes of data.
    pub fn push(&mut self, now_us: i64, frame: Vec<u8>, payload: usize) {
        while self.waiting.front().is_some_and(|&(at, _)| at <= now_us) {
            self.waiting.pop_front();
        }
        let is_data = payload > 0;
        if is_data {
            self.tally.data_frames += 1;
            self.tally.data_bytes += payload as u64;
        }
        let backlog: usize = self.waiting.iter().map(|&(_, bytes)| bytes).sum();
        if backlog + frame.len() > self.shape.buffer_bytes {
            self.tally.dropped += u64::from(is_data);
            return;
        }
        let start = self.free_at_us.max(now_us);
        let serialization = frame.len() as u64 * 8 * 1_000_000 / self.shape.bits_per_sec;
        self.free_at_us = start + serialization as i64;
        self.waiting.push_back((self.free_at_us, frame.len()));
        if is_data {
            self.tally.queued_us += start - now_us;
        }
        if self.draw() % 1_000_000 < self.shape.loss_ppm {
            self.tally.lost += u64::from(is_data);
            return;
        }
        self.arriving
            .push_back((self.free_at_us + self.shape.delay_us, frame));
    }

    pub fn next_arrival_us(&self) -> Option<i64> {
        self.arriving.front().map(|&(at, _)| at)
    }

    pub fn pop(&mut self, now_us: i64) -> Option<Vec<u8>> {
        let &(at, _) = self.arriving.front()?;
        (at <= now_us)
            .then(|| self.arriving.pop_front())?
            .map(|(_, frame)| frame)
    }

    /// xorshift64*.
    fn draw(&mut self) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape {
        bits_per_sec: 8_000_000,
        delay_us: 5_000,
        buffer_bytes: 2_000,
        loss_ppm: 0,
    };

    #[test]
    fn frames_queue_behind_each_other_and_are_dropped_when_the_buffer_is_full() {
        let mut link = Link::new(SHAPE, 1);
        for _ in 0..3 {
            link.push(0, vec![0; 1_000], 900);
        }
        assert_eq!(link.tally.dropped, 1);
        // One byte takes a microsecond.
        assert_eq!(link.tally.queued_us, 1_000);
        assert!(link.pop(5_999).is_none());
        assert!(link.pop(6_000).is_some());
        assert_eq!(link.next_arrival_us(), Some(7_000));
        link.push(1_000, vec![0; 1_000], 900);
        assert_eq!(link.tally.dropped, 1, "the first has left the buffer");
    }

    #[test]
    fn a_hundredth_is_lost() {
        let loss_ppm = 10_000;
        let shape = Shape { loss_ppm, ..SHAPE };
        let mut link = Link::new(shape, 1);
        for i in 0..100_000 {
            link.push(i * 2_000, vec![0; 100], 60);
        }
        assert!(
            (900..1_100).contains(&link.tally.lost),
            "{}",
            link.tally.lost
        );
    }
}
