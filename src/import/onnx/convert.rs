//! Converts the nodes to a graph, one by one.

use std::collections::{HashMap, HashSet};

use resnetc_ir::{DType, Graph, NodeId, Op};

use super::bind::{Bound, Input};
use super::builder::Builder;
use super::call::{Call, Refusal, Value, display_name};
use super::exact::inexact_sum;
use super::external::Beside;
use super::functions::BodyStep;
use super::needed::{Needed, Output};
use super::open::is_standard;
use super::ops::{self, Integers, Operator};
use super::proto::{DataType, GraphProto, NodeProto, SparseTensorProto, ValueInfoProto};
use super::rebatch::rebatched;
use super::removable;
use super::tensor::{self, TensorError};
use crate::import::error::{ImportError, ImportErrorKind, RefusedNode};
use crate::import::limits;
use crate::one_line::one_line;

/// Converts the needed part of a model, whose inputs have these names and shapes, and changes its
/// batch if requested.
pub(super) fn convert(
    graph: &GraphProto,
    needed: &Needed<'_>,
    bound: &Bound,
    beside: Beside,
) -> Result<Graph, ImportError> {
    let used = needed.names();
    let builder = Builder::new(beside);
    let mut converter = Converter {
        builder,
        values: HashMap::new(),
        used,
        refused: Vec::new(),
        scarce: None,
        unknown_constants: HashSet::new(),
    };
    for Input { name, shape, is_batch, dtype } in &bound.inputs {
        let node = converter.builder.graph.input_as(name, shape.clone(), *dtype);
        if *is_batch {
            converter.builder.batch.add(node, shape[0]);
        }
        converter.builder.declare(node, DataType::from(*dtype));
        converter.values.insert(name, Some(Value::Node(node)));
    }
    converter.read_initializers(graph)?;
    for step in needed.steps() {
        converter.step(step);
        // One node may become many.
        if converter.builder.graph.len() > limits::NODES {
            return Err(ImportError::too_many_nodes());
        }
    }
    converter.builder.files.check()?;
    let result = converter.finish(&needed.outputs)?;
    match bound.new_batch {
        None => Ok(result),
        Some(batch) => {
            let refused = |reason| bound.refuse(batch.to, reason);
            let result = rebatched(result, batch).map_err(refused)?;
            check_values(&result)?;
            Ok(result)
        }
    }
}

/// Checks that no value is so large that its size must be a mistake.
fn check_values(graph: &Graph) -> Result<(), ImportError> {
    let is_huge = |&id: &NodeId| {
        graph.constant_of(id).is_none() && graph.node(id).ty.elements() > limits::VALUE_ELEMENTS
    };
    match graph.nodes().find(is_huge) {
        None => Ok(()),
        Some(id) => Err(ImportErrorKind::Limit {
            place: format!(
                "value \"{}\" of shape {:?}",
                graph.node(id).name,
                graph.node(id).ty.shape
            ),
            what: "elements",
            limit: limits::VALUE_ELEMENTS,
            advice: limits::SMALLER_INPUTS,
        }
        .into()),
    }
}

/// Reasons quote lists from the file, which may be long.
fn shorten(mut reason: String) -> String {
    const MOST: usize = 400;
    if let Some((end, _)) = reason.char_indices().nth(MOST) {
        reason.truncate(end);
        reason.push_str("...");
    }
    reason
}

struct Converter<'a> {
    builder: Builder,
    /// Every value so far. `None` for a result of a refused node: nodes that need it are not
    /// reported, because nothing is known about them.
    values: HashMap<&'a str, Option<Value>>,
    used: HashSet<&'a str>,
    refused: Vec<RefusedNode>,
    /// The error of the first node that there was not enough memory for.
    scarce: Option<ImportError>,
    /// Results that refused nodes, and nodes that depend on them, would have computed from
    /// constants alone.
    unknown_constants: HashSet<&'a str>,
}

