//! Random `f32` networks, boxes and points, and evaluations in several orders.

use tautline_abstract_interp::float::bound::Region;
use tautline_abstract_interp::float::network::{Activation, FloatNetwork, Layer};
use tautline_abstract_interp::float::range::Range;
use tautline_abstract_interp::float::rounding::Rounding;

/// splitmix64.
pub(crate) struct Draws(pub(crate) u64);

impl Draws {
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// In [0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// In [−1, 1), with a variance of a third.
    pub(crate) fn symmetric(&mut self) -> f64 {
        2.0 * self.unit() - 1.0
    }

    pub(crate) fn below(&mut self, count: usize) -> usize {
        (self.bits() % count as u64) as usize
    }
}

/// Activations of the hidden layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Relu,
    Leaky,
    /// All of them, and some weights are zero.
    Mixed,
}

pub(crate) fn network(
    shape: &[usize],
    kind: Kind,
    rounding: Rounding,
    draws: &mut Draws,
) -> FloatNetwork {
    let layers = shape.windows(2).enumerate().map(|(index, pair)| {
        let is_last = index + 2 == shape.len();
        let reach = (6.0 / pair[0] as f64).sqrt();
        let weights = (0..pair[0] * pair[1]).map(|_| {
            let sparse = kind == Kind::Mixed && draws.below(4) == 0;
            if sparse {
                0.0
            } else {
                single(draws.symmetric() * reach)
            }
        });
        let weights = weights.collect();
        let activations = (0..pair[1]).map(|_| match (kind, draws.below(3)) {
            (Kind::Relu | Kind::Leaky, _) if is_last => Activation::Identity,
            (Kind::Relu, _) | (Kind::Mixed, 0) => Activation::Relu,
            (Kind::Leaky, _) | (Kind::Mixed, 1) => Activation::LeakyRelu(single(0.3)),
            _ => Activation::Identity,
        });
        Layer {
            inputs: pair[0],
            outputs: pair[1],
            weights,
            activations: activations.collect(),
            bias: (0..pair[1])
                .map(|_| single(draws.symmetric() * 0.3))
                .collect(),
            rounding,
        }
    });
    FloatNetwork::new(shape[0], layers.collect()).unwrap()
}

pub(crate) fn region(inputs: usize, radius: f64, draws: &mut Draws) -> Region {
    let input = (0..inputs).map(|_| {
        let centre = draws.symmetric() * 2.0;
        let low = single(centre - radius * draws.unit());
        Range::new(low, single(centre + radius * draws.unit()).max(low))
    });
    Region {
        input: input.collect(),
        phases: vec![],
    }
}

/// A point with ends of the box among its values.
pub(crate) fn point(region: &Region, draws: &mut Draws) -> Vec<f32> {
    let sides = region.input.iter().map(|range| {
        let inside = range.low + range.width() * draws.unit();
        let value = [range.low, range.high, inside, inside][draws.below(4)];
        (value as f32).clamp(range.low as f32, range.high as f32)
    });
    sides.collect()
}

/// How a row is summed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    Forward,
    Backward,
    Shuffled,
    Fused,
    Pairs,
}

pub(crate) const ORDERS: [Order; 5] = [
    Order::Forward,
    Order::Backward,
    Order::Shuffled,
    Order::Fused,
    Order::Pairs,
];

/// Every layer's pre-activations and values in one order of summation.
pub(crate) fn evaluate(
    network: &FloatNetwork,
    input: &[f32],
    order: Order,
    draws: &mut Draws,
) -> Vec<(Vec<f32>, Vec<f32>)> {
    let mut trace: Vec<(Vec<f32>, Vec<f32>)> = vec![];
    for layer in network.layers() {
        let before = trace.last().map_or(input, |(_, values)| values);
        let pre: Vec<f32> = (0..layer.outputs)
            .map(|output| {
                let weights = layer.row(output).iter().map(|&weight| weight as f32);
                let terms: Vec<_> = weights.zip(before.iter().copied()).collect();
                sum(&terms, layer.bias[output] as f32, order, draws)
            })
            .collect();
        let values = pre
            .iter()
            .zip(&layer.activations)
            .map(|(&z, a)| a.concrete(z))
            .collect();
        trace.push((pre, values));
    }
    trace
}

#[expect(
    clippy::disallowed_methods,
    reason = "fused evaluations are what is tested"
)]
fn sum(terms: &[(f32, f32)], bias: f32, order: Order, draws: &mut Draws) -> f32 {
    let mut terms = terms.to_vec();
    match order {
        Order::Forward => terms.iter().fold(0.0, |sum, (w, x)| sum + w * x) + bias,
        Order::Backward => terms.iter().rev().fold(bias, |sum, (w, x)| sum + w * x),
        Order::Fused => terms.iter().fold(bias, |sum, (w, x)| w.mul_add(*x, sum)),
        Order::Shuffled => {
            for last in (1..terms.len()).rev() {
                terms.swap(last, draws.below(last + 1));
            }
            terms.iter().fold(0.0, |sum, (w, x)| sum + w * x) + bias
        }
        Order::Pairs => {
            let mut sums: Vec<f32> = terms.iter().map(|(w, x)| w * x).collect();
            sums.push(bias);
            while sums.len() > 1 {
                sums = sums.chunks(2).map(|pair| pair.iter().sum()).collect();
            }
            sums[0]
        }
    }
}

pub(crate) fn single(value: f64) -> f64 {
    f64::from(value as f32)
}
