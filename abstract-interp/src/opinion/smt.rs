//! The question to z3, over exact integers.
//!
//! Every feature and pre-activation is an `Int`; a floor is `2^s·z ≤ sum ≤ 2^s·z + 2^s − 1`. ReLU
//! and clamp are `ite`, or what is left of them where plain intervals fix their side. `unsat` is
//! believed (z3's arithmetic is exact); a model is run on the integer program.

use z3::ast::{Bool, Int};
use z3::{Config, Params, SatResult, Solver, with_z3_config};

use super::enclosure::Enclosures;
use super::{Doubt, ONE, Opinion, Question};
use crate::interval::Interval;

/// How much work a question may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SmtLimits {
    /// z3's own unit of work (`rlimit`): the same on every machine, unlike seconds. A million takes
    /// of the order of a second.
    pub work: u32,
}

impl Default for SmtLimits {
    fn default() -> Self {
        Self { work: 60_000_000 }
    }
}

/// Asks z3 for a point of the box that breaks the objective.
pub fn smt(question: &Question<'_>, limits: &SmtLimits) -> Opinion {
    let Some(known) = Enclosures::over(question.network, &question.region, None) else {
        return Opinion::Holds;
    };
    // A context of its own: what was asked before does not matter.
    with_z3_config(&Config::new(), || {
        Encoder::new(question, &known).ask(*limits)
    })
}

struct Encoder<'q> {
    question: &'q Question<'q>,
    known: &'q Enclosures,
    solver: Solver,
    features: Vec<Int>,
}

impl<'q> Encoder<'q> {
    fn new(question: &'q Question<'q>, known: &'q Enclosures) -> Self {
        let solver = Solver::new();
        let features = question.region.iter().enumerate().map(|(place, &side)| {
            let feature = Int::new_const(format!("x{place}"));
            within(&solver, &feature, side);
            feature
        });
        let features = features.collect();
        Self {
            question,
            known,
            solver,
            features,
        }
    }

    fn ask(&self, limits: SmtLimits) -> Opinion {
        let heads = self.heads();
        let objective = &self.question.objective;
        for fact in &self.question.facts {
            let terms = fact.terms.iter();
            let left = sum(terms.map(|&(place, c)| (c, &self.features[place])), 0);
            self.solver.assert(left.le(Int::from_i64(fact.bound)));
        }
        let by_heads = objective.heads.iter().map(|&(head, c)| (c, &heads[head]));
        let by_features = objective.features.iter();
        let by_features = by_features.map(|&(place, d)| (d, &self.features[place]));
        let left = sum(by_heads.chain(by_features), 0);
        self.solver.assert(left.gt(Int::from_i64(objective.bound)));
        let mut params = Params::new();
        params.set_u32("rlimit", limits.work);
        self.solver.set_params(&params);
        match self.solver.check() {
            SatResult::Unsat => Opinion::Holds,
            SatResult::Sat => self.model().unwrap_or(Opinion::Unknown(Doubt::NotReplayed)),
            SatResult::Unknown => Opinion::Unknown(Doubt::SolverLimit),
        }
    }

    fn model(&self) -> Option<Opinion> {
        let model = self.solver.get_model()?;
        let values = self.features.iter();
        let point = values.map(|feature| model.eval(feature, true)?.as_i64());
        self.question.replay(&point.collect::<Option<Vec<_>>>()?)
    }

    /// The clamped heads.
    fn heads(&self) -> Vec<Int> {
        let network = self.question.network;
        let mut below = self.features.clone();
        for (number, layer) in network.layers().iter().enumerate() {
            let is_output = number == network.hidden_count();
            if is_output {
                below.extend_from_slice(&self.features[..network.skip_inputs()]);
            }
            let mut next = vec![];
            for (neuron, &bounds) in self.known.layers[number].iter().enumerate() {
                if !is_output && bounds.high <= 0 {
                    next.push(Int::from_i64(0));
                    continue;
                }
                let terms = layer.row(neuron).iter().copied().zip(&below);
                let total = sum(terms, layer.bias[neuron]);
                let z = self.floor(&format!("z{number}_{neuron}"), &total, layer.shift, bounds);
                next.push(if is_output {
                    clamp(&z, bounds)
                } else {
                    relu(&z, bounds)
                });
            }
            below = next;
        }
        below
    }

    fn floor(&self, name: &str, total: &Int, shift: u8, bounds: Interval) -> Int {
        let unit = 1i64 << shift;
        let z = Int::new_const(name);
        let scaled = Int::from_i64(unit) * &z;
        self.solver.assert(scaled.le(total));
        self.solver
            .assert(total.le(scaled + Int::from_i64(unit - 1)));
        within(&self.solver, &z, bounds);
        z
    }
}

fn within(solver: &Solver, value: &Int, bounds: Interval) {
    solver.assert(value.ge(Int::from_i64(bounds.low)));
    solver.assert(value.le(Int::from_i64(bounds.high)));
}

fn relu(z: &Int, bounds: Interval) -> Int {
    if bounds.low >= 0 {
        return z.clone();
    }
    let zero = Int::from_i64(0);
    z.gt(&zero).ite(z, &zero)
}

fn clamp(y: &Int, bounds: Interval) -> Int {
    let (one, minus) = (Int::from_i64(ONE), Int::from_i64(-ONE));
    let mut head = y.clone();
    if bounds.low < -ONE {
        head = y.lt(&minus).ite(&minus, &head);
    }
    if bounds.high > ONE {
        let above: Bool = y.gt(&one);
        head = above.ite(&one, &head);
    }
    head
}

fn sum<'t>(terms: impl Iterator<Item = (i64, &'t Int)>, constant: i64) -> Int {
    let products = terms
        .filter(|&(c, _)| c != 0)
        .map(|(c, value)| Int::from_i64(c) * value);
    let all: Vec<Int> = std::iter::once(Int::from_i64(constant))
        .chain(products)
        .collect();
    Int::add(&all)
}
