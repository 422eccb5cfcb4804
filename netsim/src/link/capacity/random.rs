//! Random times and numbers from a stream.

use core::f64::consts::TAU;

use crate::rng::Stream;

/// Uniform from zero on, below one, in steps of 2⁻⁵³.
pub(super) fn unit(stream: &mut Stream) -> f64 {
    (stream.bits() >> 11) as f64 / TWO_TO_THE_53
}

/// Exponential with mean one.
pub(super) fn exponential(stream: &mut Stream) -> f64 {
    -libm::log(1.0 - unit(stream))
}

/// Normal with mean zero and variance one (Box and Muller 1958, one of the pair).
pub(super) fn normal(stream: &mut Stream) -> f64 {
    let radius = libm::sqrt(2.0 * exponential(stream));
    radius * libm::cos(TAU * unit(stream))
}

/// A time with exponential law and mean `mean_ns`, at least one nanosecond.
pub(super) fn exponential_ns(stream: &mut Stream, mean_ns: u64) -> u64 {
    ((exponential(stream) * mean_ns as f64) as u64).max(1)
}

const TWO_TO_THE_53: f64 = 9_007_199_254_740_992.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Component;

    const DRAWS: usize = 200_000;

    fn moments(mut draw: impl FnMut(&mut Stream) -> f64) -> (f64, f64) {
        let mut stream = Stream::new(11, Component::Capacity);
        let values: Vec<f64> = (0..DRAWS).map(|_| draw(&mut stream)).collect();
        let mean = values.iter().sum::<f64>() / DRAWS as f64;
        let variance = values.iter().map(|value| (value - mean) * (value - mean));
        (mean, variance.sum::<f64>() / DRAWS as f64)
    }

    #[test]
    fn exponential_numbers_have_mean_and_variance_one() {
        let (mean, variance) = moments(exponential);
        assert!((mean - 1.0).abs() < 0.01, "{mean}");
        assert!((variance - 1.0).abs() < 0.03, "{variance}");
    }

    #[test]
    fn normal_numbers_have_mean_zero_and_variance_one() {
        let (mean, variance) = moments(normal);
        assert!(mean.abs() < 0.01, "{mean}");
        assert!((variance - 1.0).abs() < 0.01, "{variance}");
    }

    #[test]
    fn random_times_are_never_zero() {
        let mut stream = Stream::new(1, Component::Capacity);
        assert!((0..1000).all(|_| exponential_ns(&mut stream, 1) >= 1));
    }
}
