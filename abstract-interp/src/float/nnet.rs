//! `.nnet`: fully connected ReLU networks as text, the format of Reluplex and of the original ACAS Xu.
//!
//! Lines that start with `//` are comments. Then come numbers with commas between and, usually, one at
//! the end of the line: layers, inputs, outputs and the largest layer; the sizes of all layers,
//! inputs first; a flag without meaning; least and greatest value of every input; means, and
//! ranges, of every input and one of all outputs; for each layer its weights, a line per neuron, and then
//! its biases, a line each. ReLU follows every layer but the last.
//!
//! # Normalisation
//! The network that is read maps *normalised* inputs, (x − mean)/range, to *normalised* outputs, as
//! the networks and properties of Reluplex, Marabou and VNN-COMP do; properties are about those
//! numbers. What the file says about physical units is handed out beside it ([`Normalisation`]); it
//! is never applied, as its arithmetic is not part of the network, and no rounding of it is known.
//!
//! # Rounding
//! Weights are written in decimals; each is read as the nearest `f32`, and the network is evaluated
//! in `f32` as [`FloatNetwork`] describes.
//!
//! # Source
//! <https://github.com/sisl/NNet>, "NNet file format".

use crate::float::network::{Activation, FloatNetwork, Layer, ShapeError};
use crate::float::rounding::Rounding;

/// A network, and what its normalised numbers mean.
#[derive(Clone, Debug, PartialEq)]
pub struct Nnet {
    /// From normalised inputs to normalised outputs.
    pub network: FloatNetwork,
    /// How they relate to physical ones.
    pub normalisation: Normalisation,
}

/// What a file says about physical units; information only, in `f64` as written.
#[derive(Clone, Debug, PartialEq)]
pub struct Normalisation {
    /// Least physical value per input.
    pub minima: Vec<f64>,
    /// Greatest physical value per input.
    pub maxima: Vec<f64>,
    /// Means per input, and one of all outputs as the last.
    pub means: Vec<f64>,
    /// Ranges, as the means; not zero.
    pub ranges: Vec<f64>,
}

