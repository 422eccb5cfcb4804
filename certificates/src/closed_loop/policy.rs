//! The policy: exact steps at the two corners of a box where they are least and largest.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "the program's values fit 32 bits, as Program::new has shown, and a row has at most \
              161 weights below 2^15, so a sum stays below 2^54 in 64 bits"
)]

use tautline_core::features::{FEATURE_COUNT, MAX_INPUTS, TABLE_1};
use tautline_core::fixed::Q16;
use tautline_core::policy::{Cadence, HeadKind, MAX_WIDTH, decode};

use super::features::Features;
use crate::Reason;
use crate::check::sign::{Sign, of_target};
use crate::check::target::Target;
use crate::claim::Constraint;
use crate::semantics::{ONE, Program};

/// Most values that a layer reads.
const WIDEST: usize = MAX_WIDTH + MAX_INPUTS;

/// A model as a closed loop sees it: its steps, and their largest.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(super) gain: Q16,
    layers: Vec<Layer>,
    signs: Vec<Sign>,
}

/// A layer of the program; the last one has the row of `rate` alone.
#[derive(Clone, Debug)]
struct Layer {
    rows: Vec<i64>,
    row_len: usize,
    shift: u32,
    reads_features_again: bool,
}

impl Policy {
    /// The policy of a `.tlm` file and of the program that it makes.
    ///
    /// # Errors
    /// [`Reason`] why a file is no model, or a model is over another table than 1, has no `rate`
    /// that moves, or does not decide in every round.
    pub fn new(model: &[u8], program: &Program) -> Result<Self, Reason> {
        let (header, _) = decode(model)?;
        let (expected, got) = (TABLE_1.version, program.table().version);
        if expected != got {
            return Err(Reason::FeatureTable { expected, got });
        }
        if header.cadence != Cadence::EveryRound {
            return Err(Reason::Cadence);
        }
        let rate = Constraint {
            heads: vec![(HeadKind::Rate, 1)],
            features: vec![],
            bound: 0,
        };
        let target = Target::new(program, &rate)?;
        let heads: Vec<usize> = target.heads.iter().map(|&(head, _)| head).collect();
        Ok(Self {
            gain: header.step_gain,
            layers: layers(program, &heads),
            signs: of_target(program, &target),
        })
    }

    /// The least and the largest step over a box of features, in units of 2⁻¹⁶ octaves, before the
    /// guard.
    ///
    /// # Soundness
    /// Floor, ReLU and clamp keep an order, so a feature whose every path to the rate has one sign
    /// moves the rate one way; the rate's range over a box is then attained at two corners.
    ///
    /// # Errors
    /// [`Reason::MixedSign`] where a feature moves the rate both ways and is not a point.
    pub fn steps(&self, features: &Features) -> Result<(i32, i32), Reason> {
        let (mut least, mut most) = ([0; FEATURE_COUNT], [0; FEATURE_COUNT]);
        let corners = least.iter_mut().zip(&mut most);
        for ((place, &(low, high)), (sign, (to_least, to_most))) in features
            .iter()
            .enumerate()
            .zip(self.signs.iter().zip(corners))
        {
            (*to_least, *to_most) = match (sign.may_rise, sign.may_fall) {
                (_, false) => (low, high),
                (false, true) => (high, low),
                (true, true) if low == high => (low, high),
                (true, true) => {
                    let feature = TABLE_1.features.get(place);
                    let feature = feature.map_or("a feature", |feature| feature.name);
                    return Err(Reason::MixedSign { feature });
                }
            };
        }
        Ok((self.step(&least), self.step(&most)))
    }

    /// ⌊rate · G⌋ at a point.
    fn step(&self, features: &[i32; FEATURE_COUNT]) -> i32 {
        Q16::saturate((self.rate(features) * i64::from(self.gain.units())) >> Q16::FRACTION_BITS)
            .units()
    }

    /// The head `rate` at a point, as [`Program::evaluate`] has it.
    fn rate(&self, features: &[i32; FEATURE_COUNT]) -> i64 {
        let (mut from, mut to) = ([0i64; WIDEST], [0i64; WIDEST]);
        let read = |place: &mut [i64]| {
            for (to, &value) in place.iter_mut().zip(features) {
                *to = i64::from(value);
            }
        };
        read(&mut from);
        let mut rate = 0;
        for layer in &self.layers {
            if layer.reads_features_again {
                let width = layer.row_len.saturating_sub(FEATURE_COUNT + 1);
                read(from.get_mut(width..).unwrap_or_default());
            }
            for (to, row) in to.iter_mut().zip(layer.rows.chunks_exact(layer.row_len)) {
                let bias = row.last().map_or(0, |bias| bias * ONE);
                let weights = row.iter().take(layer.row_len - 1);
                let sum = weights.zip(&from).fold(bias, |sum, (w, x)| sum + w * x);
                rate = sum >> layer.shift;
                *to = rate.max(0);
            }
            core::mem::swap(&mut from, &mut to);
        }
        rate.clamp(-ONE, ONE)
    }
}

fn layers(program: &Program, heads: &[usize]) -> Vec<Layer> {
    let last = program.hidden().len();
    let numbered = program.layers().iter().enumerate();
    let layer = |(number, layer): (usize, &crate::semantics::Layer)| {
        let kept = |row: usize| number < last || heads.contains(&row);
        let rows = layer.rows().enumerate().filter(|&(row, _)| kept(row));
        Layer {
            rows: rows
                .flat_map(|(_, row)| row.iter().copied().map(i64::from))
                .collect(),
            row_len: layer.row_len,
            shift: layer.shift,
            reads_features_again: program.reads_features_again(number),
        }
    };
    numbered.map(layer).collect()
}
