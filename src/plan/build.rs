//! Builds a plan, for the order of the steps that needs the least memory.

use std::collections::BTreeMap;

use resnetc_ir::{Graph, NodeId};

use crate::kernels::geometry::Place;
use crate::kernels::published::Offer;
use crate::kernels::sink::{ALIGN, ARENA};

use super::alias::Aliasing;
use super::{Buffer, Plan, Reuse, Workspace, alias, arena, halo, schedule};

/// Plans a graph that went through the layout pass. Inputs and outputs keep their places for the
/// whole run; `workspace` gives what an operator needs beside its operands and result.
pub fn plan(graph: &Graph, reuse: Reuse, workspace: &dyn Fn(NodeId) -> Workspace) -> Plan {
    schedule::orders(graph)
        .into_iter()
        .map(|order| plan_order(graph, &order, reuse, workspace))
        .min_by_key(|plan| plan.peak)
        .unwrap_or_else(|| plan_order(graph, &[], reuse, workspace))
}

fn plan_order(
    graph: &Graph,
    order: &[NodeId],
    reuse: Reuse,
    workspace: &dyn Fn(NodeId) -> Workspace,
) -> Plan {
    let halos = halo::halos(graph, order);
    let Aliasing { mut steps, mut buffers, geometries, last_use } =
        alias::assign(graph, order, halos, reuse);
    for (at, step) in steps.iter_mut().enumerate() {
        let mut open = |bytes: usize, last: usize| {
            let buffer = Buffer {
                bytes: bytes.next_multiple_of(ALIGN),
                live: (at, last),
                offset: 0,
                values: Vec::new(),
            };
            (bytes > 0).then(|| {
                buffers.push(buffer);
                buffers.len() - 1
            })
        };
        let Workspace { scratch, published } = workspace(step.node);
        step.scratch = open(scratch, at);
        let kept = |Offer { fact, bytes }| Some((fact, open(bytes, last_use[&step.node])?));
        step.published = published.into_iter().filter_map(kept).collect();
    }
    if reuse == Reuse::Never {
        buffers.iter_mut().for_each(|buffer| buffer.live = (0, order.len()));
    }
    arena::place(&mut buffers);
    let mut places = BTreeMap::new();
    for buffer in &buffers {
        for &value in &buffer.values {
            let geometry = geometries[&value].clone();
            places.insert(value, Place { base: ARENA, offset: buffer.offset as i64, geometry });
        }
    }
    let peak = buffers.iter().map(|b| b.offset + b.bytes).max().unwrap_or(0);
    let lower_bound = arena::lower_bound(&buffers);
    Plan { steps, places, buffers, peak, lower_bound }
}
