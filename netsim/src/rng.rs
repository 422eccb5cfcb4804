//! One seeded random stream per simulated component.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};

/// What a stream is for; part of its seed, so that components never share numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u64)]
pub enum Component {
    /// Random loss behind a queue.
    Loss = 1,
    /// Extra delay behind a queue.
    Jitter = 2,
    /// A controller's own choices.
    Controller = 3,
    /// A link's rate.
    Capacity = 4,
    /// Random drops and marks of a queue.
    Queue = 5,
    /// Packets that are held back.
    Reorder = 6,
    /// An application's arrivals and sizes.
    Workload = 7,
}

/// A stream of random numbers: xoshiro256++ seeded from (seed, component).
#[derive(Clone, Debug)]
pub struct Stream(Xoshiro256PlusPlus);

impl Stream {
    /// The stream of `component` under `seed`.
    pub fn new(seed: u64, component: Component) -> Self {
        // SplitMix64 inside `seed_from_u64` mixes the two once more.
        let mixed = seed ^ (component as u64).wrapping_mul(GOLDEN_GAMMA);
        Self(Xoshiro256PlusPlus::seed_from_u64(mixed))
    }

    /// The stream of `component` at the place with number `index`: a link or a flow. Place zero has
    /// the stream of [`Stream::new`].
    pub fn at_place(seed: u64, component: Component, index: u32) -> Self {
        Self::new(seed ^ u64::from(index).wrapping_mul(PLACE_GAMMA), component)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number in `0..=max`, each as likely as the others up to 2⁻⁶⁴ · (max + 1).
    pub fn up_to(&mut self, max: u64) -> u64 {
        let wide = u128::from(self.bits()) * (u128::from(max) + 1);
        (wide >> 64) as u64
    }
}

/// An event that happens with a fixed probability.
#[derive(Clone, Debug)]
pub struct Bernoulli {
    threshold: u128,
    stream: Stream,
}

impl Bernoulli {
    /// Happens with `probability`, clamped to `0.0..=1.0`.
    pub fn new(probability: f64, stream: Stream) -> Self {
        // 2⁶⁴ itself must be reachable, so that probability one never fails.
        let threshold = (probability.clamp(0.0, 1.0) * TWO_TO_THE_64) as u128;
        Self { threshold, stream }
    }

    /// Whether it happens this time; draws nothing where the probability is zero.
    pub fn happens(&mut self) -> bool {
        self.threshold != 0 && u128::from(self.stream.bits()) < self.threshold
    }
}

/// The increment of SplitMix64: 2⁶⁴ over the golden ratio.
const GOLDEN_GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;
/// An odd constant, so that places never share a seed (the multiplier of PCG64).
const PLACE_GAMMA: u64 = 0x5851_F42D_4C95_7F2D;
const TWO_TO_THE_64: f64 = 18_446_744_073_709_552_000.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_draw_different_numbers_from_one_seed() {
        let mut loss = Stream::new(7, Component::Loss);
        let mut jitter = Stream::new(7, Component::Jitter);
        assert_ne!(loss.bits(), jitter.bits());
    }

    #[test]
    fn probability_zero_and_one_are_certain() {
        let mut never = Bernoulli::new(0.0, Stream::new(1, Component::Loss));
        let mut always = Bernoulli::new(1.0, Stream::new(1, Component::Loss));
        assert!((0..1000).all(|_| !never.happens() && always.happens()));
    }

    #[test]
    fn one_percent_is_about_one_percent() {
        let mut event = Bernoulli::new(0.01, Stream::new(3, Component::Loss));
        let count = (0..100_000).filter(|_| event.happens()).count();
        assert!((900..1100).contains(&count), "{count}");
    }

    #[test]
    fn bounded_numbers_reach_both_ends() {
        let mut stream = Stream::new(5, Component::Jitter);
        let seen: Vec<u64> = (0..200).map(|_| stream.up_to(3)).collect();
        for value in 0..=3 {
            assert!(seen.contains(&value));
        }
        assert!(seen.iter().all(|&value| value <= 3));
    }
}
