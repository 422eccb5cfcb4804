//! Rules *corner* and *sign*: in which direction outputs move with a feature, from weights alone.

use tautline_core::policy::Skip;

use super::region::InputBox;
use super::rejection::Reason;
use super::target::Target;
use crate::claim::Difference;
use crate::semantics::Program;

/// How a value moves when one feature grows and nothing else changes, for all inputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sign {
    /// Not at all.
    #[default]
    Zero,
    /// It never falls.
    Rises,
    /// It never rises.
    Falls,
    /// Nothing is known.
    Unknown,
}

impl Sign {
    /// The sign of `coefficient · value`.
    fn times(self, coefficient: i64) -> Self {
        match (self, coefficient.signum()) {
            (_, 0) => Self::Zero,
            (Self::Rises, -1) => Self::Falls,
            (Self::Falls, -1) => Self::Rises,
            (sign, _) => sign,
        }
    }

    /// The sign of a sum.
    const fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::Zero, sign) | (sign, Self::Zero) => sign,
            (Self::Rises, Self::Rises) => Self::Rises,
            (Self::Falls, Self::Falls) => Self::Falls,
            _ => Self::Unknown,
        }
    }
}

/// The sign of the target's left-hand side in every feature.
///
/// # Soundness
/// A weighted sum of values that never fall, with weights that are not negative, never falls;
/// floor, ReLU and clamp never reverse an order.
pub(super) fn of_target(program: &Program, target: &Target<'_>) -> Vec<Sign> {
    let inputs = program.table().features.len();
    (0..inputs)
        .map(|feature| {
            let mut signs: Vec<Sign> = (0..inputs)
                .map(|other| {
                    if other == feature {
                        Sign::Rises
                    } else {
                        Sign::Zero
                    }
                })
                .collect();
            let features = signs.clone();
            let through = |row: &[i16], signs: &[Sign]| {
                let weighted = row.iter().zip(signs);
                weighted.fold(Sign::Zero, |sum, (&weight, &sign)| {
                    sum.plus(sign.times(i64::from(weight)))
                })
            };
            for layer in program.hidden() {
                signs = layer.rows().map(|row| through(row, &signs)).collect();
            }
            if program.skip() == Skip::Linear {
                signs.extend(features);
            }
            let heads = target.heads().iter().map(|&(head, coefficient)| {
                through(program.output().row(head), &signs).times(coefficient)
            });
            let own = target
                .features()
                .iter()
                .filter(|&&(index, _)| index == feature);
            heads
                .chain(own.map(|&(_, coefficient)| Sign::Rises.times(coefficient)))
                .fold(Sign::Zero, Sign::plus)
        })
        .collect()
}

/// Rule *corner*: fixes every feature of known sign at the end where the left-hand side is
/// largest.
///
/// # Soundness
/// Moving a point of the box to that end never lowers the left-hand side, so a bound on the
/// reduced box is one on the whole box. The moved point need not satisfy facts: none may be used.
pub(super) fn fix_corner(signs: &[Sign], input: &mut InputBox) {
    let bounds = input.low.iter_mut().zip(input.high.iter_mut());
    for (sign, (low, high)) in signs.iter().zip(bounds) {
        match sign {
            Sign::Zero | Sign::Falls => *high = *low,
            Sign::Rises => *low = *high,
            Sign::Unknown => {}
        }
    }
}

/// Rule *sign*: moving the features as they differ never raises Σ coefficient · head, and the bound
/// is not negative.
///
/// # Soundness
/// Move them one after the other: no step raises the sum, so the difference is at most zero.
pub(super) fn check_pair(
    program: &Program,
    target: &Target<'_>,
    differences: &[Difference],
) -> Result<(), Reason> {
    if !target.features().is_empty() {
        return Err(Reason::PairFeatures {
            got: target.features().len(),
        });
    }
    if target.bound() < 0 {
        return Err(Reason::PairBound {
            got: target.bound(),
        });
    }
    let signs = of_target(program, target);
    for &Difference { feature, low, high } in differences {
        match signs.get(feature) {
            Some(Sign::Zero) => {}
            Some(Sign::Falls) if low >= 0 => {}
            Some(Sign::Rises) if high <= 0 => {}
            _ => return Err(Reason::SignUnknown { feature }),
        }
    }
    Ok(())
}
