//! Branch and bound over boxes of pairs.
//!
//! Open boxes wait in a queue, worst bound first; a fixed number of them is bounded at a time, on
//! all cores, and the results are entered in queue order: the same model and claim give the same
//! tree on any number of threads.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use num_bigint::{BigInt, BigUint};
use num_rational::BigRational;
use rayon::prelude::*;
use tautline_certificate_format::format::{Node, Tree};

use super::attack;
use super::bound::PairBounds;
use super::cut::{Cut, halves, promising, try_cuts, widest};
use super::problem::PairProblem;
use crate::bab::Budget;
use crate::interval::Interval;
use crate::verdict::MOST_REGIONS;

/// What came of a search.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// The proof, if every box is proven.
    pub proof: Option<Tree>,
    /// The pair with the largest excess seen.
    pub candidate: Option<Candidate>,
    /// Open boxes with the largest bounds, worst first.
    pub regions: Vec<Open>,
    /// Proven fraction of the pairs of the box.
    pub fraction: BigRational,
    /// Boxes bounded.
    pub boxes: u64,
    /// Boxes neither proven nor cut.
    pub open: usize,
    /// True if the callback ended it.
    pub stopped: bool,
}

/// A pair at which the facts hold, behind its excess.
pub(crate) type Candidate = (i128, Vec<i64>);

/// Where a search stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    /// Boxes bounded.
    pub boxes: u64,
    /// Boxes open.
    pub open: usize,
    /// Proven fraction, rounded.
    pub proven: f64,
}

/// Searches one problem; `stop` sees where it stands after every batch and may end it.
pub(crate) fn search(
    problem: &PairProblem<'_>,
    budget: Budget,
    stop: &(dyn Fn(Standing) -> bool + Sync),
) -> Found {
    let root = Open {
        node: 0,
        region: problem.region.clone(),
        share: 1.0,
        excess: None,
        key: i128::MAX,
    };
    let mut search = Search {
        problem,
        nodes: vec![Entry::Open],
        queue: BinaryHeap::from([root]),
        by_size: false,
        stuck: vec![],
        boxes: 0,
        proven: 0.0,
        candidate: attack::strongest(problem),
    };
    let mut stopped = false;
    let mut left = budget.boxes;
    loop {
        if !search.by_size && search.is_violated() {
            left = left.min(budget.after_violation);
            search.order_by_size();
        }
        if search.queue.is_empty() || left == 0 {
            break;
        }
        left -= search.step(left.min(BATCH) as usize);
        let standing = Standing {
            boxes: search.boxes,
            open: search.queue.len() + search.stuck.len(),
            proven: search.proven.min(1.0),
        };
        if stop(standing) {
            stopped = true;
            break;
        }
    }
    search.finish(stopped)
}

struct Search<'p> {
    problem: &'p PairProblem<'p>,
    nodes: Vec<Entry>,
    queue: BinaryHeap<Open>,
    by_size: bool,
    stuck: Vec<Open>,
    boxes: u64,
    proven: f64,
    candidate: Option<Candidate>,
}

enum Entry {
    Open,
    Leaf(Node),
    Split { cut: Cut, left: usize },
}

/// What a box comes to.
enum Outcome {
    Proven(Node),
    Open {
        cut: Option<Cut>,
        excess: Option<i128>,
        candidate: Option<Candidate>,
    },
}

/// A box that waits.
#[derive(Clone, Debug)]
pub(crate) struct Open {
    node: usize,
    /// Its sides.
    pub region: Vec<Interval>,
    share: f64,
    /// Upper bound of the excess in it, where it or what it was cut from was bounded.
    pub excess: Option<i128>,
    /// The largest is bounded first.
    key: i128,
}

