//! What one region of the search comes to.

use tautline_certificate_format::format::Node;
use tautline_core::policy::MAX_HEADS;

use super::branching::{self, Branch, Branching};
use super::{Goal, Part, Side, tree};
use crate::domain::propagate;
use crate::interval::{Interval, Intervals};
use crate::linear_bounds::exact::{self, Witness};
use crate::linear_bounds::{Duals, LinearBounds, Multiplier, Slopes};
use crate::objective::Halfspace;
use crate::op::{clamp, relu};
use crate::phase::{self, Phase};
use crate::problem::Problem;
use crate::search;
use crate::signs::{self, Sign};

/// What a region came to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    /// Proven by a leaf.
    Proven(Node),
    /// Proven by a leaf over the corner of the box.
    ProvenAtCorner(Node),
    /// Unproven.
    Open(Opened),
}

/// An unproven region: what was learned about it and what to do next.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Opened {
    /// The split, or `None` where nothing can be split.
    pub branch: Option<Branch>,
    /// The corner to move to before a phase is split.
    pub corner: Option<Vec<Interval>>,
    /// Upper bound of the objective's excess.
    pub excess: f64,
    /// A point of the claim's region, and by how much it exceeds the objective's bound.
    pub candidate: Option<(i128, Vec<i64>)>,
    /// Duals for the children to start from.
    pub duals: Duals,
}

/// Bounds regions; keeps its buffers between them.
#[derive(Clone, Debug, Default)]
pub(super) struct Bounder {
    intervals: Intervals,
    linear: LinearBounds,
    corner: Vec<Interval>,
    multipliers: Vec<Multiplier>,
    point: Vec<i64>,
    scores: Vec<f64>,
    neuron_scores: Vec<f64>,
}

impl Bounder {
    /// Tries every rule on a region, cheapest first.
    pub(super) fn bound(&mut self, problem: &Problem<'_>, part: &Part, goal: Goal) -> Outcome {
        let region = &part.region;
        if part.side == Side::Region
            && let Some(index) = problem.facts.iter().position(|fact| fact.excludes(region))
        {
            return Outcome::Proven(Node::Empty { index: index as u8 });
        }
        self.linear.phases.clone_from(&part.phases);
        let has_corner = part.side == Side::Region
            && part.phases.is_empty()
            && problem
                .signs
                .iter()
                .zip(region)
                .any(|(&sign, bounds)| sign != Sign::Unknown && bounds.width() > 0);
        if !has_corner {
            let facts = part.facts(problem);
            return match self.leaf(problem, region, facts, part, goal) {
                Ok(node) => Outcome::Proven(node),
                Err(excess) => Outcome::Open(self.open(problem, part, region, goal, excess)),
            };
        }
        let mut corner = std::mem::take(&mut self.corner);
        signs::corner(&problem.signs, region, &mut corner);
        let outcome = self.at_corner(problem, part, &corner, goal);
        self.corner = corner;
        outcome
    }

    fn at_corner(
        &mut self,
        problem: &Problem<'_>,
        part: &Part,
        corner: &[Interval],
        goal: Goal,
    ) -> Outcome {
        let excess = match self.leaf(problem, corner, &[], part, goal) {
            Ok(node) => return Outcome::ProvenAtCorner(node),
            Err(excess) => excess,
        };
        let is_artificial = problem.facts.iter().any(|fact| fact.excludes(corner));
        let open = self.open(problem, part, corner, goal, excess);
        if is_artificial {
            // The worst corner does not exist: the facts may prove what it could not.
            if let Ok(node) = self.leaf(problem, &part.region, &problem.facts, part, goal) {
                return Outcome::Proven(node);
            }
        }
        Outcome::Open(open)
    }

