//! The graph under construction.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use resnetc_ir::infer::check_shape;
use resnetc_ir::op::{Binary, Unary};
use resnetc_ir::{Graph, NodeId, Op, Tensor};

use super::batch::Batch;
use super::budget::Budget;
use super::call::{Call, Result, Value};
use super::external::{Beside, Files};
use super::literal::{Data, Literal};
use super::proto::DataType;
use crate::import::{limits, memory, stored};

/// A graph, and what is needed to add to it.
pub(super) struct Builder {
    pub(super) graph: Graph,
    /// The files that may hold external data.
    pub(super) files: Files,
    /// The node of each tensor that is in the graph; the graph keeps the tensors alive, so no
    /// address is reused.
    constants: HashMap<*const Tensor, NodeId>,
    /// The run-time values whose elements are integers of the model, held as floats, and their
    /// types.
    pub(super) integers: HashMap<NodeId, DataType>,
    /// Dequantized constants that may be weights: they stay arithmetic, so that the integers remain
    /// visible.
    pub(super) dequantized: HashSet<NodeId>,
    /// The float types of the other values, where they are known not to be float32.
    floats: HashMap<NodeId, DataType>,
    /// Which inputs are batches.
    pub(super) batch: Batch,
    /// What is left of the limits on arithmetic and on constants of one value, in elements.
    work: usize,
    filled: usize,
    /// What is left of the memory for constants.
    pub(super) budget: Budget,
}

impl Builder {
    pub(super) fn new(beside: Beside) -> Self {
        Builder {
            graph: Graph::new(),
            files: Files::new(beside),
            constants: HashMap::new(),
            integers: HashMap::new(),
            dequantized: HashSet::new(),
            floats: HashMap::new(),
            batch: Batch::default(),
            work: limits::ARITHMETIC_ELEMENTS,
            filled: limits::FILLED_ELEMENTS,
            budget: Budget::new(memory::for_constants()),
        }
    }

    /// Raises the limit on arithmetic because the model stores this many elements.
    pub(super) fn grant(&mut self, stored: usize) {
        self.work = self.work.saturating_add(stored.saturating_mul(limits::ARITHMETIC_PER_STORED));
    }

    /// Claims work on constants before it is done: `elements` to be read and written.
    pub(super) fn claim(&mut self, elements: usize) -> Result<()> {
        let what = "elements in constant arithmetic, plus eight for each that the model stores";
        claim(&mut self.work, elements, limits::ARITHMETIC_ELEMENTS, what)
    }

    /// Claims a constant of one value, whose elements take no memory until they are packed.
    pub(super) fn claim_filled(&mut self, elements: usize) -> Result<()> {
        let what = "elements of constants that hold a single value";
        claim(&mut self.filled, elements, limits::FILLED_ELEMENTS, what)
    }

    /// Records the element type that the model gives a run-time value.
    pub(super) fn declare(&mut self, node: NodeId, ty: DataType) {
        let types = match ty.is_float() {
            true => &mut self.floats,
            false => &mut self.integers,
        };
        types.insert(node, ty);
    }

    /// The element type that the model gives a run-time value.
    pub(super) fn type_of(&self, node: NodeId) -> DataType {
        let ty = self.integers.get(&node).or_else(|| self.floats.get(&node));
        ty.copied().unwrap_or(DataType::Float)
    }

    /// Gives a result its type, if its handler did not: that of the `integers` among the operands,
    /// or of the floats.
    pub(super) fn type_result(
        &mut self,
        call: &Call<'_>,
        node: NodeId,
        integers: Option<DataType>,
    ) {
        if let Some(ty) = integers {
            self.integers.insert(node, ty);
        }
        if self.integers.contains_key(&node) || self.floats.contains_key(&node) {
            return;
        }
        // Run-time operands have exactly the result's type; constants come second, because
        // arithmetic on them does not track types.
        let computed = call.args.iter().flatten().find_map(|value| match value {
            Value::Node(operand) => Some(self.type_of(*operand)).filter(|ty| ty.is_float()),
            Value::Known(_) => None,
        });
        let known = || {
            call.args.iter().flatten().find_map(|value| match value {
                Value::Known(literal) => Some(literal.ty).filter(|ty| ty.is_float()),
                Value::Node(_) => None,
            })
        };
        if let Some(ty) = computed.or_else(known) {
            self.floats.insert(node, ty);
        }
    }

    pub(super) fn shape(&self, value: &Value) -> Vec<usize> {
        match value {
            Value::Known(literal) => literal.shape.clone(),
            Value::Node(node) => self.graph.node(*node).ty.shape.clone(),
        }
    }

    /// The graph node of a value; a constant becomes a node when it is first needed.
    pub(super) fn node(&mut self, name: &str, value: &Value) -> Result<NodeId> {
        match value {
            Value::Node(node) => Ok(*node),
            Value::Known(Literal { data: Data::Int(_) | Data::Bytes(_), .. }) => Err(format!(
                "\"{name}\" is an integer tensor; only float32 is computed at run time"
            )
            .into()),
            Value::Known(Literal { data: Data::Float(tensor), .. }) => self.constant(name, tensor),
        }
    }

