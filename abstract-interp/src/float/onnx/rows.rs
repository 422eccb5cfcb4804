//! The values of a graph as rows over earlier values, and their order in layers.

use crate::float::network::{Activation, Layer};
use crate::float::onnx::error::OnnxError;
use crate::float::onnx::tensor::Element;
use crate::float::rounding::Rounding;

/// Terms of all rows at most.
pub(super) const TERM_LIMIT: usize = 1 << 24;
/// Weights of all layers at most, those of value 0 included.
const WEIGHT_LIMIT: usize = 1 << 25;

/// activation(Σ weight·wire + bias).
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Wires, each once, with weights that are not zero.
    pub(super) terms: Vec<(usize, f32)>,
    pub(super) bias: f32,
    pub(super) rounding: Rounding,
    pub(super) activation: Activation,
}

/// All values computed so far. Wires 0, 1, … are the inputs, then come the rows, in order.
#[derive(Debug)]
pub(super) struct Rows {
    inputs: usize,
    made: Vec<Row>,
    terms: usize,
}

impl Row {
    /// A value itself: exact in whatever company.
    fn copy(wire: usize) -> Self {
        Self {
            terms: vec![(wire, 1.0)],
            bias: 0.0,
            rounding: Rounding::Exact,
            activation: Activation::Identity,
        }
    }

    /// The wire that the activation is applied to, where nothing else happens.
    fn source(&self) -> Option<usize> {
        match self.terms[..] {
            [(wire, 1.0)] => Some(wire),
            _ => None,
        }
    }

    /// Whether it gives the same in exact arithmetic and in f32.
    fn is_neutral(&self) -> bool {
        match self.terms[..] {
            [] => true,
            [(_, weight)] => weight.abs() == 1.0 && self.bias == 0.0,
            _ => false,
        }
    }
}

impl Rows {
    pub(super) const fn new(inputs: usize) -> Self {
        Self {
            inputs,
            made: Vec::new(),
            terms: 0,
        }
    }

    /// Adds a row; none where there would be too many terms.
    pub(super) fn push(&mut self, row: Row) -> Option<Element> {
        self.push_wire(row).map(Element::Wire)
    }

    fn push_wire(&mut self, row: Row) -> Option<usize> {
        // A row counts for itself too: it costs memory without terms.
        self.terms += row.terms.len() + 1;
        if self.terms > TERM_LIMIT {
            return None;
        }
        self.made.push(row);
        Some(self.inputs + self.made.len() - 1)
    }

    /// A wire with the same value.
    pub(super) fn copy(&mut self, wire: usize) -> Option<usize> {
        self.push_wire(Row::copy(wire))
    }

    /// Whether any of the wires depends on an input.
    pub(super) fn depend_on_input(&self, wires: &[usize]) -> bool {
        let needed = self.needed(wires);
        needed[..self.inputs].contains(&true)
    }

    /// The wire of a value; a constant becomes a row without terms.
    pub(super) fn wire(&mut self, element: Element) -> Option<usize> {
        let constant = match element {
            Element::Wire(wire) => return Some(wire),
            Element::Constant(constant) => constant,
        };
        self.push_wire(Row {
            terms: Vec::new(),
            bias: constant,
            rounding: Rounding::Exact,
            activation: Activation::Identity,
        })
    }

    /// The layers that compute `outputs`, in this order.
    pub(super) fn into_layers(mut self, outputs: &[usize]) -> Result<Vec<Layer>, OnnxError> {
        self.merge(outputs);
        let needed = self.needed(outputs);
        let levels = self.levels(&needed);
        let depth = outputs.iter().map(|&wire| levels[wire]).max().unwrap_or(0);
        // A network needs a layer even where it returns its input.
        let depth = depth.max(1);
        self.layers(outputs, &Schedule { levels, depth })
    }

    fn row(&self, wire: usize) -> Option<&Row> {
        wire.checked_sub(self.inputs)
            .map(|number| &self.made[number])
    }

    /// Joins a sum with the bias added to it, and both with the activation that follows, wherever
    /// nothing else reads what is in between.
    ///
    /// # Soundness
    /// Adding a bias to a rounded sum is one of the orders of the longer sum, which
    /// [`Rounding::AnyOrder`] covers; applying an activation to a copy is applying it.
    fn merge(&mut self, outputs: &[usize]) {
        let mut uses = vec![0usize; self.inputs + self.made.len()];
        let read = self.made.iter().flat_map(|row| &row.terms);
        for wire in read.map(|&(wire, _)| wire).chain(outputs.iter().copied()) {
            uses[wire] += 1;
        }
        for number in 0..self.made.len() {
            let Some(wire) = self.made[number].source() else {
                continue;
            };
            let Some(source) = self.row(wire) else {
                continue;
            };
            if uses[wire] != 1 || source.activation != Activation::Identity {
                continue;
            }
            let row = &self.made[number];
            let adds_bias = row.bias != 0.0;
            let is_sum = source.bias == 0.0
                && source.rounding == Rounding::AnyOrder
                && row.rounding == Rounding::AnyOrder;
            if adds_bias && !is_sum {
                continue;
            }
            let bias = if adds_bias { row.bias } else { source.bias };
            let rounding = source.rounding;
            let source = wire - self.inputs;
            let terms = std::mem::take(&mut self.made[source].terms);
            let row = &mut self.made[number];
            row.terms = terms;
            row.bias = bias;
            row.rounding = rounding;
        }
    }