    /// A leaf that proves the objective over a box, or the excess that is left.
    fn leaf(
        &mut self,
        problem: &Problem<'_>,
        region: &[Interval],
        facts: &[Halfspace],
        part: &Part,
        goal: Goal,
    ) -> Result<Node, f64> {
        let network = problem.network;
        let heads = propagate(network, region, &mut self.intervals);
        if problem.objective.interval_excess(region, heads) <= 0 {
            return Ok(Node::Interval);
        }
        self.linear.beta.clear();
        let mut excess = self.relax(problem, region, facts);
        if excess > 0.0 {
            excess = self.refine(problem, region, facts, excess);
        }
        if excess > 0.0 && goal != Goal::Measure {
            excess = self.ascend(problem, region, facts, part, excess);
        }
        if excess > 0.0 {
            return Err(excess);
        }
        let alpha = self.linear.alpha();
        let mut beta = self.linear.beta.clone();
        beta.resize(part.phases.len(), 0);
        if self.linear.is_empty() {
            self.multipliers.clear();
        }
        if !self.linear.certain() || goal != Goal::Measure {
            let witness = Witness {
                alpha: &alpha,
                multipliers: &self.multipliers,
                phases: &part.phases,
                beta: &beta,
            };
            if !exact::proves(network, region, &problem.objective, facts, witness) {
                return Err(f64::MIN_POSITIVE);
            }
        }
        let multipliers = self.multipliers.iter();
        Ok(Node::Relaxation {
            alpha,
            multipliers: multipliers
                .map(|one| (one.fact as u8, one.weight))
                .collect(),
            beta,
        })
    }

    /// One bound with the slopes as they are set; minus infinity where the phases contradict.
    fn relax(&mut self, problem: &Problem<'_>, region: &[Interval], facts: &[Halfspace]) -> f64 {
        self.linear.run(problem.network, region);
        if self.linear.is_empty() {
            return f64::NEG_INFINITY;
        }
        self.linear.excess(
            problem.network,
            &problem.objective,
            facts,
            &mut self.multipliers,
        )
    }

    /// Bounds once more with the lower slopes that suit the bound's worst corner: one for neurons
    /// that are active there, zero for the others.
    ///
    /// No slopes can lower the bound below the objective's value at that corner, so this is only
    /// tried where what is missing is a small part of the distance to it.
    ///
    /// # Source
    /// One subgradient step of α-CROWN: Xu et al., "Fast and complete", ICLR 2021, §3.1.
    fn refine(
        &mut self,
        problem: &Problem<'_>,
        region: &[Interval],
        facts: &[Halfspace],
        excess: f64,
    ) -> f64 {
        let network = problem.network;
        self.point.resize(region.len(), 0);
        self.linear.maximizer(&mut self.point);
        let (active, outputs) = search::activity(network, &self.point);
        let mut heads = [0; MAX_HEADS];
        for (head, &output) in heads.iter_mut().zip(&outputs) {
            *head = clamp::concrete(output);
        }
        let reached = problem.objective.excess(&self.point, &heads) as f64;
        if excess > WORTH_REFINING * (excess - reached) {
            return excess;
        }
        let slopes = active
            .iter()
            .flatten()
            .map(|&is_active| if is_active { relu::ALPHA_ONE } else { 0 });
        self.linear.slopes = Slopes::Given(slopes.collect());
        let refined = self.relax(problem, region, facts);
        self.linear.slopes = Slopes::Adaptive;
        refined.min(excess)
    }

    /// Bounds once more with duals found by ascent.
    fn ascend(
        &mut self,
        problem: &Problem<'_>,
        region: &[Interval],
        facts: &[Halfspace],
        part: &Part,
        excess: f64,
    ) -> f64 {
        let network = problem.network;
        let mut start = Duals {
            alpha: self.linear.alpha(),
            beta: part.duals.beta.clone(),
        };
        start.beta.resize(part.phases.len(), 0);
        let duals = self.linear.ascend(
            network,
            &problem.objective,
            facts,
            (excess, &start),
            ASCENT_STEPS,
        );
        if duals == start {
            return excess;
        }
        self.linear.slopes = Slopes::Given(duals.alpha);
        self.linear.beta = duals.beta;
        let ascended = self.relax(problem, region, facts);
        self.linear.slopes = Slopes::Adaptive;
        ascended.min(excess)
    }

