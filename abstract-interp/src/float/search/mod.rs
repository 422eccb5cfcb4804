//! Branch and bound over regions of inputs and phases of neurons.

mod branching;
mod clip;
pub(crate) mod evaluator;
pub(crate) mod query;
mod queue;
mod step;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use crate::float::attack::{Plan, Point, Target, start};
use crate::float::bound::Bounder;
use crate::float::network::FloatNetwork;
use crate::float::property::Property;
use crate::float::range::Range;
use crate::float::replay::replay;
use crate::float::verdict::{Candidate, CaseStatus, Counterexample, OpenRegion, Reason, Verdict};
use crate::float::verify::{Options, Progress, Watch};

use evaluator::Evaluator;
use query::Query;
use queue::{Ledger, Node, Queue, share};
use step::{Step, Worker, Zeal};

/// A search under way.
pub(crate) struct Search<'s> {
    network: &'s FloatNetwork,
    property: &'s Property,
    queries: Vec<Query>,
    options: &'s Options,
    watch: Watch<'s>,
    queue: Queue,
    ledgers: Vec<Ledger>,
    /// Single inputs that are neither unsafe nor proven.
    stuck: Vec<Node>,
    best: Option<Candidate>,
    boxes: u64,
}

/// Threads borrow a worker each; which one makes no difference to what they find.
struct Workers<'s> {
    network: &'s FloatNetwork,
    idle: Mutex<Vec<Worker>>,
}

impl<'s> Search<'s> {
    pub(crate) fn new(
        network: &'s FloatNetwork,
        property: &'s Property,
        queries: Vec<Query>,
        options: &'s Options,
        watch: Watch<'s>,
    ) -> Self {
        let mut queue = Queue::default();
        for (number, query) in queries.iter().enumerate() {
            queue.push(Node {
                query: number,
                input: whole(query),
                phases: vec![],
                open: (0..query.conjunctions.len() as u32).collect(),
                depth: 0,
                group: None,
                known: None,
                priority: f64::NEG_INFINITY,
                number: 0,
            });
        }
        Self {
            network,
            property,
            ledgers: vec![Ledger::default(); queries.len()],
            queries,
            options,
            watch,
            queue,
            stuck: vec![],
            best: None,
            boxes: 0,
        }
    }

    /// Runs to a verdict, or until there is a reason to stop.
    pub(crate) fn run(&mut self) -> Verdict {
        let workers = Workers {
            network: self.network,
            idle: Mutex::new(vec![]),
        };
        // Easy proofs come before the attack: most boxes need no more than one bound.
        let first = self.batch(&workers, Zeal::Bound);
        if let Some(verdict) = first.or_else(|| self.attack(&workers)) {
            return verdict;
        }
        loop {
            if self.queue.len() == 0 {
                return if self.stuck.is_empty() {
                    Verdict::Holds
                } else {
                    Verdict::Unknown(Reason::Rounding)
                };
            }
            if (self.watch.stop)() {
                return Verdict::Unknown(Reason::Stopped);
            }
            if self.boxes >= self.options.max_boxes {
                return Verdict::Unknown(Reason::Boxes);
            }
            if let Some(verdict) = self.batch(&workers, Zeal::Descend) {
                return verdict;
            }
        }
    }

    pub(crate) const fn boxes(&self) -> u64 {
        self.boxes
    }

    pub(crate) fn best(&mut self) -> Option<Candidate> {
        self.best.take()
    }

    /// How far every case came.
    pub(crate) fn cases(&self) -> Vec<CaseStatus> {
        (0..self.queries.len())
            .map(|query| {
                let nodes = self.queue.iter().chain(&self.stuck);
                let mut nodes: Vec<&Node> = nodes.filter(|node| node.query == query).collect();
                nodes.sort_by_key(|node| (node.depth, node.phases.len(), node.number));
                let largest = nodes.iter().take(CaseStatus::LARGEST).map(|node| OpenRegion {
                    fraction: share(node.depth),
                    input: node
                        .input
                        .iter()
                        .map(|range| (range.low as f32, range.high as f32))
                        .collect(),
                });
                CaseStatus {
                    proven: self.ledgers[query].proven(),
                    remaining: nodes.len(),
                    largest: largest.collect(),
                }
            })
            .collect()
    }

