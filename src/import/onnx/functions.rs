//! Operators that the model defines itself, put in line where they are used.

use std::collections::HashMap;

use super::call::display_name;
use super::open::{check_opset, is_standard, standard_opset};
use super::proto::{FunctionProto, ModelProto, NodeProto};
use crate::import::error::{ImportError, ImportErrorKind};

/// Functions may use functions, but not for ever.
const MAX_DEPTH: usize = 16;

/// How many nodes and names functions may unfold to. A small file can ask for an exponential number.
const MAX_NODES: usize = 1 << 18;

/// A node, and the version of the standard operators that it was written for.
pub(super) struct Step {
    pub(super) node: NodeProto,
    pub(super) opset: i64,
}

/// All nodes of the model's graph with functions put in line.
pub(super) fn inline(model: &ModelProto, opset: i64) -> Result<Vec<Step>, ImportError> {
    let functions = model.functions.iter().map(|f| ((f.domain(), f.name()), f)).collect();
    let mut inliner = Inliner { functions, steps: Vec::new(), copies: 0, nodes: 0 };
    for node in model.graph.iter().flat_map(|g| &g.node) {
        inliner.add(node.clone(), opset, 0)?;
    }
    Ok(inliner.steps)
}

struct Inliner<'a> {
    functions: HashMap<(&'a str, &'a str), &'a FunctionProto>,
    steps: Vec<Step>,
    /// How many functions were put in line: gives each copy its own names.
    copies: usize,
    nodes: usize,
}

impl Inliner<'_> {
    fn add(&mut self, node: NodeProto, opset: i64, depth: usize) -> Result<(), ImportError> {
        match self.functions.get(&(node.domain(), node.op_type())) {
            // The standard operators cannot be redefined.
            Some(&function) if !is_standard(node.domain()) => {
                self.expand(&node, function, opset, depth)
            }
            _ => {
                self.steps.push(Step { node, opset });
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
        self.nodes +=
            1 + function.node.iter().map(|n| 1 + n.input.len() + n.output.len()).sum::<usize>();
        if depth >= MAX_DEPTH || self.nodes > MAX_NODES {
            return Err(fail("it unfolds to too many nodes, or uses itself"));
        }
        if call.input.len() > function.input.len() || call.output.len() > function.output.len() {
            return Err(fail("it is used with more operands or results than it has"));
        }
        let opset = standard_opset(&function.opset_import).unwrap_or(opset);
        check_opset(opset)?;
        self.copies += 1;
        let names = Names::new(call, function, self.copies);
        for node in &function.node {
            self.add(rewrite(node, call, function, &names), opset, depth + 1)?;
        }
        Ok(())
    }
}

/// What the names inside of one copy of a function are outside.
struct Names<'a> {
    given: HashMap<&'a str, &'a str>,
    prefix: String,
}

impl<'a> Names<'a> {
    fn new(call: &'a NodeProto, function: &'a FunctionProto, copy: usize) -> Self {
        let pair =
            |(inside, outside): (&'a String, &'a String)| (inside.as_str(), outside.as_str());
        let mut given: HashMap<&str, &str> = HashMap::new();
        // Operands that the call leaves out are absent inside, too.
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
        Names { given, prefix: format!("{}#{copy}/", display_name(call)) }
    }

    fn outside(&self, inside: &str) -> String {
        match self.given.get(inside) {
            _ if inside.is_empty() => String::new(),
            Some(&outside) => outside.into(),
            None => format!("{}{inside}", self.prefix),
        }
    }
}

/// A node of a function as it stands in the graph: names made unique, attributes filled in.
fn rewrite(
    node: &NodeProto,
    call: &NodeProto,
    function: &FunctionProto,
    names: &Names<'_>,
) -> NodeProto {
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
            // Left out by the call and without a default: left out here.
            let given = call.attribute.iter().chain(&function.attribute_proto);
            let mut value = given.into_iter().find(|a| a.name() == reference)?.clone();
            value.name = attribute.name;
            Some(value)
        })
        .collect();
    node
}
