//! Operators that move numbers and compute nothing.

use super::Operation;
use crate::float::onnx::error::NodeProblem;
use crate::float::onnx::tensor::{Element, Tensor, Value, size};

impl Operation<'_> {
    /// Also what Dropout is outside of training.
    pub(super) fn identity(&self) -> Result<Value, NodeProblem> {
        self.operand(0).cloned()
    }

    pub(super) fn flatten(&self) -> Result<Value, NodeProblem> {
        self.expect_operands(1)?;
        let shape = self.operand(0)?.shape();
        let axis = self.integer_attribute("axis", 1)?;
        let rank = shape.len() as i64;
        let at = if axis < 0 {
            axis.saturating_add(rank)
        } else {
            axis
        };
        if at < 0 || at > rank {
            return Err(NodeProblem::Attribute {
                name: "axis",
                expected: "an axis of the operand",
                got: format!("{axis} for shape {shape:?}"),
            });
        }
        let (outer, inner) = shape.split_at(at as usize);
        self.reshaped(vec![outer.iter().product(), inner.iter().product()])
    }

    pub(super) fn reshape(&self) -> Result<Value, NodeProblem> {
        self.expect_operands(2)?;
        let Value::Integer(target) = self.operand(1)? else {
            return Err(self.wrong(1, "a constant shape of whole numbers"));
        };
        let shape = self.operand(0)?.shape();
        let count: usize = shape.iter().product();
        let keeps_zero = self.integer_attribute("allowzero", 0)? != 0;
        let refuse = || NodeProblem::Operand {
            index: 1,
            expected: "a constant shape for as many values",
            got: format!("{:?} for shape {shape:?}", target.data),
        };
        let mut extents = Vec::with_capacity(target.data.len());
        let mut open = None;
        for (axis, &extent) in target.data.iter().enumerate() {
            extents.push(match extent {
                -1 if open.is_none() => {
                    open = Some(axis);
                    1
                }
                0 if !keeps_zero => *shape.get(axis).ok_or_else(refuse)?,
                extent => usize::try_from(extent).map_err(|_| refuse())?,
            });
        }
        let known = size(&extents).ok_or_else(refuse)?;
        if let Some(axis) = open {
            extents[axis] = count.checked_div(known).ok_or_else(refuse)?;
        }
        if size(&extents) != Some(count) {
            return Err(refuse());
        }
        self.reshaped(extents)
    }

    pub(super) fn squeeze(&self) -> Result<Value, NodeProblem> {
        let shape = self.operand(0)?.shape();
        let axes = match self.axes(shape.len())? {
            Some(axes) => axes,
            None => (0..shape.len()).filter(|&axis| shape[axis] == 1).collect(),
        };
        if axes.iter().any(|&axis| shape[axis] != 1) {
            return Err(self.wrong(0, "an extent of one at every squeezed axis"));
        }
        let kept = (0..shape.len()).filter(|axis| !axes.contains(axis));
        self.reshaped(kept.map(|axis| shape[axis]).collect())
    }

    pub(super) fn unsqueeze(&self) -> Result<Value, NodeProblem> {
        let shape = self.operand(0)?.shape();
        let added = match (self.optional(1), self.attribute("axes")) {
            (Some(Value::Integer(axes)), _) => axes.data.len(),
            (_, Some(attribute)) => attribute.ints.len(),
            _ => return Err(self.wrong(1, "constant axes")),
        };
        let rank = shape.len() + added;
        let axes = self.axes(rank)?.unwrap_or_default();
        let mut extents = shape.iter();
        let shape = (0..rank).map(|axis| {
            if axes.contains(&axis) {
                Some(1)
            } else {
                extents.next().copied()
            }
        });
        match shape.collect::<Option<Vec<usize>>>() {
            Some(shape) => self.reshaped(shape),
            None => Err(self.wrong(1, "distinct axes")),
        }
    }

    pub(super) fn transpose(&self) -> Result<Value, NodeProblem> {
        self.expect_operands(1)?;
        let value = self.operand(0)?;
        let rank = value.shape().len();
        let order: Vec<usize> = match self.attribute("perm") {
            None => (0..rank).rev().collect(),
            Some(attribute) => {
                let order = attribute
                    .ints
                    .iter()
                    .map(|&axis| usize::try_from(axis).ok());
                let order: Option<Vec<usize>> = order.collect();
                let is_permutation = |order: &Vec<usize>| {
                    order.len() == rank && (0..rank).all(|axis| order.contains(&axis))
                };
                order
                    .filter(is_permutation)
                    .ok_or_else(|| NodeProblem::Attribute {
                        name: "perm",
                        expected: "a permutation of the axes",
                        got: format!("{:?}", attribute.ints),
                    })?
            }
        };
        Ok(match value {
            Value::Float(tensor) => Value::Float(permuted(tensor, &order)?),
            Value::Integer(tensor) => Value::Integer(permuted(tensor, &order)?),
            Value::Live(tensor) => Value::Live(permuted(tensor, &order)?),
        })
    }

    pub(super) fn concat(&self) -> Result<Value, NodeProblem> {
        let first = self.operand(0)?.shape();
        let axis = self.integer_attribute("axis", 1)?;
        let axis = normalized(axis, first.len()).ok_or_else(|| NodeProblem::Attribute {
            name: "axis",
            expected: "an axis of the operands",
            got: axis.to_string(),
        })?;
        for index in 1..self.operands.len() {
            let shape = self.operand(index)?.shape();
            let fits = shape.len() == first.len()
                && (0..first.len()).all(|other| other == axis || shape[other] == first[other]);
            if !fits {
                return Err(self.wrong(index, "the first operand's shape but for the axis"));
            }
        }
        let all = 0..self.operands.len();
        if all
            .clone()
            .all(|index| matches!(self.optional(index), Some(Value::Integer(_))))
        {
            let parts = self
                .operands
                .iter()
                .flatten()
                .filter_map(|value| match value {
                    Value::Integer(tensor) => Some(tensor.clone()),
                    Value::Float(_) | Value::Live(_) => None,
                });
            return Ok(Value::Integer(joined(&parts.collect::<Vec<_>>(), axis)));
        }
        let parts = all.map(|index| self.elements(index));
        let parts: Vec<Tensor<Element>> = parts.collect::<Result<_, _>>()?;
        super::settle(joined(&parts, axis))
    }

    /// The value of an attribute; text and lists of text are not read.
    pub(super) fn constant(&self) -> Result<Value, NodeProblem> {
        self.expect_operands(0)?;
        let [attribute] = &self.node.attribute[..] else {
            return Err(NodeProblem::Attribute {
                name: "value",
                expected: "one attribute",
                got: format!("{}", self.node.attribute.len()),
            });
        };
        let list = |length| vec![length];
        let value = match attribute.name.as_str() {
            "value" => {
                if let Some(tensor) = &attribute.t {
                    return Value::from_message(&self.node.name, tensor).map_err(|error| {
                        NodeProblem::Attribute {
                            name: "value",
                            expected: "a tensor of finite f32 or whole numbers",
                            got: error.to_string(),
                        }
                    });
                }
                None
            }
            "value_float" => Some(Value::Float(Tensor {
                shape: Vec::new(),
                data: vec![self.float_attribute("value_float", 0.0)?],
            })),
            "value_floats" => Some(Value::Float(Tensor {
                shape: list(attribute.floats.len()),
                data: attribute.floats.clone(),
            })),
            "value_int" => Some(Value::Integer(Tensor {
                shape: Vec::new(),
                data: vec![self.integer_attribute("value_int", 0)?],
            })),
            "value_ints" => Some(Value::Integer(Tensor {
                shape: list(attribute.ints.len()),
                data: attribute.ints.clone(),
            })),
            _ => None,
        };
        match value {
            Some(Value::Float(tensor)) if tensor.data.iter().any(|it| !it.is_finite()) => {
                Err(NodeProblem::NotFinite)
            }
            Some(value) => Ok(value),
            None => Err(NodeProblem::Attribute {
                name: "value",
                expected: "a tensor, or value_float(s) or value_int(s)",
                got: format!("`{}`", attribute.name),
            }),
        }
    }

    /// The same numbers in another shape of the same size.
    fn reshaped(&self, shape: Vec<usize>) -> Result<Value, NodeProblem> {
        let mut value = self.operand(0)?.clone();
        match &mut value {
            Value::Float(tensor) => tensor.shape = shape,
            Value::Integer(tensor) => tensor.shape = shape,
            Value::Live(tensor) => tensor.shape = shape,
        }
        Ok(value)
    }

    /// Axes out of the attribute (old operator sets) or the second operand; sorted out by rank.
    fn axes(&self, rank: usize) -> Result<Option<Vec<usize>>, NodeProblem> {
        self.expect_operands(2)?;
        let axes = match (self.optional(1), self.attribute("axes")) {
            (Some(Value::Integer(axes)), _) => &axes.data,
            (Some(_), _) => return Err(self.wrong(1, "constant axes of whole numbers")),
            (None, Some(attribute)) => &attribute.ints,
            (None, None) => return Ok(None),
        };
        let known = axes.iter().map(|&axis| normalized(axis, rank));
        let known: Option<Vec<usize>> = known.collect();
        known.map(Some).ok_or_else(|| NodeProblem::Attribute {
            name: "axes",
            expected: "axes of the operand",
            got: format!("{axes:?} for {rank} axes"),
        })
    }
}

