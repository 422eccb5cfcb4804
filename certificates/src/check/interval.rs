//! Rule *interval*: plain interval propagation.

use tautline_core::policy::Skip;

use super::clamp;
use super::exact::{Overflow, sum};
use super::region::InputBox;
use super::rejection::Reason;
use super::target::Target;
use crate::semantics::Program;

/// Room for interval propagation, used again for the next leaf.
#[derive(Clone, Debug, Default)]
pub(super) struct Intervals {
    from: (Vec<i64>, Vec<i64>),
    to: (Vec<i64>, Vec<i64>),
}

impl Intervals {
    /// Checks an interval leaf: the constraint holds at every integer point of the box.
    pub(super) fn check(
        &mut self,
        program: &Program,
        input: &InputBox,
        target: &Target<'_>,
    ) -> Result<(), Reason> {
        self.propagate(program, input);
        target.accept(reached(target, input, &self.from.0, &self.from.1)?)
    }

    /// Bounds of the outputs before the clamp.
    pub(super) fn propagate(&mut self, program: &Program, input: &InputBox) -> (&[i64], &[i64]) {
        let Self { from, to } = self;
        from.0.clone_from(&input.low);
        from.1.clone_from(&input.high);
        let layers = program.hidden().iter().chain([program.output()]);
        for (number, layer) in layers.enumerate() {
            let is_output = number == program.hidden().len();
            if is_output && program.skip() == Skip::Linear {
                from.0.extend(&input.low);
                from.1.extend(&input.high);
            }
            to.0.resize(layer.outputs(), 0);
            to.1.resize(layer.outputs(), 0);
            layer.interval(&from.0, &from.1, &mut to.0, &mut to.1);
            if !is_output {
                let values = to.0.iter_mut().chain(to.1.iter_mut());
                values.for_each(|value| *value = (*value).max(0));
            }
            core::mem::swap(from, to);
        }
        (&from.0, &from.1)
    }
}

/// The largest left-hand side where outputs lie in `[low, high]` and features in the box.
pub(super) fn reached(
    target: &Target<'_>,
    input: &InputBox,
    low: &[i64],
    high: &[i64],
) -> Result<i128, Overflow> {
    let features = target.features().iter();
    let mut reached = input.maximum(features.map(|&(index, c)| (index, i128::from(c))))?;
    for &(head, coefficient) in target.heads() {
        let low = low.get(head).copied().unwrap_or(i64::MIN);
        let high = high.get(head).copied().unwrap_or(i64::MAX);
        reached = sum(reached, clamp::largest(coefficient, low, high)?)?;
    }
    Ok(reached)
}
