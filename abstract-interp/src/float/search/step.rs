//! Work on one region: bound, exclude, clip, look for an unsafe point, split.

use std::sync::Arc;

use crate::float::attack::{Plan, Point, Target};
use crate::float::bound::{Bounder, Effort, Hidden, Phase, Region, Row, Side};
use crate::float::range::Range;
use crate::float::search::branching::{Gains, best_input, halves};
use crate::float::search::clip::{Cut, Left, clip, hull};
use crate::float::search::evaluator::Evaluator;
use crate::float::search::query::Query;
use crate::float::search::queue::{Node, SplitKind};
use crate::float::verify::{Branching, Options};

/// What a thread needs to work on regions.
pub(super) struct Worker {
    pub(super) bounder: Bounder,
    pub(super) evaluator: Evaluator,
}

/// How hard to look for unsafe points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zeal {
    /// Not at all.
    Bound,
    /// Where the bounds are least.
    Corners,
    /// From there downhill.
    Descend,
}

/// What became of a region.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) next: Next,
    /// Points that may be unsafe, or are close.
    pub(super) points: Vec<Point>,
}

/// Where the search goes on.
#[derive(Clone, Debug)]
pub(super) enum Next {
    Proven,
    /// Neither proven nor divisible.
    Stuck(Node),
    Split {
        kind: SplitKind,
        children: Vec<Node>,
    },
}

/// The rows of a region's open conjunctions, bounded.
struct Bounds {
    /// Position in the query's rows, increasing.
    rows: Vec<usize>,
    lower: Vec<f64>,
    /// `[rows, inputs]`
    slopes: Vec<f64>,
    /// Whether the slopes belong to the lower bound.
    linear: Vec<bool>,
    hidden: Arc<Hidden>,
}

/// A conjunction that was not excluded, and the box that its cuts leave.
struct Open {
    conjunction: u32,
    input: Vec<Range>,
    /// Its row that is closest to exclusion, as a position in the bounded rows, and how close.
    row: usize,
    margin: f64,
}

impl Worker {
    pub(super) fn step(
        &mut self,
        query: &Query,
        node: &Node,
        zeal: Zeal,
        options: &Options,
    ) -> Step {
        let Some(bounds) = self.bound(query, node) else {
            return Step {
                next: Next::Proven,
                points: vec![],
            };
        };
        let open: Vec<Open> = node
            .open
            .iter()
            .filter_map(|&conjunction| bounds.open(query, node, conjunction))
            .collect();
        if open.is_empty() {
            return Step {
                next: Next::Proven,
                points: vec![],
            };
        }
        let points = self.look(query, &open, &bounds, zeal);
        let next = self.split(node, &open, &bounds, options);
        Step { next, points }
    }

    /// None where phases contradict the box.
    fn bound(&mut self, query: &Query, node: &Node) -> Option<Bounds> {
        let open = node.open.iter();
        let limits = open.flat_map(|&conjunction| &query.conjunctions[conjunction as usize]);
        let mut rows: Vec<usize> = limits.map(|limit| limit.row).collect();
        rows.sort_unstable();
        rows.dedup();
        let asked: Vec<Row> = rows.iter().map(|&row| query.rows[row].clone()).collect();
        let region = Region {
            input: node.input.clone(),
            phases: node.phases.clone(),
        };
        let effort = if asked.is_empty() {
            Effort::Intervals
        } else {
            Effort::Alpha { steps: STEPS }
        };
        let outcome = self
            .bounder
            .bound(&region, &asked, effort, node.known.as_deref());
        if outcome.infeasible {
            return None;
        }
        let linear = asked.iter().zip(outcome.lower).map(|(row, &lower)| {
            let plain = interval(row, &self.evaluator, outcome.hidden, &node.input);
            lower.is_finite() && lower > plain
        });
        Some(Bounds {
            linear: linear.collect(),
            rows,
            lower: outcome.lower.to_vec(),
            slopes: outcome.slopes.to_vec(),
            hidden: Arc::new(outcome.hidden.clone()),
        })
    }