    /// Descends from many points of every open case, in waves of as many starts as make sense.
    fn attack(&mut self, workers: &Workers<'_>) -> Option<Verdict> {
        let targets: Vec<(usize, u32)> = self
            .queue
            .iter()
            .flat_map(|node| node.open.iter().map(|&open| (node.query, open)))
            .collect();
        let plan = self.options.attack;
        for wave in 0..plan.starts.div_ceil(WAVE) {
            let jobs: Vec<(usize, u32, u32)> = targets
                .iter()
                .flat_map(|&(query, open)| {
                    let numbers = wave * WAVE..plan.starts.min((wave + 1) * WAVE);
                    numbers.map(move |number| (query, open, number))
                })
                .collect();
            let stopped = AtomicBool::new(false);
            let points: Vec<Option<Point>> = jobs
                .par_iter()
                .map(|&(query, open, number)| {
                    if stopped.load(Ordering::Relaxed) || (self.watch.stop)() {
                        stopped.store(true, Ordering::Relaxed);
                        return None;
                    }
                    let target = Target {
                        query: &self.queries[query],
                        conjunction: open as usize,
                        low: &self.queries[query].low,
                        high: &self.queries[query].high,
                    };
                    let seed = self.options.seed ^ (query as u64 * 31 + u64::from(open) + 1);
                    let start = start(target.low, target.high, seed, number);
                    let plan = Plan::numbered(number, plan.steps);
                    Some(workers.with(|worker| worker.evaluator.descend(target, start, plan)))
                })
                .collect();
            for (&(query, ..), point) in jobs.iter().zip(points) {
                let Some(point) = point else {
                    return Some(Verdict::Unknown(Reason::Stopped));
                };
                if let Some(verdict) = self.consider(query, point) {
                    return Some(verdict);
                }
            }
        }
        None
    }

    /// Bounds the least safe regions, in parallel, and works their results in, in order.
    fn batch(&mut self, workers: &Workers<'_>, zeal: Zeal) -> Option<Verdict> {
        let left = self.options.max_boxes.saturating_sub(self.boxes);
        let nodes = self.queue.take(BATCH.min(left as usize));
        let stopped = AtomicBool::new(false);
        let steps: Vec<Option<Step>> = nodes
            .par_iter()
            .enumerate()
            .with_max_len(1)
            .map(|(place, node)| {
                if stopped.load(Ordering::Relaxed) || (self.watch.stop)() {
                    stopped.store(true, Ordering::Relaxed);
                    return None;
                }
                let zeal = if place < DESCENDING { zeal } else { Zeal::Corners };
                let query = &self.queries[node.query];
                Some(workers.with(|worker| worker.step(query, node, zeal, self.options)))
            })
            .collect();
        let mut verdict = None;
        for (node, step) in nodes.into_iter().zip(steps) {
            let Some(step) = step else {
                self.queue.restore(node);
                continue;
            };
            self.boxes += 1;
            verdict = verdict.or(self.apply(&node, step));
        }
        (self.watch.progress)(Progress {
            boxes: self.boxes,
            open: self.queue.len() + self.stuck.len(),
            proven: self.proven(),
        });
        verdict
    }

    fn apply(&mut self, node: &Node, step: Step) -> Option<Verdict> {
        let mut verdict = None;
        for point in step.points {
            verdict = verdict.or_else(|| self.consider(node.query, point));
        }
        match step.next {
            step::Next::Proven => self.ledgers[node.query].close(node),
            step::Next::Stuck(node) => self.stuck.push(node),
            step::Next::Split { kind, children } => {
                let (depth, group) = self.ledgers[node.query].split(node, kind);
                for mut child in children {
                    child.depth = depth;
                    child.group = group;
                    self.queue.push(child);
                }
            }
        }
        verdict
    }

    /// Replays a point that may be unsafe, else keeps it if it is the closest one.
    fn consider(&mut self, query: usize, point: Point) -> Option<Verdict> {
        let closest = self.best.as_ref();
        if closest.is_none_or(|best| point.margin < best.margin) {
            self.best = Some(Candidate {
                case: query,
                input: point.input.clone(),
                margin: point.margin,
            });
        }
        if point.margin > NEAR {
            return None;
        }
        let case = &self.property.cases[query];
        let output = replay(self.network, case, &point.input)?;
        Some(Verdict::Violated(Counterexample {
            input: point.input,
            output,
            case: query,
        }))
    }

    fn proven(&self) -> f64 {
        let sum: f64 = self.ledgers.iter().map(Ledger::proven_rounded).sum();
        sum / self.ledgers.len().max(1) as f64
    }
}

impl Workers<'_> {
    fn with<T>(&self, work: impl FnOnce(&mut Worker) -> T) -> T {
        let idle = self.idle.lock().ok().and_then(|mut idle| idle.pop());
        let mut worker = idle.unwrap_or_else(|| Worker {
            bounder: Bounder::new(self.network),
            evaluator: Evaluator::new(self.network),
        });
        let result = work(&mut worker);
        if let Ok(mut idle) = self.idle.lock() {
            idle.push(worker);
        }
        result
    }
}

fn whole(query: &Query) -> Vec<Range> {
    let sides = query.low.iter().zip(&query.high);
    sides
        .map(|(&low, &high)| Range {
            low: f64::from(low),
            high: f64::from(high),
        })
        .collect()
}

/// Regions bounded at a time; fixed, so that the tree does not depend on the number of threads.
const BATCH: usize = 64;
/// Regions of a batch from which gradient descent starts.
const DESCENDING: usize = 2;
/// Starts of a wave of the attack per conjunction.
const WAVE: u32 = 8;
/// Points with at most this margin are replayed exactly; margins are rounded.
const NEAR: f64 = 1e-6;
