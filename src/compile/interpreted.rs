//! A model that the interpreter runs: inputs and outputs in an arena, and the graph as it was
//! described.

use std::collections::HashMap;
use std::sync::Arc;

use resnetc_ir::graph::Output;
use resnetc_ir::{DType, Graph, NodeId};

use super::{CompileReport, Interpreted};
use crate::error::Error;
use crate::kernels::geometry::{Geometry, Place};
use crate::kernels::sink::{ALIGN, ARENA};
use crate::options::Options;
use crate::runtime::model::{Body, Model, Port, Program};

/// Makes a model of a graph.
///
/// # Errors
/// If the CPU lacks the requested instruction set.
pub(super) fn model(graph: Graph, options: &Options, why: Interpreted) -> Result<Model, Error> {
    let isa = options.isa.resolve()?;
    let mut arena_bytes = 0;
    let mut port = |name: &str, node: NodeId, dtype: DType| {
        let ty = graph.node(node).ty.to_planar();
        let shape = ty.shape.clone();
        let place = Place { base: ARENA, offset: arena_bytes as i64, geometry: Geometry::new(ty) };
        arena_bytes += place.geometry.bytes().next_multiple_of(ALIGN);
        Port { name: name.to_owned(), shape, dtype, place }
    };
    let input = |&i: &NodeId| (graph.node(i).name.as_str(), i, graph.input_dtype(i));
    let inputs: Vec<_> = graph.inputs().iter().map(input).collect();
    let inputs: Vec<Port> =
        inputs.into_iter().map(|(name, node, dtype)| port(name, node, dtype)).collect();
    let state: HashMap<NodeId, Port> =
        graph.inputs().iter().copied().zip(inputs.iter().cloned()).collect();
    // State has one place, before a run and after it.
    let output = |o: &Output| {
        let place = o.next_of.and_then(|input| state.get(&input)).cloned();
        place.unwrap_or_else(|| port(&o.name, o.node, o.dtype))
    };
    let outputs = graph.outputs().iter().map(output).collect();
    let report =
        CompileReport { interpreted: Some(why), ..CompileReport::unplanned(isa, arena_bytes) };
    let program =
        Program { inputs, outputs, arena_bytes, body: Body::Interpreted(Box::new(graph)) };
    Ok(Model { program: Arc::new(program), report: Arc::new(report), origin: None })
}
