//! Rule *relaxation*: bounds of every neuron in a box, then one linear bound of the constraint.

use tautline_core::policy::Skip;

use super::affine::{Backward, Of, Relaxed};
use super::clamp;
use super::exact::Overflow;
use super::interval;
use super::region::InputBox;
use super::rejection::Reason;
use super::relu::Lines;
use super::target::Target;
use crate::claim::LinearConstraint;
use crate::format::{ALPHA_ONE, Witness};
use crate::semantics::Program;

/// Bounds and lines of all neurons in one box; the room is used again for the next leaf.
#[derive(Clone, Debug)]
pub(super) struct Relaxation {
    low: Vec<Vec<i64>>,
    high: Vec<Vec<i64>>,
    lines: Vec<Vec<Lines>>,
    from: (Vec<i64>, Vec<i64>),
    outputs: (Vec<i64>, Vec<i64>),
    backward: Backward,
}

impl Relaxation {
    pub(super) fn new(program: &Program) -> Self {
        let layers = || program.hidden().iter();
        let zeros: Vec<Vec<i64>> = layers().map(|layer| vec![0; layer.outputs()]).collect();
        let heads = program.heads().len();
        Self {
            low: zeros.clone(),
            high: zeros,
            lines: layers()
                .map(|layer| vec![Lines::default(); layer.outputs()])
                .collect(),
            from: (vec![], vec![]),
            outputs: (vec![0; heads], vec![0; heads]),
            backward: Backward::default(),
        }
    }

    /// Checks a relaxation leaf: the constraint holds at every integer point of the box that
    /// satisfies the facts.
    pub(super) fn check(
        &mut self,
        program: &Program,
        input: &InputBox,
        facts: &[LinearConstraint],
        target: &Target<'_>,
        witness: &Witness,
    ) -> Result<(), Reason> {
        check_witness(program.hidden_neurons(), facts, witness)?;
        self.bound_hidden(program, input, &witness.alpha)?;
        let facts = chosen(facts, witness);
        // One head alone: bound it before the clamp, then clamp the bound.
        let mut reached = i128::MAX;
        if let Some((head, coefficient)) = target.single_head() {
            let raw = self.bound_target(program, input, &facts, |backward| {
                backward.add_output(head, i128::from(coefficient), 0)
            })?;
            reached = clamp::of_bound(raw, coefficient);
        }
        if reached > target.bound() {
            self.bound_outputs(program, input, target)?;
            let (low, high) = (self.outputs.0.clone(), self.outputs.1.clone());
            reached = reached.min(interval::reached(target, input, &low, &high)?);
            let lines = self.bound_target(program, input, &facts, |backward| {
                clamp::start(backward, target, &low, &high)
            })?;
            reached = reached.min(lines);
        }
        target.accept(reached)
    }

    /// Bounds of every hidden neuron: intervals first, and backward bounds where the interval
    /// leaves the neuron's phase open. Slopes that are not given are chosen.
    pub(super) fn bound_hidden(
        &mut self,
        program: &Program,
        input: &InputBox,
        alpha: &[u8],
    ) -> Result<(), Reason> {
        self.from.0.clone_from(&input.low);
        self.from.1.clone_from(&input.high);
        let mut alpha = alpha.iter().copied().chain(core::iter::repeat(u8::MAX));
        for (number, layer) in program.hidden().iter().enumerate() {
            let (lines_before, lines) = self.lines.split_at_mut(number);
            let (low, (high_before, high)) =
                (self.low.get_mut(number), self.high.split_at_mut(number));
            let (Some(low), Some(high), Some(lines)) = (low, high.first_mut(), lines.first_mut())
            else {
                return Err(Reason::Overflow);
            };
            layer.interval(&self.from.0, &self.from.1, low, high);
            let relaxed = Relaxed {
                of: Of::Input,
                program,
                input,
                lines: lines_before,
                high: high_before,
            };
            let neurons = low.iter_mut().zip(high.iter_mut()).zip(lines.iter_mut());
            for (neuron, (((low, high), lines), alpha)) in neurons.zip(alpha.by_ref()).enumerate() {
                // The first layer's intervals are attained; stable neurons need no better bound.
                if number > 0 && *low < 0 && *high > 0 {
                    let backward = &mut self.backward;
                    (*low, *high) = refine(backward, relaxed, number, neuron, (*low, *high))?;
                }
                *lines = Lines::new(*low, *high, alpha);
            }
            activations(&mut self.from, low, high);
        }
        Ok(())
    }

    /// Bounds of the outputs before the clamp, for the heads that the target names.
    pub(super) fn bound_outputs(
        &mut self,
        program: &Program,
        input: &InputBox,
        target: &Target<'_>,
    ) -> Result<(), Reason> {
        if program.skip() == Skip::Linear {
            self.from.0.extend(&input.low);
            self.from.1.extend(&input.high);
        }
        let (low, high) = (&mut self.outputs.0, &mut self.outputs.1);
        program
            .output()
            .interval(&self.from.0, &self.from.1, low, high);
        for &(head, _) in target.heads() {
            let mut ends = [0i128; 2];
            for (end, sign) in ends.iter_mut().zip([1, -1]) {
                *end = self.bound_target(program, input, &[], |backward| {
                    backward.add_output(head, sign, 0)
                })?;
            }
            let (low, high) = (self.outputs.0.get_mut(head), self.outputs.1.get_mut(head));
            if let (Some(low), Some(high)) = (low, high) {
                let layer = program.hidden().len();
                (*low, *high) = intersect((*low, *high), ends, layer, head)?;
            }
        }
        Ok(())
    }

