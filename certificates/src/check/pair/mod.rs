//! Rule *difference*: bounds of what a second input's values have more than the first one's.

mod line;

use super::affine::{Backward, Of, Relaxed};
use super::exact::{Overflow, product, sum};
use super::region::InputBox;
use super::rejection::Reason;
use super::relaxation::{self, Relaxation};
use super::relu::{Lines, SLOPE_BITS, SLOPE_ONE};
use super::target::Target;
use crate::claim::LinearConstraint;
use crate::format::Witness;
use crate::semantics::{Layer, Program};
use line::Pair;

/// Bounds of both inputs' values and of their differences; used again for the next leaf.
#[derive(Clone, Debug)]
pub(super) struct PairRelaxation {
    region: InputBox,
    first: Relaxation,
    second: Relaxation,
    high: Vec<Vec<i64>>,
    lines: Vec<Vec<Lines>>,
    backward: Backward,
}

impl PairRelaxation {
    /// Room for pairs whose inputs both lie in `region`.
    pub(super) fn new(program: &Program, region: InputBox) -> Self {
        let layers = || program.hidden().iter().map(Layer::outputs);
        Self {
            region,
            first: Relaxation::new(program),
            second: Relaxation::new(program),
            high: layers().map(|outputs| vec![0; outputs]).collect(),
            lines: layers()
                .map(|outputs| vec![Lines::default(); outputs])
                .collect(),
            backward: Backward::default(),
        }
    }

    /// Checks a relaxation leaf over pairs: `input` bounds the differences of the features, then
    /// the features of the first input.
    pub(super) fn check(
        &mut self,
        program: &Program,
        input: &InputBox,
        facts: &[LinearConstraint],
        target: &Target<'_>,
        witness: &Witness,
    ) -> Result<(), Reason> {
        relaxation::check_witness(0, facts, witness)?;
        if !witness.beta.is_empty() {
            return Err(Reason::PairNode);
        }
        let facts = relaxation::chosen(facts, witness);
        let (first, second) = self.inputs(program, input)?;
        for (side, values) in [(&mut self.first, &first), (&mut self.second, &second)] {
            side.bound_hidden(program, values, &[])?;
            side.bound_outputs(program, values, target)?;
        }
        self.bound_hidden(program, input)?;
        let features = target.features().iter();
        let mut reached = input.maximum(features.map(|&(at, c)| (at, i128::from(c))))?;
        let mut heads = vec![];
        for &(head, coefficient) in target.heads() {
            let layer = program.hidden().len();
            let mut pair = Pair::new(self.first.output(head), self.second.output(head));
            let mut ends = [0i128; 2];
            for (end, sign) in ends.iter_mut().zip([1, -1]) {
                let add = |backward: &mut Backward| backward.add_output(head, sign, 0);
                *end = self.upper(program, input, &[], add)?;
            }
            pair.difference = relaxation::intersect(pair.difference, ends, layer, head)?;
            // A negative coefficient bounds the difference the other way round.
            let pair = if coefficient > 0 {
                pair
            } else {
                pair.swapped()
            };
            let size = i128::from(coefficient).saturating_abs();
            let (most, (slope, offset)) = pair.clamped();
            reached = sum(reached, product(size, most)?)?;
            heads.push((
                head,
                product(coefficient.into(), slope)?,
                product(size, offset)?,
            ));
        }
        if reached > target.bound() {
            let lines = self.upper(program, input, &facts, |backward| {
                for &(head, slope, offset) in &heads {
                    backward.add_output(head, slope, offset)?;
                }
                for &(at, coefficient) in target.features() {
                    backward.add_feature(at, product(coefficient.into(), SLOPE_ONE)?)?;
                }
                backward.set_denominator(SLOPE_BITS);
                Ok(())
            })?;
            reached = reached.min(lines);
        }
        target.accept(reached)
    }

    /// The boxes of both inputs: the second one is the first one moved, within the region.
    fn inputs(&self, program: &Program, input: &InputBox) -> Result<(InputBox, InputBox), Reason> {
        let inputs = program.table().features.len();
        let part = |ends: &[i64]| ends.get(inputs..).unwrap_or_default().to_vec();
        let first = InputBox {
            low: part(&input.low),
            high: part(&input.high),
        };
        let moved = |from: &[i64], by: &[i64], stop: &[i64], inside: fn(i64, i64) -> i64| {
            let ends = from.iter().zip(by).zip(stop);
            let end = |((&from, &by), &stop): ((&i64, _), _)| inside(from.saturating_add(by), stop);
            ends.map(end).collect::<Vec<i64>>()
        };
        let second = InputBox {
            low: moved(&first.low, &input.low, &self.region.low, i64::max),
            high: moved(&first.high, &input.high, &self.region.high, i64::min),
        };
        let mut ends = second.low.iter().zip(&second.high);
        match ends.position(|(low, high)| low > high) {
            Some(feature) => Err(Reason::EmptyPair { feature }),
            None => Ok((first, second)),
        }
    }

    /// Bounds and lines of the difference of every hidden neuron, layer by layer.
    fn bound_hidden(&mut self, program: &Program, input: &InputBox) -> Result<(), Reason> {
        for (layer, rows) in program.hidden().iter().enumerate() {
            for neuron in 0..rows.outputs() {
                let ends = [&self.first, &self.second].map(|side| side.hidden(layer, neuron));
                let [first, second] = ends;
                let mut pair = Pair::new(first, second);
                if !pair.is_stable() {
                    let relaxed = Relaxed {
                        of: Of::Difference,
                        program,
                        input,
                        lines: &self.lines,
                        high: &self.high,
                    };
                    let known = pair.difference;
                    let backward = &mut self.backward;
                    pair.difference = relaxation::refine(backward, relaxed, layer, neuron, known)?;
                }
                let (lines, high) = (self.lines.get_mut(layer), self.high.get_mut(layer));
                let lines = lines.and_then(|layer| layer.get_mut(neuron));
                let high = high.and_then(|layer| layer.get_mut(neuron));
                let (Some(lines), Some(high)) = (lines, high) else {
                    return Err(Reason::Overflow);
                };
                (*lines, *high) = (pair.lines(), pair.difference.1);
            }
        }
        Ok(())
    }

    /// The upper bound of what `start` adds, over differences of outputs and features.
    fn upper(
        &mut self,
        program: &Program,
        input: &InputBox,
        facts: &[(&LinearConstraint, u32)],
        start: impl Fn(&mut Backward) -> Result<(), Overflow>,
    ) -> Result<i128, Overflow> {
        let relaxed = Relaxed {
            of: Of::Difference,
            program,
            input,
            lines: &self.lines,
            high: &self.high,
        };
        relaxation::bound_target(&mut self.backward, relaxed, facts, start)
    }
}
