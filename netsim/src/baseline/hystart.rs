//! HyStart++ (RFC 9406): leaving slow start when the round-trip time rises.

/// Phases of the first slow start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Doubling per round.
    SlowStart,
    /// Conservative slow start: growing at a quarter, to see whether the rise was real.
    Conservative { baseline_ns: u64, rounds: u32 },
    /// Over; slow starts after this one are classical (RFC 9406 §4.3).
    Done,
}

/// The state of HyStart++ in one connection.
#[derive(Clone, Debug)]
pub(super) struct HyStart {
    phase: Phase,
    /// First packet number after the current round.
    round_end: u64,
    last_round_min_ns: u64,
    round_min_ns: u64,
    samples: u32,
}

impl HyStart {
    pub(super) const fn new() -> Self {
        Self {
            phase: Phase::SlowStart,
            round_end: 0,
            last_round_min_ns: u64::MAX,
            round_min_ns: u64::MAX,
            samples: 0,
        }
    }

    /// Never again in this connection.
    pub(super) const fn stop(&mut self) {
        self.phase = Phase::Done;
    }

    /// Divisor of the growth in slow start.
    pub(super) const fn growth_divisor(&self) -> f64 {
        match self.phase {
            Phase::Conservative { .. } => CSS_GROWTH_DIVISOR,
            Phase::SlowStart | Phase::Done => 1.0,
        }
    }

    /// A sample of the current round.
    pub(super) fn sample(&mut self, rtt_ns: u64) {
        self.round_min_ns = self.round_min_ns.min(rtt_ns);
        self.samples += 1;
    }

    /// The end of an acknowledgement of up to `acked`, when `next` is the next packet's number;
    /// true where slow start is over.
    pub(super) fn ack_end(&mut self, acked: u64, next: u64) -> bool {
        match self.phase {
            Phase::Done => return false,
            Phase::SlowStart => self.look_for_a_rise(),
            Phase::Conservative { baseline_ns, .. } => self.look_for_a_fall(baseline_ns),
        }
        if acked < self.round_end {
            return false;
        }
        self.round_end = next;
        self.last_round_min_ns = self.round_min_ns;
        self.round_min_ns = u64::MAX;
        self.samples = 0;
        if let Phase::Conservative { rounds, .. } = &mut self.phase {
            *rounds += 1;
            if *rounds >= CSS_ROUNDS {
                self.phase = Phase::Done;
                return true;
            }
        }
        false
    }

    fn look_for_a_rise(&mut self) {
        let known = self.round_min_ns != u64::MAX && self.last_round_min_ns != u64::MAX;
        if self.samples < RTT_SAMPLES || !known {
            return;
        }
        let eighth = self.last_round_min_ns / MIN_RTT_DIVISOR;
        let threshold_ns = eighth.clamp(MIN_RTT_THRESHOLD_NS, MAX_RTT_THRESHOLD_NS);
        if self.round_min_ns >= self.last_round_min_ns.saturating_add(threshold_ns) {
            self.phase = Phase::Conservative {
                baseline_ns: self.round_min_ns,
                rounds: 0,
            };
        }
    }

    const fn look_for_a_fall(&mut self, baseline_ns: u64) {
        if self.samples >= RTT_SAMPLES && self.round_min_ns < baseline_ns {
            self.phase = Phase::SlowStart;
        }
    }
}

/// RFC 9406 §4.3.
const MIN_RTT_THRESHOLD_NS: u64 = 4_000_000;
const MAX_RTT_THRESHOLD_NS: u64 = 16_000_000;
const MIN_RTT_DIVISOR: u64 = 8;
const RTT_SAMPLES: u32 = 8;
const CSS_GROWTH_DIVISOR: f64 = 4.0;
const CSS_ROUNDS: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    /// One round of ten packets with round-trip times of `rtt_ms`.
    fn round(hystart: &mut HyStart, number: u64, rtt_ms: u64) -> bool {
        let mut exit = false;
        for packet in 0..10 {
            hystart.sample(rtt_ms * 1_000_000);
            exit |= hystart.ack_end(number * 10 + packet, (number + 1) * 10 + packet);
        }
        exit
    }

    #[test]
    fn a_lasting_rise_ends_slow_start_after_five_slower_rounds() {
        let mut hystart = HyStart::new();
        assert!(!round(&mut hystart, 0, 40) && !round(&mut hystart, 1, 40));
        let mut rounds = 0;
        while !round(&mut hystart, 2 + rounds, 50) {
            assert!((hystart.growth_divisor() - 4.0).abs() < 1e-9);
            rounds += 1;
        }
        assert!((4..=6).contains(&rounds), "{rounds}");
        assert!((hystart.growth_divisor() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_passing_rise_does_not() {
        let mut hystart = HyStart::new();
        round(&mut hystart, 0, 40);
        round(&mut hystart, 1, 40);
        round(&mut hystart, 2, 50);
        assert!((hystart.growth_divisor() - 4.0).abs() < 1e-9);
        round(&mut hystart, 3, 41);
        assert!((hystart.growth_divisor() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_rise_below_the_threshold_is_ignored() {
        let mut hystart = HyStart::new();
        for number in 0..20 {
            assert!(!round(&mut hystart, number, 40 + (number % 2) * 4));
        }
        assert!((hystart.growth_divisor() - 1.0).abs() < 1e-9);
    }
}
