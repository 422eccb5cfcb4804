//! One constraint of a claim, resolved against a model: what branch and bound works on.

use tautline_certificate_format::claim::{Claim, Constraint};

use crate::domain::propagate;
use crate::interval::{Interval, Intervals};
use crate::network::Network;
use crate::objective::{Halfspace, Objective};
use crate::signs::{self, Sign};
use crate::verdict::ProveError;

/// Prove `objective` over `region`, where `facts` hold.
#[derive(Clone, Debug)]
pub struct Problem<'n> {
    /// The model.
    pub network: &'n Network,
    /// The constraint.
    pub objective: Objective,
    /// The table's links, then the region's own constraints, as witnesses count them.
    pub facts: Vec<Halfspace>,
    /// The box.
    pub region: Vec<Interval>,
    /// How the objective moves with each feature.
    pub signs: Vec<Sign>,
}

impl<'n> Problem<'n> {
    /// One problem per constraint of the claim.
    ///
    /// # Errors
    /// [`ProveError`] where the claim names what the model does not have.
    pub fn of_claim(network: &'n Network, claim: &Claim) -> Result<Vec<Self>, ProveError> {
        if claim.region.bounds.len() != network.inputs() {
            return Err(ProveError::Features {
                expected: network.inputs(),
                got: claim.region.bounds.len(),
            });
        }
        let heads = signs::head_signs(network);
        let ranges = head_ranges(network);
        let facts: Vec<_> = claim
            .region
            .facts(network.table())
            .into_iter()
            .map(|fact| Halfspace {
                terms: fact.terms,
                bound: fact.bound,
            })
            .collect();
        let region: Vec<_> = claim
            .region
            .bounds
            .iter()
            .map(|&(low, high)| Interval {
                low: i64::from(low),
                high: i64::from(high),
            })
            .collect();
        let problems = claim
            .constraints
            .iter()
            .enumerate()
            .map(|(number, constraint)| {
                let objective = resolve(network, &ranges, number, constraint)?;
                Ok(Self {
                    network,
                    signs: signs::objective_signs(&heads, &objective, network.inputs()),
                    objective,
                    facts: facts.clone(),
                    region: region.clone(),
                })
            });
        problems.collect()
    }

    /// True if every fact holds at a point.
    pub fn facts_hold(&self, point: &[i64]) -> bool {
        self.facts.iter().all(|fact| fact.holds(point))
    }

    /// By how much the objective exceeds its bound at a point.
    pub fn excess_at(&self, point: &[i64]) -> i128 {
        self.objective.excess(point, &self.network.forward(point))
    }
}

fn resolve(
    network: &Network,
    ranges: &[Interval],
    number: usize,
    constraint: &Constraint,
) -> Result<Objective, ProveError> {
    let heads = constraint.heads.iter().map(|&(head, c)| {
        let place = network.heads().iter().position(|&kind| kind == head);
        let place = place.ok_or(ProveError::MissingHead {
            constraint: number,
            head,
        })?;
        if ranges[place].width() == 0 {
            return Err(ProveError::ConstantHead {
                constraint: number,
                head,
            });
        }
        Ok((place, c))
    });
    Ok(Objective {
        heads: heads.collect::<Result<_, _>>()?,
        features: constraint.features.clone(),
        bound: constraint.bound,
    })
}

/// Enclosures of the heads over everything that the table's ranges allow.
fn head_ranges(network: &Network) -> Vec<Interval> {
    let whole = network.table().features.iter().map(|feature| Interval {
        low: i64::from(feature.low.units()),
        high: i64::from(feature.high.units()),
    });
    let whole: Vec<_> = whole.collect();
    propagate(network, &whole, &mut Intervals::default()).to_vec()
}
