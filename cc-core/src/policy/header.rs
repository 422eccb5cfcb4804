//! What a model says about itself.

use super::{LayerShape, MAX_HEADS, MAX_HIDDEN_LAYERS, MAX_SHIFT, MAX_WIDTH, ModelError};
use crate::features::{FeatureTable, MAX_INPUTS};
use crate::fixed::Q16;

/// Shapes, table, gains and heads of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelHeader {
    /// Version of the feature table whose features are the inputs.
    pub feature_table: u16,
    /// Number of inputs; must be the table's.
    pub inputs: u16,
    /// Number of entries of `hidden` in use.
    pub hidden_count: u8,
    /// The hidden layers, first to last.
    pub hidden: [Hidden; MAX_HIDDEN_LAYERS],
    /// Rescale of the output layer.
    pub output_shift: u8,
    /// Whether the output layer reads the features too.
    pub skip: Skip,
    /// Number of entries of `heads` in use.
    pub head_count: u8,
    /// The heads, in the order of the outputs.
    pub heads: [Head; MAX_HEADS],
    /// Step gain G: a rate head of one multiplies the window by 2^G. At most 1/4 at the pacing
    /// gain of quinn's bucket (growth must fit the pacer: G ≤ log₂(P/(1+D))).
    pub step_gain: Q16,
    /// Pacing gain P: departures at P · window / smoothed RTT; at most 5/4.
    pub pacing_gain: Q16,
    /// Design jitter D, as a fraction of the base round-trip time.
    pub jitter: Q16,
    /// In which rounds the policy decides.
    pub cadence: Cadence,
}

/// In which rounds a policy decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cadence {
    /// In every round; an action shows in the statistics two decisions later.
    #[default]
    EveryRound,
    /// In every second round, so that each decision judges packets that left after the last one.
    /// Slower, and a closed loop with one dimension less.
    Settled,
}

/// A hidden layer: affine, rescale, ReLU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hidden {
    /// Units.
    pub width: u16,
    /// Rescale.
    pub shift: u8,
}

/// Whether the output layer reads the features beside the last hidden layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// It does not.
    None,
    /// It does, linearly.
    Linear,
}

/// What a head drives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HeadKind {
    /// Step of the log window.
    Rate,
    /// Burst quantum of the pacer.
    Pacing,
    /// Cap of what the application may hold in the transport.
    Buffer,
    /// Timeout and backoff factors.
    Retry,
}

impl HeadKind {
    /// Every kind, in the order of their codes.
    pub const ALL: [Self; MAX_HEADS] = [Self::Rate, Self::Pacing, Self::Buffer, Self::Retry];

    /// Its name in claims and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Pacing => "pacing",
            Self::Buffer => "buffer",
            Self::Retry => "retry",
        }
    }

    /// Its code in files.
    pub const fn code(self) -> u8 {
        match self {
            Self::Rate => 1,
            Self::Pacing => 2,
            Self::Buffer => 3,
            Self::Retry => 4,
        }
    }

    /// The kind with a code.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// A head: what it drives and which direction the training kept it monotone in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// What it drives.
    pub kind: HeadKind,
    /// Per input −1 where the head never rises with it, +1 where it never falls, 0 where free. A
    /// statement of intent: nobody relies on it unproven.
    pub signs: [i8; MAX_INPUTS],
}

impl Head {
    /// A head without declared monotonicity.
    pub const fn free(kind: HeadKind) -> Self {
        Self {
            kind,
            signs: [0; MAX_INPUTS],
        }
    }
}

impl ModelHeader {
    /// The hidden layers in use.
    pub fn hidden_layers(&self) -> &[Hidden] {
        self.hidden
            .get(..usize::from(self.hidden_count))
            .unwrap_or_default()
    }

    /// The heads in use.
    pub fn head_list(&self) -> &[Head] {
        self.heads
            .get(..usize::from(self.head_count))
            .unwrap_or_default()
    }

    /// The place of the head that drives `kind`, if the model has one.
    pub fn head_index(&self, kind: HeadKind) -> Option<usize> {
        self.head_list().iter().position(|head| head.kind == kind)
    }

