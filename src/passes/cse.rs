//! Common subexpressions: the same operator on the same operands is computed once.
//!
//! Before:
//! ```text
//! %0 = input : f32[1, 2, 4, 4] "x"
//! %1 = constant [0.5, 2] : f32[2, 1, 1] "scale"
//! %2 = constant [0.5, 2] : f32[2, 1, 1] "scale copy"
//! %3 = mul(%0, %1) "left"
//! %4 = mul(%0, %2) "right"
//! %5 = sigmoid(%4) "gate"
//! %6 = add(%3, %5) "sum"
//! output "y" = %6
//! ```
//!
//! After:
//! ```text
//! %0 = input : f32[1, 2, 4, 4] "x"
//! %1 = constant [0.5, 2] : f32[2, 1, 1] "scale"
//! %2 = mul(%0, %1) : f32[1, 2, 4, 4] "left"
//! %3 = sigmoid(%2) : f32[1, 2, 4, 4] "gate"
//! %4 = add(%2, %3) : f32[1, 2, 4, 4] "sum"
//! output "y" = %4
//! ```

use std::collections::HashMap;
use std::sync::Arc;

use resnetc_ir::{DType, Graph, NodeId, Op, Patch};

use super::Pass;
use super::encodings::agree;
use super::measure::operators;
use super::near_misses::{NearMisses, describe};

/// Switched off by the name `cse`.
pub const PASS: Pass = Pass {
    name: "cse",
    doc: "compute the same operator on the same operands once",
    sweep: |_| {
        let mut seen = HashMap::new();
        Box::new(move |graph, node, near| rewrite(graph, node, near, &mut seen))
    },
    measure: Some(operators),
};

/// Constants with more elements than this are compared by address. Two copies of a large weight are
/// rare, and comparing all weights of a network is not cheap.
const SMALL: usize = 4096;

/// Nodes with equal keys compute the same value.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    /// An operator, printed: operators hold floats, and `-0.0` is not `0.0` here.
    Op(String, Vec<NodeId>),
    /// A small constant: its shape and bits.
    Data(DType, Vec<usize>, Vec<u8>),
    /// The address of a large constant.
    Shared(usize),
}

fn key(graph: &Graph, node: NodeId) -> Option<Key> {
    match &graph.node(node).op {
        Op::Input => None,
        Op::Constant(_) => {
            let tensor = graph.constant_of(node)?;
            let bytes = || {
                let mut bytes = vec![0; tensor.ty().bytes()];
                tensor.read_bytes(0, &mut bytes);
                bytes
            };
            match tensor.elements() <= SMALL {
                true => Some(Key::Data(tensor.dtype(), tensor.shape().to_vec(), bytes())),
                false => Some(Key::Shared(Arc::as_ptr(tensor) as usize)),
            }
        }
        op => Some(Key::Op(format!("{op:?}"), graph.operands(node))),
    }
}

fn rewrite(
    graph: &Graph,
    node: NodeId,
    near: &mut NearMisses,
    seen: &mut HashMap<Key, NodeId>,
) -> Option<Patch> {
    let key = key(graph, node)?;
    match seen.get(&key) {
        // This pass adds no nodes, so an id that it has seen still refers to the same value.
        Some(&first) if first != node && graph.contains(first) => {
            if !agree(graph, [first, node]) {
                near.note(
                    graph,
                    node,
                    "convolutions read it and its twin with different zero points",
                );
                return None;
            }
            let label = format!("merge {} with {}", describe(graph, node), describe(graph, first));
            let mut patch = Patch::new(label);
            patch.replace(node, first);
            Some(patch)
        }
        _ => {
            seen.insert(key, node);
            None
        }
    }
}