impl Search<'_> {
    fn is_violated(&self) -> bool {
        matches!(self.candidate, Some((excess, _)) if excess > 0)
    }

    /// From now on the largest box is bounded first: what is left to do is to measure.
    fn order_by_size(&mut self) {
        self.by_size = true;
        let open = std::mem::take(&mut self.queue).into_iter();
        let keyed = |open: Open| Open {
            key: size_key(open.share),
            ..open
        };
        self.queue = open.map(keyed).collect();
    }

    /// Bounds the next boxes and enters the results; returns how many.
    fn step(&mut self, count: usize) -> u64 {
        let batch: Vec<_> = (0..count).map_while(|_| self.queue.pop()).collect();
        let problem = self.problem;
        let outcomes: Vec<_> = batch
            .par_iter()
            .map_init(PairBounds::default, |bounds, open| {
                bound(problem, bounds, open)
            })
            .collect();
        let count = batch.len() as u64;
        self.boxes += count;
        for (open, outcome) in batch.into_iter().zip(outcomes) {
            self.enter(open, outcome);
        }
        count
    }

    fn enter(&mut self, mut open: Open, outcome: Outcome) {
        let (cut, order) = match outcome {
            Outcome::Proven(leaf) => {
                self.nodes[open.node] = Entry::Leaf(leaf);
                self.proven += open.share;
                return;
            }
            Outcome::Open {
                cut,
                excess,
                candidate,
            } => {
                self.see(candidate);
                let known = [open.excess, excess].into_iter().flatten().min();
                let order = excess.or(open.excess).unwrap_or(i128::MAX);
                open.excess = known;
                (cut, order)
            }
        };
        let Some(cut) = cut else {
            self.stuck.push(open);
            return;
        };
        let left = self.nodes.len();
        self.nodes.extend([Entry::Open, Entry::Open]);
        self.nodes[open.node] = Entry::Split { cut, left };
        let whole = (open.region[cut.place].width() + 1) as f64;
        for (side, region) in halves(&open.region, cut).into_iter().enumerate() {
            let share = open.share * (region[cut.place].width() + 1) as f64 / whole;
            self.queue.push(Open {
                node: left + side,
                region,
                share,
                excess: open.excess,
                key: if self.by_size { size_key(share) } else { order },
            });
        }
    }

    /// Keeps the candidate with the larger excess, the earlier one of two equals.
    fn see(&mut self, candidate: Option<Candidate>) {
        if let Some(new) = candidate
            && self.candidate.as_ref().is_none_or(|old| new.0 > old.0)
        {
            self.candidate = Some(new);
        }
    }

    fn finish(mut self, stopped: bool) -> Found {
        let open = self.queue.len() + self.stuck.len();
        let fraction = self.fraction();
        let is_proven = open == 0 && !self.is_violated();
        let (boxes, candidate) = (self.boxes, self.candidate.take());
        let regions = self.waiting();
        Found {
            proof: if is_proven { self.into_proof() } else { None },
            candidate,
            regions,
            fraction,
            boxes,
            open,
            stopped,
        }
    }

    /// The open boxes with the largest bounds.
    fn waiting(&mut self) -> Vec<Open> {
        let mut open = std::mem::take(&mut self.stuck);
        open.extend(std::mem::take(&mut self.queue));
        let bound = |open: &Open| open.excess.unwrap_or(i128::MAX);
        open.sort_by(|a, b| bound(b).cmp(&bound(a)).then(a.node.cmp(&b.node)));
        open.truncate(MOST_REGIONS);
        open
    }

    fn into_proof(self) -> Option<Tree> {
        let mut nodes = Vec::with_capacity(self.nodes.len());
        let mut pending = vec![0];
        while let Some(number) = pending.pop() {
            match &self.nodes[number] {
                Entry::Open => return None,
                Entry::Leaf(leaf) => nodes.push(leaf.clone()),
                Entry::Split { cut, left } => {
                    nodes.push(Node::Split {
                        feature: cut.place as u8,
                        cut: cut.at as i32,
                    });
                    pending.extend([left + 1, *left]);
                }
            }
        }
        Some(Tree { nodes })
    }

    /// Closed leaves' share of the box's integer points, exactly.
    fn fraction(&self) -> BigRational {
        let mut proven = BigUint::default();
        let mut pending = vec![(0, self.problem.region.clone())];
        while let Some((number, region)) = pending.pop() {
            match &self.nodes[number] {
                Entry::Open => {}
                Entry::Leaf(_) => proven += points(&region),
                Entry::Split { cut, left } => {
                    let [first, second] = halves(&region, *cut);
                    pending.extend([(left + 1, second), (*left, first)]);
                }
            }
        }
        let whole = points(&self.problem.region);
        BigRational::new(BigInt::from(proven), BigInt::from(whole))
    }
}

fn bound(problem: &PairProblem<'_>, bounds: &mut PairBounds, open: &Open) -> Outcome {
    let region = &open.region;
    if let Some(index) = problem.facts.iter().position(|fact| fact.excludes(region)) {
        return Outcome::Proven(Node::Empty { index: index as u8 });
    }
    let Some(excess) = bounds.excess(problem, region) else {
        return Outcome::Open {
            cut: widest(region),
            excess: None,
            candidate: None,
        };
    };
    if excess <= 0 {
        let chosen = bounds.chosen.iter();
        return Outcome::Proven(Node::Relaxation {
            alpha: vec![],
            multipliers: chosen.map(|&(fact, weight)| (fact as u8, weight)).collect(),
            beta: vec![],
        });
    }
    let candidate = attack::near(problem, region, &bounds.slopes);
    let places = promising(problem, bounds, region);
    Outcome::Open {
        cut: try_cuts(problem, bounds, region, &places).or_else(|| widest(region)),
        excess: Some(excess),
        candidate,
    }
}

/// Shares in their order, as integers.
fn size_key(share: f64) -> i128 {
    // Positive floats are ordered as their bits are.
    i128::from(share.to_bits())
}

fn points(region: &[Interval]) -> BigUint {
    let sizes = region
        .iter()
        .map(|bounds| BigUint::from(bounds.width().unsigned_abs() + 1));
    sizes.product()
}

impl Ord for Open {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key).then(other.node.cmp(&self.node))
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
const BATCH: u64 = 64;
