//! Random numbers by index, so that what is drawn never depends on when it is drawn.

use core::time::Duration;

use tautline_core::units::{Bandwidth, Bytes, duration_nanos};

use super::SizeSpec;
use crate::rng::Stream;

/// Numbers of one purpose: the n-th is the same whatever the network did before it was asked for.
///
/// # Source
/// SplitMix64 (Steele, Lea, Flood 2014), whose state is a counter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draws {
    key: u64,
}

impl Draws {
    /// A sequence keyed by the next number of `stream`.
    pub(super) fn new(stream: &mut Stream) -> Self {
        Self { key: stream.bits() }
    }

    /// 64 bits.
    pub(super) const fn bits(self, index: u64) -> u64 {
        let mut mixed = self
            .key
            .wrapping_add(index.wrapping_add(1).wrapping_mul(GOLDEN_GAMMA));
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number above 0 and up to 1, so that its logarithm is finite.
    pub(super) fn unit(self, index: u64) -> f64 {
        ((self.bits(index) >> 11) + 1) as f64 * TWO_TO_THE_MINUS_53
    }

    /// An exponential time of this mean; at least one nanosecond, so that time moves on.
    pub(super) fn exponential(self, index: u64, mean: Duration) -> Duration {
        let nanos = -libm::log(self.unit(index)) * duration_nanos(mean) as f64;
        Duration::from_nanos((nanos as u64).max(1))
    }

    /// A size in bytes; at least one.
    pub(super) fn size(self, index: u64, spec: &SizeSpec) -> u64 {
        // Two numbers per size, so that sizes of one index share them under every distribution.
        let first = index.wrapping_mul(2);
        let unit = self.unit(first);
        let (value, max) = match *spec {
            SizeSpec::Fixed(bytes) => return bytes.as_u64().max(1),
            SizeSpec::Exponential { mean } => (-libm::log(unit) * bytes_f64(mean), u64::MAX),
            SizeSpec::Pareto { min, shape, max } => {
                let factor = libm::pow(unit, -1.0 / shape);
                (factor * bytes_f64(min), max.as_u64())
            }
            SizeSpec::LogNormal { median, sigma, max } => {
                // Box and Muller 1958.
                let radius = libm::sqrt(-2.0 * libm::log(unit));
                let angle = core::f64::consts::TAU * self.unit(first.wrapping_add(1));
                let normal = radius * libm::cos(angle);
                (libm::exp(sigma * normal) * bytes_f64(median), max.as_u64())
            }
        };
        (value as u64).min(max).max(1)
    }
}

const fn bytes_f64(bytes: Bytes) -> f64 {
    bytes.as_u64() as f64
}

/// Bytes per nanosecond-exact time as megabits per second; zero for no time.
pub(super) const fn megabits_per_sec(bytes: u64, nanos: u64) -> f64 {
    if nanos == 0 {
        0.0
    } else {
        bytes as f64 * 8000.0 / nanos as f64
    }
}

/// A rate in megabits per second.
pub(super) const fn as_megabits(rate: Bandwidth) -> f64 {
    rate.as_bytes_per_sec() as f64 * 8e-6
}

/// The increment of SplitMix64: 2⁶⁴ over the golden ratio.
const GOLDEN_GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;
const TWO_TO_THE_MINUS_53: f64 = 1.0 / 9_007_199_254_740_992.0;

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: Draws = Draws { key: 1_234_567 };
    const COUNT: u64 = 200_000;

    fn mean(value: impl Fn(u64) -> f64) -> f64 {
        (0..COUNT).map(value).sum::<f64>() / COUNT as f64
    }

    fn share(holds: impl Fn(u64) -> bool) -> f64 {
        (0..COUNT).filter(|&index| holds(index)).count() as f64 / COUNT as f64
    }

    #[test]
    fn numbers_are_those_of_splitmix64() {
        assert_eq!(DRAWS.bits(0), 6_457_827_717_110_365_317);
        assert_eq!(DRAWS.bits(1), 3_203_168_211_198_807_973);
        assert_eq!(Draws { key: 0 }.bits(0), 0xE220_A839_7B1D_CDAF);
    }

    #[test]
    fn units_are_uniform_above_zero_and_up_to_one() {
        assert!((mean(|index| DRAWS.unit(index)) - 0.5).abs() < 0.003);
        assert!((0..COUNT).all(|index| (f64::MIN_POSITIVE..=1.0).contains(&DRAWS.unit(index))));
    }

    #[test]
    fn exponential_times_have_their_mean_and_tail() {
        let one = Duration::from_secs(1);
        let seconds = |index| DRAWS.exponential(index, one).as_secs_f64();
        assert!((mean(seconds) - 1.0).abs() < 0.01);
        let tail = share(|index| seconds(index) > 3.0);
        assert!((tail - libm::exp(-3.0)).abs() < 0.002, "{tail}");
    }

    #[test]
    fn a_mean_of_zero_still_moves_time_on() {
        assert_eq!(
            DRAWS.exponential(9, Duration::ZERO),
            Duration::from_nanos(1)
        );
    }

    #[test]
    fn exponential_sizes_have_their_mean() {
        let spec = SizeSpec::Exponential {
            mean: Bytes::new(100_000),
        };
        let found = mean(|index| DRAWS.size(index, &spec) as f64);
        assert!((found / 1e5 - 1.0).abs() < 0.01, "{found}");
    }

    #[test]
    fn pareto_sizes_have_their_tail_and_ends() {
        let spec = SizeSpec::Pareto {
            min: Bytes::new(1000),
            shape: 1.2,
            max: Bytes::new(1_000_000),
        };
        let size = |index| DRAWS.size(index, &spec);
        // P(X > x) = (min/x)^shape.
        let tail = share(|index| size(index) > 10_000);
        assert!((tail - libm::pow(0.1, 1.2)).abs() < 0.002, "{tail}");
        assert!((0..COUNT).all(|index| (1000..=1_000_000).contains(&size(index))));
        assert!((0..COUNT).any(|index| size(index) == 1_000_000));
    }

    #[test]
    fn log_normal_sizes_have_their_median_and_spread() {
        let spec = SizeSpec::LogNormal {
            median: Bytes::new(50_000),
            sigma: 1.0,
            max: Bytes::MAX,
        };
        let size = |index| DRAWS.size(index, &spec);
        let below = share(|index| size(index) < 50_000);
        assert!((below - 0.5).abs() < 0.005, "{below}");
        // One standard deviation above the median lies at e · median.
        let above = share(|index| size(index) as f64 > 50_000.0 * core::f64::consts::E);
        assert!((above - 0.1587).abs() < 0.004, "{above}");
    }

    #[test]
    fn no_distribution_gives_nothing_or_fails_on_extremes() {
        for spec in [
            SizeSpec::Fixed(Bytes::ZERO),
            SizeSpec::Exponential { mean: Bytes::ZERO },
            SizeSpec::Pareto {
                min: Bytes::MAX,
                shape: 1e-9,
                max: Bytes::ZERO,
            },
            SizeSpec::LogNormal {
                median: Bytes::MAX,
                sigma: f64::NAN,
                max: Bytes::new(1),
            },
        ] {
            assert!(
                (0..100).all(|index| DRAWS.size(index, &spec) == 1),
                "{spec:?}"
            );
        }
    }
}
