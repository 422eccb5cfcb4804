//! Branch and bound over regions of inputs and phases of neurons.
//!
//! The least safe regions are bounded first, a batch at a time on all cores; a region is proven when
//! all conjunctions are excluded, and passes what is left of it to two halves, with its neurons'
//! ranges. Between batches gradient descent goes on from new starts. Batches and starts have fixed sizes
//! and results are worked in in order, so neither tree nor verdict depends on the number of threads.

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
    /// Per case and conjunction the best point that descents ended at.
    nearest: Vec<Vec<Option<Point>>>,
    /// Per case and conjunction the regions that it is open in.
    live: Vec<Vec<u64>>,
    /// Descents per conjunction so far.
    started: u32,
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
            nearest: queries
                .iter()
                .map(|query| vec![None; query.conjunctions.len()])
                .collect(),
            live: queries
                .iter()
                .map(|query| vec![1; query.conjunctions.len()])
                .collect(),
            started: 0,
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
        if let Some(verdict) = first.or_else(|| self.attack(&workers, self.options.attack.starts)) {
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
            // The attack goes on as long as bounds do, so that neither waits for the other.
            let starts = self.options.attack.starts / SHARE;
            if let Some(verdict) = self.attack(&workers, starts) {
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
        let mut open: Vec<Vec<&Node>> = vec![vec![]; self.queries.len()];
        for node in self.queue.iter().chain(&self.stuck) {
            open[node.query].push(node);
        }
        let cases = open.into_iter().enumerate().map(|(query, mut nodes)| {
            nodes.sort_by_key(|node| (node.depth, node.phases.len(), node.number));
            let largest = nodes
                .iter()
                .take(CaseStatus::LARGEST)
                .map(|node| OpenRegion {
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
        });
        cases.collect()
    }

    /// Descends from about `starts` more points, shared by the conjunctions that are open in some
    /// region, in waves; in each wave some start near the best point of the waves before.
    fn attack(&mut self, workers: &Workers<'_>, starts: u32) -> Option<Verdict> {
        let open = self.live.iter().enumerate().flat_map(|(query, counts)| {
            let counts = counts.iter().enumerate();
            counts.filter_map(move |(conjunction, &count)| {
                (count > 0).then_some((query, conjunction))
            })
        });
        let targets: Vec<(usize, usize)> = open.collect();
        let each = starts.checked_div(targets.len() as u32)?.max(1);
        let end = self.started.saturating_add(each);
        while self.started < end {
            let numbers = self.started..end.min(self.started + WAVE);
            self.started = numbers.end;
            let jobs: Vec<(usize, usize, u32)> = targets
                .iter()
                .flat_map(|&(query, conjunction)| {
                    numbers
                        .clone()
                        .map(move |number| (query, conjunction, number))
                })
                .collect();
            let stopped = AtomicBool::new(false);
            let points: Vec<Option<Point>> = jobs
                .par_iter()
                .map(|&(query, conjunction, number)| {
                    if stopped.load(Ordering::Relaxed) || (self.watch.stop)() {
                        stopped.store(true, Ordering::Relaxed);
                        return None;
                    }
                    let target = Target {
                        query: &self.queries[query],
                        conjunction,
                        low: &self.queries[query].low,
                        high: &self.queries[query].high,
                    };
                    let best = self.nearest[query][conjunction].as_ref();
                    let best = best.map(|point| point.input.as_slice());
                    let seed = self.options.seed ^ (query * 31 + conjunction + 1) as u64;
                    let start = start(target, best, seed, number);
                    let plan = Plan::numbered(number, self.options.attack.steps);
                    Some(workers.with(|worker| worker.evaluator.descend(target, start, plan)))
                })
                .collect();
            for (&(query, conjunction, _), point) in jobs.iter().zip(points) {
                let Some(point) = point else {
                    return Some(Verdict::Unknown(Reason::Stopped));
                };
                let nearest = &mut self.nearest[query][conjunction];
                if nearest
                    .as_ref()
                    .is_none_or(|other| point.margin < other.margin)
                {
                    *nearest = Some(point.clone());
                }
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
                let zeal = if place < DESCENDING {
                    zeal
                } else {
                    Zeal::Corners
                };
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
            let found = self.apply(&node, step);
            verdict = verdict.or(found);
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
        for &conjunction in &node.open {
            self.live[node.query][conjunction as usize] -= 1;
        }
        for point in step.points {
            verdict = verdict.or_else(|| self.consider(node.query, point));
        }
        match step.next {
            step::Next::Proven => self.ledgers[node.query].close(node),
            step::Next::Stuck(node) => {
                self.open(&node);
                self.stuck.push(node);
            }
            step::Next::Split { kind, children } => {
                let (depth, group) = self.ledgers[node.query].split(node, kind);
                for mut child in children {
                    child.depth = depth;
                    child.group = group;
                    self.open(&child);
                    self.queue.push(child);
                }
            }
        }
        verdict
    }

    fn open(&mut self, node: &Node) {
        for &conjunction in &node.open {
            self.live[node.query][conjunction as usize] += 1;
        }
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
const WAVE: u32 = 6;
/// After every batch of regions the attack goes on with its number of starts divided by this.
const SHARE: u32 = 2;
/// Points with at most this margin are replayed exactly; margins are rounded.
const NEAR: f64 = 1e-6;
