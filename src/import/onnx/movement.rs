//! Operators that move elements without computing: constants are moved at once, run-time values get
//! a node.

use resnetc_ir::infer;
use resnetc_ir::memory::reserved;
use resnetc_ir::op::SliceAxis;
use resnetc_ir::{NodeId, Op};

use super::builder::Builder;
use super::call::{Call, Result, Value};
use super::literal::{Data, Literal, elements};

/// A rearrangement of one value's elements.
#[derive(Clone, Debug)]
pub(super) enum Movement {
    /// Nothing moves.
    Identity,
    Reshape(Vec<usize>),
    Transpose(Vec<usize>),
    Slice(Vec<SliceAxis>),
    /// The elements at these positions along an axis.
    Gather(usize, Vec<usize>),
}

impl Movement {
    /// The elements at these positions along an axis of a value of this shape; a slice if they are
    /// evenly spaced.
    pub(super) fn picks(shape: &[usize], axis: usize, positions: Vec<usize>) -> Self {
        let even = evenly(&positions);
        match even {
            Some(SliceAxis { start: 0, step: 1, len }) if len == shape[axis] => Movement::Identity,
            Some(even) => {
                let all = |&len: &usize| SliceAxis { start: 0, step: 1, len };
                let mut selection: Vec<SliceAxis> = shape.iter().map(all).collect();
                selection[axis] = even;
                Movement::Slice(selection)
            }
            None => Movement::Gather(axis, positions),
        }
    }
}

/// Positions as a slice, if they are evenly spaced.
fn evenly(positions: &[usize]) -> Option<SliceAxis> {
    let (&start, len) = (positions.first()?, positions.len());
    let step = positions.get(1).map_or(1, |&next| next as isize - start as isize);
    let even = |pair: &[usize]| pair[1] as isize - pair[0] as isize == step;
    (step != 0 && positions.windows(2).all(even)).then_some(SliceAxis { start, step, len })
}

impl Builder {
    /// Applies a movement to any value.
    pub(super) fn apply(
        &mut self,
        call: &Call<'_>,
        value: &Value,
        movement: Movement,
    ) -> Result<Value> {
        let literal = match value {
            Value::Node(node) => return self.emit_movement(call, *node, movement),
            Value::Known(literal) => literal,
        };
        let result = match movement {
            Movement::Identity => return Ok(value.clone()),
            Movement::Reshape(shape) => {
                self.claim(literal.len())?;
                literal.reshaped(shape)?
            }
            Movement::Transpose(perm) => {
                self.claim(2 * literal.len())?;
                transpose(literal, &perm)?
            }
            Movement::Slice(axes) => {
                let shape: Vec<usize> = axes.iter().map(|a| a.len).collect();
                self.claim(elements(&shape)?)?;
                slice(literal, shape, &axes)?
            }
            Movement::Gather(axis, positions) => {
                let mut shape = literal.shape.clone();
                shape[axis] = positions.len();
                self.claim(elements(&shape)?)?;
                gather(literal, axis, &positions, shape)?
            }
        };
        Ok(Value::Known(result))
    }

    fn emit_movement(
        &mut self,
        call: &Call<'_>,
        node: NodeId,
        movement: Movement,
    ) -> Result<Value> {
        let op = match movement {
            Movement::Reshape(shape) if shape == self.shape_of(node) => {
                return Ok(Value::Node(node));
            }
            Movement::Identity => Op::Identity,
            Movement::Reshape(shape) => Op::Reshape { shape },
            Movement::Transpose(perm) => Op::Transpose { perm },
            Movement::Slice(axes) => Op::Slice(axes),
            Movement::Gather(axis, positions) => Op::Gather { axis, indices: positions.into() },
        };
        Ok(Value::Node(self.add(call, op, &[node])?))
    }
}

fn transpose(literal: &Literal, perm: &[usize]) -> Result<Literal> {
    let strides = strides(&literal.shape);
    let shape: Vec<usize> = perm.iter().map(|&axis| literal.shape[axis]).collect();
    let steps: Vec<isize> = perm.iter().map(|&axis| strides[axis] as isize).collect();
    literal.pick(shape.clone(), Walk::new(&shape, 0, steps))
}

