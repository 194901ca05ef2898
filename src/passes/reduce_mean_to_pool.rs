//! Recognizes global average pools written in other forms: a mean over height and width, and an
//! average pool whose only window is the whole image.
//!
//! Before:
//! ```text
//! %0 = input : f32[1, 2, 4, 4] "x"
//! %1 = reduce_mean(%0) axes=[2, 3] "mean"
//! %2 = average_pool(%0) kernel=[4, 4] "pool"
//! output "y" = %1
//! output "z" = %2
//! ```
//!
//! After:
//! ```text
//! %0 = input : f32[1, 2, 4, 4] "x"
//! %1 = global_average_pool(%0) : f32[1, 2, 1, 1] "mean"
//! %2 = reshape(%1) shape=[1, 2] : f32[1, 2] "mean"
//! %3 = global_average_pool(%0) : f32[1, 2, 1, 1] "pool"
//! output "y" = %2
//! output "z" = %3
//! ```

use resnetc_ir::op::Pads;
use resnetc_ir::{Graph, NodeId, Op, Patch};

use super::Pass;
use super::measure::{Measure, count};
use super::near_misses::{NearMisses, describe};

/// Switched off by the name `reduce_mean_to_pool`.
pub const PASS: Pass = Pass {
    name: "reduce_mean_to_pool",
    doc: "turn means over whole images into global average pools",
    sweep: |_| Box::new(rewrite),
    measure: Some(remaining),
};

/// Means and average pools that may be global average pools.
fn remaining(graph: &Graph) -> Measure {
    let is_average = |op: &Op| matches!(op, Op::ReduceMean { .. } | Op::AveragePool { .. });
    count(graph, |node| is_average(&graph.node(node).op))
}

fn rewrite(graph: &Graph, node: NodeId, _: &mut NearMisses) -> Option<Patch> {
    let found = graph.node(node);
    let source = graph.operand(node, 0)?;
    let [n, c, h, w] = graph.node(source).ty.shape[..] else { return None };
    let keep_dims = match &found.op {
        Op::ReduceMean { axes, keep_dims } if axes[..] == [2, 3] => *keep_dims,
        Op::AveragePool { pool, .. } => {
            let window = &pool.window;
            let whole = window.kernel == [h, w]
                && window.pads == Pads::default()
                && (0..2).all(|i| window.dilations[i] == 1 || window.kernel[i] == 1);
            whole.then_some(true)?
        }
        _ => return None,
    };
    let mut patch = Patch::new(format!("{} is a global average", describe(graph, node)));
    let mut value = patch.add(found.name.clone(), Op::GlobalAveragePool, &[source.into()]);
    if !keep_dims {
        value = patch.add(found.name.clone(), Op::Reshape { shape: vec![n, c] }, &[value]);
    }
    patch.replace(node, value);
    Some(patch)
}
