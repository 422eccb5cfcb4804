//! Branch and bound over the input box and the phases of neurons.
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
use crate::linear_bounds::Duals;
use crate::objective::Halfspace;
use crate::phase::{self, Phase};
use crate::problem::Problem;
use crate::search;
use crate::verdict::MOST_REGIONS;
use bound::{Bounder, Opened, Outcome};
use branching::Branch;
use tree::RegionTree;

pub use branching::Branching;

/// What to stop at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Prove or refute; a violation ends the search after [`Budget::after_violation`] more boxes.
    Decide(Branching),
    /// Cover as much as the budget allows, largest boxes first: one bound per box, no phases. What
    /// training reads; its results are pinned to the last bit.
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
    /// Open regions with the largest bounds, worst first.
    pub regions: Vec<Waiting>,
    /// The point of the region with the largest excess seen, where [`Goal::Decide`] looked.
    pub candidate: Option<(i128, Vec<i64>)>,
}

/// A region that was neither proven nor split.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiting {
    /// Its box.
    pub region: Vec<Interval>,
    /// Neurons whose phase is fixed in it.
    pub phases: usize,
    /// Upper bound of the excess in it; infinite where nothing was bounded yet.
    pub excess: f64,
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
    let decides = goal != Goal::Measure;
    if decides {
        search.candidate = search::candidate(problem);
    }
    let mut left = budget.boxes;
    let end = loop {
        if search.is_violated() && decides {
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
    goal: Goal,
    tree: RegionTree,
    queue: BinaryHeap<Open>,
    by_size: bool,
    stuck: Vec<Open>,
    boxes: u64,
    boxes_after_violation: u64,
    proven: f64,
    candidate: Option<(i128, Vec<i64>)>,
}

impl<'p> Search<'p> {
    fn new(problem: &'p Problem<'p>, goal: Goal) -> Self {
        let root = Open {
            node: 0,
            part: Part {
                region: problem.region.clone(),
                phases: vec![],
                side: Side::Region,
                duals: Duals::default(),
            },
            share: 1.0,
            key: f64::INFINITY,
            excess: f64::INFINITY,
        };
        Self {
            problem,
            goal,
            tree: RegionTree::new(),
            queue: BinaryHeap::from([root]),
            by_size: goal == Goal::Measure,
            stuck: vec![],
            boxes: 0,
            boxes_after_violation: 0,
            proven: 0.0,
            candidate: None,
        }
    }

    fn is_violated(&self) -> bool {
        matches!(self.candidate, Some((excess, _)) if excess > 0)
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
        let (problem, goal) = (self.problem, self.goal);
        let bounds = |bounder: &mut Bounder, open: &Open| bounder.bound(problem, &open.part, goal);
        let outcomes: Vec<_> = batch
            .par_iter()
            .with_min_len(CHUNK)
            .map_init(Bounder::default, bounds)
            .collect();
        let count = batch.len() as u64;
        self.boxes += count;
        if self.is_violated() {
            self.boxes_after_violation += count;
        }
        for (open, outcome) in batch.into_iter().zip(outcomes) {
            self.enter(open, outcome);
        }
        count
    }

    fn enter(&mut self, open: Open, outcome: Outcome) {
        match outcome {
            Outcome::Proven(leaf) => {
                self.tree.close(open.node, leaf);
                self.proven += open.share;
            }
            Outcome::ProvenAtCorner(leaf) => {
                self.tree.close_at_corner(open.node, leaf);
                self.proven += open.share;
            }
            Outcome::Open(mut opened) => {
                self.see(opened.candidate.take());
                self.split(open, opened);
            }
        }
    }

    /// Keeps the candidate with the larger excess, the earlier one of two equals.
    fn see(&mut self, candidate: Option<(i128, Vec<i64>)>) {
        if let Some(new) = candidate
            && self.candidate.as_ref().is_none_or(|old| new.0 > old.0)
        {
            self.candidate = Some(new);
        }
    }

    fn split(&mut self, mut open: Open, opened: Opened) {
        open.excess = open.excess.min(opened.excess);
        let Some(branch) = opened.branch else {
            self.stuck.push(open);
            return;
        };
        if let Some(corner) = opened.corner {
            open.node = self.tree.move_to_corner(open.node, corner.clone());
            open.part.region = corner;
            open.part.side = Side::Corner;
        }
        open.part.duals = opened.duals;
        match branch {
            Branch::Input(cut) => {
                let left = self.tree.split(open.node, cut);
                let (first, second) = tree::halves(&open.part.region, cut);
                let whole = open.part.region[cut.feature].width() + 1;
                for (node, region) in [(left, first), (left + 1, second)] {
                    let part = (region[cut.feature].width() + 1) as f64 / whole as f64;
                    let child = Part {
                        region,
                        ..open.part.clone()
                    };
                    self.wait(node, child, open.share * part, open.excess, opened.excess);
                }
            }
            Branch::Phase { layer, neuron } => {
                let sides = [phase::Side::Inactive, phase::Side::Active].map(|side| Phase {
                    layer,
                    neuron,
                    side,
                });
                let place = sides[0].place(self.problem.network);
                let left = self.tree.split_phase(open.node, place);
                for (node, phase) in [left, left + 1].into_iter().zip(sides) {
                    let mut child = open.part.clone();
                    child.phases.push(phase);
                    // Nobody knows how many points have a phase.
                    self.wait(node, child, open.share / 2.0, open.excess, opened.excess);
                }
            }
        }
    }

    fn wait(&mut self, node: usize, part: Part, share: f64, excess: f64, order: f64) {
        self.queue.push(Open {
            node,
            part,
            share,
            key: if self.by_size { share } else { order },
            excess,
        });
    }

    fn status(&self) -> Status {
        Status {
            boxes: self.boxes,
            open: self.queue.len() + self.stuck.len(),
            proven: self.proven.min(1.0),
        }
    }

    fn finish(mut self, end: Option<End>) -> Found {
        let status = self.status();
        let fraction = self.tree.proven_fraction(&self.problem.region);
        let is_violated = self.is_violated();
        let point = self.candidate.as_ref().map(|(_, point)| point.clone());
        let unproven = match (end, point) {
            (_, Some(point)) if is_violated => Some(End::Violated(point)),
            (Some(end), _) if status.open > 0 => Some(end),
            (None, _) if !self.queue.is_empty() => Some(End::BoxLimit),
            _ => None,
        };
        let regions = self.waiting();
        let end = match unproven {
            Some(end) => end,
            None => self.tree.into_proof().map_or(End::Exhausted, End::Proven),
        };
        Found {
            end,
            fraction,
            status,
            regions,
            candidate: self.candidate,
        }
    }

    /// The open regions with the largest bounds.
    fn waiting(&mut self) -> Vec<Waiting> {
        let mut open: Vec<_> = std::mem::take(&mut self.stuck);
        open.extend(std::mem::take(&mut self.queue));
        open.sort_by(|a, b| b.excess.total_cmp(&a.excess).then(a.node.cmp(&b.node)));
        open.truncate(MOST_REGIONS);
        let waiting = |open: Open| Waiting {
            region: open.part.region,
            phases: open.part.phases.len(),
            excess: open.excess,
        };
        open.into_iter().map(waiting).collect()
    }
}

/// A part of the region.
#[derive(Clone, Debug)]
struct Part {
    region: Vec<Interval>,
    phases: Vec<Phase>,
    side: Side,
    /// Found for what it was split from.
    duals: Duals,
}

impl Part {
    /// What holds in it beside the box.
    fn facts<'p>(&self, problem: &'p Problem<'_>) -> &'p [Halfspace] {
        match self.side {
            Side::Region => &problem.facts,
            Side::Corner => &[],
        }
    }
}

/// What a part is a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    /// The claim's region.
    Region,
    /// The corner of a box of it, where facts need not hold.
    Corner,
}

/// A part that waits.
#[derive(Clone, Debug)]
struct Open {
    node: usize,
    part: Part,
    share: f64,
    key: f64,
    excess: f64,
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