    /// The upper bound of what `start` adds, over outputs and features.
    fn bound_target(
        &mut self,
        program: &Program,
        input: &InputBox,
        facts: &[(&LinearConstraint, u32)],
        start: impl Fn(&mut Backward) -> Result<(), Overflow>,
    ) -> Result<i128, Overflow> {
        let relaxed = Relaxed {
            of: Of::Input,
            program,
            input,
            lines: &self.lines,
            high: &self.high,
        };
        bound_target(&mut self.backward, relaxed, facts, start)
    }

    /// Bounds of a hidden neuron as computed last.
    pub(super) fn hidden(&self, layer: usize, neuron: usize) -> (i64, i64) {
        let at = |ends: &[Vec<i64>]| ends.get(layer).and_then(|ends| ends.get(neuron)).copied();
        (
            at(&self.low).unwrap_or_default(),
            at(&self.high).unwrap_or_default(),
        )
    }

    /// Bounds of an output before the clamp as computed last.
    pub(super) fn output(&self, head: usize) -> (i64, i64) {
        let at = |ends: &[i64]| ends.get(head).copied().unwrap_or_default();
        (at(&self.outputs.0), at(&self.outputs.1))
    }

    /// Bounds of the hidden neurons as computed last, for tests of soundness.
    #[cfg(test)]
    pub(super) fn hidden_bounds(&self) -> (&[Vec<i64>], &[Vec<i64>]) {
        (&self.low, &self.high)
    }

    /// Bounds of the outputs as computed last, for tests of soundness.
    #[cfg(test)]
    pub(super) fn output_bounds(&self) -> (&[i64], &[i64]) {
        (&self.outputs.0, &self.outputs.1)
    }
}

/// The upper bound of what `start` adds, over outputs and features.
pub(super) fn bound_target(
    backward: &mut Backward,
    relaxed: Relaxed<'_>,
    facts: &[(&LinearConstraint, u32)],
    start: impl Fn(&mut Backward) -> Result<(), Overflow>,
) -> Result<i128, Overflow> {
    backward.bound(|backward| {
        backward.start(relaxed.program.heads().len(), relaxed.input.low.len());
        start(backward)?;
        backward.through_output(relaxed)?;
        for &(fact, multiplier) in facts {
            backward.subtract_fact(fact, multiplier)?;
        }
        backward.concretize(relaxed.input)
    })
}

/// The facts that a witness uses, with their multipliers.
pub(super) fn chosen<'f>(
    facts: &'f [LinearConstraint],
    witness: &Witness,
) -> Vec<(&'f LinearConstraint, u32)> {
    let chosen = witness.multipliers.iter();
    chosen
        .filter_map(|&(index, multiplier)| Some((facts.get(usize::from(index))?, multiplier)))
        .collect()
}

/// Checks that a witness has `alphas` slopes and names facts that hold.
pub(super) fn check_witness(
    alphas: usize,
    facts: &[LinearConstraint],
    witness: &Witness,
) -> Result<(), Reason> {
    if witness.alpha.len() != alphas {
        return Err(Reason::AlphaCount {
            expected: alphas,
            got: witness.alpha.len(),
        });
    }
    let bad = |&(_, alpha): &(usize, &u8)| *alpha > ALPHA_ONE;
    if let Some((neuron, &got)) = witness.alpha.iter().enumerate().find(bad) {
        return Err(Reason::Alpha { neuron, got });
    }
    let unknown = |&&(index, _): &&(u8, u32)| usize::from(index) >= facts.len();
    if let Some(&(index, _)) = witness.multipliers.iter().find(unknown) {
        return Err(Reason::UnknownFact {
            index,
            facts: facts.len(),
        });
    }
    Ok(())
}

/// Intersects a neuron's interval with its backward bounds.
pub(super) fn refine(
    backward: &mut Backward,
    relaxed: Relaxed<'_>,
    layer: usize,
    neuron: usize,
    interval: (i64, i64),
) -> Result<(i64, i64), Reason> {
    let Some(rows) = relaxed.program.hidden().get(layer) else {
        return Err(Reason::Overflow);
    };
    let mut ends = [0i128; 2];
    for (end, sign) in ends.iter_mut().zip([1, -1]) {
        *end = backward.bound(|backward| {
            backward.start_neuron(rows, neuron, relaxed.input.low.len(), sign);
            backward.through_hidden(layer, relaxed)?;
            backward.concretize(relaxed.input)
        })?;
    }
    intersect(interval, ends, layer, neuron)
}

/// `[low, high]` with `value ≤ upper` and `−value ≤ negated`.
pub(super) fn intersect(
    (low, high): (i64, i64),
    [upper, negated]: [i128; 2],
    layer: usize,
    neuron: usize,
) -> Result<(i64, i64), Reason> {
    let from = i128::from(low).max(negated.saturating_neg());
    let to = i128::from(high).min(upper);
    match (i64::try_from(from), i64::try_from(to)) {
        (Ok(from), Ok(to)) if from <= to => Ok((from, to)),
        _ => Err(Reason::EmptyBounds { layer, neuron }),
    }
}

/// Intervals of activations from those of neurons.
fn activations(from: &mut (Vec<i64>, Vec<i64>), low: &[i64], high: &[i64]) {
    for (to, values) in [(&mut from.0, low), (&mut from.1, high)] {
        to.clear();
        to.extend(values.iter().map(|&value| value.max(0)));
    }
}
