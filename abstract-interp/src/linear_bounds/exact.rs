//! The linear bound once more, in exact dyadic rationals.
//!
//! Asked before a leaf enters a proof. A row is a vector of numerators over one power of two.

use super::{Multiplier, Subject};
use crate::interval::Interval;
use crate::network::{Affine, Network};
use crate::objective::{Halfspace, Objective};
use crate::op::relu::{self, LINE_BITS};
use crate::op::{affine, clamp};
use crate::phase::{Phase, Side};

/// What a leaf of a proof says: lower slopes (units of 1/128), weights of facts and, below phase
/// splits, weights of phases.
#[derive(Clone, Copy, Debug, Default)]
pub struct Witness<'w> {
    /// One per hidden neuron.
    pub alpha: &'w [u8],
    /// Strictly increasing facts.
    pub multipliers: &'w [Multiplier],
    /// What the path says about neurons.
    pub phases: &'w [Phase],
    /// One per phase, in units of 2⁻¹⁶.
    pub beta: &'w [u32],
}

/// True if the witness proves the objective over the box, in exact arithmetic, or shows that no
/// point of the box has the phases.
///
/// False too where 128 bits do not suffice.
pub fn proves(
    network: &Network,
    input: &[Interval],
    objective: &Objective,
    facts: &[Halfspace],
    witness: Witness<'_>,
) -> bool {
    let mut state = State {
        network,
        input,
        witness,
        hidden: vec![],
    };
    state.proves(objective, facts).unwrap_or(false)
}

struct State<'n> {
    network: &'n Network,
    input: &'n [Interval],
    witness: Witness<'n>,
    hidden: Vec<Hidden>,
}

/// Bounds of a layer.
enum Enclosure {
    /// Some bounds contradict each other: no point of the box has the phases.
    Empty,
    Bounds(Vec<Interval>),
}

struct Hidden {
    lines: Vec<Line>,
    after: Vec<Interval>,
}

/// `lower/2¹⁰ · z ≤ h ≤ (upper·z + offset)/2¹⁰`.
#[derive(Clone, Copy)]
struct Line {
    lower: i128,
    upper: i128,
    offset: i128,
}

struct Row {
    coefficients: Vec<i128>,
    constant: i128,
    exponent: u32,
}