/// Something wrong with a file, at a place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {problem}")]
pub struct NnetError {
    /// Line, counted from one.
    pub line: usize,
    /// Column in characters, counted from one.
    pub column: usize,
    /// What is wrong there.
    pub problem: NnetProblem,
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NnetProblem {
    /// The file is larger than is read.
    #[error("the file has {got} bytes, expected at most {limit}")]
    TooLarge {
        /// Bytes that are read at most.
        limit: usize,
        /// Bytes of the file.
        got: usize,
    },
    /// The file is no text.
    #[error("expected UTF-8 text, found another byte")]
    Encoding,
    /// The file ends too early, or goes on.
    #[error("expected {expected}, found {got}")]
    Line {
        /// What belongs here.
        expected: &'static str,
        /// What there is.
        got: &'static str,
    },
    /// A line has another number of entries.
    #[error("expected {expected} numbers ({field}), found {got}")]
    Count {
        /// What they are.
        field: &'static str,
        /// Numbers that belong here.
        expected: usize,
        /// Numbers there are.
        got: usize,
    },
    /// An entry is no number, or one that cannot be used.
    #[error("{field}: expected {expected}, found `{got}`")]
    Number {
        /// What it is.
        field: &'static str,
        /// What is read.
        expected: &'static str,
        /// What stands there.
        got: String,
    },
    /// The header contradicts itself.
    #[error("{field}: expected {expected} as the header says, found {got}")]
    Header {
        /// Which number.
        field: &'static str,
        /// What the first line says.
        expected: usize,
        /// What stands here.
        got: usize,
    },
    /// More weights than are read.
    #[error("the layers have more than {limit} weights")]
    Weights {
        /// Weights at most.
        limit: usize,
    },
    /// The layers do not form a network.
    #[error(transparent)]
    Shape(#[from] ShapeError),
}

/// Bytes of a file that are read at most.
const FILE_LIMIT: usize = 64 << 20;
/// Weights of all layers at most.
const WEIGHT_LIMIT: usize = 1 << 24;
const LAYER_LIMIT: usize = 1 << 12;

/// Reads a network.
///
/// # Errors
/// [`NnetError`] with line and column.
pub fn read(bytes: &[u8]) -> Result<Nnet, NnetError> {
    let start = |problem| NnetError {
        line: 1,
        column: 1,
        problem,
    };
    if bytes.len() > FILE_LIMIT {
        return Err(start(NnetProblem::TooLarge {
            limit: FILE_LIMIT,
            got: bytes.len(),
        }));
    }
    let text = str::from_utf8(bytes).map_err(|error| {
        let valid = str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default();
        NnetError {
            line: valid.matches('\n').count() + 1,
            column: valid.rsplit('\n').next().unwrap_or(valid).chars().count() + 1,
            problem: NnetProblem::Encoding,
        }
    })?;
    let mut lines = Lines::new(text);
    let sizes = header(&mut lines)?;
    lines.next("the flag line")?;
    let inputs = sizes[0];
    let normalisation = normalisation(&mut lines, inputs)?;
    let layers = layers(&mut lines, &sizes)?;
    lines.end()?;
    let network = FloatNetwork::new(inputs, layers)
        .map_err(|error| lines.here().error(1, NnetProblem::Shape(error)))?;
    Ok(Nnet {
        network,
        normalisation,
    })
}

/// The sizes of all layers, inputs first.
fn header(lines: &mut Lines<'_>) -> Result<Vec<usize>, NnetError> {
    let line = lines.next("layers, inputs, outputs and largest layer")?;
    let numbers = line.whole_numbers("layers, inputs, outputs, largest layer", 4)?;
    let [layers, inputs, outputs, _] = numbers[..] else {
        return Err(line.count("layers, inputs, outputs, largest layer", 4));
    };
    if layers > LAYER_LIMIT {
        return Err(line.number(1, "layers", "at most 4096", &layers.to_string()));
    }
    let line = lines.next("the sizes of the layers")?;
    let sizes = line.whole_numbers("sizes of layers", layers + 1)?;
    for (field, expected, got) in [
        ("inputs", inputs, sizes[0]),
        ("outputs", outputs, sizes[layers]),
    ] {
        if expected != got {
            let problem = NnetProblem::Header {
                field,
                expected,
                got,
            };
            return Err(line.error(1, problem));
        }
    }
    let weights = sizes.windows(2).try_fold(0usize, |weights, pair| {
        weights.checked_add(pair[0].checked_mul(pair[1])?)
    });
    if weights.is_none_or(|weights| weights > WEIGHT_LIMIT) {
        let limit = WEIGHT_LIMIT;
        return Err(line.error(1, NnetProblem::Weights { limit }));
    }
    Ok(sizes)
}

fn normalisation(lines: &mut Lines<'_>, inputs: usize) -> Result<Normalisation, NnetError> {
    let mut physical = |field, count| -> Result<Vec<f64>, NnetError> {
        let line = lines.next(field)?;
        line.numbers(field, count, str::parse, f64::is_finite)
    };
    let minima = physical("least values of the inputs", inputs)?;
    let maxima = physical("greatest values of the inputs", inputs)?;
    let means = physical("means of the inputs and the outputs", inputs + 1)?;
    let line = lines.next("ranges of the inputs and the outputs")?;
    let usable = |range: f64| range.is_finite() && range != 0.0;
    let ranges = line.numbers("ranges", inputs + 1, str::parse, usable)?;
    Ok(Normalisation {
        minima,
        maxima,
        means,
        ranges,
    })
}

fn layers(lines: &mut Lines<'_>, sizes: &[usize]) -> Result<Vec<Layer>, NnetError> {
    let mut layers = Vec::new();
    for pair in sizes.windows(2) {
        let [inputs, outputs] = *pair else {
            continue;
        };
        let is_last = layers.len() + 2 == sizes.len();
        let mut weights = Vec::new();
        for _ in 0..outputs {
            let line = lines.next("the weights of a neuron")?;
            weights.extend(line.singles("weights of a neuron", inputs)?);
        }
        let mut bias = Vec::new();
        for _ in 0..outputs {
            let line = lines.next("the bias of a neuron")?;
            bias.extend(line.singles("bias of a neuron", 1)?);
        }
        let activation = if is_last {
            Activation::Identity
        } else {
            Activation::Relu
        };
        layers.push(Layer {
            inputs,
            outputs,
            weights,
            bias,
            rounding: Rounding::AnyOrder,
            activations: vec![activation; outputs],
        });
    }
    Ok(layers)
}

/// Lines that are neither empty nor comments.
struct Lines<'a> {
    rest: std::iter::Enumerate<std::str::Lines<'a>>,
    last: usize,
}

/// A line with its number, counted from one.
#[derive(Clone, Copy)]
struct Line<'a> {
    number: usize,
    text: &'a str,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            rest: text.lines().enumerate(),
            last: 0,
        }
    }

    fn step(&mut self) -> Option<Line<'a>> {
        for (index, text) in self.rest.by_ref() {
            self.last = index + 1;
            let trimmed = text.trim_start();
            if !trimmed.is_empty() && !trimmed.starts_with("//") {
                let number = index + 1;
                return Some(Line { number, text });
            }
        }
        None
    }

    fn next(&mut self, expected: &'static str) -> Result<Line<'a>, NnetError> {
        self.step().ok_or_else(|| {
            let got = "the end of the file";
            let problem = NnetProblem::Line { expected, got };
            self.here().error(1, problem)
        })
    }

    fn end(&mut self) -> Result<(), NnetError> {
        self.step().map_or(Ok(()), |line| {
            let (expected, got) = ("the end of the file", "another line");
            Err(line.error(1, NnetProblem::Line { expected, got }))
        })
    }

    const fn here(&self) -> Line<'a> {
        let number = if self.last == 0 { 1 } else { self.last };
        Line { number, text: "" }
    }
}

