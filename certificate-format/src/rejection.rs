//! The words of the checker's answer: where a proof fails, by which rule, and why.
//!
//! Nothing here decides anything; the checker does, and says it with these.

use tautline_core::policy::{Digest, HeadKind, ModelError};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Step {
    /// The file as a whole.
    #[error("file")]
    File,
    /// The model that the certificate is checked against.
    #[error("model")]
    Model,
    /// The claims that the certificate is checked against.
    #[error("claims")]
    Claims,
    /// A section.
    #[error("section {section}")]
    Section {
        /// The section.
        section: usize,
    },
    /// A constraint of a claim.
    #[error("claim {claim}, constraint {constraint}")]
    Constraint {
        /// The claim.
        claim: usize,
        /// The constraint.
        constraint: usize,
    },
    /// A node of a tree.
    #[error("claim {claim}, constraint {constraint}, node {node}")]
    Node {
        /// The claim.
        claim: usize,
        /// The constraint.
        constraint: usize,
        /// The node, in pre-order.
        node: u64,
    },
}

/// A rule of the proof system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rule {
    /// The bytes are a certificate of this version.
    #[error("format")]
    Format,
    /// The model is a valid program, and the one named.
    #[error("model")]
    Model,
    /// The claims are the ones asked for, over the model's features and heads.
    #[error("claims")]
    Claims,
    /// Leaf: linear relaxation.
    #[error("relaxation")]
    Relaxation,
    /// Leaf: linear relaxation of differences between two inputs.
    #[error("difference")]
    Difference,
    /// Inner node: split.
    #[error("split")]
    Split,
    /// Inner node: phase split.
    #[error("phase split")]
    PhaseSplit,
    /// Inner node: corner.
    #[error("corner")]
    Corner,
    /// Leaf: empty region.
    #[error("empty")]
    Empty,
    /// Leaf: intervals.
    #[error("interval")]
    Interval,
    /// Pair claims: signs of weights.
    #[error("sign")]
    Sign,
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
    /// A relaxation has a slope for every hidden neuron and a multiplier for every phase split on
    /// its path.
    #[error("witness is about {got} {what}, the leaf needs {expected}")]
    WitnessCount {
        /// What is counted: slopes or phases.
        what: &'static str,
        /// How many the leaf needs.
        expected: usize,
        /// How many there are.
        got: usize,
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
    /// The model has no such neuron.
    #[error("phase split of neuron {neuron}, the model has {neurons} hidden ones")]
    PhaseNeuron {
        /// The neuron, over all hidden layers.
        neuron: u16,
        /// Hidden neurons of the model.
        neurons: usize,
    },
    /// The neuron's phase is known already.
    #[error("phase split of neuron {neuron}, whose phase is fixed on the path")]
    PhaseFixed {
        /// The neuron, over all hidden layers.
        neuron: u16,
    },
    /// A corner below a corner would prove nothing more; below a phase split, it could move a point
    /// out of its phase; and pairs have splits, empty leaves and relaxations only.
    #[error("this node may not stand under rule {under}")]
    Misplaced {
        /// What it stands under.
        under: Rule,
    },
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
    /// The weights do not show the sign.
    #[error("weights do not show that moving feature {feature} never raises the left-hand side")]
    SignUnknown {
        /// The feature.
        feature: usize,
    },
}
