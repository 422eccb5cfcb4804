//! An event with a fixed probability, drawn from a stream that others share.

use crate::rng::Stream;

/// A probability as a threshold for 64 random bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chance(u128);

impl Chance {
    /// `probability`, clamped to `0.0..=1.0`.
    pub(super) fn new(probability: f64) -> Self {
        // 2⁶⁴ itself must be reachable, so that probability one never fails.
        Self((probability.clamp(0.0, 1.0) * TWO_TO_THE_64) as u128)
    }

    pub(super) const fn is_impossible(self) -> bool {
        self.0 == 0
    }

    /// Whether it happens this time; always draws once.
    pub(super) fn happens(self, stream: &mut Stream) -> bool {
        u128::from(stream.bits()) < self.0
    }
}

const TWO_TO_THE_64: f64 = 18_446_744_073_709_552_000.0;
