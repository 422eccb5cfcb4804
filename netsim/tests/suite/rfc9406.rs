//! HyStart++ as the controllers here drive it, one test per clause of RFC 9406 §4.2 and §4.3.

use core::time::Duration;

use tautline_core::controller::{HyStart, SlowStart};
use tautline_core::units::PacketNumber;

/// Rounds of `samples` acknowledgements, one sample each.
struct Rounds {
    hystart: HyStart,
    next: u64,
}

impl Rounds {
    fn new() -> Self {
        Self {
            hystart: HyStart::new(),
            next: 0,
        }
    }

    fn round(&mut self, rtt_us: u64, samples: u64) -> SlowStart {
        let (first, end) = (self.next, self.next + samples);
        let mut verdict = SlowStart::Continues;
        for number in first..end {
            self.hystart.on_sample(Duration::from_micros(rtt_us));
            // The packets of the next round leave as these are acknowledged.
            let next = PacketNumber::new(end + number - first);
            let acked = PacketNumber::new(number);
            if self.hystart.on_ack_end(acked, next) == SlowStart::Finished {
                verdict = SlowStart::Finished;
            }
        }
        self.next = end;
        verdict
    }

    fn is_conservative(&self) -> bool {
        self.hystart.growth_divisor() == 4
    }
}

/// Whether a rise from `from_us` to `to_us` begins the conservative phase.
fn rises(from_us: u64, to_us: u64) -> bool {
    let mut rounds = Rounds::new();
    rounds.round(from_us, 10);
    rounds.round(from_us, 10);
    rounds.round(to_us, 10);
    rounds.is_conservative()
}

#[test]
fn the_threshold_is_an_eighth_of_the_last_round_between_4_and_16_ms() {
    // An eighth of 16 ms would be 2 ms.
    assert!(!rises(16_000, 19_900) && rises(16_000, 20_000));
    assert!(!rises(80_000, 89_900) && rises(80_000, 90_000));
    // An eighth of 200 ms would be 25 ms.
    assert!(!rises(200_000, 215_900) && rises(200_000, 216_000));
}

#[test]
fn a_round_is_judged_from_eight_samples_on() {
    for (samples, conservative) in [(7, false), (8, true)] {
        let mut rounds = Rounds::new();
        rounds.round(40_000, 10);
        rounds.round(40_000, 10);
        // The first acknowledgement of a round still ends the round before.
        rounds.round(60_000, samples + 1);
        assert_eq!(rounds.is_conservative(), conservative, "{samples} samples");
    }
}

#[test]
fn the_minimum_of_the_round_counts_and_not_its_outliers() {
    let mut rounds = Rounds::new();
    rounds.round(40_000, 10);
    rounds.round(40_000, 10);
    rounds.hystart.on_sample(Duration::from_millis(40));
    for _ in 0..20 {
        rounds.hystart.on_sample(Duration::from_millis(90));
    }
    rounds
        .hystart
        .on_ack_end(PacketNumber::new(21), PacketNumber::new(40));
    assert!(!rounds.is_conservative());
}

#[test]
fn five_conservative_rounds_end_slow_start() {
    let mut rounds = Rounds::new();
    rounds.round(40_000, 10);
    rounds.round(40_000, 10);
    let mut conservative = 0;
    while rounds.round(60_000, 10) == SlowStart::Continues {
        conservative += 1;
        assert!(conservative < 10);
    }
    // The first one in which it began counts as a round, too.
    assert_eq!(conservative, 5);
    assert_eq!(rounds.hystart.growth_divisor(), 1);
}

#[test]
fn a_fall_below_the_baseline_resumes_slow_start_and_the_rounds_begin_anew() {
    let mut rounds = Rounds::new();
    rounds.round(40_000, 10);
    rounds.round(40_000, 10);
    for _ in 0..3 {
        rounds.round(60_000, 10);
        assert!(rounds.is_conservative());
    }
    rounds.round(59_000, 10);
    assert!(!rounds.is_conservative());
    for _ in 0..10 {
        assert_eq!(rounds.round(59_000, 10), SlowStart::Continues);
    }
}

#[test]
fn after_the_first_loss_slow_start_is_classical() {
    let mut rounds = Rounds::new();
    rounds.round(40_000, 10);
    rounds.round(40_000, 10);
    rounds.hystart.stop();
    for _ in 0..10 {
        assert_eq!(rounds.round(90_000, 10), SlowStart::Continues);
        assert!(!rounds.is_conservative());
    }
}
