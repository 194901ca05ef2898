//! Which values are computed again: ever larger sets of them, those first that save the most memory
//! for their time.

use std::collections::HashSet;

use resnetc_ir::cost::{macs, moved_bytes};
use resnetc_ir::{Graph, NodeId};

use super::forward::{Forward, Unit};

/// How many bytes of memory traffic take the time of a multiply-add, roughly. Only the order in
/// which values are chosen depends on it.
const BYTES_PER_MAC: f64 = 0.2;

/// Values that are computed again together.
struct Move {
    values: Vec<NodeId>,
    /// The bytes that are saved for each byte of time.
    gain: f64,
}

/// What can be computed again.
pub(super) struct Selections {
    /// One part of the network after the other, first without their convolutions: each of these sets
    /// saves more memory and costs more time than the one before it, as a rule.
    pub(super) gradual: Vec<HashSet<NodeId>>,
    /// Everything but the ends of groups of parts, for the least memory (Chen et al., "Training Deep
    /// Nets with Sublinear Memory Cost", 2016).
    pub(super) groups: HashSet<NodeId>,
}

/// What can be selected of a step's forward half.
pub(super) fn selections(graph: &Graph, forward: &Forward<'_>) -> Selections {
    let units = forward.units();
    let mut moves: Vec<Move> = units.iter().flat_map(|unit| moves(graph, forward, unit)).collect();
    moves.sort_by(|a, b| b.gain.total_cmp(&a.gain));
    let mut chosen = HashSet::new();
    let add = |Move { values, .. }| {
        chosen.extend(values);
        chosen.clone()
    };
    let gradual = moves.into_iter().map(add).collect();
    let sizes: Vec<[usize; 2]> = units.iter().map(|unit| sizes(graph, unit)).collect();
    let groups = grouped(&units, &sizes, least_at_once(&units, &sizes)).again;
    Selections { gradual, groups }
}

/// Units in groups.
struct Groups {
    /// Everything but the ends of the groups.
    again: HashSet<NodeId>,
    /// The bytes of a group and of all ends before it, at most.
    most: usize,
}

/// Groups of as many units as have at most `most` bytes, together with all ends before them; of one
/// unit where even that has more. While the gradients of a group are computed, its values and the
/// ends before it are in memory, so the first groups may be the largest.
fn grouped(units: &[Unit], sizes: &[[usize; 2]], most: usize) -> Groups {
    let mut groups = Groups { again: HashSet::new(), most: 0 };
    let (mut ends, mut bytes) = (0, 0);
    let mut last: Option<(NodeId, usize)> = None;
    for (unit, [interior, end]) in units.iter().zip(sizes) {
        bytes += interior + end;
        match last {
            Some((node, _)) if ends + bytes <= most => _ = groups.again.insert(node),
            Some((_, size)) => (ends, bytes) = (ends + size, interior + end),
            None => {}
        }
        groups.most = groups.most.max(ends + bytes);
        groups.again.extend(&unit.interior);
        last = Some((unit.end, *end));
    }
    groups
}

/// The least bytes that groups can be limited to.
fn least_at_once(units: &[Unit], sizes: &[[usize; 2]]) -> usize {
    let (mut low, mut high): (usize, usize) = (0, sizes.iter().flatten().sum());
    while low < high {
        let middle = low.midpoint(high);
        match grouped(units, sizes, middle).most <= middle {
            true => high = middle,
            false => low = middle + 1,
        }
    }
    high
}

/// The bytes of a unit's interior, and of its end.
fn sizes(graph: &Graph, unit: &Unit) -> [usize; 2] {
    let size = |&value: &NodeId| graph.node(value).ty.bytes();
    [unit.interior.iter().map(size).sum(), size(&unit.end)]
}

/// What can be computed again in a unit: what follows from its convolutions, or everything.
fn moves(graph: &Graph, forward: &Forward<'_>, unit: &Unit) -> Vec<Move> {
    let is_cheap = |value: &NodeId| macs(graph, *value) == 0;
    let cheap: Vec<NodeId> = unit.interior.iter().copied().filter(is_cheap).collect();
    let [little, all] = [&cheap, &unit.interior].map(|values| {
        let kept = values.iter().filter(|&&value| forward.later_readers(value).next().is_some());
        let bytes: usize = kept.map(|&value| graph.node(value).ty.bytes()).sum();
        (bytes as f64, values.iter().map(|&value| time(graph, value)).sum::<f64>())
    });
    let more = (all.0 - little.0, all.1 - little.1);
    let of =
        |values: &Vec<NodeId>, (bytes, time)| Move { values: values.clone(), gain: bytes / time };
    let moves = [of(&cheap, little), of(&unit.interior, more)];
    moves.into_iter().filter(|found| found.gain > 0.0).collect()
}

/// The time of a node, as the number of bytes that memory moves meanwhile.
fn time(graph: &Graph, node: NodeId) -> f64 {
    moved_bytes(graph, node) as f64 + macs(graph, node) as f64 * BYTES_PER_MAC
}
