//! Open regions, and what is known about how much of a box is proven.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;

use num_bigint::BigInt;
use num_rational::BigRational;

use crate::float::bound::{Hidden, Phase};
use crate::float::range::Range;

/// A region that is not proven yet.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Position of its case.
    pub(crate) query: usize,
    pub(crate) input: Vec<Range>,
    pub(crate) phases: Vec<Phase>,
    /// Conjunctions that are not excluded.
    pub(crate) open: Vec<u32>,
    /// Input splits above it, up to the first phase split.
    pub(crate) depth: u32,
    /// Set below a phase split.
    pub(crate) group: Option<usize>,
    /// Bounds of the parent's neurons.
    pub(crate) known: Option<Arc<Hidden>>,
    /// The smaller, the more likely unsafe.
    pub(crate) priority: f64,
    /// Order of creation.
    pub(crate) number: u64,
}

/// Open regions: the least safe first, and depth first once there are many.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    heap: BinaryHeap<Ordered>,
    /// Taken before the heap; filled only while the heap is full.
    stack: Vec<Node>,
    created: u64,
}

#[derive(Debug)]
struct Ordered(Node);

impl Queue {
    pub(crate) fn push(&mut self, mut node: Node) {
        node.number = self.created;
        self.created += 1;
        if self.heap.len() < LARGEST_HEAP {
            self.heap.push(Ordered(node));
        } else {
            self.stack.push(node);
        }
    }

    /// Gives a region back that was taken but not worked on.
    pub(crate) fn restore(&mut self, node: Node) {
        self.heap.push(Ordered(node));
    }

    pub(crate) fn take(&mut self, count: usize) -> Vec<Node> {
        let mut nodes = vec![];
        while nodes.len() < count {
            let next = self.stack.pop();
            let Some(node) = next.or_else(|| self.heap.pop().map(|ordered| ordered.0)) else {
                break;
            };
            nodes.push(node);
        }
        nodes
    }

    pub(crate) fn len(&self) -> usize {
        self.heap.len() + self.stack.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Node> {
        let heap = self.heap.iter().map(|ordered| &ordered.0);
        heap.chain(&self.stack)
    }
}

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_priority = other.0.priority.total_cmp(&self.0.priority);
        by_priority.then(other.0.number.cmp(&self.0.number))
    }
}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ordered {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ordered {}

/// What of one case's box is proven, exactly.
///
/// Every side of an input split has half of the fraction of what was split. A phase split halves
/// nothing: its region counts once all below it is proven.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    /// Proven regions per depth.
    proven: Vec<u64>,
    /// Regions that were split by phases: their depth, and how many below them are open.
    groups: Vec<(u32, u64)>,
}

impl Ledger {
    /// A region of a group or of a depth is proven.
    pub(crate) fn close(&mut self, node: &Node) {
        match node.group {
            None => self.credit(node.depth),
            Some(group) => {
                self.groups[group].1 -= 1;
                if self.groups[group].1 == 0 {
                    self.credit(self.groups[group].0);
                }
            }
        }
    }

    /// A region becomes two; gives the depth and group of both.
    pub(crate) fn split(&mut self, node: &Node, kind: SplitKind) -> (u32, Option<usize>) {
        match (node.group, kind) {
            (Some(group), _) => {
                self.groups[group].1 += 1;
                (node.depth, node.group)
            }
            (None, SplitKind::Input) => (node.depth + 1, None),
            (None, SplitKind::Phase) => {
                self.groups.push((node.depth, 2));
                (node.depth, Some(self.groups.len() - 1))
            }
        }
    }

    /// The proven fraction.
    pub(crate) fn proven(&self) -> BigRational {
        let zero = BigRational::from_integer(BigInt::ZERO);
        let terms = self.proven.iter().enumerate();
        terms.fold(zero, |sum, (depth, &count)| {
            sum + BigRational::from_integer(BigInt::from(count)) * share(depth as u32)
        })
    }

    /// The proven fraction, rounded.
    pub(crate) fn proven_rounded(&self) -> f64 {
        let terms = self.proven.iter().enumerate();
        terms.fold(0.0, |sum, (depth, &count)| {
            sum + count as f64 * 0.5f64.powi(depth as i32)
        })
    }

    fn credit(&mut self, depth: u32) {
        let depth = depth as usize;
        if self.proven.len() <= depth {
            self.proven.resize(depth + 1, 0);
        }
        self.proven[depth] += 1;
    }
}

/// What a region is split by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SplitKind {
    Input,
    Phase,
}

/// 2^−depth.
pub(crate) fn share(depth: u32) -> BigRational {
    BigRational::new(BigInt::from(1), BigInt::from(1) << depth)
}

/// Open regions kept in order of their bounds; about 100 MB with the neurons' bounds.
const LARGEST_HEAP: usize = 1 << 15;

#[cfg(test)]
mod tests {
    use super::*;

    fn node(depth: u32, group: Option<usize>, priority: f64) -> Node {
        Node {
            query: 0,
            input: vec![],
            phases: vec![],
            open: vec![],
            depth,
            group,
            known: None,
            priority,
            number: 0,
        }
    }

    #[test]
    fn a_region_below_a_phase_split_counts_once_all_of_it_is_closed() {
        let mut ledger = Ledger::default();
        let root = node(0, None, 0.0);
        let (depth, group) = ledger.split(&root, SplitKind::Input);
        assert_eq!((depth, group), (1, None));
        ledger.close(&node(depth, group, 0.0));
        assert_eq!(ledger.proven(), share(1));
        let (depth, group) = ledger.split(&node(1, None, 0.0), SplitKind::Phase);
        let side = node(depth, group, 0.0);
        assert_eq!(ledger.split(&side, SplitKind::Input), (1, group));
        ledger.close(&side);
        ledger.close(&side);
        assert_eq!(ledger.proven(), share(1));
        ledger.close(&side);
        assert_eq!(ledger.proven(), share(0));
    }

    #[test]
    fn the_least_safe_region_comes_first_and_the_older_of_equals() {
        let mut queue = Queue::default();
        for priority in [0.5, -1.0, f64::NEG_INFINITY, -1.0] {
            queue.push(node(0, None, priority));
        }
        let order: Vec<u64> = queue.take(9).iter().map(|node| node.number).collect();
        assert_eq!(order, [2, 1, 3, 0]);
        assert_eq!(queue.len(), 0);
    }
}
