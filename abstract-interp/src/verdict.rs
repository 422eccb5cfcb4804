//! What the prover found out about a claim.

use std::fmt;

use num_rational::BigRational;
use tautline_certificate_format::format::Tree;
use tautline_core::policy::{HeadKind, MAX_HEADS};

/// The answer to one claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds, and here is why.
    Holds(Proof),
    /// It does not hold, and here is where.
    Violated(Counterexample),
    /// Neither was found.
    Unknown(Reason),
}

impl Verdict {
    /// True for [`Verdict::Holds`].
    pub const fn holds(&self) -> bool {
        matches!(self, Self::Holds(_))
    }

    /// `holds`, `violated` or `unknown`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Holds(_) => "holds",
            Self::Violated(_) => "violated",
            Self::Unknown(_) => "unknown",
        }
    }
}

/// Why a claim holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Per constraint, a tree of regions.
    Trees(Vec<Tree>),
    /// Per constraint of a pair claim, a tree of regions of pairs.
    Pairs(Vec<Tree>),
    /// By the signs of the weights.
    Signs,
}

/// Inputs within region and links at which the deployed program breaks a constraint.
///
/// Replayed with `Policy::forward` before it is reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counterexample {
    /// Which constraint of the claim.
    pub constraint: usize,
    /// One input; two (x, then x') for a pair claim.
    pub inputs: Vec<Evaluation>,
    /// By how much the left side exceeds the bound, in units of 2⁻¹⁶ times the constraint's scale.
    pub excess: i128,
}

/// The deployed program at one input.
///
/// # Units
/// 2⁻¹⁶ each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// The features, in table order.
    pub features: Vec<i32>,
    /// The heads, in the model's order; unused places are zero.
    pub heads: [i32; MAX_HEADS],
}

/// Why nothing was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The stop callback asked for an end.
    #[error("stopped before constraint {constraint} was decided, {open} regions open")]
    Stopped {
        /// The constraint at work.
        constraint: usize,
        /// Regions that were neither proven nor split.
        open: usize,
    },
    /// The box limit was reached.
    #[error("constraint {constraint} undecided after {limit} boxes, {open} regions open")]
    BoxLimit {
        /// The constraint at work.
        constraint: usize,
        /// The limit.
        limit: u64,
        /// Regions that were neither proven nor split.
        open: usize,
    },
    /// A pair claim whose signs do not decide it and for which no violation was found.
    #[error("constraint {constraint}: the weights' signs do not decide it for feature {feature}")]
    Signs {
        /// The constraint.
        constraint: usize,
        /// A raised feature whose sign is open.
        feature: usize,
    },
    /// A pair claim that the sign rule cannot express.
    #[error(
        "constraint {constraint} of a pair claim must have a bound of at least zero and no feature terms"
    )]
    PairShape {
        /// The constraint.
        constraint: usize,
    },
    /// No box is left that could be cut, yet something is unproven.
    #[error("constraint {constraint}: {open} regions cannot be cut further")]
    Exhausted {
        /// The constraint.
        constraint: usize,
        /// How many regions.
        open: usize,
    },
}

/// A claim with its verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimResult {
    /// The claim's name.
    pub name: String,
    /// What was found.
    pub verdict: Verdict,
    /// Proven fraction of the integer points of the claim's box; displays as `n/d`.
    ///
    /// One exactly where it holds. With several constraints it is a lower bound: one minus the sum of
    /// the fractions left unproven per constraint.
    pub qc: BigRational,
    /// Boxes bounded.
    pub boxes: u64,
    /// Per constraint that was not proven, in order, what is left to prove.
    pub remaining: Vec<Remaining>,
}

/// What is left of one constraint when a search ends without a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remaining {
    /// The constraint.
    pub constraint: usize,
    /// How many regions are neither proven nor split.
    pub count: usize,
    /// Those with the largest bounds, worst first; at most [`MOST_REGIONS`].
    pub regions: Vec<OpenRegion>,
    /// The point, or pair, that came closest to breaking the constraint, or broke it furthest.
    pub candidate: Option<Candidate>,
}

/// A region that is neither proven nor split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenRegion {
    /// Inclusive ends per feature, in units of 2⁻¹⁶; of the first input for a pair claim.
    pub bounds: Vec<(i32, i32)>,
    /// Inclusive ends per feature of what the second input of a pair has more, in units of 2⁻¹⁶;
    /// none for a claim about one input.
    pub changes: Option<Vec<(i32, i32)>>,
    /// Neurons whose phase is fixed in it; with any, it is the part of the box where they are so.
    pub phases: usize,
    /// An upper bound of the excess in it (see [`Counterexample::excess`]), from it or the region
    /// it was split from; `None` where nothing was bounded yet.
    pub excess: Option<i64>,
}

/// The point, or pair, with the largest excess that a search saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// One input; two (x, then x') for a pair claim.
    pub inputs: Vec<Evaluation>,
    /// By how much the left side exceeds the bound there; zero or less where it does not.
    pub excess: i128,
    /// Whether the deployed program says so.
    pub replay: Replay,
}

/// Whether a candidate was confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replay {
    /// The deployed program gives this excess at an input that belongs to the claim's region.
    Confirmed,
    /// It was not asked, gave something else, or the input does not belong to the region.
    Unconfirmed,
}

impl Replay {
    /// `confirmed` or `unconfirmed`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Unconfirmed => "unconfirmed",
        }
    }
}

/// Most regions that [`Remaining`] lists.
pub const MOST_REGIONS: usize = 16;

impl fmt::Display for ClaimResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}, QC {}", self.name, self.verdict.name(), self.qc)?;
        match &self.verdict {
            Verdict::Holds(_) => Ok(()),
            Verdict::Violated(found) => write!(
                f,
                ", constraint {} exceeded by {}",
                found.constraint, found.excess
            ),
            Verdict::Unknown(reason) => write!(f, ", {reason}"),
        }
    }
}

/// Why a claim does not fit a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProveError {
    /// The claim names a head that the model lacks.
    #[error("constraint {constraint} names the {} head, which the model lacks", head.name())]
    MissingHead {
        /// The constraint.
        constraint: usize,
        /// The head.
        head: HeadKind,
    },
    /// The claim names a head that no feature influences.
    #[error("constraint {constraint} names the {} head, which is constant in this model", head.name())]
    ConstantHead {
        /// The constraint.
        constraint: usize,
        /// The head.
        head: HeadKind,
    },
    /// The claim's region has another number of features than the model.
    #[error("the claim's region has {got} features, the model has {expected}")]
    Features {
        /// The model's inputs.
        expected: usize,
        /// The region's bounds.
        got: usize,
    },
    /// The claims are about another feature table.
    #[error("the claims are about feature table {got}, the model reads table {expected}")]
    FeatureTable {
        /// The model's table.
        expected: u16,
        /// The claims' table.
        got: u16,
    },
    /// The certificate cannot be written in this format version.
    #[error("the proof does not fit the certificate format: {0}")]
    Format(#[from] tautline_certificate_format::format::FormatError),
}
