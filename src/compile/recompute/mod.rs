//! Computing values again for the gradients of a step of training, in place of keeping them: less
//! memory for more time.
//!
//! | module | holds |
//! |---|---|
//! | `forward` | the half of a step before its gradients, and the parts of a network |
//! | `selection` | which values are computed again, for ever less memory |
//! | `rewrite` | the graph that does so |
//!
//! The copies are the same operators on the same operands, so results are the same bit for bit.

mod forward;
mod rewrite;
mod selection;

use std::collections::HashSet;

use resnetc_ir::cost::macs;
use resnetc_ir::{Graph, NodeId};

use super::planned::Planned;
use crate::error::Error;
use crate::kernels::sink::Machine;
use crate::options::Options;
use crate::passes::PassError;
use crate::report::compilation::{ForGradients, Values};

use forward::Forward;
use selection::Selections;

/// What a step of training keeps for its gradients; `None` if the graph is no step.
pub(super) fn kept(graph: &Graph) -> Option<ForGradients> {
    let kept = Forward::of(graph)?.kept();
    Some(ForGradients { kept, ..ForGradients::default() })
}

/// The network with as many values computed again as it takes for its arena to have at most `limit`
/// bytes, and what it keeps then.
///
/// # Errors
/// If the arena has more whatever is computed again.
pub(super) fn within(
    limit: usize,
    planned: Planned,
    options: &Options,
    machine: &Machine,
) -> Result<(Planned, Option<ForGradients>), Error> {
    if planned.plan.peak <= limit {
        let kept = kept(&planned.graph);
        return Ok((planned, kept));
    }
    let Candidate { planned, copies } = first_within(limit, &planned, options, machine)?;
    let graph = &planned.graph;
    let again = Values::of(graph, copies.iter().copied());
    let macs = copies.iter().map(|&node| macs(graph, node)).sum();
    let found = kept(graph).map(|found| ForGradients { again, macs, ..found });
    Ok((planned, found))
}

/// A network with some values computed again.
struct Candidate {
    planned: Planned,
    copies: Vec<NodeId>,
}

/// The first selection with which the arena has at most `limit` bytes.
fn first_within(
    limit: usize,
    planned: &Planned,
    options: &Options,
    machine: &Machine,
) -> Result<Candidate, Error> {
    let graph = &planned.graph;
    let mut least = planned.plan.peak;
    let Some(forward) = Forward::of(graph) else {
        return Err(Error::MemoryLimit { limit, least });
    };
    let Selections { gradual, groups } = selection::selections(graph, &forward);
    let with = |again: &HashSet<NodeId>| candidate(graph, &forward, again, options, machine);
    let fits = |candidate: &Candidate| candidate.planned.plan.peak <= limit;
    // The first one that fits is between `low` and `high`, or there is none.
    let (mut low, mut high, mut found) = (0, gradual.len(), None);
    let mut next = high.checked_sub(1);
    while let Some(at) = next {
        let candidate = with(&gradual[at])?;
        least = least.min(candidate.planned.plan.peak);
        match fits(&candidate) {
            true => (found, high) = (Some(candidate), at),
            false => low = at + 1,
        }
        next = (low < high).then(|| low.midpoint(high));
    }
    if let Some(found) = found {
        return Ok(found);
    }
    let last = with(&groups)?;
    least = least.min(last.planned.plan.peak);
    if fits(&last) { Ok(last) } else { Err(Error::MemoryLimit { limit, least }) }
}

fn candidate(
    graph: &Graph,
    forward: &Forward<'_>,
    again: &HashSet<NodeId>,
    options: &Options,
    machine: &Machine,
) -> Result<Candidate, Error> {
    let mut changed = graph.clone();
    let bug = |source| PassError::Patch { pass: "recompute", source };
    let patch = rewrite::recompute(graph, forward, again);
    let copies = changed.apply(patch).map_err(bug)?.added;
    Ok(Candidate { planned: Planned::of(changed, options, machine), copies })
}
