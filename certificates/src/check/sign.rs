//! Rules *corner* and *sign*: in which direction outputs move with a feature, from weights alone.

use super::region::{Place, Shown};
use super::rejection::Reason;
use super::target::Target;
use crate::claim::Difference;
use crate::semantics::Program;

/// How a value may move when one feature grows and nothing else changes, for all inputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sign {
    pub(crate) may_rise: bool,
    pub(crate) may_fall: bool,
}

impl Sign {
    /// The sign of a sum.
    ///
    /// # Soundness
    /// A weighted sum of values that never fall, with weights that are not negative, never falls.
    fn of_sum(terms: impl Iterator<Item = (i64, Self)>) -> Self {
        let mut sum = Self::default();
        for (coefficient, sign) in terms {
            let (rising, falling) = (coefficient > 0, coefficient < 0);
            sum.may_rise |= rising && sign.may_rise || falling && sign.may_fall;
            sum.may_fall |= rising && sign.may_fall || falling && sign.may_rise;
        }
        sum
    }
}

/// The sign of the target's left-hand side in every feature. Floor, ReLU and clamp never reverse
/// an order.
pub(crate) fn of_target(program: &Program, target: &Target<'_>) -> Vec<Sign> {
    let inputs = program.table().features.len();
    let of_feature = |feature: usize| {
        let mut features = vec![Sign::default(); inputs];
        if let Some(sign) = features.get_mut(feature) {
            sign.may_rise = true;
        }
        let mut signs = features.clone();
        for (number, layer) in program.layers().iter().enumerate() {
            if program.reads_features_again(number) {
                signs.extend(&features);
            }
            let weighted = |row: &[i16]| {
                let weights = row.iter().copied().map(i64::from);
                Sign::of_sum(weights.zip(signs.iter().copied()))
            };
            signs = layer.rows().map(weighted).collect();
        }
        let heads = target.heads.iter().map(|&(head, c)| (c, signs.get(head)));
        let own = target
            .features
            .iter()
            .map(|&(index, c)| (c, features.get(index)));
        let terms = heads.chain(own);
        Sign::of_sum(terms.filter_map(|(c, sign)| Some((c, *sign?))))
    };
    (0..inputs).map(of_feature).collect()
}

/// Rule *corner*: the place with every feature of known sign fixed at the end where the left-hand
/// side is largest.
///
/// # Soundness
/// Moving a point of the place to that end never lowers the left-hand side, so a bound on the
/// reduced box is one on the whole place. The moved point need not satisfy facts: none may be used.
pub(super) fn corner<'a>(place: &Place<'a>, target: &Target<'_>) -> Place<'a> {
    let mut corner = place.clone();
    corner.facts = &[];
    corner.moved = true;
    let signs = of_target(place.program, target);
    for (sign, range) in signs.iter().zip(&mut corner.input) {
        match (sign.may_rise, sign.may_fall) {
            (false, _) => range.high = range.low,
            (true, false) => range.low = range.high,
            (true, true) => {}
        }
    }
    corner
}

/// Rule *sign*: moving the features as they differ never raises the left-hand side, and the bound
/// is not negative.
///
/// # Soundness
/// Move them one after the other: no step raises it, so the difference is at most zero.
pub(super) fn check_pair(
    program: &Program,
    target: &Target<'_>,
    differences: &[Difference],
) -> Result<Shown, Reason> {
    let signs = of_target(program, target);
    for &Difference { feature, low, high } in differences {
        let raises = |sign: &Sign| high > 0 && sign.may_rise || low < 0 && sign.may_fall;
        if signs.get(feature).is_none_or(raises) {
            return Err(Reason::SignUnknown { feature });
        }
    }
    target.accept(0)
}
