//! What one box of the search comes to.

use tautline_certificate_format::format::Node;
use tautline_core::policy::MAX_HEADS;

use super::branching::{self, Cut};
use crate::domain::propagate;
use crate::interval::{Interval, Intervals};
use crate::linear_bounds::exact::{self, Witness};
use crate::linear_bounds::{LinearBounds, Multiplier, Slopes};
use crate::objective::Halfspace;
use crate::op::{clamp, relu};
use crate::problem::Problem;
use crate::search;
use crate::signs::{self, Sign};

/// What a box came to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    /// Proven by a leaf.
    Proven(Node),
    /// Proven by a leaf over the corner of the box.
    ProvenAtCorner(Node),
    /// Unproven; what to do next.
    Open {
        /// The cut, or `None` for a box of one point.
        cut: Option<Cut>,
        /// Upper bound of the objective's excess.
        excess: f64,
        /// A point in the box at which facts hold and the objective is exceeded.
        violation: Option<Vec<i64>>,
    },
}

/// Bounds boxes; keeps its buffers between them.
#[derive(Clone, Debug, Default)]
pub(super) struct Bounder {
    intervals: Intervals,
    linear: LinearBounds,
    corner: Vec<Interval>,
    multipliers: Vec<Multiplier>,
    point: Vec<i64>,
    scores: Vec<f64>,
}

impl Bounder {
    /// Tries every rule on a box, cheapest first.
    pub(super) fn bound(&mut self, problem: &Problem<'_>, region: &[Interval]) -> Outcome {
        if let Some(index) = problem.facts.iter().position(|fact| fact.excludes(region)) {
            return Outcome::Proven(Node::Empty { index: index as u8 });
        }
        let has_corner = problem
            .signs
            .iter()
            .zip(region)
            .any(|(&sign, bounds)| sign != Sign::Unknown && bounds.width() > 0);
        let mut corner = std::mem::take(&mut self.corner);
        let outcome = if has_corner {
            signs::corner(&problem.signs, region, &mut corner);
            self.at_corner(problem, region, &corner)
        } else {
            self.plain(problem, region)
        };
        self.corner = corner;
        outcome
    }

    fn plain(&mut self, problem: &Problem<'_>, region: &[Interval]) -> Outcome {
        match self.leaf(problem, region, true) {
            Ok(node) => Outcome::Proven(node),
            Err(excess) => self.open(problem, region, region, excess),
        }
    }

    fn at_corner(
        &mut self,
        problem: &Problem<'_>,
        region: &[Interval],
        corner: &[Interval],
    ) -> Outcome {
        let excess = match self.leaf(problem, corner, false) {
            Ok(node) => return Outcome::ProvenAtCorner(node),
            Err(excess) => excess,
        };
        let is_artificial = problem.facts.iter().any(|fact| fact.excludes(corner));
        let open = self.open(problem, region, corner, excess);
        if is_artificial {
            // The worst corner does not exist: the facts may prove what it could not.
            if let Ok(node) = self.leaf(problem, region, true) {
                return Outcome::Proven(node);
            }
        }
        open
    }

    /// A leaf that proves the objective over a box, or the excess that is left.
    fn leaf(
        &mut self,
        problem: &Problem<'_>,
        region: &[Interval],
        use_facts: bool,
    ) -> Result<Node, f64> {
        let network = problem.network;
        let heads = propagate(network, region, &mut self.intervals);
        if problem.objective.interval_excess(region, heads) <= 0 {
            return Ok(Node::Interval);
        }
        let facts = if use_facts {
            problem.facts.as_slice()
        } else {
            &[]
        };
        self.linear.run(network, region);
        let excess = self
            .linear
            .excess(network, &problem.objective, facts, &mut self.multipliers);
        let excess = if excess > 0.0 {
            self.refine(problem, region, facts, excess)
        } else {
            excess
        };
        if excess > 0.0 {
            return Err(excess);
        }
        let alpha = self.linear.alpha();
        if !self.linear.certain() {
            let witness = Witness {
                alpha: &alpha,
                multipliers: &self.multipliers,
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
            beta: vec![],
        })
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
        self.linear.run(network, region);
        self.linear.slopes = Slopes::Adaptive;
        self.linear
            .excess(network, &problem.objective, facts, &mut self.multipliers)
            .min(excess)
    }

    /// Tests the bound's worst corner and picks a cut. `reduced` is the box of the last bound.
    fn open(
        &mut self,
        problem: &Problem<'_>,
        region: &[Interval],
        reduced: &[Interval],
        excess: f64,
    ) -> Outcome {
        self.point.resize(region.len(), 0);
        self.linear.maximizer(&mut self.point);
        let exceeds = problem.excess_at(&self.point) > 0;
        let broken = problem.facts.iter().find(|fact| !fact.holds(&self.point));
        let violation = match broken {
            None if exceeds => Some(self.point.clone()),
            Some(_) if exceeds => {
                let mut point = self.point.clone();
                let repaired = search::repair(problem, region, &mut point);
                (repaired && problem.excess_at(&point) > 0).then_some(point)
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
        Outcome::Open {
            cut,
            excess,
            violation,
        }
    }
}

/// Largest missing part at which better slopes are tried. Measured on random nets from 8-8 to 64-64
/// and 8-8-8-8: against never trying, up to five times fewer boxes; above one half no fewer.
const WORTH_REFINING: f64 = 0.5;
