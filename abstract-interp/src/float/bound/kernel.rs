//! The inner loops, over the lanes of a batch.
//!
//! Lanes never mix, every lane's sum runs in the order of the list, and products and sums stay apart, so
//! that the widest vectors of the machine at hand give the same bits as any other.

#![expect(
    clippy::inline_always,
    reason = "what is not inlined into the dispatched function is compiled without its instructions"
)]

use pulp::{Arch, Simd, WithSimd};

use super::layer::Lines;

/// Makes a buffer of zeros.
pub(super) fn zero(buffer: &mut Vec<f64>, length: usize) {
    buffer.clear();
    buffer.resize(length, 0.0);
}

/// Neurons' activations and biases: coefficients Λ of values become λ of pre-activations.
///
/// λ = a·Λ where Λ ≥ 0; λ = s·Λ, and t·Λ to the constant, where Λ < 0. To the constant besides:
/// λ·b − |λ|·D − |Λ|·slip.
pub(super) struct Bend<'a> {
    pub(super) list: &'a [u32],
    pub(super) lines: &'a [Lines],
    /// Lower slopes to use instead, `[position in the list, lanes]`.
    pub(super) lower: Option<&'a [f64]>,
    pub(super) bias: &'a [f64],
    pub(super) error: &'a [f64],
    pub(super) lanes: usize,
    /// `[neuron, lanes]`.
    pub(super) values: &'a [f64],
    /// `[position in the list, lanes]`.
    pub(super) bent: &'a mut [f64],
    pub(super) constant: &'a mut [f64],
}

impl WithSimd for Bend<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let vectors = self.lanes / S::F64_LANES;
        let (values, _) = S::as_simd_f64s(self.values);
        let (bent, _) = S::as_mut_simd_f64s(self.bent);
        let (constant, _) = S::as_mut_simd_f64s(&mut self.constant[..self.lanes]);
        let chosen = self.lower.map(|lower| S::as_simd_f64s(lower).0);
        let zero = simd.splat_f64s(0.0);
        let bents = bent.chunks_exact_mut(vectors);
        for (position, (&neuron, bent)) in self.list.iter().zip(bents).enumerate() {
            let neuron = neuron as usize;
            let values = &values[neuron * vectors..][..vectors];
            let lines = self.lines[neuron];
            let [lower, upper] = [lines.lower, lines.upper].map(|slope| simd.splat_f64s(slope));
            let [intercept, slip] = [lines.intercept, lines.slip].map(|term| simd.splat_f64s(term));
            let bias = simd.splat_f64s(self.bias[neuron]);
            let error = simd.splat_f64s(self.error[neuron]);
            for (at, (&value, constant)) in values.iter().zip(constant.iter_mut()).enumerate() {
                let lower = chosen.map_or(lower, |chosen| chosen[position * vectors + at]);
                let (above, below) = (simd.max_f64s(value, zero), simd.min_f64s(value, zero));
                let slope = simd.add_f64s(simd.mul_f64s(lower, above), simd.mul_f64s(upper, below));
                bent[at] = slope;
                let gain =
                    simd.add_f64s(simd.mul_f64s(below, intercept), simd.mul_f64s(slope, bias));
                // What is not a number survives in the last product.
                let loss = simd.add_f64s(
                    simd.mul_f64s(simd.abs_f64s(slope), error),
                    simd.mul_f64s(simd.abs_f64s(value), slip),
                );
                *constant = simd.add_f64s(*constant, simd.sub_f64s(gain, loss));
            }
        }
    }
}

/// The first step below a layer's own neurons, for those of its inputs that are one line: the lanes hold
/// w·v, whose two bounds differ in sign only.
pub(super) struct Share<'a> {
    pub(super) list: &'a [u32],
    pub(super) lines: &'a [Lines],
    pub(super) bias: &'a [f64],
    pub(super) error: &'a [f64],
    /// Half of the batch.
    pub(super) lanes: usize,
    /// `[position in the list, lanes]`: weights, which become λ.
    pub(super) bent: &'a mut [f64],
    /// `[2·lanes]`.
    pub(super) constant: &'a mut [f64],
}

impl WithSimd for Share<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let vectors = self.lanes / S::F64_LANES;
        let (bent, _) = S::as_mut_simd_f64s(self.bent);
        let (constant, _) = S::as_mut_simd_f64s(self.constant);
        let (low, high) = constant.split_at_mut(vectors);
        for (&neuron, bent) in self.list.iter().zip(bent.chunks_exact_mut(vectors)) {
            let neuron = neuron as usize;
            let lines = self.lines[neuron];
            let [lower, slip] = [lines.lower, lines.slip].map(|term| simd.splat_f64s(term));
            let bias = simd.splat_f64s(self.bias[neuron]);
            let error = simd.splat_f64s(self.error[neuron]);
            for ((bent, low), high) in bent.iter_mut().zip(low.iter_mut()).zip(high.iter_mut()) {
                let slope = simd.mul_f64s(lower, *bent);
                let loss = simd.add_f64s(
                    simd.mul_f64s(simd.abs_f64s(slope), error),
                    simd.mul_f64s(simd.abs_f64s(*bent), slip),
                );
                *bent = slope;
                let gain = simd.mul_f64s(slope, bias);
                *low = simd.add_f64s(*low, simd.sub_f64s(gain, loss));
                *high = simd.sub_f64s(*high, simd.add_f64s(gain, loss));
            }
        }
    }
}

