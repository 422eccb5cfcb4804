//! The reference law as the rate of a closed loop, with a disturbance.

use tautline_abstract_interp::closed_loop::Rate;
use tautline_abstract_interp::closed_loop::rate::Features;
use tautline_abstract_interp::signs::Sign;
use tautline_core::features::{FEATURE_COUNT, index};
use tautline_core::fixed::Q16;

use crate::law::{Law, MONOTONE};
use crate::obligation::ONE;

/// The law plus a disturbance of at most a margin.
///
/// The closed-loop model leaves `previous_step` open in [−1, 1] and the law does not read it, so it
/// carries the disturbance in units of the margin.
#[derive(Clone, Debug)]
pub(super) struct LawRate {
    law: Law,
    gain: Q16,
    margin: f64,
    signs: [Sign; FEATURE_COUNT],
}

impl LawRate {
    pub(super) fn new(law: Law, gain: Q16, margin: f64) -> Self {
        let mut signs = [Sign::Zero; FEATURE_COUNT];
        for feature in MONOTONE {
            signs[feature] = Sign::Falling;
        }
        signs[index::LAST_STEP] = Sign::Rising;
        signs[index::PREVIOUS_STEP] = Sign::Rising;
        Self {
            law,
            gain,
            margin,
            signs,
        }
    }
}

impl Rate for LawRate {
    type Row = Features;

    fn signs(&self) -> &[Sign; FEATURE_COUNT] {
        &self.signs
    }

    fn gain(&self) -> Q16 {
        self.gain
    }

    fn row(&self, features: &Features) -> Features {
        *features
    }

    fn at(&self, row: &Features, average: i32) -> i32 {
        let mut reals = row.map(|units| f64::from(units) / ONE);
        reals[index::QUEUEING_EWMA] = f64::from(average) / ONE;
        let rate = self.law.rate(&reals) + self.margin * reals[index::PREVIOUS_STEP];
        libm::floor(rate.clamp(-1.0, 1.0) * ONE) as i32
    }
}
