//! Closed ranges of reals with ends in `f64`.

/// All reals from `low` to `high`; both are finite.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Range {
    /// Smallest member.
    pub low: f64,
    /// Largest member.
    pub high: f64,
}

impl Range {
    /// Everything that is finite.
    pub const ALL: Self = Self::new(-f64::MAX, f64::MAX);

    /// The range from `low` to `high`.
    pub const fn new(low: f64, high: f64) -> Self {
        Self { low, high }
    }

    /// True if `value` is a member.
    pub fn contains(self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }

    /// True if there is no member.
    pub fn is_empty(self) -> bool {
        self.low > self.high
    }

    /// Common members; empty where there are none.
    pub const fn intersection(self, other: Self) -> Self {
        Self::new(self.low.max(other.low), self.high.min(other.high))
    }

    /// `high − low`, rounded to nearest.
    pub fn width(self) -> f64 {
        self.high - self.low
    }

    /// The largest absolute value of a member.
    pub const fn magnitude(self) -> f64 {
        self.low.abs().max(self.high.abs())
    }
}