    /// The feature table; the generic one before [`super::Policy::new`] has checked the version.
    pub fn table(&self) -> &'static FeatureTable {
        static EMPTY: FeatureTable = FeatureTable {
            version: u16::MAX,
            features: &[],
            links: &[],
        };
        FeatureTable::by_version(self.feature_table).unwrap_or(&EMPTY)
    }

    /// The affine layers, hidden ones first, the output layer last.
    pub fn layers(&self) -> impl Iterator<Item = LayerShape> + '_ {
        let inputs = usize::from(self.inputs);
        let last = self
            .hidden_layers()
            .last()
            .map_or(inputs, |layer| usize::from(layer.width));
        let output_inputs = match self.skip {
            Skip::None => last,
            Skip::Linear => last.saturating_add(inputs),
        };
        let output = (
            output_inputs,
            usize::from(self.head_count),
            self.output_shift,
        );
        let mut previous = inputs;
        let hidden = self.hidden_layers().iter().map(move |layer| {
            let width = usize::from(layer.width);
            (core::mem::replace(&mut previous, width), width, layer.shift)
        });
        let mut offset = 0usize;
        hidden
            .chain(core::iter::once(output))
            .map(move |(inputs, outputs, shift)| {
                let shape = LayerShape {
                    inputs,
                    outputs,
                    shift,
                    offset,
                };
                offset = offset.saturating_add(shape.parameter_count());
                shape
            })
    }

    /// Parameters that the shapes need.
    pub fn parameter_count(&self) -> usize {
        self.layers()
            .fold(0, |sum, layer| sum.saturating_add(layer.parameter_count()))
    }

    /// Checks every field against its range, over the table that the version names.
    pub(super) fn check(&self) -> Result<(), ModelError> {
        let table = FeatureTable::by_version(self.feature_table).ok_or(
            ModelError::UnknownFeatureTable {
                got: self.feature_table,
            },
        )?;
        self.check_over(table)
    }

    /// Checks every field but the table's version against its range, as reading a model does: the
    /// inputs are the features of `table`.
    ///
    /// # Errors
    /// [`ModelError`] naming the field.
    pub fn check_over(&self, table: &FeatureTable) -> Result<(), ModelError> {
        let inputs = usize::from(self.inputs);
        if inputs > MAX_INPUTS {
            return Err(ModelError::Inputs {
                expected: MAX_INPUTS,
                got: inputs,
            });
        }
        if inputs != table.features.len() {
            return Err(ModelError::Inputs {
                expected: table.features.len(),
                got: inputs,
            });
        }
        let max_layers = i64::try_from(MAX_HIDDEN_LAYERS).unwrap_or(i64::MAX);
        let max_heads = i64::try_from(MAX_HEADS).unwrap_or(i64::MAX);
        let max_width = i64::try_from(MAX_WIDTH).unwrap_or(i64::MAX);
        let max_shift = i64::from(MAX_SHIFT);
        in_range(
            "hidden layer count",
            i64::from(self.hidden_count),
            0,
            max_layers,
        )?;
        in_range("head count", i64::from(self.head_count), 1, max_heads)?;
        in_range("output shift", i64::from(self.output_shift), 0, max_shift)?;
        for layer in self.hidden_layers() {
            in_range("hidden width", i64::from(layer.width), 1, max_width)?;
            in_range("hidden shift", i64::from(layer.shift), 0, max_shift)?;
        }
        for (place, head) in self.head_list().iter().enumerate() {
            if self.head_index(head.kind) != Some(place) {
                return Err(ModelError::DuplicateHead { kind: head.kind });
            }
            for &sign in &head.signs {
                in_range("head sign", i64::from(sign), -1, 1)?;
            }
        }
        let one = i64::from(Q16::ONE.units());
        in_range("step gain", i64::from(self.step_gain.units()), 1, one >> 2)?;
        in_range(
            "pacing gain",
            i64::from(self.pacing_gain.units()),
            one,
            one.saturating_add(one >> 2),
        )?;
        in_range("jitter", i64::from(self.jitter.units()), 0, one)
    }
}

fn in_range(field: &'static str, got: i64, low: i64, high: i64) -> Result<(), ModelError> {
    if (low..=high).contains(&got) {
        Ok(())
    } else {
        Err(ModelError::Field {
            field,
            low,
            high,
            got,
        })
    }
}