    /// Points where the bounds of open conjunctions are least.
    fn look(&mut self, query: &Query, open: &[Open], bounds: &Bounds, zeal: Zeal) -> Vec<Point> {
        if zeal == Zeal::Bound {
            return vec![];
        }
        let mut order: Vec<&Open> = open.iter().collect();
        order.sort_by(|a, b| a.margin.total_cmp(&b.margin));
        let mut points = vec![];
        for open in order.into_iter().take(LOOKS) {
            let (low, high): (Vec<f32>, Vec<f32>) = open
                .input
                .iter()
                .map(|range| (range.low as f32, range.high as f32))
                .unzip();
            let slopes = bounds.slopes(open.row, low.len());
            let corner = low.iter().zip(&high).enumerate();
            let corner = corner.map(|(place, (low, high))| {
                match slopes.get(place).map_or(0.0, |slope| *slope) {
                    slope if slope > 0.0 => *low,
                    slope if slope < 0.0 => *high,
                    _ => (low + 0.5 * (high - low)).clamp(*low, *high),
                }
            });
            let corner: Vec<f32> = corner.collect();
            let target = Target {
                query,
                conjunction: open.conjunction as usize,
                low: &low,
                high: &high,
            };
            let steps = if zeal == Zeal::Descend { DESCENT } else { 0 };
            let plan = Plan::numbered(2, steps);
            points.push(self.evaluator.descend(target, corner, plan));
        }
        points
    }

    fn split(&mut self, node: &Node, open: &[Open], bounds: &Bounds, options: &Options) -> Next {
        let mut input = open[0].input.clone();
        for other in &open[1..] {
            hull(&mut input, &other.input);
        }
        let margins = open.iter().map(|open| open.margin);
        let child = Node {
            priority: margins.fold(f64::INFINITY, f64::min),
            open: open.iter().map(|open| open.conjunction).collect(),
            known: Some(Arc::clone(&bounds.hidden)),
            input,
            ..node.clone()
        };
        let by_phase = match options.branching {
            Branching::Inputs => false,
            Branching::Phases => true,
            Branching::Auto => child.input.len() > MANY_INPUTS,
        };
        let divisible = child.input.iter().any(|range| range.low < range.high);
        if by_phase
            && divisible
            && let Some((layer, neuron)) = self.neuron(&child, open)
        {
            let side = |side| {
                let mut node = child.clone();
                node.phases.push(Phase {
                    layer,
                    neuron,
                    side,
                });
                node
            };
            return Next::Split {
                kind: SplitKind::Phase,
                children: vec![side(Side::Inactive), side(Side::Active)],
            };
        }
        let scores = self.input_scores(&child.input, bounds);
        let Some(place) = best_input(&child.input, &scores) else {
            return Next::Stuck(child);
        };
        let children = halves(&child.input, place).map(|input| Node {
            input,
            ..child.clone()
        });
        Next::Split {
            kind: SplitKind::Input,
            children: children.into(),
        }
    }

    /// How much of the relaxations' cost, summed over all rows, depends on every input.
    fn input_scores(&mut self, input: &[Range], bounds: &Bounds) -> Vec<f64> {
        let layers = bounds.hidden.layers.iter();
        let mut neurons: Vec<Vec<f64>> = layers.map(|layer| vec![0.0; layer.len()]).collect();
        for row in 0..bounds.rows.len() {
            for score in self.bounder.neuron_scores(row) {
                neurons[score.layer][score.neuron] += score.score;
            }
        }
        let gains = Gains {
            neurons: &neurons,
            hidden: &bounds.hidden,
        };
        self.evaluator.influence(input, gains)
    }

