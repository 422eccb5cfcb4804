//! Where a proof fails, by which rule, and why.

use core::fmt;

use tautline_core::policy::{Digest, HeadKind, ModelError};

use super::exact::Overflow;
use crate::claim::EncodingError;
use crate::format::FormatError;

/// A certificate that was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("certificate rejected at {step}, rule {rule}: {reason}")]
pub struct Rejection {
    /// Where.
    pub step: Step,
    /// By which rule.
    pub rule: Rule,
    /// Why.
    #[source]
    pub reason: Box<Reason>,
}

/// A place in a certificate; everything is counted from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// The file as a whole.
    File,
    /// The model that the certificate is checked against.
    Model,
    /// The claims that the certificate is checked against.
    Claims,
    /// A section.
    Section {
        /// The section.
        section: usize,
    },
    /// A constraint of a claim.
    Constraint {
        /// The claim.
        claim: usize,
        /// The constraint.
        constraint: usize,
    },
    /// A node of a tree.
    Node {
        /// The claim.
        claim: usize,
        /// The constraint.
        constraint: usize,
        /// The node, in pre-order.
        node: u64,
    },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File => write!(f, "file"),
            Self::Model => write!(f, "model"),
            Self::Claims => write!(f, "claims"),
            Self::Section { section } => write!(f, "section {section}"),
            Self::Constraint { claim, constraint } => {
                write!(f, "claim {claim}, constraint {constraint}")
            }
            Self::Node {
                claim,
                constraint,
                node,
            } => write!(f, "claim {claim}, constraint {constraint}, node {node}"),
        }
    }
}

/// A rule of the proof system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rule {
    /// The bytes are a certificate of this version.
    Format,
    /// The model is a valid program, and the one named.
    Model,
    /// The claims are the ones asked for, over the model's features and heads.
    Claims,
    /// Leaf: linear relaxation.
    Relaxation,
    /// Leaf: linear relaxation of differences between two inputs.
    Difference,
    /// Inner node: split.
    Split,
    /// Inner node: corner.
    Corner,
    /// Leaf: empty region.
    Empty,
    /// Leaf: intervals.
    Interval,
    /// Pair claims: signs of weights.
    Sign,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Format => "format",
            Self::Model => "model",
            Self::Claims => "claims",
            Self::Relaxation => "relaxation",
            Self::Difference => "difference",
            Self::Split => "split",
            Self::Corner => "corner",
            Self::Empty => "empty",
            Self::Interval => "interval",
            Self::Sign => "sign",
        })
    }
}

/// Why a rule does not apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The bytes are not a certificate.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The model is not a valid program.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The claims asked for are not a valid set.
    #[error(transparent)]
    Claims(#[from] EncodingError),
    /// The certificate is about another model.
    #[error("certificate is about model {expected}, the model is {got}")]
    WrongModel {
        /// The model named in the certificate.
        expected: Digest,
        /// The model given.
        got: Digest,
    },
    /// The certificate proves other claims.
    #[error("certificate proves claim set {got}, asked for is {expected}")]
    WrongClaims {
        /// The claims asked for.
        expected: Digest,
        /// The claims proven.
        got: Digest,
    },
    /// The claims are about another feature table.
    #[error("claims are about feature table {got}, the model reads table {expected}")]
    FeatureTable {
        /// The model's table.
        expected: u16,
        /// The claims' table.
        got: u16,
    },
    /// The claim is about a head that the model does not have.
    #[error("claim is about head {}, which the model does not have", kind.name())]
    MissingHead {
        /// The head.
        kind: HeadKind,
    },
    /// The claim is about a head that never moves.
    #[error("claim is about head {}, which is constant in this model", kind.name())]
    ConstantHead {
        /// The head.
        kind: HeadKind,
    },
    /// A relaxation must name a slope for every hidden neuron, and none over pairs.
    #[error("witness has {got} alphas, the leaf needs {expected}")]
    AlphaCount {
        /// Hidden neurons of the model; zero over pairs.
        expected: usize,
        /// Slopes there are.
        got: usize,
    },
    /// A slope is above one.
    #[error("alpha of neuron {neuron} is {got}, at most 128 is a slope")]
    Alpha {
        /// The neuron, over all hidden layers.
        neuron: usize,
        /// The slope, in 1/128.
        got: u8,
    },
    /// No such fact holds here.
    #[error("witness uses fact {index}, {facts} facts hold here")]
    UnknownFact {
        /// The fact.
        index: u8,
        /// Facts that may be used; none below a corner.
        facts: usize,
    },
    /// The fact can hold in the box.
    #[error(
        "fact {index} can hold in the box: its left-hand side reaches {smallest}, bound {bound}"
    )]
    NotEmpty {
        /// The fact.
        index: u8,
        /// The smallest left-hand side in the box.
        smallest: i128,
        /// The fact's bound.
        bound: i64,
    },
    /// Every leaf says that its box is empty: the claim speaks of no input at all.
    #[error("the region holds no input, so the claim would say nothing; widen it")]
    Vacuous,
    /// The bounds of a neuron contradict each other; the node must be split or shown empty.
    #[error("layer {layer}, neuron {neuron}: lower bound exceeds upper bound")]
    EmptyBounds {
        /// The layer, the output layer last.
        layer: usize,
        /// The neuron.
        neuron: usize,
    },
    /// The upper bound of the constraint is above what it allows.
    #[error("left-hand side is only shown to be at most {reached}, it must be at most {bound}")]
    NotProven {
        /// The bound shown.
        reached: i128,
        /// The bound needed.
        bound: i128,
    },
    /// A number left 128 bits.
    #[error("an exact bound needs more than 128 bits")]
    Overflow,
    /// The model has no such feature.
    #[error("split of feature {feature}, the model has {inputs}")]
    SplitFeature {
        /// The feature.
        feature: u8,
        /// Features of the model.
        inputs: usize,
    },
    /// A cut must leave something on both sides.
    #[error("cut of feature {feature} at {cut} is outside {low} to {high} - 1")]
    SplitCut {
        /// The feature.
        feature: u8,
        /// The cut.
        cut: i32,
        /// The box's lower bound.
        low: i64,
        /// The box's upper bound.
        high: i64,
    },
    /// A corner below a corner.
    #[error("corner below a corner")]
    NestedCorner,
    /// The path from the root is too long.
    #[error("tree is deeper than {limit}")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// The tree has too many nodes.
    #[error("tree has more than {limit} nodes")]
    TooManyNodes {
        /// The limit.
        limit: u64,
    },
    /// A pair claim about features cannot be proven by signs.
    #[error("pair constraint has {got} feature terms, the sign rule proves none")]
    PairFeatures {
        /// Feature terms.
        got: usize,
    },
    /// A pair claim that forbids equal heads is false where the inputs are equal.
    #[error("pair constraint has bound {got}, the sign rule proves at least 0")]
    PairBound {
        /// The bound.
        got: i128,
    },
    /// A tree over pairs has a node that only trees over one input may have.
    #[error("trees over pairs have splits, empty leaves and relaxations without phases only")]
    PairNode,
    /// No second input of the region belongs to this box, which a leaf must not say by itself.
    #[error("no second input is in the region: its feature {feature} has no value there")]
    EmptyPair {
        /// The feature.
        feature: usize,
    },
    /// The weights do not show the sign.
    #[error("weights do not show that moving feature {feature} never raises the left-hand side")]
    SignUnknown {
        /// The feature.
        feature: usize,
    },
}

impl From<Overflow> for Reason {
    fn from(_: Overflow) -> Self {
        Self::Overflow
    }
}