fn slice(literal: &Literal, shape: Vec<usize>, axes: &[SliceAxis]) -> Result<Literal> {
    if shape.contains(&0) {
        return literal.pick(shape, std::iter::empty());
    }
    let strides = strides(&literal.shape);
    let start = axes.iter().zip(&strides).map(|(a, s)| a.start * s).sum();
    // A step is only used if the slice has a second element on the axis, which is inside the value.
    let steps = axes.iter().zip(&strides).map(|(a, &s)| a.step.wrapping_mul(s as isize)).collect();
    literal.pick(shape.clone(), Walk::new(&shape, start, steps))
}

fn gather(x: &Literal, axis: usize, positions: &[usize], to: Vec<usize>) -> Result<Literal> {
    let inner: usize = x.shape[axis + 1..].iter().product();
    let outer: usize = x.shape[..axis].iter().product();
    let extent = x.shape[axis];
    let run = move |row: usize, p: usize| {
        let first = (row * extent + p) * inner;
        first..first + inner
    };
    let walk = (0..outer).flat_map(|row| positions.iter().flat_map(move |&p| run(row, p)));
    x.pick(to, walk)
}

/// The shape that two shapes broadcast to, where an extent may be 0.
pub(super) fn broadcast_shape(a: &[usize], b: &[usize]) -> Result<Vec<usize>> {
    infer::broadcast(a, b).map_err(|e| e.to_string().into())
}

/// Expands a constant to a shape that it broadcasts to.
pub(super) fn broadcast(literal: &Literal, shape: &[usize]) -> Result<Literal> {
    if literal.shape == shape {
        return Ok(literal.clone());
    }
    let walk = Walk::broadcast(&literal.shape, shape);
    literal.pick(shape.to_vec(), walk)
}

/// Concatenates constants whose extents agree on every axis but one.
pub(super) fn concat(parts: &[&Literal], axis: usize, shape: Vec<usize>) -> Result<Literal> {
    let inner: usize = shape[axis + 1..].iter().product();
    let outer: usize = shape[..axis].iter().product();
    let runs: Vec<usize> = parts.iter().map(|p| p.shape[axis] * inner).collect();
    let integers = parts.iter().filter(|p| p.is_int()).count();
    let (mut ints, mut floats) = match (integers, elements(&shape)?) {
        (0, count) => (Vec::new(), reserved(count)?),
        (n, count) if n == parts.len() => (reserved(count)?, Vec::new()),
        _ => return Err("integers and floats cannot be joined".into()),
    };
    let parts = parts.iter().map(|part| part.widened()).collect::<Result<Vec<_>>>()?;
    for row in 0..outer {
        for (part, &run) in parts.iter().zip(&runs) {
            let range = row * run..(row + 1) * run;
            match &part.data {
                Data::Int(v) => ints.extend_from_slice(&v[range]),
                Data::Bytes(t) | Data::Float(t) => {
                    floats.extend_from_slice(&t.try_data()?[range]);
                }
            }
        }
    }
    match integers {
        0 => Ok(Literal::floats(shape, floats)?),
        _ => Ok(Literal::ints(shape, ints)?.of_type(parts[0].ty)),
    }
}

/// Row-major strides in elements.
fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i] * shape[i];
    }
    strides
}

/// The positions of a strided box of elements, in row-major order of the box.
pub(super) struct Walk {
    shape: Vec<usize>,
    steps: Vec<isize>,
    index: Vec<usize>,
    position: usize,
    left: usize,
}

impl Walk {
    fn new(shape: &[usize], start: usize, steps: Vec<isize>) -> Self {
        let left = shape.iter().product();
        Walk { shape: shape.to_vec(), steps, index: vec![0; shape.len()], position: start, left }
    }

    /// Positions in a value of shape `from` for each element of `to`, to which it broadcasts.
    pub(super) fn broadcast(from: &[usize], to: &[usize]) -> Self {
        let strides = strides(from);
        let missing = to.len() - from.len();
        let step = |axis: usize| match axis.checked_sub(missing) {
            Some(i) if from[i] != 1 => strides[i] as isize,
            _ => 0,
        };
        Walk::new(to, 0, (0..to.len()).map(step).collect())
    }
}

impl Iterator for Walk {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let current = self.position;
        for axis in (0..self.shape.len()).rev() {
            self.index[axis] += 1;
            if self.index[axis] < self.shape[axis] {
                self.position = self.position.wrapping_add_signed(self.steps[axis]);
                break;
            }
            // Back to the start of this axis; one step of the next outer axis follows.
            let back = self.steps[axis].wrapping_mul(self.shape[axis] as isize - 1);
            self.position = self.position.wrapping_add_signed(back.wrapping_neg());
            self.index[axis] = 0;
        }
        Some(current)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}
