//! The words of the checker's answer: where a proof fails, by which rule, and why.
//!
//! Nothing here decides anything; the checker does, and says it with these.

use core::fmt;

use tautline_core::policy::{Digest, HeadKind, ModelError};

use crate::claim::EncodingError;
use crate::closed_loop::Cell;
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
    /// A claim about two flows.
    #[error("ratio claim {claim}")]
    Ratio {
        /// The claim, among those about two flows.
        claim: usize,
    },
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
    /// A slice of a closed-loop claim's proof.
    #[error("claim {claim}, slice {slice}")]
    Slice {
        /// The claim.
        claim: usize,
        /// The slice.
        slice: usize,
    },
    /// A cell of a slice.
    #[error("claim {claim}, slice {slice}, cell {cell}")]
    Cell {
        /// The claim.
        claim: usize,
        /// The slice.
        slice: usize,
        /// The cell's number.
        cell: usize,
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
    /// Ratio claims: two flows.
    #[error("ratio")]
    Ratio,
    /// Closed loop: the table of powers of two is what it says.
    #[error("powers")]
    Powers,
    /// Closed loop: the slices cover the family.
    #[error("cover")]
    Cover,
    /// Closed loop: the grid is one of the state space.
    #[error("grid")]
    Grid,
    /// Closed loop: every start is ranked.
    #[error("start")]
    Start,
    /// Closed loop: no burst overflows the buffer, unless A6 is assumed.
    #[error("burst")]
    Burst,
    /// Closed loop: a step leads to cells of higher rank.
    #[error("rank")]
    Rank,
    /// Closed loop: a drain empties the queue and leads back to ranked cells.
    #[error("drain")]
    Drain,
    /// Closed loop: cells of the largest rank meet the claim's bounds.
    #[error("settled")]
    Settled,
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
    /// A ratio follows from claims that are not all there, or do not say enough.
    #[error("a ratio of two flows needs {what}")]
    RatioNeeds {
        /// What is needed.
        what: &'static str,
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
    /// The range of the rate is found at two corners only where every feature has one sign.
    #[error("{feature} moves the rate both ways")]
    MixedSign {
        /// The feature's name.
        feature: &'static str,
    },
    /// An entry of the table of powers is wrong.
    #[error(
        "entry {entry} of the table of powers is {got}, more than one unit from 2^({entry}/256) * 2^30"
    )]
    PowerEntry {
        /// The entry.
        entry: usize,
        /// What it is.
        got: u64,
    },
    /// A number of a closed-loop proof is not what it must be.
    #[error("{what} is {got}, expected {low} to {high}")]
    OutOfRange {
        /// Which number.
        what: &'static str,
        /// The least allowed.
        low: i64,
        /// The largest allowed.
        high: i64,
        /// What it is.
        got: i64,
    },
    /// The image of a cell meets one whose rank is too low.
    #[error(
        "its image meets {}, of rank {got}, expected at least {expected}",
        CellName(cell)
    )]
    ImageRank {
        /// The cell met.
        cell: Cell,
        /// The least rank that it may have.
        expected: u8,
        /// Its rank; zero outside the grid.
        got: u8,
    },
    /// No slice speaks of some paths of the family.
    #[error("no slice covers buffers from {buffer} (2^-16) on at log2 BDP {} to {} (2^-8)", log_bdp.0, log_bdp.1)]
    Gap {
        /// log₂ of their bandwidth-delay products, in 2⁻⁸ octaves.
        log_bdp: (i32, i32),
        /// Their buffers' least, in 2⁻¹⁶ bandwidth-delay products.
        buffer: u32,
    },
    /// The file has claims of a kind that this check is not about.
    #[error(
        "the file has {claims} claims about decisions and {loops} about loops; a file has one kind, and each kind its own check"
    )]
    ClaimKinds {
        /// Claims about decisions.
        claims: usize,
        /// Claims about closed loops.
        loops: usize,
    },
    /// The model decides in every second round, which is another loop.
    #[error("the model decides in every second round; closed-loop claims are about every round")]
    Cadence,
    /// Not every slice was checked once, in this file.
    #[error("slice number {at} of the proof is {got}, expected {expected} of this file")]
    Slices {
        /// Which one, over all claims.
        at: usize,
        /// Claim and slice that are due.
        expected: SliceName,
        /// Claim and slice handed in.
        got: SliceName,
    },
}

/// A slice, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SliceName(pub Option<(usize, usize)>);

impl fmt::Display for SliceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some((claim, slice)) => write!(f, "slice {slice} of claim {claim}"),
            None => f.write_str("nothing"),
        }
    }
}

struct CellName<'a>(&'a Cell);

impl fmt::Display for CellName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cell {
            window,
            before,
            turn,
            memory,
        } = self.0;
        write!(
            f,
            "cell (window {window}, before {before}, turn {turn}, memory {memory})"
        )
    }
}
