//! Operators that the model defines itself, inlined where they are used.

use std::collections::HashMap;

use prost::Message;

use super::call::display_name;
use super::open::{check_opset, is_standard, standard_opset};
use super::proto::{AttributeProto, FunctionProto, ModelProto, NodeProto};
use crate::import::error::{ImportError, ImportErrorKind};
use crate::import::limits;

/// A node, and the version of the standard operators for which it was written.
pub(super) struct BodyStep {
    pub(super) node: NodeProto,
    pub(super) opset: i64,
}

/// All nodes of the model's graph, with functions inlined.
pub(super) fn inline(model: &ModelProto, opset: i64) -> Result<Vec<BodyStep>, ImportError> {
    let functions = model.functions.iter().map(|f| ((f.domain(), f.name()), f)).collect();
    let mut inliner =
        Inliner { functions, steps: Vec::new(), copies: 0, steps_and_names: 0, bytes: 0 };
    for node in model.graph.iter().flat_map(|g| &g.node) {
        inliner.add(node.clone(), opset, 0)?;
    }
    Ok(inliner.steps)
}

struct Inliner<'a> {
    functions: HashMap<(&'a str, &'a str), &'a FunctionProto>,
    steps: Vec<BodyStep>,
    /// How many functions were inlined: gives each copy its own names.
    copies: usize,
    /// How much of [`limits::FUNCTION_STEPS`] and [`limits::FUNCTION_BYTES`] is used.
    steps_and_names: usize,
    bytes: usize,
}

impl Inliner<'_> {
    fn add(&mut self, node: NodeProto, opset: i64, depth: usize) -> Result<(), ImportError> {
        match self.functions.get(&(node.domain(), node.op_type())) {
            // The standard operators cannot be redefined.
            Some(&function) if !is_standard(node.domain()) => {
                self.expand(&node, function, opset, depth)
            }
            _ => {
                self.steps.push(BodyStep { node, opset });
                Ok(())
            }
        }
    }

    fn expand(
        &mut self,
        call: &NodeProto,
        function: &FunctionProto,
        opset: i64,
        depth: usize,
    ) -> Result<(), ImportError> {
        let place = || format!("function {}.{}", call.domain(), call.op_type());
        let fail = |reason: &str| {
            ImportErrorKind::Invalid { place: place(), reason: reason.into() }.into()
        };
        self.steps_and_names += steps_and_names(call, function);
        if depth >= limits::FUNCTION_DEPTH || self.steps_and_names > limits::FUNCTION_STEPS {
            return Err(fail(&format!(
                "it expands to too many nodes, or uses itself; the limits are {} levels, and {} nodes and names",
                limits::FUNCTION_DEPTH,
                limits::FUNCTION_STEPS
            )));
        }
        if call.input.len() > function.input.len() || call.output.len() > function.output.len() {
            return Err(fail("it is used with more operands or results than it has"));
        }
        let opset = standard_opset(&function.opset_import).unwrap_or(opset);
        check_opset(opset)?;
        self.copies += 1;
        let names = Names::new(call, function, self.copies);
        for node in &function.node {
            self.bytes = self.bytes.saturating_add(names.bytes(node));
            if self.bytes > limits::FUNCTION_BYTES {
                return Err(fail(&format!(
                    "its copies exceed the limit of {} bytes; store large constants as initializers",
                    limits::FUNCTION_BYTES
                )));
            }
            self.add(rewrite(node, &names), opset, depth + 1)?;
        }
        Ok(())
    }
}

/// How many nodes and names are visited to inline one use of a function.
fn steps_and_names(call: &NodeProto, function: &FunctionProto) -> usize {
    let inside = |n: &NodeProto| 1 + n.input.len() + n.output.len() + n.attribute.len();
    let own = function.input.len() + function.output.len() + function.attribute_proto.len();
    inside(call) + own + function.node.iter().map(inside).sum::<usize>()
}

/// Maps the names inside one copy of a function to names outside it.
struct Names<'a> {
    given: HashMap<&'a str, &'a str>,
    /// The attributes of the call, and the defaults of those that it leaves out.
    attributes: HashMap<&'a str, &'a AttributeProto>,
    prefix: String,
}

impl<'a> Names<'a> {
    fn new(call: &'a NodeProto, function: &'a FunctionProto, copy: usize) -> Self {
        let pair =
            |(inside, outside): (&'a String, &'a String)| (inside.as_str(), outside.as_str());
        let mut given: HashMap<&str, &str> = HashMap::new();
        // Operands that the call leaves out are absent inside as well.
        given.extend(function.input.iter().map(|name| (name.as_str(), "")));
        given.extend(function.input.iter().zip(&call.input).map(pair));
        given.extend(
            function
                .output
                .iter()
                .zip(&call.output)
                .map(pair)
                .filter(|(_, outside)| !outside.is_empty()),
        );
        // The first attribute of a name wins, and the call's win over the defaults.
        let attributes = function.attribute_proto.iter().rev().chain(call.attribute.iter().rev());
        let attributes = attributes.map(|a| (a.name(), a)).collect();
        Names { given, attributes, prefix: format!("{}#{copy}/", display_name(call)) }
    }

    /// Roughly how many bytes a copy of a node of the function would take in a file.
    fn bytes(&self, node: &NodeProto) -> usize {
        let outside =
            |name: &String| self.given.get(name.as_str()).map_or(self.prefix.len(), |n| n.len());
        let names = node.input.iter().chain(&node.output).map(outside).sum::<usize>();
        let value =
            |a: &AttributeProto| self.attributes.get(a.ref_attr_name())?.encoded_len().into();
        let attributes = node.attribute.iter().filter_map(value).sum::<usize>();
        node.encoded_len() + self.prefix.len() + names + attributes
    }

    fn outside(&self, inside: &str) -> String {
        match self.given.get(inside) {
            _ if inside.is_empty() => String::new(),
            Some(&outside) => outside.into(),
            None => format!("{}{inside}", self.prefix),
        }
    }
}

/// A node of a function as it is in the graph: names made unique, attributes filled in.
fn rewrite(node: &NodeProto, names: &Names<'_>) -> NodeProto {
    let mut node = node.clone();
    for name in node.input.iter_mut().chain(&mut node.output) {
        *name = names.outside(name);
    }
    node.name = Some(format!("{}{}", names.prefix, node.name()));
    node.attribute = node
        .attribute
        .into_iter()
        .filter_map(|mut attribute| {
            let reference = attribute.ref_attr_name.take().filter(|r| !r.is_empty());
            let Some(reference) = reference else { return Some(attribute) };
            // Left out by the call and without a default: left out here, too.
            let mut value = AttributeProto::clone(names.attributes.get(reference.as_str())?);
            value.name = attribute.name;
            Some(value)
        })
        .collect();
    node
}
