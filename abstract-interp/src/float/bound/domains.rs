//! Intervals and linear bounds as domains that follow the network layer by layer.

use crate::domain::{AbstractDomain, Layered};
use crate::float::network::FloatNetwork;
use crate::float::range::Range;

use super::backward::{Backward, Wanted};
use super::layer::LayerState;
use super::prepared::Prepared;

impl Layered for FloatNetwork {
    fn layer_count(&self) -> usize {
        self.layers().len()
    }

    fn outputs(&self, layer: usize) -> usize {
        self.layers()[layer].outputs
    }
}

/// The interval domain: one [`Range`] per value, nothing about their relation.
///
/// Where an evaluation may exceed the largest `f32`, every range is [`Range::ALL`] from there on.
///
/// # Source
/// Gowal et al., "On the effectiveness of interval bound propagation", 2018, §3.
#[derive(Clone, Debug, Default)]
pub struct Intervals {
    machine: Machine,
}

/// The domain of linear bounds: every pre-activation lies between two linear functions of the inputs, found
/// by a backward pass with adaptive lower slopes; ranges are cut with those of intervals.
///
/// # Source
/// As `Backward::run`: CROWN, DeepPoly.
#[derive(Clone, Debug, Default)]
pub struct LinearBounds {
    machine: Machine,
    backward: Backward,
}

/// What both have: the states of the layers so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Machine {
    prepared: Option<Prepared>,
    input: LayerState,
    pub(super) layers: Vec<LayerState>,
    pub(super) bounds: Vec<Range>,
    overflow: bool,
}

impl Machine {
    pub(super) fn enter(&mut self, network: &FloatNetwork, input: &[Range]) {
        self.prepared = Some(Prepared::new(network));
        self.input.enter(input);
        self.layers.clear();
        self.bounds.clear();
        self.bounds.extend_from_slice(input);
        self.overflow = false;
    }

    /// The interval step, then `tighten`; none where an evaluation may overflow.
    pub(super) fn affine(
        &mut self,
        layer: usize,
        tighten: impl FnOnce(&Prepared, &[LayerState], &LayerState, &mut LayerState),
    ) {
        self.layers.truncate(layer);
        let Some(prepared) = &self.prepared else {
            return;
        };
        let mut state = LayerState::default();
        let below = self.layers.last().unwrap_or(&self.input);
        let outputs = prepared.layers[layer].outputs;
        self.overflow |= !state.enclose(prepared, &prepared.layers[layer], below);
        if self.overflow {
            state.pre.clear();
            state.pre.resize(outputs, Range::ALL);
        } else {
            tighten(prepared, &self.layers, &self.input, &mut state);
        }
        self.bounds.clear();
        self.bounds.extend_from_slice(&state.pre);
        self.layers.push(state);
    }

    /// Values after the activation; true unless an evaluation may overflow.
    pub(super) fn activation(&mut self, layer: usize) -> bool {
        let (Some(prepared), Some(state)) = (&self.prepared, self.layers.last_mut()) else {
            return false;
        };
        state.activate(&prepared.layers[layer]);
        self.bounds.clear();
        if self.overflow {
            self.bounds.resize(state.pre.len(), Range::ALL);
            return false;
        }
        let ends = state.low.iter().zip(&state.high).take(state.pre.len());
        self.bounds
            .extend(ends.map(|(&low, &high)| Range::new(low, high)));
        true
    }

    pub(super) fn own_error(&self) -> f64 {
        self.prepared
            .as_ref()
            .map_or(0.0, |prepared| prepared.own_error)
    }
}

impl AbstractDomain<FloatNetwork> for Intervals {
    type Bound = Range;

    fn enter(&mut self, network: &FloatNetwork, input: &[Range]) {
        self.machine.enter(network, input);
    }

    fn affine(&mut self, _: &FloatNetwork, layer: usize) {
        self.machine.affine(layer, |_, _, _, _| ());
    }

    fn activation(&mut self, _: &FloatNetwork, layer: usize) {
        self.machine.activation(layer);
    }

    fn bounds(&self) -> &[Range] {
        &self.machine.bounds
    }
}

impl AbstractDomain<FloatNetwork> for LinearBounds {
    type Bound = Range;

    fn enter(&mut self, network: &FloatNetwork, input: &[Range]) {
        self.machine.enter(network, input);
    }

    fn affine(&mut self, _: &FloatNetwork, layer: usize) {
        let backward = &mut self.backward;
        self.machine
            .affine(layer, |prepared, before, input, state| {
                if layer > 0 {
                    backward.tighten((prepared, before, input), state, layer, Wanted::All);
                }
            });
    }

    fn activation(&mut self, _: &FloatNetwork, layer: usize) {
        self.machine.activation(layer);
    }

    fn bounds(&self) -> &[Range] {
        &self.machine.bounds
    }
}