/// `next[x] += Σ_i W[i, x]·bent[position of i]` over the neurons of a list.
pub(super) struct Product<'a> {
    pub(super) list: &'a [u32],
    /// `[position in the list, lanes]`.
    pub(super) bent: &'a [f64],
    /// `[neuron, inputs]`.
    pub(super) rows: &'a [f64],
    pub(super) inputs: usize,
    pub(super) lanes: usize,
    /// `[input, lanes]`.
    pub(super) next: &'a mut [f64],
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let vectors = self.lanes / S::F64_LANES;
        let mut at = 0;
        while at < vectors {
            if at + 2 <= vectors {
                self.column::<S, 2>(simd, at);
                at += 2;
            } else {
                self.column::<S, 1>(simd, at);
                at += 1;
            }
        }
    }
}

impl Product<'_> {
    /// `V` vectors of lanes, over all inputs.
    #[inline(always)]
    fn column<S: Simd, const V: usize>(&mut self, simd: S, at: usize) {
        let mut x = 0;
        if S::F64_LANES >= 8 {
            // Thirty-two registers.
            while x + 12 <= self.inputs {
                self.tile::<S, V, 12>(simd, at, x);
                x += 12;
            }
        }
        while x + 6 <= self.inputs {
            self.tile::<S, V, 6>(simd, at, x);
            x += 6;
        }
        match self.inputs - x {
            5 => self.tile::<S, V, 5>(simd, at, x),
            4 => self.tile::<S, V, 4>(simd, at, x),
            3 => self.tile::<S, V, 3>(simd, at, x),
            2 => self.tile::<S, V, 2>(simd, at, x),
            1 => self.tile::<S, V, 1>(simd, at, x),
            _ => (),
        }
    }

    /// `V` vectors of lanes by `X` inputs, kept in registers.
    #[inline(always)]
    fn tile<S: Simd, const V: usize, const X: usize>(&mut self, simd: S, at: usize, x: usize) {
        let vectors = self.lanes / S::F64_LANES;
        let (next, _) = S::as_mut_simd_f64s(self.next);
        let (bent, _) = S::as_simd_f64s(self.bent);
        let mut sums = [[simd.splat_f64s(0.0); V]; X];
        for (step, sums) in sums.iter_mut().enumerate() {
            for (lane, sum) in sums.iter_mut().enumerate() {
                *sum = next[(x + step) * vectors + at + lane];
            }
        }
        for (&neuron, bent) in self.list.iter().zip(bent.chunks_exact(vectors)) {
            let row = &self.rows[neuron as usize * self.inputs + x..][..X];
            let bent = &bent[at..at + V];
            for (sums, &weight) in sums.iter_mut().zip(row) {
                let weight = simd.splat_f64s(weight);
                for (sum, &bent) in sums.iter_mut().zip(bent) {
                    *sum = simd.add_f64s(*sum, simd.mul_f64s(weight, bent));
                }
            }
        }
        for (step, sums) in sums.iter().enumerate() {
            for (lane, &sum) in sums.iter().enumerate() {
                next[(x + step) * vectors + at + lane] = sum;
            }
        }
    }
}

/// Adds the least value of Σ Λ·x over a box, and subtracts Σ |Λ|·max|x|·`own_error`.
pub(super) struct Minimum<'a> {
    pub(super) lanes: usize,
    /// `[input, lanes]`.
    pub(super) values: &'a [f64],
    pub(super) low: &'a [f64],
    pub(super) high: &'a [f64],
    pub(super) magnitude: &'a [f64],
    pub(super) own_error: f64,
    pub(super) constant: &'a mut [f64],
}

impl WithSimd for Minimum<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let vectors = self.lanes / S::F64_LANES;
        let (values, _) = S::as_simd_f64s(self.values);
        let (constant, _) = S::as_mut_simd_f64s(&mut self.constant[..self.lanes]);
        for (input, values) in values.chunks_exact(vectors).enumerate() {
            let low = simd.splat_f64s(self.low[input]);
            let high = simd.splat_f64s(self.high[input]);
            let error = simd.splat_f64s(self.magnitude[input] * self.own_error);
            for (&value, constant) in values.iter().zip(constant.iter_mut()) {
                let least = simd.min_f64s(simd.mul_f64s(value, low), simd.mul_f64s(value, high));
                let loss = simd.mul_f64s(simd.abs_f64s(value), error);
                *constant = simd.add_f64s(*constant, simd.sub_f64s(least, loss));
            }
        }
    }
}