impl<'a> Line<'a> {
    const fn error(&self, column: usize, problem: NnetProblem) -> NnetError {
        NnetError {
            line: self.number,
            column,
            problem,
        }
    }

    /// Entries with their columns; a comma at the end adds none.
    fn entries(&self) -> impl Iterator<Item = (usize, &'a str)> {
        let text = self.text.trim_end();
        let text = text.strip_suffix(',').unwrap_or(text);
        let mut column = 1;
        text.split(',').map(move |entry| {
            let leading = entry.len() - entry.trim_start().len();
            let at = column + entry[..leading].chars().count();
            column += entry.chars().count() + 1;
            (at, entry.trim())
        })
    }

    fn count(&self, field: &'static str, expected: usize) -> NnetError {
        let got = self.entries().count();
        let problem = NnetProblem::Count {
            field,
            expected,
            got,
        };
        self.error(1, problem)
    }

    fn number(
        &self,
        column: usize,
        field: &'static str,
        expected: &'static str,
        got: &str,
    ) -> NnetError {
        let got = got.chars().take(40).collect();
        let problem = NnetProblem::Number {
            field,
            expected,
            got,
        };
        self.error(column, problem)
    }

    fn numbers<T: Copy, E>(
        &self,
        field: &'static str,
        count: usize,
        parse: impl Fn(&str) -> Result<T, E>,
        usable: impl Fn(T) -> bool,
    ) -> Result<Vec<T>, NnetError> {
        // Counted first: a list of all entries of a line of commas takes many times its length.
        if self.entries().count() != count {
            return Err(self.count(field, count));
        }
        let numbers = self.entries().map(|(column, entry)| {
            let number = parse(entry).ok().filter(|&number| usable(number));
            let expected = "a finite number in range";
            number.ok_or_else(|| self.number(column, field, expected, entry))
        });
        numbers.collect()
    }

    fn whole_numbers(&self, field: &'static str, count: usize) -> Result<Vec<usize>, NnetError> {
        let usable = |number| (1..=WEIGHT_LIMIT).contains(&number);
        self.numbers(field, count, str::parse, usable)
    }

    fn singles(&self, field: &'static str, count: usize) -> Result<Vec<f64>, NnetError> {
        let singles = self.numbers(field, count, str::parse, f32::is_finite)?;
        Ok(singles.into_iter().map(f64::from).collect())
    }
}
