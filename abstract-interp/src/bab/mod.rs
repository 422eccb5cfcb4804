//! Branch and bound over the input box.
//!
//! Open boxes wait in a queue, worst bound first; a fixed number of them is bounded at a time, on
//! all cores, and the results are entered in queue order. So the same model and claim give the same
//! tree on any number of threads.

mod bound;
mod branching;
mod tree;

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use num_rational::BigRational;
use rayon::prelude::*;
use tautline_certificate_format::format::Tree;

use crate::interval::Interval;
use crate::problem::Problem;
use crate::search;
use bound::{Bounder, Outcome};
use tree::RegionTree;

/// What to stop at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Prove or refute; a violation ends the search after [`Budget::after_violation`] more boxes.
    Decide,
    /// Cover as much as the budget allows, largest boxes first.
    Measure,
}

/// How much work one constraint may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Boxes bounded.
    pub boxes: u64,
    /// Boxes bounded after a violation is known, to measure the proven fraction.
    pub after_violation: u64,
}

/// Where a search stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Status {
    /// Boxes bounded.
    pub boxes: u64,
    /// Regions open.
    pub open: usize,
    /// Proven fraction of the box, rounded.
    pub proven: f64,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// How it ended.
    pub end: End,
    /// Proven fraction of the integer points of the box.
    pub fraction: BigRational,
    /// Where it stood then.
    pub status: Status,
}

/// How a search ended.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// Every box is proven.
    Proven(Tree),
    /// Some point breaks the constraint.
    Violated(Vec<i64>),
    /// The callback asked for it.
    Stopped,
    /// The budget is used up.
    BoxLimit,
    /// What is open cannot be cut.
    Exhausted,
}

/// Searches one problem. `watch` sees the status after every batch and says whether to go on.
pub fn search(
    problem: &Problem<'_>,
    budget: Budget,
    goal: Goal,
    watch: &(dyn Fn(Status) -> Flow + Sync),
) -> Found {
    let mut search = Search::new(problem, goal);
    if goal == Goal::Decide {
        search.violation = search::violation(problem);
    }
    let mut left = budget.boxes;
    let end = loop {
        if search.violation.is_some() && goal == Goal::Decide {
            left = left.min(
                budget
                    .after_violation
                    .saturating_sub(search.boxes_after_violation),
            );
            search.order_by_size();
        }
        if search.queue.is_empty() || left == 0 {
            break None;
        }
        let bounded = search.step(left.min(BATCH as u64) as usize);
        left -= bounded;
        if watch(search.status()) == Flow::Stop {
            break Some(End::Stopped);
        }
    };
    search.finish(end)
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// End now with what there is.
    Stop,
}

struct Search<'p> {
    problem: &'p Problem<'p>,
    tree: RegionTree,
    queue: BinaryHeap<Open>,
    by_size: bool,
    stuck: usize,
    boxes: u64,
    boxes_after_violation: u64,
    proven: f64,
    violation: Option<Vec<i64>>,
}

impl<'p> Search<'p> {
    fn new(problem: &'p Problem<'p>, goal: Goal) -> Self {
        let root = Open {
            node: 0,
            region: problem.region.clone(),
            share: 1.0,
            key: f64::INFINITY,
        };
        Self {
            problem,
            tree: RegionTree::new(),
            queue: BinaryHeap::from([root]),
            by_size: goal == Goal::Measure,
            stuck: 0,
            boxes: 0,
            boxes_after_violation: 0,
            proven: 0.0,
            violation: None,
        }
    }

    fn order_by_size(&mut self) {
        if self.by_size {
            return;
        }
        self.by_size = true;
        let open = std::mem::take(&mut self.queue).into_iter();
        self.queue = open
            .map(|open| Open {
                key: open.share,
                ..open
            })
            .collect();
    }

    /// Bounds the next boxes and enters the results; returns how many.
    fn step(&mut self, count: usize) -> u64 {
        let batch: Vec<_> = (0..count).map_while(|_| self.queue.pop()).collect();
        let problem = self.problem;
        let bounds = |bounder: &mut Bounder, open: &Open| bounder.bound(problem, &open.region);
        let outcomes: Vec<_> = batch
            .par_iter()
            .with_min_len(CHUNK)
            .map_init(Bounder::default, bounds)
            .collect();
        self.boxes += batch.len() as u64;
        if self.violation.is_some() {
            self.boxes_after_violation += batch.len() as u64;
        }
        for (open, outcome) in batch.iter().zip(outcomes) {
            self.enter(open, outcome);
        }
        batch.len() as u64
    }

    fn enter(&mut self, open: &Open, outcome: Outcome) {
        match outcome {
            Outcome::Proven(leaf) => {
                self.tree.close(open.node, leaf);
                self.proven += open.share;
            }
            Outcome::ProvenAtCorner(leaf) => {
                self.tree.close_at_corner(open.node, leaf);
                self.proven += open.share;
            }
            Outcome::Open {
                cut,
                excess,
                violation,
            } => {
                self.violation = self.violation.take().or(violation);
                let Some(cut) = cut else {
                    self.stuck += 1;
                    return;
                };
                let left = self.tree.split(open.node, cut);
                let (first, second) = tree::halves(&open.region, cut);
                let whole = open.region[cut.feature].width() + 1;
                for (node, region) in [(left, first), (left + 1, second)] {
                    let part = (region[cut.feature].width() + 1) as f64 / whole as f64;
                    let share = open.share * part;
                    let key = if self.by_size { share } else { excess };
                    self.queue.push(Open {
                        node,
                        region,
                        share,
                        key,
                    });
                }
            }
        }
    }

    fn status(&self) -> Status {
        Status {
            boxes: self.boxes,
            open: self.queue.len() + self.stuck,
            proven: self.proven.min(1.0),
        }
    }

    fn finish(self, end: Option<End>) -> Found {
        let status = self.status();
        let fraction = self.tree.proven_fraction(&self.problem.region);
        let unproven = match (end, self.violation) {
            (_, Some(point)) => Some(End::Violated(point)),
            (Some(end), None) if status.open > 0 => Some(end),
            (None, None) if !self.queue.is_empty() => Some(End::BoxLimit),
            _ => None,
        };
        let end = match unproven {
            Some(end) => end,
            None => self.tree.into_proof().map_or(End::Exhausted, End::Proven),
        };
        Found {
            end,
            fraction,
            status,
        }
    }
}

/// A box that waits.
#[derive(Clone, Debug)]
struct Open {
    node: usize,
    region: Vec<Interval>,
    share: f64,
    key: f64,
}

impl Ord for Open {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key
            .total_cmp(&other.key)
            .then(other.node.cmp(&self.node))
    }
}

impl PartialOrd for Open {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Open {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Open {}

/// Boxes bounded at a time; part of what makes the tree the same on every machine.
const BATCH: usize = 64;
/// Fewest boxes worth handing to another core.
const CHUNK: usize = 8;
