//! Exact integer intervals.

use crate::domain::AbstractDomain;
use crate::network::Network;
use crate::op::{affine, clamp, relu};

/// All integers from `low` to `high`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interval {
    /// Smallest member.
    pub low: i64,
    /// Largest member.
    pub high: i64,
}

impl Interval {
    /// One value.
    pub const fn point(value: i64) -> Self {
        Self {
            low: value,
            high: value,
        }
    }

    /// True if `value` is a member.
    pub const fn contains(self, value: i64) -> bool {
        self.low <= value && value <= self.high
    }

    /// Common members; empty (low > high) where there are none.
    pub fn intersection(self, other: Self) -> Self {
        Self {
            low: self.low.max(other.low),
            high: self.high.min(other.high),
        }
    }

    /// `high − low`.
    pub const fn width(self) -> i64 {
        self.high - self.low
    }
}

/// The interval domain: one [`Interval`] per value, nothing about their relation.
///
/// # Source
/// Gowal et al., "On the effectiveness of interval bound propagation", 2018, §3, over integers.
#[derive(Clone, Debug, Default)]
pub struct Intervals {
    input: Vec<Interval>,
    values: Vec<Interval>,
    next: Vec<Interval>,
}

impl Intervals {
    /// Replaces the current values by enclosures from elsewhere.
    pub(crate) fn narrow(&mut self, bounds: &[Interval]) {
        self.values[..bounds.len()].copy_from_slice(bounds);
    }
}

impl AbstractDomain<Network> for Intervals {
    type Bound = Interval;

    fn enter(&mut self, network: &Network, input: &[Interval]) {
        self.input.clear();
        self.input.extend_from_slice(input);
        self.values.resize(network.widest(), Interval::default());
        self.next.resize(network.widest(), Interval::default());
        self.values[..input.len()].copy_from_slice(input);
    }

    fn affine(&mut self, network: &Network, layer: usize) {
        let affine = &network.layers()[layer];
        if layer == network.hidden_count() {
            let start = affine.inputs - network.skip_inputs();
            self.values[start..affine.inputs].copy_from_slice(&self.input[..network.skip_inputs()]);
        }
        affine::interval(affine, &self.values, &mut self.next);
        std::mem::swap(&mut self.values, &mut self.next);
    }

    fn activation(&mut self, network: &Network, layer: usize) {
        let activation = if layer == network.hidden_count() {
            clamp::interval
        } else {
            relu::interval
        };
        for value in &mut self.values[..network.layers()[layer].outputs] {
            *value = activation(*value);
        }
    }

    fn bounds(&self) -> &[Interval] {
        &self.values
    }
}
