//! The question as SMT-LIB 2 text: `sat` is a violation, `unsat` a proof.
//!
//! Logic `QF_LIA`, over the very integers of the program: a floor `z = ⌊s / 2^k⌋` becomes
//! `2^k·z ≤ s ≤ 2^k·z + 2^k − 1`, ReLU and clamp become `ite`. No bound that the prover derived
//! goes in, so the text stands for itself. The same question gives the same bytes.
//!
//! # Source
//! Barrett, Fontaine, Tinelli, "The SMT-LIB standard, version 2.6", 2017.

use std::fmt::{self, Display, Formatter};

use super::{ONE, Question};
use crate::network::Network;
use crate::objective::Halfspace;

/// What the text says about itself in its first lines.
#[derive(Clone, Copy, Debug)]
pub struct Title<'t> {
    /// The model's digest or name.
    pub model: &'t str,
    /// The claim's name.
    pub claim: &'t str,
    /// Which constraint of the claim.
    pub constraint: usize,
}

/// Writes a question; features are named `x0`, `x1`, … in the order of the table.
pub fn write(question: &Question<'_>, title: Title<'_>) -> String {
    Text { question, title }.to_string()
}

struct Text<'t> {
    question: &'t Question<'t>,
    title: Title<'t>,
}

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.head(f)?;
        self.features(f)?;
        self.layers(f)?;
        self.heads(f)?;
        self.conclusion(f)
    }
}

impl Text<'_> {
    fn head(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Title {
            model,
            claim,
            constraint,
        } = self.title;
        writeln!(f, "; Model {}", one_line(model))?;
        writeln!(f, "; Claim {}, constraint {constraint}", one_line(claim))?;
        writeln!(
            f,
            "; All values count 2^-16. unsat: the constraint holds for"
        )?;
        writeln!(
            f,
            "; every input. sat: x0, x1, ... are an input that breaks it."
        )?;
        writeln!(f, "(set-option :produce-models true)")?;
        writeln!(f, "(set-logic QF_LIA)")
    }

    fn features(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let table = self.question.network.table().features;
        writeln!(f, "; Features and their box")?;
        for (place, side) in self.question.region.iter().enumerate() {
            let name = table.get(place).map_or("", |feature| feature.name);
            writeln!(f, "(declare-const x{place} Int) ; {name}")?;
            let (low, high) = (Number(side.low.into()), Number(side.high.into()));
            writeln!(f, "(assert (<= {low} x{place} {high}))")?;
        }
        writeln!(f, "; Facts about the features")?;
        for Halfspace { terms, bound } in &self.question.facts {
            let terms = terms.iter().map(|&(place, c)| (c, Name::Feature(place)));
            let sum = Sum::new(terms, 0);
            writeln!(f, "(assert (<= {sum} {}))", Number((*bound).into()))?;
        }
        Ok(())
    }

    fn layers(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let network = self.question.network;
        for (number, layer) in network.layers().iter().enumerate() {
            let is_output = number == network.hidden_count();
            writeln!(f, "; Layer {number}")?;
            for neuron in 0..layer.outputs {
                let terms = layer.row(neuron).iter().enumerate();
                let terms = terms.map(|(input, &w)| (w, source(network, number, input)));
                let sum = Sum::new(terms, layer.bias[neuron]);
                let z = Name::Before(number, neuron);
                let unit = 1i128 << layer.shift;
                writeln!(f, "(declare-const {z} Int)")?;
                writeln!(f, "(assert (let ((s {sum}))")?;
                writeln!(
                    f,
                    "  (and (<= (* {unit} {z}) s) (<= s (+ (* {unit} {z}) {})))))",
                    unit - 1
                )?;
                if !is_output {
                    let h = Name::After(number, neuron);
                    writeln!(f, "(define-fun {h} () Int (ite (> {z} 0) {z} 0))")?;
                }
            }
        }
        Ok(())
    }

    fn heads(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let network = self.question.network;
        let output = network.hidden_count();
        writeln!(f, "; Heads, clamped to [-1, 1]")?;
        for (head, kind) in network.heads().iter().enumerate() {
            let (a, y) = (Name::Head(head), Name::Before(output, head));
            let (one, minus) = (Number(ONE.into()), Number((-ONE).into()));
            writeln!(f, "; {a} is the {} head", kind.name())?;
            writeln!(
                f,
                "(define-fun {a} () Int (ite (> {y} {one}) {one} (ite (< {y} {minus}) {minus} {y})))"
            )?;
        }
        Ok(())
    }

    fn conclusion(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let objective = &self.question.objective;
        let heads = objective.heads.iter();
        let heads = heads.map(|&(head, c)| (c, Name::Head(head)));
        let features = objective.features.iter();
        let features = features.map(|&(place, d)| (d, Name::Feature(place)));
        let sum = Sum::new(heads.chain(features), 0);
        writeln!(f, "; The constraint is broken")?;
        writeln!(f, "(assert (> {sum} {}))", Number(objective.bound.into()))?;
        writeln!(f, "(check-sat)")
    }
}

/// Where a layer reads its input from.
fn source(network: &Network, layer: usize, input: usize) -> Name {
    match layer.checked_sub(1) {
        None => Name::Feature(input % network.inputs().max(1)),
        Some(below) => {
            let width = network.layers()[below].outputs;
            match input.checked_sub(width) {
                Some(skipped) => Name::Feature(skipped),
                None => Name::After(below, input),
            }
        }
    }
}

/// A comment stays one.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[derive(Clone, Copy)]
enum Name {
    Feature(usize),
    Before(usize, usize),
    After(usize, usize),
    Head(usize),
}

impl Display for Name {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Feature(place) => write!(f, "x{place}"),
            Self::Before(layer, neuron) => write!(f, "z{layer}_{neuron}"),
            Self::After(layer, neuron) => write!(f, "h{layer}_{neuron}"),
            Self::Head(head) => write!(f, "a{head}"),
        }
    }
}

/// SMT-LIB has no negative literals.
struct Number(i128);

impl Display for Number {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.0 < 0 {
            write!(f, "(- {})", self.0.unsigned_abs())
        } else {
            write!(f, "{}", self.0)
        }
    }
}

struct Sum {
    terms: Vec<(i64, Name)>,
    constant: i64,
}

impl Sum {
    fn new(terms: impl Iterator<Item = (i64, Name)>, constant: i64) -> Self {
        Self {
            terms: terms.filter(|&(c, _)| c != 0).collect(),
            constant,
        }
    }
}

impl Display for Sum {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let constant = Number(self.constant.into());
        if self.terms.is_empty() {
            return write!(f, "{constant}");
        }
        // `+` needs two operands.
        write!(f, "(+ {constant}")?;
        for &(c, name) in &self.terms {
            match c {
                1 => write!(f, " {name}")?,
                _ => write!(f, " (* {} {name})", Number(c.into()))?,
            }
        }
        write!(f, ")")
    }
}