/// An axis counted from the front; negative ones count from the back.
fn normalized(axis: i64, rank: usize) -> Option<usize> {
    let at = if axis < 0 {
        axis.checked_add(rank as i64)?
    } else {
        axis
    };
    usize::try_from(at).ok().filter(|&at| at < rank)
}

fn permuted<T: Clone>(tensor: &Tensor<T>, order: &[usize]) -> Result<Tensor<T>, NodeProblem> {
    let shape = order.iter().map(|&axis| tensor.shape[axis]).collect();
    let mut source = vec![0; order.len()];
    let positions = |index: &[usize], source: &mut Vec<usize>| {
        for (&axis, &at) in order.iter().zip(index) {
            source[axis] = at;
        }
        let pairs = tensor.shape.iter().zip(source.iter());
        pairs.fold(0, |position, (&extent, &at)| position * extent + at)
    };
    let cell = std::cell::RefCell::new(&mut source);
    tensor.gather(shape, |index| positions(index, &mut cell.borrow_mut()))
}

/// Tensors one after the other along an axis.
fn joined<T: Clone>(parts: &[Tensor<T>], axis: usize) -> Tensor<T> {
    let Some(first) = parts.first() else {
        return Tensor {
            shape: vec![0],
            data: Vec::new(),
        };
    };
    let mut shape = first.shape.clone();
    shape[axis] = parts.iter().map(|part| part.shape[axis]).sum();
    let blocks: usize = shape[..axis].iter().product();
    let mut data = Vec::new();
    for block in 0..blocks {
        for part in parts {
            let length = part.data.len() / blocks;
            data.extend_from_slice(&part.data[block * length..(block + 1) * length]);
        }
    }
    Tensor { shape, data }
}
