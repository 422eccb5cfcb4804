//! Intervals of many boxes at once, in `f32`.

#![expect(
    clippy::inline_always,
    reason = "what is not inlined into the dispatched function is compiled without its instructions"
)]

use pulp::{Arch, Simd, WithSimd};

use crate::float::network::{Activation, FloatNetwork};

/// Interval bounds of whole batches: the cheapest filter there is.
///
/// Values are centres c and radii r per box, boxes beside each other; one layer costs two matrix products
/// in `f32`.
///
/// # Soundness
/// Let u = 2⁻²⁴ and γ = γ_{n+1} for n inputs of a layer (see `any_order_error`). With v in c ± r, both the
/// evaluation of w·v + b and that of w·c + b here are off by at most γ·(|w|·(|c| + r) + |b|) besides denormal
/// numbers, and the sum |w|·ρ + β comes out too small by at most γ of itself; so radii
/// ρ = (1 + 8γ)·r + 3γ·|c| + 2⁻¹²⁶ and β = 3γ·|b| + (n + 2)·2⁻¹²⁵ cover all of it as long as γ ≤ 1/64. Ends
/// are taken at R·(1 + 8u) + 4u·|c| from the centre, which is more than that subtraction rounds. As R ≥ 3γ·|w|·|c| and
/// R ≥ |w|·r, nothing overflowed in any order where every R stays below 10³⁰; other boxes
/// get infinite bounds.
#[derive(Clone, Debug)]
pub struct IntervalBatch {
    inputs: usize,
    layers: Vec<Single>,
    arch: Arch,
    centre: Vec<f32>,
    radius: Vec<f32>,
    next_centre: Vec<f32>,
    next_radius: Vec<f32>,
    worst: [f32; TILE],
}

/// A layer in `f32`.
#[derive(Clone, Debug)]
struct Single {
    inputs: usize,
    outputs: usize,
    /// `[out, in]`.
    weights: Vec<f32>,
    sizes: Vec<f32>,
    bias: Vec<f32>,
    /// β.
    floor: Vec<f32>,
    gamma: f32,
    activations: Vec<Activation>,
}

/// Boxes: `[value, boxes]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ends {
    /// Lower ends.
    pub low: Vec<f32>,
    /// Upper ends.
    pub high: Vec<f32>,
}

impl IntervalBatch {
    /// Prepares a network.
    pub fn new(network: &FloatNetwork) -> Self {
        let layers: Vec<Single> = network
            .layers()
            .iter()
            .map(|layer| {
                let terms = (layer.inputs + 1) as f64 / f64::from(1u32 << 24);
                // Rounded up by far more than it takes; a γ beyond 1/64 makes every bound infinite.
                let gamma = if terms < 1.0 / 128.0 {
                    terms * 1.02
                } else {
                    f64::INFINITY
                };
                let weights: Vec<f32> = layer.weights.iter().map(|&w| w as f32).collect();
                let small = (layer.inputs + 2) as f64 * 2.0 * f64::from(f32::MIN_POSITIVE);
                let floor = |bias: &f64| ((3.0 * gamma * bias.abs() + small) * 1.01) as f32;
                Single {
                    inputs: layer.inputs,
                    outputs: layer.outputs,
                    sizes: weights.iter().map(|weight| weight.abs()).collect(),
                    weights,
                    bias: layer.bias.iter().map(|&bias| bias as f32).collect(),
                    floor: layer.bias.iter().map(floor).collect(),
                    gamma: gamma as f32,
                    activations: layer.activations.clone(),
                }
            })
            .collect();
        let widest = layers.iter().map(|layer| layer.outputs).max().unwrap_or(0);
        let room = widest.max(network.inputs()) * TILE;
        Self {
            inputs: network.inputs(),
            layers,
            arch: Arch::new(),
            centre: vec![0.0; room],
            radius: vec![0.0; room],
            next_centre: vec![0.0; room],
            next_radius: vec![0.0; room],
            worst: [0.0; TILE],
        }
    }

