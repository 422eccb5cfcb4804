//! Seeded chance of the oracle, with a generator of its own.

/// SplitMix64 (Steele, Lea and Flood 2014).
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    /// The stream of `seed` for the purpose with number `salt`.
    pub(crate) const fn new(seed: u64, salt: u64) -> Self {
        Self(seed ^ salt.wrapping_mul(0xD6E8_FEB8_6659_FD93))
    }

    /// The next 64 bits.
    pub(crate) const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number in `low..=high`.
    pub(crate) const fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.bits() % (high - low + 1)
    }

    /// A number in `low..=high` whose logarithm is about uniform; `low` is at least one.
    pub(crate) const fn magnitude(&mut self, low: u64, high: u64) -> u64 {
        let doublings = (high / low).ilog2() as u64;
        let scale = low << self.between(0, doublings);
        let value = scale + self.between(0, scale);
        if value > high { high } else { value }
    }

    /// True with a probability of `per_million` in a million.
    pub(crate) const fn happens(&mut self, per_million: u64) -> bool {
        per_million > 0 && self.between(0, 999_999) < per_million
    }

    /// One of `choices`.
    pub(crate) const fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[(self.bits() % choices.len() as u64) as usize]
    }
}
