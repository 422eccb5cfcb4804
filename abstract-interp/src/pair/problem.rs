//! One constraint of a pair claim, resolved against a model.

use tautline_certificate_format::claim::Claim;

use crate::interval::Interval;
use crate::network::Network;
use crate::objective::{Halfspace, Objective};
use crate::problem::Problem;

/// Prove `objective` over a box of pairs in which `facts` hold.
///
/// A pair is what the second input has more, feature by feature, then the first input.
#[derive(Clone, Debug)]
pub(crate) struct PairProblem<'n> {
    /// The model.
    pub network: &'n Network,
    /// The constraint, over differences of heads and features.
    pub objective: Objective,
    /// In the order that witnesses count them.
    pub facts: Vec<Halfspace>,
    /// The box.
    pub region: Vec<Interval>,
    /// How much a hidden neuron moves at most with a feature, `[layer][neuron · inputs + feature]`.
    pub influence: Vec<Vec<f64>>,
}

impl<'n> PairProblem<'n> {
    /// The problem of one constraint; `None` for a claim about one input.
    pub(crate) fn new(problem: &Problem<'n>, claim: &Claim) -> Option<Self> {
        let network = problem.network;
        let wide = |&(low, high): &(i32, i32)| Interval {
            low: i64::from(low),
            high: i64::from(high),
        };
        let region = claim.pair_bounds(network.table())?;
        let facts = claim.pair_facts(network.table()).into_iter();
        Some(Self {
            network,
            objective: problem.objective.clone(),
            facts: facts
                .map(|fact| Halfspace {
                    terms: fact.terms,
                    bound: fact.bound,
                })
                .collect(),
            region: region.iter().map(wide).collect(),
            influence: influence(network),
        })
    }

    /// The boxes of both inputs; `None` where no second input is in the region.
    pub(crate) fn sides(&self, region: &[Interval]) -> Option<(Vec<Interval>, Vec<Interval>)> {
        let inputs = self.network.inputs();
        let (differences, first) = region.split_at(inputs);
        let whole = &self.region[inputs..];
        let second = first.iter().zip(differences).zip(whole);
        let second = second.map(|((x, d), whole)| {
            let moved = Interval {
                low: x.low + d.low,
                high: x.high + d.high,
            };
            moved.intersection(*whole)
        });
        let second: Vec<_> = second.collect();
        let exists = second.iter().all(|bounds| bounds.low <= bounds.high);
        exists.then(|| (first.to_vec(), second))
    }

    /// The two inputs of a pair.
    pub(crate) fn inputs(&self, pair: &[i64]) -> (Vec<i64>, Vec<i64>) {
        let (differences, first) = pair.split_at(self.network.inputs());
        let second = first.iter().zip(differences).map(|(x, d)| x + d);
        (first.to_vec(), second.collect())
    }

    /// True if the facts hold for a pair of the box.
    pub(crate) fn facts_hold(&self, pair: &[i64]) -> bool {
        self.facts.iter().all(|fact| fact.holds(pair))
    }

    /// By how much a pair exceeds the bound.
    pub(crate) fn excess_at(&self, pair: &[i64]) -> i128 {
        let (first, second) = self.inputs(pair);
        let (before, mut heads) = (self.network.forward(&first), self.network.forward(&second));
        for (head, before) in heads.iter_mut().zip(before) {
            *head -= before;
        }
        self.objective.excess(pair, &heads)
    }
}

/// Products of the weights' magnitudes.
fn influence(network: &Network) -> Vec<Vec<f64>> {
    let inputs = network.inputs();
    let mut layers: Vec<Vec<f64>> = vec![];
    for layer in network.hidden() {
        let mut next = vec![0.0; layer.outputs * inputs];
        for (neuron, to) in next.chunks_mut(inputs).enumerate() {
            for (from, &weight) in layer.scaled_row(neuron).iter().enumerate() {
                match layers.last() {
                    None => to[from] += weight.abs(),
                    Some(previous) => {
                        let row = &previous[from * inputs..(from + 1) * inputs];
                        for (to, part) in to.iter_mut().zip(row) {
                            *to += weight.abs() * part;
                        }
                    }
                }
            }
        }
        layers.push(next);
    }
    layers
}
