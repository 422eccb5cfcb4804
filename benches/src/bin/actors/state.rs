//! Steady states of a connection, and the network that an actor is there when one or two of the
//! newest measurements are unknown.

use anyhow::Context as _;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};
use tautline_abstract_interp::float::network::{Activation, FloatNetwork, Layer};
use tautline_abstract_interp::float::rounding::Rounding;

use crate::actor::{Actor, single};

/// How a feature of the newest step follows from the unknowns.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Follows {
    /// It is the unknown of that number.
    Unknown(usize),
    /// min(1, 1.25·u₀), Orca's delay metric of the inverse round-trip time u₀.
    DelayMetric,
}

/// A steady connection: the same step in the whole history.
#[derive(Clone, Debug)]
pub(crate) struct State {
    /// One step's features.
    pub(crate) step: Vec<f64>,
}

/// Draws states of Orca: one stream for each seed.
///
/// Throughput 0.8 to 1 of its maximum, pacing 0.9 to 1.25 of it, no loss, acknowledged packets 0.5
/// to 1 windows per report of 20 ms, inverse round-trip time 0.4 to 1.
pub(crate) fn orca(seed: u64, count: usize) -> Vec<State> {
    let mut draw = Draw::new(seed);
    let states = (0..count).map(|_| {
        let inverse = draw.between(0.4, 1.0);
        let step = vec![
            draw.between(0.8, 1.0),
            draw.between(0.9, 1.25),
            0.0,
            draw.between(0.5, 1.0),
            0.02,
            inverse,
            (1.25 * inverse).min(1.0),
        ];
        State { step }
    });
    states.collect()
}

/// Draws states of Astraea: throughput 0.8 to 1 of its maximum, round-trip times 1 to 2 base ones,
/// window 0.5 to 2 products of bandwidth and delay, 10 to 100 Mbit/s, base 10 to 100 ms, no loss.
pub(crate) fn astraea(seed: u64, count: usize) -> Vec<State> {
    let mut draw = Draw::new(seed);
    let states = (0..count).map(|_| {
        let rtt = draw.between(1.0, 2.0);
        let step = vec![
            draw.between(0.8, 1.0),
            rtt,
            rtt,
            draw.between(0.5, 2.0) / 10.0,
            draw.between(0.125, 1.25),
            draw.between(0.02, 0.2),
            0.0,
            draw.between(0.5, 1.0),
            draw.between(0.9, 1.25),
            0.0,
        ];
        State { step }
    });
    states.collect()
}

/// The actor in a state, as a network over `unknowns` numbers that set features of the newest step.
///
/// # Shapes
/// `[unknowns] → [unknowns, 1] → [steps · features] → … → [1]`, the value before tanh.
pub(crate) fn network(
    actor: &Actor,
    state: &State,
    unknowns: usize,
    follows: &[(usize, Follows)],
) -> anyhow::Result<FloatNetwork> {
    let all = actor.features * actor.steps;
    let newest = all - actor.features;
    let mut pass = layer(unknowns, unknowns + 1);
    for unknown in 0..unknowns {
        pass.weights[unknown * unknowns + unknown] = 1.0;
    }
    // r = max(1 − 1.25·u₀, 0), of which the delay metric is 1 − r.
    pass.weights[unknowns * unknowns] = -1.25;
    pass.bias[unknowns] = 1.0;
    pass.activations[unknowns] = Activation::Relu;
    let mut spread = layer(unknowns + 1, all);
    for (place, bias) in spread.bias.iter_mut().enumerate() {
        *bias = single(state.step[place % actor.features]);
    }
    for &(feature, how) in follows {
        let place = newest + feature;
        let (from, weight, bias) = match how {
            Follows::Unknown(unknown) => (unknown, 1.0, 0.0),
            Follows::DelayMetric => (unknowns, -1.0, 1.0),
        };
        spread.weights[place * (unknowns + 1) + from] = weight;
        spread.bias[place] = bias;
    }
    let layers = [pass, spread]
        .into_iter()
        .chain(actor.layers.iter().cloned());
    FloatNetwork::new(unknowns, layers.collect()).context("the actor's layers do not fit")
}

fn layer(inputs: usize, outputs: usize) -> Layer {
    Layer {
        inputs,
        outputs,
        weights: vec![0.0; inputs * outputs],
        bias: vec![0.0; outputs],
        rounding: Rounding::AnyOrder,
        activations: vec![Activation::Identity; outputs],
    }
}

/// A seeded stream of numbers.
struct Draw(Xoshiro256PlusPlus);

impl Draw {
    fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        let unit = (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        low + (high - low) * unit
    }
}
