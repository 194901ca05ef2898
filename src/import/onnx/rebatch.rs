//! Changes the batch of a model whose inputs are declared with a fixed one.
//!
//! Such a file defines the results for its own number of images. Where each image's results are a
//! function of that image alone, the same for all images, it thereby defines the results for any
//! number of images. The graph is built for the file's own batch, so every number computed from the
//! batch is right for that function; then only the first extents change.

use std::collections::{HashMap, HashSet};

use resnetc_ir::infer::check_type;
use resnetc_ir::{Graph, NodeId, Op};

use super::images::{Role, roles};

/// The batch that a file declares, and the requested one.
#[derive(Clone, Copy, Debug)]
pub(super) struct NewBatch {
    pub(super) from: usize,
    pub(super) to: usize,
}

/// The graph for another batch.
///
/// # Errors
/// If a result for an image may depend on other images, or on their number; the reason names the
/// operator.
pub(super) fn rebatched(mut graph: Graph, batch: NewBatch) -> Result<Graph, String> {
    graph.remove_dead();
    let is_batch = |id: &&NodeId| graph.node(**id).ty.shape.first() == Some(&batch.from);
    let inputs: HashSet<NodeId> = graph.inputs().iter().filter(is_batch).copied().collect();
    let roles = roles(&graph, &inputs, batch.from);
    let is_used = |id: &NodeId| graph.is_output(*id) || graph.has_users(*id);
    let is_mixed = |id: &NodeId| roles[id] == Role::Mixed && is_used(id);
    if let Some(id) = graph.topo().into_iter().find(is_mixed) {
        return Err(why(&graph, id));
    }
    let mut new = Graph::new();
    let mut places: HashMap<NodeId, NodeId> = HashMap::new();
    for &id in graph.inputs() {
        let node = graph.node(id);
        let mut ty = node.ty.clone();
        if inputs.contains(&id) {
            ty.shape[0] = batch.to;
        }
        check_type(&ty).map_err(|e| e.to_string())?;
        let input = new.input_of(node.name.clone(), ty);
        new.declare_input(input, graph.input_dtype(id));
        places.insert(id, input);
    }
    for id in graph.topo() {
        let node = graph.node(id);
        let place = match &node.op {
            Op::Input => continue,
            Op::Constant(constant) => new.constant(&node.name, graph.tensor(*constant).clone()),
            op => {
                let op = if roles[&id] == Role::Apart { resized(op, batch.to) } else { op.clone() };
                let operands: Vec<NodeId> = graph.operands(id).iter().map(|o| places[o]).collect();
                new.add(&node.name, op, &operands).map_err(|e| e.to_string())?
            }
        };
        let mut expected = node.ty.shape.clone();
        if roles[&id] == Role::Apart {
            expected[0] = batch.to;
        }
        if new.node(place).ty.shape != expected {
            return Err(why(&graph, id));
        }
        places.insert(id, place);
    }
    for output in graph.outputs() {
        new.output_as(&output.name, places[&output.node], output.dtype);
    }
    Ok(new)
}

fn why(graph: &Graph, id: NodeId) -> String {
    let node = graph.node(id);
    match node.op {
        Op::Input => {
            format!("input \"{}\" of shape {:?} has another batch", node.name, node.ty.shape)
        }
        _ => format!("{} \"{}\" may mix images", node.op.name(), node.name),
    }
}

/// The operator for a result with this many images. Only these two store the number.
fn resized(op: &Op, images: usize) -> Op {
    let mut op = op.clone();
    match &mut op {
        Op::Reshape { shape } => shape[0] = images,
        Op::Slice(axes) => axes[0].len = images,
        _ => {}
    }
    op
}
