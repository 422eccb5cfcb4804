//! Rule *phase split*: what is known of a neuron z before its ReLU, and what a relaxation makes
//! of it.
//!
//! # Soundness
//! z is an integer, so z ≤ 0 or z ≥ 1 at every point: the two children cover their parent.

use super::rejection::Reason;
use crate::semantics::{Program, Range};

/// A hidden neuron on one side of its ReLU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Phase {
    pub(super) layer: usize,
    pub(super) neuron: usize,
    pub(super) side: Side,
}

/// A side of the ReLU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// z ≤ 0.
    Inactive,
    /// z ≥ 1.
    Active,
}

/// Finds a neuron, counted over all hidden layers, whose phase is not known yet: its layer and its
/// place there.
pub(super) fn find(
    program: &Program,
    known: &[Phase],
    neuron: u16,
) -> Result<(usize, usize), Reason> {
    let mut place = usize::from(neuron);
    for (layer, rows) in program.hidden().iter().enumerate() {
        if known
            .iter()
            .any(|phase| (phase.layer, phase.neuron) == (layer, place))
        {
            return Err(Reason::PhaseFixed { neuron });
        }
        match place.checked_sub(rows.rows().len()) {
            Some(rest) => place = rest,
            None => return Ok((layer, place)),
        }
    }
    let neurons = program.hidden_neurons();
    Err(Reason::PhaseNeuron { neuron, neurons })
}

impl Phase {
    /// What it leaves of the neuron's range.
    pub(super) const fn range(self) -> Range {
        let (low, high) = match self.side {
            Side::Inactive => (i64::MIN, 0),
            Side::Active => (1, i64::MAX),
        };
        Range { low, high }
    }

    /// Slope and offset in z of an expression that is not negative in this phase.
    pub(super) const fn excess(self) -> (i64, i64) {
        match self.side {
            Side::Inactive => (-1, 0),
            Side::Active => (1, -1),
        }
    }
}
