//! Whether a claim is true, decided without the checker: exact bisection of its region.
//!
//! Bounds are intervals of the integer program, written down once more from the specification; at a
//! single point they are the program itself, so the search ends with a proof or a counterexample.
//! What the model and the claim do not read is not searched.

use std::slice::ChunksExact;

use tautline_certificates::claim::{Claim, ClaimKind, ClaimSet, Constraint, LinearConstraint};
use tautline_core::policy::{self, LayerShape, ModelHeader, Skip};

/// A model as rows of numbers.
pub(crate) struct Exact {
    header: ModelHeader,
    parameters: Vec<i64>,
}

type Ends = (i64, i64);

const ONE: i64 = 1 << 16;

impl Exact {
    /// Reads a model; `None` where the bytes are none.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (header, parameters) = policy::decode(bytes).ok()?;
        Some(Self {
            header,
            parameters: parameters.iter().map(i64::from).collect(),
        })
    }

    /// Whether every claim is true; `None` if `budget` boxes do not decide it.
    pub(crate) fn proves(&self, claims: &ClaimSet, budget: &mut u64) -> Option<bool> {
        for claim in &claims.claims {
            for constraint in &claim.constraints {
                let search = Search::new(self, claim, constraint);
                if !search.decide(budget)? {
                    return Some(false);
                }
            }
        }
        Some(true)
    }

    /// Ranges of all heads over a box of features.
    fn heads(&self, features: &[Ends]) -> Vec<Ends> {
        let mut values = features.to_vec();
        for layer in self.header.layers().take(self.header.hidden_layers().len()) {
            values = self.affine(layer, &values);
            for (low, high) in &mut values {
                (*low, *high) = ((*low).max(0), (*high).max(0));
            }
        }
        let last = self.header.layers().last().unwrap();
        if self.header.skip == Skip::Linear {
            values.extend(features);
        }
        let heads = self.affine(last, &values);
        let stop = |value: i64| value.clamp(-ONE, ONE);
        heads
            .into_iter()
            .map(|(low, high)| (stop(low), stop(high)))
            .collect()
    }

    fn rows(&self, layer: LayerShape) -> ChunksExact<'_, i64> {
        let end = layer.offset + layer.parameter_count();
        self.parameters[layer.offset..end].chunks_exact(layer.inputs + 1)
    }

    fn affine(&self, layer: LayerShape, values: &[Ends]) -> Vec<Ends> {
        assert_eq!(layer.inputs, values.len());
        let rows = self.rows(layer);
        let floor = |sum: i64| sum.div_euclid(1 << layer.shift);
        rows.map(|row| {
            let start = row[layer.inputs] * ONE;
            let ends = row
                .iter()
                .zip(values)
                .fold((start, start), |ends, (&w, &value)| {
                    let (low, high) = scaled(w, value);
                    (ends.0 + low, ends.1 + high)
                });
            (floor(ends.0), floor(ends.1))
        })
        .collect()
    }

    /// Whether a feature reaches anything at all.
    fn reads(&self, feature: usize) -> bool {
        let inputs = usize::from(self.header.inputs);
        let column = |layer: LayerShape, at: usize| {
            let mut rows = self.rows(layer);
            rows.any(|row| row[at] != 0)
        };
        let directly = column(self.header.layers().next().unwrap(), feature);
        let last = self.header.layers().last().unwrap();
        let at = last.inputs - inputs.min(last.inputs) + feature;
        let skipped = self.header.skip == Skip::Linear && column(last, at);
        directly || skipped
    }
}

fn scaled(factor: i64, (low, high): Ends) -> Ends {
    let ends = (factor * low, factor * high);
    (ends.0.min(ends.1), ends.0.max(ends.1))
}

/// One constraint over one input or two. The variables are the first input's features, then, for
/// claims about two, the second one's.
struct Search<'a> {
    model: &'a Exact,
    constraint: &'a Constraint,
    variables: Vec<Ends>,
    facts: Vec<LinearConstraint>,
    pair: bool,
    /// Variables that matter; the others may stay wide.
    searched: Vec<usize>,
}