    /// How far both sides of a split would stay from a proof: the sum of the squares of what they
    /// exceed, by one bound each.
    ///
    /// # Source
    /// Bunel et al., JMLR 2020, §5, bound a split's sides in the same way to choose among inputs.
    fn promise(
        &mut self,
        problem: &Problem<'_>,
        part: &Part,
        region: &[Interval],
        branch: Branch,
    ) -> f64 {
        let facts = if region == part.region.as_slice() {
            part.facts(problem)
        } else {
            &[]
        };
        let square = |excess: f64| excess.max(0.0) * excess.max(0.0);
        match branch {
            Branch::Input(cut) if region[cut.feature].width() == 0 => f64::INFINITY,
            Branch::Input(cut) => {
                let (left, right) = tree::halves(region, cut);
                square(self.relax(problem, &left, facts))
                    + square(self.relax(problem, &right, facts))
            }
            Branch::Phase { layer, neuron } => {
                let sides = [phase::Side::Inactive, phase::Side::Active].map(|side| {
                    let phase = Phase {
                        layer,
                        neuron,
                        side,
                    };
                    self.linear.phases.push(phase);
                    let excess = self.relax(problem, region, facts);
                    self.linear.phases.pop();
                    square(excess)
                });
                sides.iter().sum()
            }
        }
    }

    /// Tests the bound's worst corner and picks a split. `reduced` is the box of the last bound.
    fn open(
        &mut self,
        problem: &Problem<'_>,
        part: &Part,
        reduced: &[Interval],
        goal: Goal,
        excess: f64,
    ) -> Opened {
        let region = &part.region;
        self.point.resize(region.len(), 0);
        self.linear.maximizer(&mut self.point);
        let reached = problem.excess_at(&self.point);
        let exceeds = reached > 0;
        let broken = problem.facts.iter().find(|fact| !fact.holds(&self.point));
        let candidate = match broken {
            None => Some((reached, self.point.clone())),
            Some(_) if exceeds => {
                let mut point = self.point.clone();
                let within = if part.side == Side::Region {
                    region
                } else {
                    &problem.region
                };
                let repaired = search::repair(&problem.facts, within, &mut point, search::REPAIRS);
                repaired.then(|| (problem.excess_at(&point), point))
            }
            _ => None,
        };
        let by_fact = || broken.and_then(|fact| branching::by_fact(fact, region));
        self.linear.influence(problem.network, &mut self.scores);
        let by_influence = || branching::by_influence(&self.scores, reduced);
        // An exceeded corner that the facts exclude is only removed by cutting along the fact.
        let cut = if exceeds {
            by_fact().or_else(by_influence)
        } else {
            by_influence().or_else(by_fact)
        };
        let is_corner = region.as_slice() != reduced;
        // Below the corner nothing but the corner can be cut, and no fact helps.
        let may_move = !is_corner || problem.facts.iter().all(|fact| fact.is_implied(reduced));
        let mut branch = cut.map(Branch::Input);
        let duals = Duals {
            alpha: vec![],
            beta: self.linear.beta.clone(),
        };
        if let Goal::Decide(branching) = goal
            && may_move
            && (broken.is_none() || !exceeds)
            && part.phases.len() < MOST_PHASES
        {
            self.linear
                .neuron_scores(problem.network, &mut self.neuron_scores);
            let phase = branching::by_looseness(problem.network, &self.neuron_scores);
            branch = match (branching, branch, phase) {
                (Branching::Inputs, branch, _) => branch,
                (Branching::Both, Some(input), Some(phase)) => {
                    let by_input = self.promise(problem, part, reduced, input);
                    let by_phase = self.promise(problem, part, reduced, phase);
                    Some(if by_phase < by_input { phase } else { input })
                }
                (_, branch, phase) => phase.or(branch),
            };
        }
        let moves = is_corner && matches!(branch, Some(Branch::Phase { .. }));
        Opened {
            branch,
            corner: moves.then(|| reduced.to_vec()),
            excess,
            candidate,
            duals,
        }
    }
}

/// Largest missing part at which better slopes are tried. Measured on random nets from 8-8 to 64-64
/// and 8-8-8-8: against never trying, up to five times fewer boxes; above one half no fewer.
const WORTH_REFINING: f64 = 0.5;
/// Steps of dual ascent per region. Measured over 117 claims about random nets from 8-8 to 64-64,
/// 16-16-16 and 8-8-8-8, at most 10,000 boxes each: 333,000 boxes and 30 undecided without, 119,000
/// and 9 with 4 steps, 76,000 and 5 with 8, 56,000 and 3 with 16, 69,000 and 4 with 30.
const ASCENT_STEPS: u32 = 16;
/// Most phases on a path, so that the path with all its cuts fits the format.
const MOST_PHASES: usize = 128;