impl<'a> Converter<'a> {
    /// Reads the stored constants that are used.
    fn read_initializers(&mut self, graph: &'a GraphProto) -> Result<(), ImportError> {
        for proto in graph.initializer.iter().filter(|t| self.used.contains(t.name())) {
            if self.values.contains_key(proto.name()) {
                continue; // a copy of an earlier one
            }
            let value = match tensor::read(proto, &mut self.builder.files, &mut self.builder.budget)
            {
                Ok(literal) => {
                    self.builder.grant(literal.len());
                    Some(Value::Known(literal))
                }
                Err(TensorError::Broken(error)) => return Err(error),
                Err(TensorError::Unsupported(reason)) => {
                    let (op, name) = ("initializer".into(), proto.name().into());
                    let (attribute, is_removable) = (None, false);
                    self.refused.push(RefusedNode { op, name, attribute, reason, is_removable });
                    None
                }
            };
            self.values.insert(proto.name(), value);
        }
        let sparse = graph.sparse_initializer.iter().map(SparseTensorProto::name);
        for name in sparse.filter(|name| self.used.contains(name)) {
            self.refused.push(RefusedNode {
                op: "initializer".into(),
                name: name.into(),
                attribute: None,
                reason: "it is sparse; only dense tensors are supported".into(),
                is_removable: false,
            });
            self.values.insert(name, None);
        }
        Ok(())
    }

    fn step(&mut self, step: &'a BodyStep) {
        let results = match self.import(step) {
            Ok(results) => results,
            Err(refusal) => {
                self.refuse(&step.node, refusal);
                None
            }
        };
        if results.is_none() && self.is_removable(&step.node) {
            self.unknown_constants.extend(step.node.output.iter().map(String::as_str));
        }
        let mut results = results.map(Vec::into_iter);
        for (i, name) in step.node.output.iter().enumerate() {
            let value = results.as_mut().and_then(Iterator::next);
            if results.is_some() && value.is_none() && self.used.contains(name.as_str()) {
                let reason = format!("its result {i}, \"{name}\", is used, but not supported");
                self.refuse(&step.node, reason.into());
            }
            self.values.insert(name, value);
        }
    }

    /// The results of a node; `None` if an operand is missing because of a refused node.
    fn import(&mut self, step: &'a BodyStep) -> Result<Option<Vec<Value>>, Refusal> {
        let node = &step.node;
        if node.input.len() > limits::LIST_ENTRIES {
            let (found, limit) = (node.input.len(), limits::LIST_ENTRIES);
            return Err(format!("it has {found} operands; the limit is {limit}").into());
        }
        let Some(operator) = ops::find(node.domain(), node.op_type()) else {
            return Err(ops::why_not(node.domain(), node.op_type()).into());
        };
        let given = node.input.iter().rposition(|name| !name.is_empty()).map_or(0, |i| i + 1);
        if given > operator.operands {
            let most = operator.operands;
            return Err(format!("it has {given} operands, but takes at most {most}").into());
        }
        let mut args = Vec::with_capacity(node.input.len());
        for (i, name) in node.input.iter().enumerate() {
            let value = match self.values.get(name.as_str()) {
                _ if name.is_empty() => None,
                Some(Some(value)) => Some(value.clone()),
                _ => return Ok(None),
            };
            args.push(match value {
                Some(Value::Node(found)) if operator.constants.contains(&i) => {
                    let folded = self.builder.folded(found)?;
                    Some(folded.map_or(Value::Node(found), Value::Known))
                }
                value => value,
            });
        }
        let call = Call { node, opset: step.opset, args };
        // Operators read integer lists in full, whatever they do with them.
        self.builder.claim(call.known_integers())?;
        let integers = self.integers(operator, &call)?;
        let results = (operator.handler)(&mut self.builder, &call)?;
        for result in &results {
            if let Value::Node(node) = result {
                self.builder.type_result(&call, *node, integers);
            }
        }
        Ok(Some(results))
    }

    /// The type of the results, if run-time integers are passed through.
    fn integers(&self, operator: &Operator, call: &Call<'_>) -> Result<Option<DataType>, Refusal> {
        let node = |arg: &Option<Value>| match arg {
            Some(Value::Node(node)) => Some(self.builder.integers.get(node).copied()),
            _ => None,
        };
        // The handler itself reports operands that must be constants.
        let is_value = |(i, _): &(usize, _)| !operator.constants.contains(i);
        let values = call.args.iter().enumerate().filter(is_value);
        let types: Vec<Option<DataType>> = values.filter_map(|(_, arg)| node(arg)).collect();
        let Some(ty) = types.iter().flatten().next() else { return Ok(None) };
        match operator.integers {
            Integers::Read => Ok(None),
            Integers::Kept if types.iter().all(|other| *other == Some(*ty)) => Ok(Some(*ty)),
            Integers::Kept => Err("its operands are of different types".into()),
            Integers::Refused => Err(format!(
                "its operand is {ty:?}; only quantized operators compute with integers at run time"
            )
            .into()),
        }
    }

