//! The tree of regions while it grows, and the proof or fraction read off it.

use num_bigint::{BigInt, BigUint};
use num_rational::BigRational;
use tautline_certificate_format::format::{Node, Tree};

use super::branching::Cut;
use crate::interval::Interval;

/// A growing tree; node 0 is the root.
#[derive(Clone, Debug)]
pub(super) struct RegionTree {
    nodes: Vec<Entry>,
}

#[derive(Clone, Debug)]
enum Entry {
    Open,
    Leaf(Node),
    CornerLeaf(Node),
    Split { cut: Cut, left: usize },
}

impl RegionTree {
    /// One open root.
    pub(super) fn new() -> Self {
        Self {
            nodes: vec![Entry::Open],
        }
    }

    /// Closes an open node.
    pub(super) fn close(&mut self, node: usize, leaf: Node) {
        self.nodes[node] = Entry::Leaf(leaf);
    }

    /// Closes an open node by a leaf at its corner.
    pub(super) fn close_at_corner(&mut self, node: usize, leaf: Node) {
        self.nodes[node] = Entry::CornerLeaf(leaf);
    }

    /// Cuts an open node; its children are the returned number and the next one.
    pub(super) fn split(&mut self, node: usize, cut: Cut) -> usize {
        let left = self.nodes.len();
        self.nodes.extend([Entry::Open, Entry::Open]);
        self.nodes[node] = Entry::Split { cut, left };
        left
    }

    /// The proof in pre-order, if no node is open.
    pub(super) fn into_proof(self) -> Option<Tree> {
        let mut nodes = Vec::with_capacity(self.nodes.len());
        let mut pending = vec![0];
        while let Some(number) = pending.pop() {
            match &self.nodes[number] {
                Entry::Open => return None,
                Entry::Leaf(leaf) => nodes.push(leaf.clone()),
                Entry::CornerLeaf(leaf) => nodes.extend([Node::Corner, leaf.clone()]),
                Entry::Split { cut, left } => {
                    nodes.push(Node::Split {
                        feature: cut.feature as u8,
                        cut: cut.cut as i32,
                    });
                    pending.extend([left + 1, *left]);
                }
            }
        }
        Some(Tree { nodes })
    }

    /// Closed leaves' share of the root box's integer points, exactly.
    pub(super) fn proven_fraction(&self, root: &[Interval]) -> BigRational {
        let mut proven = BigUint::default();
        let mut pending = vec![(0, root.to_vec())];
        while let Some((number, region)) = pending.pop() {
            match &self.nodes[number] {
                Entry::Open => {}
                Entry::Leaf(_) | Entry::CornerLeaf(_) => proven += points(&region),
                Entry::Split { cut, left } => {
                    let (first, second) = halves(&region, *cut);
                    pending.extend([(left + 1, second), (*left, first)]);
                }
            }
        }
        BigRational::new(BigInt::from(proven), BigInt::from(points(root)))
    }
}

/// Both sides of a cut.
pub(super) fn halves(region: &[Interval], cut: Cut) -> (Vec<Interval>, Vec<Interval>) {
    let (mut left, mut right) = (region.to_vec(), region.to_vec());
    left[cut.feature].high = cut.cut;
    right[cut.feature].low = cut.cut + 1;
    (left, right)
}

fn points(region: &[Interval]) -> BigUint {
    let sizes = region
        .iter()
        .map(|bounds| BigUint::from(bounds.width().unsigned_abs() + 1));
    sizes.product()
}
