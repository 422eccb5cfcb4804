//! `.tlc` version 1: what a certificate is, as data and as bytes.
//!
//! | size | field |
//! | --- | --- |
//! | 4 | magic `89 54 4c 43` (`\x89TLC`) |
//! | 2 | format version, 1 |
//! | 2 | flags, 0 |
//! | 32 | digest of the model |
//! | 32 | digest of the claim set's encoding |
//! | 4 + n | length and bytes of the claim set's encoding |
//! | 2 | section count |
//! | … | sections: kind (1), claim (2), payload length (4), payload |
//! | 32 | SHA-256 of everything before |
//!
//! A region-tree payload is one tree per constraint of the claim; so is a pair-tree payload, or it
//! is empty. A tree is its nodes in pre-order. A rank-grid payload is the slices of a closed-loop
//! claim ([`RankGrid`]); sections of closed-loop claims follow those of the others. All integers are
//! little-endian and encoding is canonical.

mod decode;
mod encode;
mod error;
mod grid;
mod layout;

use tautline_core::policy::Digest;

pub use decode::{NodeKind, NodeReader, Witness};
pub use error::FormatError;
pub use grid::{RankGrid, SliceError, SliceView};
pub use layout::{Layout, SectionView};

use crate::claim::ClaimSet;

/// First bytes of a certificate.
pub const MAGIC: [u8; 4] = *b"\x89TLC";
/// Version that this program reads and writes.
pub const VERSION: u16 = 1;
/// Largest file, in bytes.
pub const MAX_FILE: usize = 1 << 30;
/// Most nodes on a path from a tree's root to a leaf, without the leaf.
pub const MAX_DEPTH: usize = 512;
/// Most nodes of a tree.
pub const MAX_NODES: u64 = 1 << 24;
/// The α that stands for one: lower slopes are α/128.
pub const ALPHA_ONE: u8 = 128;

/// A certificate in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Digest of the model that it is about.
    pub model: Digest,
    /// The claims that it proves; their digest is derived.
    pub claims: ClaimSet,
    /// One section per claim, in claim order, closed-loop claims last.
    pub sections: Vec<Section>,
}

/// The proof of one claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Section {
    /// A point claim: one tree per constraint, in order.
    RegionTree {
        /// The claim, as a position in the set.
        claim: u16,
        /// The trees.
        trees: Vec<Tree>,
    },
    /// A pair claim: the sign rule without a witness, or one tree per constraint, in order.
    PairTree {
        /// The claim, as a position in the set.
        claim: u16,
        /// The trees, over pairs; none for the sign rule.
        trees: Vec<Tree>,
    },
    /// A closed-loop claim: the cells' ranks, slice by slice.
    RankGrid {
        /// The claim, as a position after the other claims of the set.
        claim: u16,
        /// The bytes of each slice, from [`Slice::encode`](crate::closed_loop::Slice::encode).
        slices: Vec<Vec<u8>>,
    },
}

/// The proof of one constraint over one region: nodes in pre-order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// The nodes; a split is followed by its left subtree, then its right one.
    pub nodes: Vec<Node>,
}

/// A step of a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// Leaf: linear relaxation of every unstable neuron.
    Relaxation {
        /// Per hidden neuron, over all hidden layers in order, the slope of the lower line in
        /// 1/128, from 0 to 128; ignored for neurons that are stable in the box.
        alpha: Vec<u8>,
        /// Fact (position in [`crate::claim::Region::facts`], strictly increasing) and its
        /// multiplier in units of 2⁻¹⁶, not zero.
        multipliers: Vec<(u8, u32)>,
        /// Per phase split on the path from the root, in that order, the multiplier of what it
        /// says about its neuron, in units of 2⁻¹⁶.
        beta: Vec<u32>,
    },
    /// Inner node: in the left child the neuron's value before its ReLU is at most 0, in the right
    /// child at least 1.
    PhaseSplit {
        /// The neuron, over all hidden layers in order.
        neuron: u16,
    },
    /// Inner node: the left child has x ≤ cut, the right child x ≥ cut + 1.
    Split {
        /// The feature.
        feature: u8,
        /// The cut, in units of 2⁻¹⁶.
        cut: i32,
    },
    /// Inner node with one child: features whose effect has one sign are fixed at their worse
    /// end; no facts hold below.
    Corner,
    /// Leaf: a fact cannot hold anywhere in the box.
    Empty {
        /// The fact.
        index: u8,
    },
    /// Leaf: interval propagation suffices.
    Interval,
}

const TAG_RELAXATION: u8 = 0;
const TAG_SPLIT: u8 = 1;
const TAG_CORNER: u8 = 2;
const TAG_EMPTY: u8 = 3;
const TAG_INTERVAL: u8 = 4;
const TAG_PHASE_SPLIT: u8 = 5;
const TAG_PHASE_RELAXATION: u8 = 6;

const SECTION_REGION_TREE: u8 = 1;
const SECTION_PAIR_TREE: u8 = 2;
const SECTION_RANK_GRID: u8 = 3;