    /// Whether a tool that folds constants can remove a node: it reads only values that such a tool
    /// knows.
    fn is_removable(&self, node: &NodeProto) -> bool {
        let is_constant = |name: &String| {
            name.is_empty()
                || matches!(self.values.get(name.as_str()), Some(Some(Value::Known(_))))
                || self.unknown_constants.contains(name.as_str())
        };
        // A node without operands is incomplete, unless its operator has none.
        let operator = ops::find(node.domain(), node.op_type());
        let is_complete =
            !node.input.is_empty() || operator.is_none_or(|operator| operator.operands == 0);
        removable::is_removable(node) && is_complete && node.input.iter().all(is_constant)
    }

    fn refuse(&mut self, node: &NodeProto, refusal: Refusal) {
        if let Some(memory) = refusal.memory {
            let place = || format!("{} \"{}\"", node.op_type(), display_name(node));
            self.scarce.get_or_insert_with(|| ImportError::memory(place())(memory));
        }
        let (attribute, reason) = refusal.of(node);
        let op = match node.domain() {
            domain if is_standard(domain) => node.op_type().to_string(),
            domain => format!("{domain}.{}", node.op_type()),
        };
        let name = display_name(node).into();
        let (reason, is_removable) = (shorten(reason), self.is_removable(node));
        self.refused.push(RefusedNode { op, name, attribute, reason, is_removable });
    }

    /// The element type of an output: for floats the one that the file declares, if any.
    fn dtype(&self, output: Option<&ValueInfoProto>, node: NodeId) -> DType {
        let found = self.builder.type_of(node).dtype().unwrap_or_default();
        let tensor = output.and_then(|o| o.r#type.as_ref()).and_then(|t| t.tensor_type.as_ref());
        let declared = tensor.and_then(|t| DataType::try_from(t.elem_type()).ok()?.dtype());
        declared.filter(|declared| declared.is_float() && found.is_float()).unwrap_or(found)
    }

    /// Adds the outputs under their names.
    fn finish(mut self, outputs: &[Output<'_>]) -> Result<Graph, ImportError> {
        if let Some(error) = self.scarce {
            return Err(error);
        }
        if !self.refused.is_empty() {
            return Err(ImportErrorKind::Unsupported { nodes: self.refused }.into());
        }
        check_values(&self.builder.graph)?;
        for output in outputs {
            let name = &output.name;
            let Some(Some(value)) = self.values.get(output.value.as_str()) else {
                return Err(ImportError::invalid(
                    format!("output \"{name}\""),
                    "nothing computes it",
                ));
            };
            let node = self.builder.number_of(name, "it", value).map_err(|refusal| {
                ImportError::invalid(format!("output \"{name}\""), &refusal.reason)
            })?;
            // The shape of a value, for example: integers that the file computes from constants.
            if let Value::Known(literal) = value
                && literal.is_int()
            {
                self.builder.declare(node, literal.ty);
            }
            let dtype = self.dtype(output.declared, node);
            if let Some(sum) = inexact_sum(&self.builder.graph, node).filter(|_| !dtype.is_float())
            {
                return Err(inexact(&self.builder.graph, sum).into());
            }
            self.builder.graph.output_as(name, node, dtype);
        }
        keep_names_in_line(&mut self.builder.graph);
        Ok(self.builder.graph)
    }
}

/// The error for a sum of integers that is an output.
fn inexact(graph: &Graph, sum: NodeId) -> ImportErrorKind {
    let node = graph.node(sum);
    let refused = RefusedNode {
        op: node.op.name().to_owned(),
        name: node.name.clone(),
        attribute: None,
        reason: "its sums of integers are an output, and may be larger than 2^24, up to which the \
                 f32 that networks compute with hold every integer; let the model cast them to \
                 floats, or request an output behind its scale"
            .to_owned(),
        is_removable: false,
    };
    ImportErrorKind::Unsupported { nodes: vec![refused] }
}

/// Callers address inputs and outputs by name, so those names stay as they are. The names of all
/// other nodes are only printed, so line breaks and control characters in them are escaped.
fn keep_names_in_line(graph: &mut Graph) {
    let is_odd = |&node: &NodeId| {
        let found = graph.node(node);
        found.op != Op::Input && found.name.contains(char::is_control)
    };
    for node in graph.nodes().filter(is_odd).collect::<Vec<_>>() {
        let name = one_line(&graph.node(node).name, usize::MAX);
        graph.rename(node, name);
    }
}