impl State<'_> {
    fn proves(&mut self, objective: &Objective, facts: &[Halfspace]) -> Option<bool> {
        let witness = self.witness;
        let mut start = 0;
        for layer in 0..self.network.hidden_count() {
            let Enclosure::Bounds(before) = self.enclose(layer)? else {
                return Some(!witness.phases.is_empty());
            };
            let alpha = &witness.alpha[start..start + before.len()];
            start += before.len();
            self.hidden.push(Hidden {
                lines: before
                    .iter()
                    .zip(alpha)
                    .map(|(&z, &alpha)| line(z, alpha))
                    .collect(),
                after: before.into_iter().map(relu::interval).collect(),
            });
        }
        let output = self.network.hidden_count();
        if let Some((head, c)) = objective.single_head() {
            let mut coefficients = vec![0; self.network.heads().len()];
            coefficients[head] = i128::from(c);
            let row = Row {
                coefficients,
                constant: 0,
                exponent: 0,
            };
            let mut row = self.descend(output, row, Subject::Objective)?;
            row.subtract(facts, witness.multipliers)?;
            let highest = i128::from(c).abs() * i128::from(clamp::ONE);
            let raw = row.concretize(self.input)? >> row.exponent;
            return Some(raw.clamp(-highest, highest) <= i128::from(objective.bound));
        }
        let Enclosure::Bounds(outputs) = self.enclose(output)? else {
            return Some(!witness.phases.is_empty());
        };
        let heads: Vec<_> = outputs.iter().map(|&y| clamp::interval(y)).collect();
        if objective.interval_excess(self.input, &heads) <= 0 {
            return Some(true);
        }
        let mut row = Row {
            coefficients: vec![0; outputs.len()],
            constant: 0,
            exponent: LINE_BITS,
        };
        for &(head, c) in &objective.heads {
            let (coefficient, offset) = clamp::upper_line(c, outputs[head]);
            row.coefficients[head] += coefficient;
            row.constant += offset;
        }
        let mut row = self.descend(output, row, Subject::Objective)?;
        for &(feature, d) in &objective.features {
            let term = scale(i128::from(d), row.exponent)?;
            row.coefficients[feature] = row.coefficients[feature].checked_add(term)?;
        }
        row.subtract(facts, witness.multipliers)?;
        // What is bounded is an integer, so the floor is a bound too.
        let upper = row.concretize(self.input)? >> row.exponent;
        Some(upper <= i128::from(objective.bound))
    }

    /// Pre-activation bounds of a layer; `None` where 128 bits do not suffice.
    fn enclose(&self, layer: usize) -> Option<Enclosure> {
        let affine = &self.network.layers()[layer];
        let mut below: Vec<_> = match layer.checked_sub(1) {
            Some(previous) => self.hidden[previous].after.clone(),
            None => self.input.to_vec(),
        };
        if layer == self.network.hidden_count() {
            below.extend(&self.input[..self.network.skip_inputs()]);
        }
        let mut bounds = vec![Interval::default(); affine.outputs];
        affine::interval(affine, &below, &mut bounds);
        let is_output = layer == self.network.hidden_count();
        if layer > 0 || is_output {
            for (neuron, bound) in bounds.iter_mut().enumerate() {
                if !is_output && (bound.low >= 0 || bound.high <= 0) {
                    continue;
                }
                let unit = |sign| {
                    let mut coefficients = vec![0; affine.outputs];
                    coefficients[neuron] = sign;
                    Row {
                        coefficients,
                        constant: 0,
                        exponent: 0,
                    }
                };
                let upper = self.descend(layer, unit(1), Subject::Neuron)?;
                let lower = self.descend(layer, unit(-1), Subject::Neuron)?;
                *bound = bound.intersection(Interval {
                    low: -i64::try_from(lower.concretize(self.input)? >> lower.exponent).ok()?,
                    high: i64::try_from(upper.concretize(self.input)? >> upper.exponent).ok()?,
                });
                if bound.low > bound.high {
                    return Some(Enclosure::Empty);
                }
            }
        }
        for phase in self.witness.phases.iter().filter(|it| it.layer == layer) {
            bounds[phase.neuron] = phase.restrict(bounds[phase.neuron]);
        }
        Some(if bounds.iter().any(|bound| bound.low > bound.high) {
            Enclosure::Empty
        } else {
            Enclosure::Bounds(bounds)
        })
    }

    fn descend(&self, layer: usize, mut row: Row, subject: Subject) -> Option<Row> {
        let mut direct = (vec![0; self.network.inputs()], 0);
        for index in (0..=layer).rev() {
            let affine = &self.network.layers()[index];
            row = through_affine(affine, &row)?;
            if index == self.network.hidden_count() {
                let start = affine.inputs - self.network.skip_inputs();
                let skipped = row.coefficients.split_off(start);
                direct.0[..skipped.len()].copy_from_slice(&skipped);
                direct.1 = row.exponent;
            }
            if let Some(previous) = index.checked_sub(1) {
                through_relu(&self.hidden[previous].lines, &mut row)?;
                if subject == Subject::Objective {
                    self.weigh_phases(previous, &mut row)?;
                }
            }
        }
        for (coefficient, direct_part) in row.coefficients.iter_mut().zip(direct.0) {
            let term = scale(direct_part, row.exponent - direct.1)?;
            *coefficient = coefficient.checked_add(term)?;
        }
        Some(row)
    }

    /// Adds β·(z − 1) for active neurons of a layer and −β·z for inactive ones.
    fn weigh_phases(&self, layer: usize, row: &mut Row) -> Option<()> {
        let phases = self.witness.phases.iter().zip(self.witness.beta);
        for (phase, &beta) in phases.filter(|(phase, _)| phase.layer == layer) {
            if row.exponent < WEIGHT_BITS {
                row.shift(WEIGHT_BITS - row.exponent)?;
            }
            let weight = scale(i128::from(beta), row.exponent - WEIGHT_BITS)?;
            let coefficient = &mut row.coefficients[phase.neuron];
            match phase.side {
                Side::Active => {
                    *coefficient = coefficient.checked_add(weight)?;
                    row.constant = row.constant.checked_sub(weight)?;
                }
                Side::Inactive => *coefficient = coefficient.checked_sub(weight)?,
            }
        }
        Some(())
    }
}

