//! Arrays with a shape: constants, whole numbers, and values of the network.

use crate::float::onnx::error::{NodeProblem, OnnxError};
use crate::float::onnx::message::{self, TensorData};

/// Values of one tensor at most.
pub(super) const SIZE_LIMIT: usize = 1 << 24;

/// Values of all tensors of a graph together at most.
pub(super) const HELD_LIMIT: usize = 1 << 25;

/// Row-major.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tensor<T> {
    pub(super) shape: Vec<usize>,
    pub(super) data: Vec<T>,
}

/// One value of the network while it runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Element {
    Constant(f32),
    /// The number of an input or a row, see [`super::rows::Rows`].
    Wire(usize),
}

/// What a name in the graph stands for.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Float(Tensor<f32>),
    Integer(Tensor<i64>),
    Live(Tensor<Element>),
}

/// Values of a shape, or none where there are too many. Extents of zero do not excuse the others,
/// so that products of some extents cannot overflow either.
pub(super) fn size(shape: &[usize]) -> Option<usize> {
    let spanned = shape.iter().try_fold(1usize, |size, &extent| {
        size.checked_mul(extent.max(1))
            .filter(|&size| size <= SIZE_LIMIT)
    });
    spanned.map(|size| if shape.contains(&0) { 0 } else { size })
}

impl<T: Clone> Tensor<T> {
    /// Takes each value of the result from the position that `source` gives for its index.
    pub(super) fn gather(
        &self,
        shape: Vec<usize>,
        source: impl Fn(&[usize]) -> usize,
    ) -> Result<Self, NodeProblem> {
        let limit = SIZE_LIMIT;
        let count = size(&shape).ok_or(NodeProblem::Size { limit })?;
        let mut index = vec![0; shape.len()];
        let mut data = Vec::with_capacity(count);
        for _ in 0..count {
            data.push(self.data[source(&index)].clone());
            advance(&mut index, &shape);
        }
        Ok(Self { shape, data })
    }

    /// The position of an index, in which an extent of one stands for any (ONNX "Broadcasting").
    pub(super) fn broadcast_position(&self, index: &[usize]) -> usize {
        let skipped = index.len() - self.shape.len();
        let pairs = self.shape.iter().zip(&index[skipped..]);
        pairs.fold(0, |position, (&extent, &at)| {
            position * extent + if extent == 1 { 0 } else { at }
        })
    }
}

/// The next index in row-major order.
pub(super) fn advance(index: &mut [usize], shape: &[usize]) {
    for (at, &extent) in index.iter_mut().zip(shape).rev() {
        *at += 1;
        if *at < extent {
            return;
        }
        *at = 0;
    }
}

/// The shape of an elementwise operation on two shapes, where they fit.
pub(super) fn broadcast(left: &[usize], right: &[usize]) -> Option<Vec<usize>> {
    let rank = left.len().max(right.len());
    let extent = |shape: &[usize], axis: usize| {
        let skipped = rank - shape.len();
        if axis < skipped {
            1
        } else {
            shape[axis - skipped]
        }
    };
    let joined = (0..rank).map(|axis| match (extent(left, axis), extent(right, axis)) {
        (a, b) if a == b || b == 1 => Some(a),
        (1, b) => Some(b),
        _ => None,
    });
    joined.collect()
}

impl Value {
    pub(super) fn shape(&self) -> &[usize] {
        match self {
            Self::Float(tensor) => &tensor.shape,
            Self::Integer(tensor) => &tensor.shape,
            Self::Live(tensor) => &tensor.shape,
        }
    }

    /// Values that it keeps in memory.
    pub(super) const fn len(&self) -> usize {
        match self {
            Self::Float(tensor) => tensor.data.len(),
            Self::Integer(tensor) => tensor.data.len(),
            Self::Live(tensor) => tensor.data.len(),
        }
    }

    /// For messages.
    pub(super) fn describe(&self) -> String {
        let kind = match self {
            Self::Float(_) => "a constant",
            Self::Integer(_) => "whole numbers",
            Self::Live(_) => "values",
        };
        format!("{kind} of shape {:?}", self.shape())
    }

    /// Reads numbers out of a message.
    pub(super) fn from_message(name: &str, message: &TensorData) -> Result<Self, OnnxError> {
        let wrong = |expected, got| OnnxError::Tensor {
            tensor: name.to_owned(),
            expected,
            got,
        };
        if message.data_location != 0 {
            return Err(wrong("numbers in this file", "numbers in another".into()));
        }
        let shape = message
            .dims
            .iter()
            .map(|&extent| usize::try_from(extent).ok());
        let shape: Option<Vec<usize>> = shape.collect();
        let count = shape.as_deref().and_then(size);
        let (Some(shape), Some(count)) = (shape, count) else {
            let got = format!("{:?}", message.dims);
            return Err(wrong("a shape of at most 2^24 values", got));
        };
        match message.data_type {
            message::FLOAT => {
                let data = numbers(message, &message.float_data, f32::from_le_bytes);
                let data = data.map_err(|got| wrong("values of 4 bytes", got))?;
                check_length(count, data.len())
                    .map_err(|got| wrong("as many values as the shape", got))?;
                if let Some(at) = data.iter().position(|value| !value.is_finite()) {
                    let got = format!("{} at position {at}", data[at]);
                    return Err(wrong("finite values", got));
                }
                Ok(Self::Float(Tensor { shape, data }))
            }
            message::INT64 | message::INT32 => {
                let data = if message.data_type == message::INT64 {
                    numbers(message, &message.int64_data, i64::from_le_bytes)
                } else {
                    numbers(message, &message.int32_data, i32::from_le_bytes)
                        .map(|data| data.into_iter().map(i64::from).collect())
                };
                let data: Vec<i64> = data.map_err(|got| wrong("values of 4 or 8 bytes", got))?;
                check_length(count, data.len())
                    .map_err(|got| wrong("as many values as the shape", got))?;
                Ok(Self::Integer(Tensor { shape, data }))
            }
            other => {
                let got = format!("data type {other} ({})", type_name(other));
                Err(wrong("data type 1 (FLOAT), or INT64 for shapes", got))
            }
        }
    }
}

fn check_length(expected: usize, got: usize) -> Result<(), String> {
    if expected == got {
        Ok(())
    } else {
        Err(format!("{got} values for {expected}"))
    }
}

/// The raw bytes in little-endian order, or the typed list.
fn numbers<T: Copy, const SIZE: usize>(
    message: &TensorData,
    typed: &[T],
    from_bytes: impl Fn([u8; SIZE]) -> T,
) -> Result<Vec<T>, String> {
    if message.raw_data.is_empty() {
        return Ok(typed.to_vec());
    }
    let (chunks, rest) = message.raw_data.as_chunks::<SIZE>();
    if !rest.is_empty() {
        return Err(format!("{} raw bytes", message.raw_data.len()));
    }
    Ok(chunks.iter().map(|&chunk| from_bytes(chunk)).collect())
}

/// The name of a `TensorProto.DataType`.
pub(super) const fn type_name(data_type: i32) -> &'static str {
    match data_type {
        0 => "UNDEFINED",
        1 => "FLOAT",
        2 => "UINT8",
        3 => "INT8",
        4 => "UINT16",
        5 => "INT16",
        6 => "INT32",
        7 => "INT64",
        8 => "STRING",
        9 => "BOOL",
        10 => "FLOAT16",
        11 => "DOUBLE",
        12 => "UINT32",
        13 => "UINT64",
        14 => "COMPLEX64",
        15 => "COMPLEX128",
        16 => "BFLOAT16",
        _ => "of a newer format",
    }
}
