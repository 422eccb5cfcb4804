//! Phases of ReLUs that a path of the search has fixed.

use crate::interval::Interval;
use crate::network::Network;

/// What a region says about one hidden neuron, beside its box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Phase {
    /// The hidden layer.
    pub layer: usize,
    /// The neuron within the layer.
    pub neuron: usize,
    /// On which side of zero it is.
    pub side: Side,
}

/// A side of a ReLU, over integers: nothing lies between the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// z ≤ 0 before the ReLU.
    Inactive,
    /// z ≥ 1 before the ReLU.
    Active,
}

impl Phase {
    /// The members of an enclosure of z that are on this side; empty where there are none.
    pub fn restrict(self, before: Interval) -> Interval {
        match self.side {
            Side::Inactive => Interval {
                high: before.high.min(0),
                ..before
            },
            Side::Active => Interval {
                low: before.low.max(1),
                ..before
            },
        }
    }

    /// The neuron's place over all hidden layers, as certificates count it.
    pub fn place(self, network: &Network) -> usize {
        let before = network.hidden()[..self.layer].iter();
        before.map(|layer| layer.outputs).sum::<usize>() + self.neuron
    }

    /// Whether a concrete z is on this side.
    pub const fn contains(self, before: i64) -> bool {
        match self.side {
            Side::Inactive => before <= 0,
            Side::Active => before >= 1,
        }
    }
}