impl<'a> Search<'a> {
    fn new(model: &'a Exact, claim: &'a Claim, constraint: &'a Constraint) -> Self {
        let table = model.header.table();
        let inputs = table.features.len();
        let wide = |&(low, high): &(i32, i32)| (i64::from(low), i64::from(high));
        let mut variables: Vec<Ends> = claim.region.bounds.iter().map(wide).collect();
        let mut facts = claim.region.facts(table);
        let differences = claim.kind.differences(table);
        let pair = differences.is_some();
        if let Some(differences) = &differences {
            variables.extend(variables.clone());
            let second = |fact: &LinearConstraint| LinearConstraint {
                terms: fact.terms.iter().map(|&(at, c)| (at + inputs, c)).collect(),
                bound: fact.bound,
            };
            facts.extend(facts.clone().iter().map(second));
            for feature in 0..inputs {
                let one = differences.iter().find(|one| one.feature == feature);
                let (low, high) = one.map_or((0, 0), |one| (one.low, one.high));
                facts.push(LinearConstraint {
                    terms: vec![(feature, -1), (feature + inputs, 1)],
                    bound: high.into(),
                });
                facts.push(LinearConstraint {
                    terms: vec![(feature, 1), (feature + inputs, -1)],
                    bound: -i64::from(low),
                });
            }
        }
        if let ClaimKind::Difference { between, .. } = &claim.kind {
            // Positions are differences, then the first input.
            facts.extend(between.iter().map(|fact| {
                let mut terms = vec![];
                for &(at, c) in &fact.terms {
                    if at < inputs {
                        terms.extend([(at + inputs, c), (at, -c)]);
                    } else {
                        terms.push((at - inputs, c));
                    }
                }
                LinearConstraint {
                    terms,
                    bound: fact.bound,
                }
            }));
        }
        let named = |at: usize| {
            let feature = at % inputs;
            model.reads(feature)
                || constraint
                    .features
                    .iter()
                    .any(|&(other, _)| other == feature)
                || facts.iter().any(|fact| {
                    let both = fact
                        .terms
                        .iter()
                        .any(|&(other, _)| other % inputs == feature);
                    both && !(pair && is_equality(fact, inputs))
                })
        };
        let searched = (0..variables.len()).filter(|&at| named(at)).collect();
        Self {
            model,
            constraint,
            variables,
            facts,
            pair,
            searched,
        }
    }

    fn decide(&self, budget: &mut u64) -> Option<bool> {
        let mut open = vec![self.variables.clone()];
        while let Some(mut ends) = open.pop() {
            *budget = budget.checked_sub(1)?;
            if !self.narrow(&mut ends) {
                continue;
            }
            if self.largest(&ends) <= self.constraint.bound {
                continue;
            }
            let width = |at: usize| ends[at].1 - ends[at].0;
            let widest = self.searched.iter().copied().max_by_key(|&at| width(at));
            let Some(at) = widest.filter(|&at| width(at) > 0) else {
                return Some(false);
            };
            let (low, high) = ends[at];
            let middle = low + (high - low) / 2;
            let (mut left, mut right) = (ends.clone(), ends);
            (left[at].1, right[at].0) = (middle, middle + 1);
            open.extend([left, right]);
        }
        Some(true)
    }

    /// Cuts a box by what the facts leave of each variable; false if nothing is left.
    fn narrow(&self, ends: &mut [Ends]) -> bool {
        for _ in 0..2 {
            for fact in &self.facts {
                let least: i64 = fact
                    .terms
                    .iter()
                    .map(|&(at, c)| scaled(c, ends[at]).0)
                    .sum();
                let slack = fact.bound - least;
                if slack < 0 {
                    return false;
                }
                for &(at, c) in &fact.terms {
                    let (low, high) = ends[at];
                    ends[at] = if c > 0 {
                        (low, high.min(low + slack / c))
                    } else {
                        (low.max(high - slack / -c), high)
                    };
                }
            }
        }
        true
    }

    /// An upper end of the left-hand side.
    fn largest(&self, ends: &[Ends]) -> i64 {
        let inputs = usize::from(self.model.header.inputs);
        let first = self.model.heads(&ends[..inputs]);
        let second = self.pair.then(|| self.model.heads(&ends[inputs..]));
        let difference = |first: Ends, second: Ends| (second.0 - first.1, second.1 - first.0);
        let mut sum = 0;
        for &(kind, c) in &self.constraint.heads {
            let heads = self.model.header.head_list();
            let at = heads.iter().position(|head| head.kind == kind).unwrap();
            let value = second
                .as_ref()
                .map_or(first[at], |second| difference(first[at], second[at]));
            sum += scaled(c, value).1;
        }
        for &(at, c) in &self.constraint.features {
            let value = if self.pair {
                difference(ends[at], ends[at + inputs])
            } else {
                ends[at]
            };
            sum += scaled(c, value).1;
        }
        sum
    }
}

/// Whether a fact only says that a feature is the same at both inputs.
fn is_equality(fact: &LinearConstraint, inputs: usize) -> bool {
    matches!(*fact.terms, [(a, -1 | 1), (b, 1 | -1)] if a + inputs == b && fact.bound == 0)
}