    /// Bounds of the outputs over `boxes` boxes centre ± radius, `[input, boxes]` each.
    ///
    /// Ends are infinite where nothing can be said. Both slices hold inputs·boxes numbers.
    pub fn bound(&mut self, boxes: usize, centre: &[f32], radius: &[f32], into: &mut Ends) {
        let outputs = self.layers.last().map_or(0, |layer| layer.outputs);
        into.low.resize(outputs * boxes, 0.0);
        into.high.resize(outputs * boxes, 0.0);
        let mut start = 0;
        while start < boxes {
            let count = TILE.min(boxes - start);
            for input in 0..self.inputs {
                let at = input * boxes + start;
                let tile = input * TILE..input * TILE + count;
                self.centre[tile.clone()].copy_from_slice(&centre[at..at + count]);
                self.radius[tile].copy_from_slice(&radius[at..at + count]);
            }
            self.tile();
            for output in 0..outputs {
                let at = output * boxes + start;
                for lane in 0..count {
                    let (low, high) = (
                        self.centre[output * TILE + lane],
                        self.radius[output * TILE + lane],
                    );
                    // Written so that what is not a number is infinite too.
                    let sound = self.worst[lane] <= LARGEST && low <= high;
                    into.low[at + lane] = if sound { low } else { f32::NEG_INFINITY };
                    into.high[at + lane] = if sound { high } else { f32::INFINITY };
                }
            }
            start += count;
        }
    }

    /// One tile through all layers; leaves the outputs' ends in `centre` and `radius`.
    fn tile(&mut self) {
        self.worst = [0.0; TILE];
        for (index, layer) in self.layers.iter().enumerate() {
            let step = Step {
                layer,
                centre: &self.centre,
                radius: &mut self.radius,
                next_centre: &mut self.next_centre,
                next_radius: &mut self.next_radius,
                worst: &mut self.worst,
                is_last: index + 1 == self.layers.len(),
            };
            self.arch.dispatch(step);
            std::mem::swap(&mut self.centre, &mut self.next_centre);
            std::mem::swap(&mut self.radius, &mut self.next_radius);
        }
    }
}

/// One layer of one tile.
struct Step<'a> {
    layer: &'a Single,
    centre: &'a [f32],
    radius: &'a mut [f32],
    next_centre: &'a mut [f32],
    next_radius: &'a mut [f32],
    worst: &'a mut [f32; TILE],
    is_last: bool,
}

impl WithSimd for Step<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        self.widen(simd);
        let vectors = TILE / S::F32_LANES;
        let mut row = 0;
        while row < self.layer.outputs {
            let rows = if row + 4 <= self.layer.outputs { 4 } else { 1 };
            let mut at = 0;
            while at < vectors {
                let wide = S::F32_LANES >= 16 && at + 2 <= vectors;
                match (rows, wide) {
                    (4, true) => self.block::<S, 4, 2>(simd, row, at),
                    (4, false) => self.block::<S, 4, 1>(simd, row, at),
                    (_, true) => self.block::<S, 1, 2>(simd, row, at),
                    (_, false) => self.block::<S, 1, 1>(simd, row, at),
                }
                at += if wide { 2 } else { 1 };
            }
            row += rows;
        }
    }
}