    fn constant(&mut self, name: &str, tensor: &Arc<Tensor>) -> Result<NodeId> {
        if let Some(&node) = self.constants.get(&Arc::as_ptr(tensor)) {
            return Ok(node);
        }
        check_shape(tensor.shape()).map_err(|e| e.to_string())?;
        let node = self.graph.constant(name, tensor.clone());
        self.constants.insert(Arc::as_ptr(tensor), node);
        Ok(node)
    }

    /// A required operand as a graph node.
    pub(super) fn operand(&mut self, call: &Call<'_>, i: usize) -> Result<NodeId> {
        let name = call.node.input.get(i).map_or("", String::as_str);
        self.node(name, call.required(i)?)
    }

    /// The element type that the model gives any value.
    pub(super) fn element_type(&self, value: &Value) -> DataType {
        match value {
            Value::Known(literal) => literal.ty,
            Value::Node(node) => self.type_of(*node),
        }
    }

    /// A required operand as a graph node; integer constants become floats, if floats hold them
    /// exactly.
    pub(super) fn number(&mut self, call: &Call<'_>, i: usize) -> Result<NodeId> {
        let name = call.node.input.get(i).map_or("", String::as_str);
        self.number_of(name, &format!("operand {i}"), call.required(i)?)
    }

    /// As [`Builder::number`], of any value; messages call it `what`.
    pub(super) fn number_of(&mut self, name: &str, what: &str, value: &Value) -> Result<NodeId> {
        /// Every integer up to this magnitude is exactly representable.
        const EXACT: i64 = 1 << f32::MANTISSA_DIGITS;
        let Value::Known(literal) = value else { return self.node(name, value) };
        if !literal.is_int() {
            return self.node(name, value);
        }
        let mut ints = literal.as_ints().unwrap_or_default().iter();
        if let Some(x) = ints.find(|x| !(-EXACT..=EXACT).contains(*x)) {
            return Err(format!("{what} has {x}, which float32 cannot hold exactly").into());
        }
        let numbers = literal.cast(DataType::Float)?;
        self.node(name, &Value::Known(numbers))
    }

    /// An optional operand as a graph node.
    pub(super) fn optional(&mut self, call: &Call<'_>, i: usize) -> Result<Option<NodeId>> {
        call.arg(i).is_some().then(|| self.operand(call, i)).transpose()
    }

    /// A one-element constant.
    pub(super) fn scalar(&mut self, call: &Call<'_>, value: f32) -> NodeId {
        self.graph.constant(format!("{}.{value}", call.name()), Tensor::scalar(value))
    }

    /// A constant with the same value in every element.
    pub(super) fn filled(
        &mut self,
        call: &Call<'_>,
        shape: Vec<usize>,
        value: f32,
    ) -> Result<NodeId> {
        check_shape(&shape).map_err(|e| e.to_string())?;
        let count = shape.iter().product();
        self.claim_filled(count)?;
        let literal = Literal::tensor(shape.clone(), stored::filled(&shape, value), count)?;
        self.node(call.name(), &Value::Known(literal))
    }

    /// Adds an operator under the call's name.
    pub(super) fn add(&mut self, call: &Call<'_>, op: Op, operands: &[NodeId]) -> Result<NodeId> {
        Ok(self.graph.add(call.name(), op, operands)?)
    }

    /// Adds a function of one value.
    pub(super) fn unary(&mut self, call: &Call<'_>, op: Unary, x: NodeId) -> Result<NodeId> {
        self.add(call, Op::Unary(op), &[x])
    }

    /// Adds a function of two values.
    pub(super) fn binary(
        &mut self,
        call: &Call<'_>,
        op: Binary,
        a: NodeId,
        b: NodeId,
    ) -> Result<NodeId> {
        self.add(call, Op::Binary(op), &[a, b])
    }

    /// Adds a function of a value and a number.
    pub(super) fn with_number(
        &mut self,
        call: &Call<'_>,
        op: Binary,
        a: NodeId,
        number: f32,
    ) -> Result<NodeId> {
        let number = self.scalar(call, number);
        self.binary(call, op, a, number)
    }

    /// The shape of a run-time value.
    pub(super) fn shape_of(&self, node: NodeId) -> Vec<usize> {
        self.graph.node(node).ty.shape.clone()
    }

    /// Adds a reshape, if the shape differs.
    pub(super) fn reshape(
        &mut self,
        call: &Call<'_>,
        x: NodeId,
        shape: Vec<usize>,
    ) -> Result<NodeId> {
        match self.shape_of(x) == shape {
            true => Ok(x),
            false => self.add(call, Op::Reshape { shape }, &[x]),
        }
    }

    /// Adds the operator that is the call's only result.
    pub(super) fn finish(
        &mut self,
        call: &Call<'_>,
        op: Op,
        operands: &[NodeId],
    ) -> Result<Vec<Value>> {
        Ok(vec![Value::Node(self.add(call, op, operands)?)])
    }
}

fn claim(budget: &mut usize, elements: usize, limit: usize, what: &str) -> Result<()> {
    match budget.checked_sub(elements) {
        Some(rest) => {
            *budget = rest;
            Ok(())
        }
        None => Err(format!("it exceeds the importer's limit of {limit} {what}").into()),
    }
}
