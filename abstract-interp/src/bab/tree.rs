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
    Split {
        cut: Cut,
        left: usize,
    },
    /// The neuron's place over all hidden layers.
    PhaseSplit {
        neuron: usize,
        left: usize,
    },
    /// What follows is about the corner, which is this box.
    Corner {
        reduced: Vec<Interval>,
        below: usize,
    },
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
        let left = self.pair();
        self.nodes[node] = Entry::Split { cut, left };
        left
    }

    /// Splits an open node at zero of a neuron; the children are as for [`Self::split`].
    pub(super) fn split_phase(&mut self, node: usize, neuron: usize) -> usize {
        let left = self.pair();
        self.nodes[node] = Entry::PhaseSplit { neuron, left };
        left
    }

    /// Moves an open node to its corner; the open node there is returned.
    pub(super) fn move_to_corner(&mut self, node: usize, reduced: Vec<Interval>) -> usize {
        let below = self.nodes.len();
        self.nodes.push(Entry::Open);
        self.nodes[node] = Entry::Corner { reduced, below };
        below
    }

    fn pair(&mut self) -> usize {
        let left = self.nodes.len();
        self.nodes.extend([Entry::Open, Entry::Open]);
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
                Entry::PhaseSplit { neuron, left } => {
                    nodes.push(Node::PhaseSplit {
                        neuron: *neuron as u16,
                    });
                    pending.extend([left + 1, *left]);
                }
                Entry::Corner { below, .. } => {
                    nodes.push(Node::Corner);
                    pending.push(*below);
                }
            }
        }
        Some(Tree { nodes })
    }

    /// A lower bound of the proven share of the root box's integer points, exactly; the share itself
    /// where nothing below a phase split is open.
    pub(super) fn proven_fraction(&self, root: &[Interval]) -> BigRational {
        let proven = self.proven_points(0, root);
        BigRational::new(BigInt::from(proven), BigInt::from(points(root)))
    }

    fn proven_points(&self, number: usize, region: &[Interval]) -> BigUint {
        match &self.nodes[number] {
            Entry::Open => BigUint::default(),
            Entry::Leaf(_) | Entry::CornerLeaf(_) => points(region),
            Entry::Split { cut, left } => {
                let (first, second) = halves(region, *cut);
                self.proven_points(*left, &first) + self.proven_points(left + 1, &second)
            }
            Entry::PhaseSplit { left, .. } => {
                // A point counts where it is proven for both phases: whichever it has, it is safe.
                let both = self.proven_points(*left, region) + self.proven_points(left + 1, region);
                let all = points(region);
                if both > all {
                    both - all
                } else {
                    BigUint::default()
                }
            }
            Entry::Corner { reduced, below } => {
                // What is proven for the free features is proven for every value of the others.
                let proven = self.proven_points(*below, reduced);
                proven * points(region) / points(reduced)
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn ratio(numerator: i32, denominator: i32) -> BigRational {
        BigRational::new(BigInt::from(numerator), BigInt::from(denominator))
    }

    #[test]
    fn below_a_phase_split_points_count_where_both_phases_are_proven() {
        let side = |high| Interval { low: 0, high };
        let root = [side(9), side(3)];
        let mut tree = RegionTree::new();
        // At the corner only the first feature is left: what is proven there counts for all values
        // of the second one.
        let node = tree.move_to_corner(0, vec![side(9), Interval::point(3)]);
        let left = tree.split_phase(node, 4);
        assert_eq!(tree.proven_fraction(&root), ratio(0, 1));
        tree.close(left, Node::Interval);
        assert_eq!(tree.proven_fraction(&root), ratio(0, 1));
        let cut = Cut { feature: 0, cut: 2 };
        let part = tree.split(left + 1, cut);
        tree.close(part + 1, Node::Interval);
        assert_eq!(tree.proven_fraction(&root), ratio(7, 10));
        assert_eq!(tree.clone().into_proof(), None);
        tree.close(part, Node::Interval);
        assert_eq!(tree.proven_fraction(&root), ratio(1, 1));
        let nodes = tree.into_proof().unwrap().nodes;
        let split = Node::Split { feature: 0, cut: 2 };
        let phase = Node::PhaseSplit { neuron: 4 };
        let leaf = || Node::Interval;
        assert_eq!(nodes, [Node::Corner, phase, leaf(), split, leaf(), leaf()]);
    }
}