impl Step<'_> {
    /// r becomes ρ.
    #[inline(always)]
    fn widen<S: Simd>(&mut self, simd: S) {
        let gamma = self.layer.gamma;
        let stretch = simd.splat_f32s(1.0 + 8.0 * gamma + 2.0 * f32::EPSILON);
        let share = simd.splat_f32s(3.0 * gamma);
        let least = simd.splat_f32s(f32::MIN_POSITIVE);
        let length = self.layer.inputs * TILE;
        let (centres, _) = S::as_simd_f32s(&self.centre[..length]);
        let (radii, _) = S::as_mut_simd_f32s(&mut self.radius[..length]);
        for (&centre, radius) in centres.iter().zip(radii) {
            let own = simd.add_f32s(simd.mul_f32s(*radius, stretch), least);
            let other = simd.mul_f32s(simd.abs_f32s(centre), share);
            *radius = simd.add_f32s(own, other);
        }
    }

    /// `R` rows by `V` vectors of boxes, kept in registers.
    #[inline(always)]
    fn block<S: Simd, const R: usize, const V: usize>(&mut self, simd: S, row: usize, at: usize) {
        let vectors = TILE / S::F32_LANES;
        let inputs = self.layer.inputs;
        let (centres, _) = S::as_simd_f32s(self.centre);
        let (radii, _) = S::as_simd_f32s(self.radius);
        let mut sums = [[[simd.splat_f32s(0.0); V]; 2]; R];
        for (step, [centre, radius]) in sums.iter_mut().enumerate() {
            *centre = [simd.splat_f32s(self.layer.bias[row + step]); V];
            *radius = [simd.splat_f32s(self.layer.floor[row + step]); V];
        }
        let weights: [&[f32]; R] =
            std::array::from_fn(|step| &self.layer.weights[(row + step) * inputs..][..inputs]);
        let sizes: [&[f32]; R] =
            std::array::from_fn(|step| &self.layer.sizes[(row + step) * inputs..][..inputs]);
        for input in 0..inputs {
            let centre = &centres[input * vectors + at..][..V];
            let radius = &radii[input * vectors + at..][..V];
            for (step, sums) in sums.iter_mut().enumerate() {
                let weight = simd.splat_f32s(weights[step][input]);
                let size = simd.splat_f32s(sizes[step][input]);
                for lane in 0..V {
                    let product = simd.mul_f32s(weight, centre[lane]);
                    sums[0][lane] = simd.add_f32s(sums[0][lane], product);
                    let product = simd.mul_f32s(size, radius[lane]);
                    sums[1][lane] = simd.add_f32s(sums[1][lane], product);
                }
            }
        }
        let (worst, _) = S::as_mut_simd_f32s(self.worst.as_mut_slice());
        let (next_centres, _) = S::as_mut_simd_f32s(self.next_centre);
        let (next_radii, _) = S::as_mut_simd_f32s(self.next_radius);
        for (step, [centre, radius]) in sums.iter().enumerate() {
            let activation = self.layer.activations[row + step];
            for lane in 0..V {
                // A sum that is not a number must not be lost in the maximum.
                let finite = simd.add_f32s(radius[lane], simd.abs_f32s(centre[lane]));
                let known = simd.less_than_f32s(finite, simd.splat_f32s(f32::INFINITY));
                let size = simd.select_f32s(known, radius[lane], simd.splat_f32s(f32::INFINITY));
                worst[at + lane] = simd.max_f32s(worst[at + lane], size);
                let (low, high) = ends(simd, activation, centre[lane], radius[lane]);
                let place = (row + step) * vectors + at + lane;
                [next_centres[place], next_radii[place]] = if self.is_last {
                    [low, high]
                } else {
                    recentre(simd, low, high)
                };
            }
        }
    }
}

/// Ends of the value after the activation.
#[inline(always)]
fn ends<S: Simd>(
    simd: S,
    activation: Activation,
    centre: S::f32s,
    radius: S::f32s,
) -> (S::f32s, S::f32s) {
    let stretch = simd.splat_f32s(1.0 + 4.0 * f32::EPSILON);
    let share = simd.splat_f32s(2.0 * f32::EPSILON);
    let least = simd.splat_f32s(f32::MIN_POSITIVE);
    let own = simd.add_f32s(simd.mul_f32s(radius, stretch), least);
    let reach = simd.add_f32s(own, simd.mul_f32s(simd.abs_f32s(centre), share));
    let (low, high) = (simd.sub_f32s(centre, reach), simd.add_f32s(centre, reach));
    let zero = simd.splat_f32s(0.0);
    match activation {
        Activation::Identity => (low, high),
        Activation::Relu => (simd.max_f32s(low, zero), simd.max_f32s(high, zero)),
        Activation::LeakyRelu(slope) => {
            let slope = slope as f32;
            let steep = simd.splat_f32s(slope * (1.0 + 4.0 * f32::EPSILON));
            let flat = simd.splat_f32s(slope * (1.0 - 4.0 * f32::EPSILON));
            let down = simd.sub_f32s(simd.mul_f32s(simd.min_f32s(low, zero), steep), least);
            let up = simd.add_f32s(simd.mul_f32s(simd.min_f32s(high, zero), flat), least);
            let is_low = simd.less_than_f32s(low, zero);
            let is_high = simd.less_than_f32s(high, zero);
            (
                simd.select_f32s(is_low, down, low),
                simd.select_f32s(is_high, up, high),
            )
        }
    }
}

/// A centre, and the larger distance to an end, rounded up.
#[inline(always)]
fn recentre<S: Simd>(simd: S, low: S::f32s, high: S::f32s) -> [S::f32s; 2] {
    let half = simd.splat_f32s(0.5);
    let centre = simd.add_f32s(simd.mul_f32s(low, half), simd.mul_f32s(high, half));
    let above = simd.sub_f32s(high, centre);
    let below = simd.sub_f32s(centre, low);
    // Half the distance to the next number is covered by ρ's factor.
    [centre, simd.max_f32s(above, below)]
}

/// Boxes that go through the layers together.
const TILE: usize = 32;
/// No sum of this size can have overflowed in another order.
const LARGEST: f32 = 1e30;