/// Interval step of a layer, and Σ |w|·|v|; sums start from what the arrays hold.
pub(super) struct Enclose<'a> {
    /// `[input, lanes]`.
    pub(super) columns: &'a [f64],
    pub(super) from: [&'a [f64]; 3],
    pub(super) low: &'a mut [f64],
    pub(super) high: &'a mut [f64],
    pub(super) magnitude: &'a mut [f64],
}

impl WithSimd for Enclose<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let vectors = self.low.len() / S::F64_LANES;
        let mut at = 0;
        while at + 4 <= vectors {
            self.block::<S, 4>(simd, at);
            at += 4;
        }
        while at < vectors {
            self.block::<S, 1>(simd, at);
            at += 1;
        }
    }
}

impl Enclose<'_> {
    /// `V` vectors of outputs, kept in registers.
    #[inline(always)]
    fn block<S: Simd, const V: usize>(&mut self, simd: S, at: usize) {
        let vectors = self.low.len() / S::F64_LANES;
        let (columns, _) = S::as_simd_f64s(self.columns);
        let [lows, highs, magnitudes] = [&mut *self.low, self.high, self.magnitude]
            .map(|sums| &mut S::as_mut_simd_f64s(sums).0[at..at + V]);
        let mut sums = [[simd.splat_f64s(0.0); 3]; V];
        for (lane, sums) in sums.iter_mut().enumerate() {
            *sums = [lows[lane], highs[lane], magnitudes[lane]];
        }
        let [from, to, reach] = self.from;
        let inputs = from.iter().zip(to).zip(reach);
        for (((&from, &to), &reach), column) in inputs.zip(columns.chunks_exact(vectors)) {
            if reach == 0.0 {
                continue;
            }
            let [from, to, reach] = [from, to, reach].map(|value| simd.splat_f64s(value));
            let column = &column[at..at + V];
            for ([low, high, magnitude], &weight) in sums.iter_mut().zip(column) {
                let (first, second) = (simd.mul_f64s(weight, from), simd.mul_f64s(weight, to));
                *low = simd.add_f64s(*low, simd.min_f64s(first, second));
                *high = simd.add_f64s(*high, simd.max_f64s(first, second));
                let size = simd.mul_f64s(simd.abs_f64s(weight), reach);
                *magnitude = simd.add_f64s(*magnitude, size);
            }
        }
        for (lane, sums) in sums.iter().enumerate() {
            [lows[lane], highs[lane], magnitudes[lane]] = *sums;
        }
    }
}

/// Runs a loop with the widest vectors there are.
pub(super) fn run<L: WithSimd>(arch: Arch, work: L) -> L::Output {
    arch.dispatch(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that no short sum of is exact.
    fn numbers(count: usize, seed: u64) -> Vec<f64> {
        let mut state = seed;
        let draws = (0..count).map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 11) as f64 / (1u64 << 53) as f64 - 0.5
        });
        draws.collect()
    }

    #[test]
    fn every_width_of_vectors_gives_the_same_bits() {
        let (inputs, lanes, list) = (31, 24, [0, 2, 3, 7, 8]);
        let (rows, bent) = (numbers(9 * inputs, 1), numbers(list.len() * lanes, 2));
        let product = |next: &mut Vec<f64>, scalar: bool| {
            let product = Product {
                list: &list,
                bent: &bent,
                rows: &rows,
                inputs,
                lanes,
                next,
            };
            if scalar {
                product.with_simd(pulp::Scalar);
            } else {
                run(Arch::new(), product);
            }
        };
        let (mut wide, mut narrow) = (numbers(inputs * lanes, 3), numbers(inputs * lanes, 3));
        product(&mut wide, false);
        product(&mut narrow, true);
        assert_eq!(wide, narrow);
        let expected = (0..list.len()).fold(numbers(1, 3)[0], |sum, position| {
            sum + rows[list[position] as usize * inputs] * bent[position * lanes]
        });
        assert_eq!(wide[0], expected);
        let (columns, ends) = (numbers(lanes * inputs, 4), numbers(inputs, 5));
        let upper: Vec<f64> = ends.iter().map(|end| end + 0.25).collect();
        let reach: Vec<f64> = upper
            .iter()
            .zip(&ends)
            .map(|(a, b)| a.abs().max(b.abs()))
            .collect();
        let enclose = |scalar: bool| {
            let mut sums = [numbers(lanes, 6), numbers(lanes, 6), numbers(lanes, 7)];
            let [low, high, magnitude] = &mut sums;
            let from = [ends.as_slice(), &upper, &reach];
            let enclose = Enclose {
                columns: &columns,
                from,
                low,
                high,
                magnitude,
            };
            if scalar {
                enclose.with_simd(pulp::Scalar);
            } else {
                run(Arch::new(), enclose);
            }
            sums
        };
        assert_eq!(enclose(false), enclose(true));
    }
}