impl Row {
    fn concretize(&self, input: &[Interval]) -> Option<i128> {
        let pairs = self.coefficients.iter().zip(input);
        pairs
            .into_iter()
            .try_fold(self.constant, |sum, (&slope, input)| {
                let end = if slope > 0 { input.high } else { input.low };
                sum.checked_add(slope.checked_mul(i128::from(end))?)
            })
    }

    /// Subtracts `μ·(a·x − b)` of every chosen fact.
    fn subtract(&mut self, facts: &[Halfspace], multipliers: &[Multiplier]) -> Option<()> {
        if multipliers.is_empty() {
            return Some(());
        }
        self.shift(WEIGHT_BITS)?;
        for multiplier in multipliers {
            let fact = &facts[multiplier.fact];
            let weight = scale(i128::from(multiplier.weight), self.exponent - WEIGHT_BITS)?;
            for &(place, c) in &fact.terms {
                let term = weight.checked_mul(i128::from(c))?;
                self.coefficients[place] = self.coefficients[place].checked_sub(term)?;
            }
            let term = weight.checked_mul(i128::from(fact.bound))?;
            self.constant = self.constant.checked_add(term)?;
        }
        Some(())
    }

    fn shift(&mut self, bits: u32) -> Option<()> {
        for value in self.coefficients.iter_mut().chain([&mut self.constant]) {
            *value = scale(*value, bits)?;
        }
        self.exponent += bits;
        Some(())
    }
}

fn through_affine(layer: &Affine, row: &Row) -> Option<Row> {
    let mut coefficients = vec![0i128; layer.inputs];
    let mut constant = scale(row.constant, u32::from(layer.shift))?;
    let lost = (1i128 << layer.shift) - 1;
    for (neuron, &coefficient) in row.coefficients.iter().enumerate() {
        if coefficient == 0 {
            continue;
        }
        let bias = coefficient.checked_mul(i128::from(layer.bias[neuron]))?;
        constant = constant.checked_add(bias)?;
        if coefficient < 0 {
            constant = constant.checked_sub(coefficient.checked_mul(lost)?)?;
        }
        for (input, &weight) in coefficients.iter_mut().zip(layer.row(neuron)) {
            *input = input.checked_add(coefficient.checked_mul(i128::from(weight))?)?;
        }
    }
    Some(Row {
        coefficients,
        constant,
        exponent: row.exponent + u32::from(layer.shift),
    })
}

fn through_relu(lines: &[Line], row: &mut Row) -> Option<()> {
    row.constant = scale(row.constant, LINE_BITS)?;
    for (line, coefficient) in lines.iter().zip(&mut row.coefficients) {
        if *coefficient > 0 {
            let term = coefficient.checked_mul(line.offset)?;
            row.constant = row.constant.checked_add(term)?;
            *coefficient = coefficient.checked_mul(line.upper)?;
        } else {
            *coefficient = coefficient.checked_mul(line.lower)?;
        }
    }
    row.exponent += LINE_BITS;
    Some(())
}

fn line(before: Interval, alpha: u8) -> Line {
    let one = 1i128 << LINE_BITS;
    if before.low >= 0 {
        return Line {
            lower: one,
            upper: one,
            offset: 0,
        };
    }
    if before.high <= 0 {
        return Line {
            lower: 0,
            upper: 0,
            offset: 0,
        };
    }
    let (slope, offset) = relu::upper_line(before);
    Line {
        lower: i128::from(alpha) * (one / i128::from(relu::ALPHA_ONE)),
        upper: i128::from(slope),
        offset: i128::from(offset),
    }
}

/// `value · 2^bits`, if it fits.
fn scale(value: i128, bits: u32) -> Option<i128> {
    value
        .checked_mul(1i128.checked_shl(bits)?)
        .filter(|_| bits < 127)
}

const WEIGHT_BITS: u32 = 16;
