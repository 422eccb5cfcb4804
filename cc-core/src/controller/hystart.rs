//! HyStart++ (RFC 9406): leaving slow start when the round-trip time rises.

use core::time::Duration;

use crate::units::PacketNumber;

/// The first slow start of a connection, judged per acknowledgement.
///
/// It owns no window: its user grows one by what was acknowledged over
/// [`HyStart::growth_divisor`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HyStart {
    phase: Phase,
    /// First packet number after the current round.
    round_end: PacketNumber,
    last_round_min: Duration,
    round_min: Duration,
    samples: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Doubling per round.
    SlowStart,
    /// Conservative slow start: growing at a quarter, to see whether the rise was real.
    Conservative { baseline: Duration, rounds: u32 },
    /// Over; slow starts after this one are classical (RFC 9406 §4.3).
    Done,
}

/// Whether slow start goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlowStart {
    /// It does.
    Continues,
    /// It is over; congestion avoidance takes the window from here.
    Finished,
}

impl HyStart {
    /// Before the first packet.
    pub const fn new() -> Self {
        Self {
            phase: Phase::SlowStart,
            round_end: PacketNumber::new(0),
            last_round_min: Duration::MAX,
            round_min: Duration::MAX,
            samples: 0,
        }
    }

    /// Never again in this connection: a congestion signal ended slow start.
    pub const fn stop(&mut self) {
        self.phase = Phase::Done;
    }

    /// Divisor of the growth in slow start: 4 in its conservative phase, else 1.
    pub const fn growth_divisor(&self) -> u64 {
        match self.phase {
            Phase::Conservative { .. } => CSS_GROWTH_DIVISOR,
            Phase::SlowStart | Phase::Done => 1,
        }
    }

    /// A round-trip time sample of the current round.
    pub fn on_sample(&mut self, sample: Duration) {
        self.round_min = self.round_min.min(sample);
        self.samples = self.samples.saturating_add(1);
    }

    /// The end of an acknowledgement of up to `acked`, when `next` is the next packet's number.
    pub fn on_ack_end(&mut self, acked: PacketNumber, next: PacketNumber) -> SlowStart {
        match self.phase {
            Phase::Done => return SlowStart::Continues,
            Phase::SlowStart => self.look_for_a_rise(),
            Phase::Conservative { baseline, .. } => self.look_for_a_fall(baseline),
        }
        if acked < self.round_end {
            return SlowStart::Continues;
        }
        self.round_end = next;
        self.last_round_min = self.round_min;
        self.round_min = Duration::MAX;
        self.samples = 0;
        if let Phase::Conservative { rounds, .. } = &mut self.phase {
            *rounds = rounds.saturating_add(1);
            if *rounds >= CSS_ROUNDS {
                self.phase = Phase::Done;
                return SlowStart::Finished;
            }
        }
        SlowStart::Continues
    }

    fn look_for_a_rise(&mut self) {
        let known = self.round_min != Duration::MAX && self.last_round_min != Duration::MAX;
        if self.samples < N_RTT_SAMPLE || !known {
            return;
        }
        let eighth = self
            .last_round_min
            .checked_div(MIN_RTT_DIVISOR)
            .unwrap_or(MAX_RTT_THRESH);
        let threshold = eighth.clamp(MIN_RTT_THRESH, MAX_RTT_THRESH);
        if self.round_min >= self.last_round_min.saturating_add(threshold) {
            self.phase = Phase::Conservative {
                baseline: self.round_min,
                rounds: 0,
            };
        }
    }

    fn look_for_a_fall(&mut self, baseline: Duration) {
        if self.samples >= N_RTT_SAMPLE && self.round_min < baseline {
            self.phase = Phase::SlowStart;
        }
    }
}

impl Default for HyStart {
    fn default() -> Self {
        Self::new()
    }
}

// RFC 9406 §4.3.
const MIN_RTT_THRESH: Duration = Duration::from_millis(4);
const MAX_RTT_THRESH: Duration = Duration::from_millis(16);
const MIN_RTT_DIVISOR: u32 = 8;
const N_RTT_SAMPLE: u32 = 8;
const CSS_GROWTH_DIVISOR: u64 = 4;
const CSS_ROUNDS: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    /// One round of ten packets with round-trip times of `rtt_ms`.
    fn round(hystart: &mut HyStart, number: u64, rtt_ms: u64) -> SlowStart {
        let mut verdict = SlowStart::Continues;
        for packet in 0..10 {
            hystart.on_sample(Duration::from_millis(rtt_ms));
            let (acked, next) = (number * 10 + packet, (number + 1) * 10 + packet);
            if hystart.on_ack_end(PacketNumber::new(acked), PacketNumber::new(next))
                == SlowStart::Finished
            {
                verdict = SlowStart::Finished;
            }
        }
        verdict
    }

    #[test]
    fn a_lasting_rise_ends_slow_start_after_five_slower_rounds() {
        let mut hystart = HyStart::new();
        round(&mut hystart, 0, 40);
        round(&mut hystart, 1, 40);
        let mut rounds = 0;
        while round(&mut hystart, 2 + rounds, 50) == SlowStart::Continues {
            assert_eq!(hystart.growth_divisor(), 4);
            rounds += 1;
        }
        assert!((4..=6).contains(&rounds), "{rounds}");
        assert_eq!(hystart.growth_divisor(), 1);
    }

    #[test]
    fn a_passing_rise_does_not() {
        let mut hystart = HyStart::new();
        round(&mut hystart, 0, 40);
        round(&mut hystart, 1, 40);
        round(&mut hystart, 2, 50);
        assert_eq!(hystart.growth_divisor(), 4);
        round(&mut hystart, 3, 41);
        assert_eq!(hystart.growth_divisor(), 1);
    }

    #[test]
    fn a_rise_below_the_threshold_is_ignored() {
        let mut hystart = HyStart::new();
        for number in 0..20 {
            assert_eq!(
                round(&mut hystart, number, 40 + (number % 2) * 4),
                SlowStart::Continues
            );
        }
        assert_eq!(hystart.growth_divisor(), 1);
    }
}