    /// Whether a wire is needed for the outputs.
    fn needed(&self, outputs: &[usize]) -> Vec<bool> {
        let mut needed = vec![false; self.inputs + self.made.len()];
        for &wire in outputs {
            needed[wire] = true;
        }
        for (number, row) in self.made.iter().enumerate().rev() {
            if needed[self.inputs + number] {
                for &(wire, _) in &row.terms {
                    needed[wire] = true;
                }
            }
        }
        needed
    }

    /// The layer that computes each wire, counted from one; inputs and unneeded wires have zero.
    ///
    /// Exact rows that f32 arithmetic would round never share a layer with rows that are meant to
    /// round, so that a layer's [`Rounding`] holds for all of its rows.
    fn levels(&self, needed: &[bool]) -> Vec<usize> {
        let mut levels = vec![0; self.inputs + self.made.len()];
        let mut kinds: Vec<Option<Rounding>> = Vec::new();
        for (number, row) in self.made.iter().enumerate() {
            let wire = self.inputs + number;
            if !needed[wire] {
                continue;
            }
            let sources = row.terms.iter().map(|&(source, _)| levels[source]);
            let mut level = sources.max().unwrap_or(0) + 1;
            if !row.is_neutral() {
                let fits = |level: usize| {
                    let kind = kinds.get(level).copied().flatten();
                    kind.is_none_or(|kind| kind == row.rounding)
                };
                while !fits(level) {
                    level += 1;
                }
                if kinds.len() <= level {
                    kinds.resize(level + 1, None);
                }
                kinds[level] = Some(row.rounding);
            }
            levels[wire] = level;
        }
        levels
    }

    fn layers(&self, outputs: &[usize], schedule: &Schedule) -> Result<Vec<Layer>, OnnxError> {
        let Schedule { levels, depth } = schedule;
        // From the back: what a layer reads is what the one before it has to make.
        let mut wanted = outputs.to_vec();
        let mut layers = Vec::new();
        let mut weights = 0usize;
        for level in (1..=*depth).rev() {
            let rows: Vec<Row> = wanted
                .iter()
                .map(|&wire| match self.row(wire) {
                    Some(row) if levels[wire] == level => row.clone(),
                    _ => Row::copy(wire),
                })
                .collect();
            // In the order in which rows name them, so that sums are taken as the graph has them.
            let mut columns: Vec<Option<usize>> = vec![None; levels.len()];
            let mut sources = Vec::new();
            let read = rows
                .iter()
                .flat_map(|row| &row.terms)
                .map(|&(wire, _)| wire);
            let inputs = if level == 1 { 0..self.inputs } else { 0..0 };
            for wire in inputs.chain(read) {
                if columns[wire].is_none() {
                    columns[wire] = Some(sources.len());
                    sources.push(wire);
                }
            }
            weights += rows.len().saturating_mul(sources.len());
            if weights > WEIGHT_LIMIT {
                let limit = WEIGHT_LIMIT;
                return Err(OnnxError::Weights { limit });
            }
            layers.push(layer(&rows, &columns, sources.len()));
            wanted = sources;
        }
        layers.reverse();
        Ok(layers)
    }
}

struct Schedule {
    levels: Vec<usize>,
    depth: usize,
}

/// A layer of rows, whose wires stand in `columns`.
fn layer(rows: &[Row], columns: &[Option<usize>], inputs: usize) -> Layer {
    let mut weights = vec![0.0; rows.len() * inputs];
    for (number, row) in rows.iter().enumerate() {
        for &(wire, weight) in &row.terms {
            if let Some(column) = columns[wire] {
                weights[number * inputs + column] = f64::from(weight);
            }
        }
    }
    let rounds = |row: &Row| row.rounding == Rounding::AnyOrder && !row.is_neutral();
    Layer {
        inputs,
        outputs: rows.len(),
        weights,
        bias: rows.iter().map(|row| f64::from(row.bias)).collect(),
        rounding: if rows.iter().any(rounds) {
            Rounding::AnyOrder
        } else {
            Rounding::Exact
        },
        activations: rows.iter().map(|row| row.activation).collect(),
    }
}