    /// The neuron whose phase is worth most.
    fn neuron(&mut self, node: &Node, open: &[Open]) -> Option<(usize, usize)> {
        let mut best: Option<(f64, (usize, usize))> = None;
        for open in open {
            for score in self.bounder.neuron_scores(open.row) {
                let fixed =
                    |phase: &Phase| (phase.layer, phase.neuron) == (score.layer, score.neuron);
                if best.is_none_or(|(most, _)| score.score > most) && !node.phases.iter().any(fixed)
                {
                    best = Some((score.score, (score.layer, score.neuron)));
                }
            }
        }
        best.map(|(_, neuron)| neuron)
    }
}

impl Bounds {
    /// The slopes of a row; empty where there are no rows.
    fn slopes(&self, row: usize, inputs: usize) -> &[f64] {
        self.slopes
            .get(row * inputs..(row + 1) * inputs)
            .unwrap_or(&[])
    }

    /// None where the bounds exclude the conjunction.
    fn open(&self, query: &Query, node: &Node, conjunction: u32) -> Option<Open> {
        let mut cuts = vec![];
        let mut closest: Option<(f64, usize)> = None;
        for limit in &query.conjunctions[conjunction as usize] {
            let row = self.rows.binary_search(&limit.row).ok()?;
            let lower = self.lower[row];
            if lower > limit.bound {
                return None;
            }
            let margin = (lower - limit.bound) / limit.scale;
            if closest.is_none_or(|(most, _)| margin > most) {
                closest = Some((margin, row));
            }
            if self.linear[row] {
                let slopes = self.slopes(row, node.input.len());
                cuts.push(Cut::new(slopes, lower, limit.bound, &node.input));
            }
        }
        let mut input = node.input.clone();
        if clip(&cuts, &mut input) == Left::Nothing {
            return None;
        }
        let (margin, row) = closest.unwrap_or((f64::NEG_INFINITY, 0));
        Some(Open {
            conjunction,
            input,
            row,
            margin,
        })
    }
}

/// A row's lower bound from ranges alone, or a little more.
fn interval(row: &Row, evaluator: &Evaluator, hidden: &Hidden, input: &[Range]) -> f64 {
    let (mut sum, mut size) = (0.0, 0.0);
    let mut add = |range: Range, factor: f64| {
        sum += (factor * range.low).min(factor * range.high);
        size += factor.abs() * range.magnitude();
    };
    if let (Some(ranges), Some(layer)) = (hidden.layers.last(), evaluator.layers.last()) {
        for &(place, factor) in &row.outputs {
            let slope = layer.activations[place].negative_slope();
            let end = |value: f64| if value < 0.0 { slope * value } else { value };
            let range = ranges[place];
            add(Range::new(end(range.low), end(range.high)), factor);
        }
    }
    for &(place, factor) in &row.inputs {
        add(input[place], factor);
    }
    sum + INTERVAL_ROOM * size
}

/// More than two computations of an interval bound differ by, as a share of its terms.
const INTERVAL_ROOM: f64 = 1e-6;
/// With at most so many inputs they are split, with more the phases are. On the controllers of
/// rl_benchmarks_2022 with up to eight inputs, splits of inputs take 534 boxes for all instances;
/// splits of phases had taken 9350 when two instances were still open.
const MANY_INPUTS: usize = 12;
/// Gradient steps of lower slopes, and of β where phases are fixed; they touch the few rows alone.
///
/// On ACAS Xu, boxes of the hardest instances (3_3 with property 2, 4_2 with property 2, 1_1 with
/// property 5) by steps: none 629 169, 55 535, 3149; one 175 993, 27 419, 1309; two 32 703, 14 051,
/// 1023; three 17 159, 10 743, 985; five 15 329, 10 201, 947.
const STEPS: u32 = 3;
/// Steps of a descent inside a region.
const DESCENT: u32 = 10;
/// Conjunctions of a region that are looked at for unsafe points.
const LOOKS: usize = 3;
