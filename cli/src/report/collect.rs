//! Fills the data of a report. This is the only file here that uses the compiler.

use std::collections::HashMap;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use resnetc::Network;
use resnetc::compile::{Stages, run_macs};
use resnetc::host::caches::{core_cache_bytes, last_cache_bytes};
use resnetc::ir::text::attributes;
use resnetc::ir::{Graph, NodeId, Op};
use resnetc::kernels::problem::ConvProblem;
use resnetc::one_line::path_line;
use resnetc::profile::StepProfile;
use resnetc::profile::share::ShareOf;
use resnetc::report::class::class;
use resnetc::runtime::model::StepInfo;
use resnetc::tune::MachineKey;

use super::data::{
    Graphs, Group, Kind, Ladder, Node, Report, ReportLayer, ReportMachine, Roofs, Run,
};
use super::svg::short;
use crate::bench::survey::{Survey, gflops};
use crate::failure::Failure;

/// Combines the measurements with the data of the compiler's stages.
///
/// # Errors
/// If the network cannot be scheduled, although it was before.
pub(super) fn report(model: &Path, network: &Network, survey: Survey) -> Result<Report, Failure> {
    let stages = Stages::of(network.graph().clone(), network.options())?;
    let layers = layers(&stages, &survey);
    let machine = machine(&survey);
    let with_work = layers.iter().filter(|layer| layer.macs > 0);
    let share_of = ShareOf::all(with_work.map(|layer| layer.share_of));
    let run = Run { share_of, ..run(network.graph(), &survey) };
    Ok(Report {
        noise: survey.noise.clone(),
        model: short(&path_line(model)),
        run,
        layers,
        roofs: Roofs {
            gflops: survey.peak_gflops,
            gbytes: survey.bandwidth.gbytes,
            read_bytes: survey.bandwidth.bytes,
            layer_runs: survey.step_runs,
        },
        memory: survey.model.plan().clone(),
        for_gradients: stages.for_gradients,
        graphs: graphs(network.graph(), &stages),
        explanation: survey.model.explain(),
        machine,
        ladder: Ladder {
            unfused: unfused(&survey),
            levels: survey.levels,
            skipped: survey.skipped,
            full: survey.full,
        },
    })
}

/// The level without optional passes on the same instruction set: the last one before a pass is
/// added.
fn unfused(survey: &Survey) -> Option<usize> {
    let isa = survey.isa.name();
    let (levels, full) = (&survey.levels, survey.full);
    levels[..full].iter().position(|l| l.pass.is_none() && l.isa == isa)
}

fn run(graph: &Graph, survey: &Survey) -> Run {
    let macs = run_macs(graph);
    let full = &survey.levels[survey.full];
    let inputs: Vec<_> = graph.inputs().iter().map(|&i| graph.node(i).ty.shape.clone()).collect();
    let reached = gflops(macs, full.median_ms);
    Run {
        batch: inputs.first().and_then(|shape| shape.first().copied()).unwrap_or(1),
        inputs,
        isa: survey.isa.name(),
        threads: survey.threads,
        macs,
        gflops: reached,
        share_of_peak: reached / survey.peak_gflops,
        share_of: ShareOf::default(),
        speedup: unfused(survey).map(|i| survey.levels[i].median_ms / full.median_ms),
        difference: survey.difference,
        tolerance: survey.tolerance,
    }
}

/// The label of a node: its name, or its number.
fn name(graph: &Graph, node: NodeId) -> String {
    match graph.node(node).name.as_str() {
        "" => node.to_string(),
        name => short(name),
    }
}

fn kind(op: &Op) -> Kind {
    let of_kernel = |kernel: [usize; 2]| match kernel {
        [1, 1] => Kind::Pointwise,
        [3, 3] => Kind::ThreeByThree,
        _ => Kind::OtherConv,
    };
    match op {
        Op::Conv(conv) => of_kernel(conv.window.kernel),
        Op::QuantizedConv(conv) => of_kernel(conv.window.kernel),
        Op::ConvSource(source) => of_kernel(source.gradient.window.kernel),
        Op::ConvWeights(gradient) => of_kernel(gradient.window.kernel),
        Op::OnBytes(on_bytes) => kind(&on_bytes.op),
        Op::Gemm(_) | Op::MatMul => Kind::Product,
        Op::MaxPool(_)
        | Op::MaxPoolSource(_)
        | Op::AveragePool { .. }
        | Op::GlobalAveragePool
        | Op::ReduceMean { .. }
        | Op::ReduceMax { .. }
        | Op::ChannelSums(_)
        | Op::Moments
        | Op::Measure
        | Op::TopK(_)
        | Op::Interpolate(_) => Kind::Pool,
        Op::Unary(_)
        | Op::Binary(_)
        | Op::Where
        | Op::Pointwise(_)
        | Op::BatchNorm { .. }
        | Op::Softmax { .. }
        | Op::CrossEntropy
        | Op::Convert { .. }
        | Op::Quantize(_)
        | Op::QuantizeMeasured
        | Op::Dequantize(_)
        | Op::Lookup { .. } => Kind::Elementwise,
        Op::Reshape { .. }
        | Op::Pad { .. }
        | Op::Slice(_)
        | Op::Gather { .. }
        | Op::Concat { .. }
        | Op::Transpose { .. }
        | Op::Identity
        | Op::Reorder(_)
        | Op::Input
        | Op::Constant(_) => Kind::Movement,
    }
}

/// Operator, attributes and type; for a convolution, its problem line.
fn line(graph: &Graph, id: NodeId) -> String {
    let node = graph.node(id);
    let text = match ConvProblem::of(graph, id) {
        Some(problem) => format!("{problem} : {}", node.ty),
        None => match attributes(&node.op) {
            more if more.is_empty() => format!("{} : {}", node.op.name(), node.ty),
            more => format!("{} {more} : {}", node.op.name(), node.ty),
        },
    };
    short(&text)
}

/// Adds up the steps of each operator.
fn layers(stages: &Stages, survey: &Survey) -> Vec<ReportLayer> {
    let graph = &stages.graph;
    let infos = survey.model.steps();
    let operators = stages.steps().enumerate().map(|(operator, node)| {
        let is_own = |&(info, _): &(&StepInfo, &StepProfile)| info.operator == operator;
        let own: Vec<_> = infos.iter().zip(&survey.steps).filter(is_own).collect();
        let sum = |of: fn(&StepProfile) -> f64| own.iter().map(|(_, step)| of(step)).sum::<f64>();
        let median_ms = sum(|step| step.median_ms);
        let macs = own.iter().map(|(_, step)| step.macs).sum();
        let speed = gflops(macs, median_ms);
        let found = graph.node(node);
        ReportLayer {
            name: name(graph, node),
            op: found.op.name(),
            kind: kind(&found.op),
            class: class(graph, node),
            line: line(graph, node),
            algorithm: stages.choices.algorithm(node).to_string().replace('_', " "),
            launches: own.len(),
            median_ms,
            share_of_time: sum(|step| step.share_of_time),
            macs,
            bytes: own.iter().map(|(_, step)| step.bytes as usize).sum(),
            gflops: speed,
            share_of_peak: speed / survey.peak_gflops,
            share_of: ShareOf::of(
                stages.graph.node(node).op.name(),
                stages.choices.algorithm(node),
            ),
        }
    });
    operators.collect()
}

fn is_drawn(graph: &Graph, node: NodeId) -> bool {
    graph.constant_of(node).is_none()
}

/// Groups of nodes before and the nodes after that they became.
type Became = (Vec<NodeId>, Vec<NodeId>);

fn graphs(before: &Graph, stages: &Stages) -> Graphs {
    let after = &stages.graph;
    let described: Vec<NodeId> =
        before.topo().into_iter().filter(|&n| is_drawn(before, n)).collect();
    let planned = stages.plan.steps.iter().map(|s| s.node);
    let compiled: Vec<NodeId> = after.inputs().iter().copied().chain(planned).collect();
    let groups = groups(&described, &compiled, |node| {
        // A node that became a constant is represented by the readers of the constant.
        let constants = after.operands(node).into_iter().filter(|&o| !is_drawn(after, o));
        [node].into_iter().chain(constants).flat_map(|n| stages.remarks.origins.of(n)).collect()
    });
    let (mut left, mut right, mut ranges) = (Vec::new(), Vec::new(), Vec::new());
    for (old, new) in groups {
        let (start, end) = (left.len(), right.len());
        left.extend(old);
        right.extend(new);
        ranges.push(Group { before: (start, left.len()), after: (end, right.len()) });
    }
    Graphs { before: nodes(before, &left), after: nodes(after, &right), groups: ranges }
}

/// Connected nodes before and after, in the order of the nodes after; removed nodes come last.
fn groups(
    described: &[NodeId],
    compiled: &[NodeId],
    origins: impl Fn(NodeId) -> Vec<NodeId>,
) -> Vec<Became> {
    // The group of each described node is that of the first compiled node that represents it; a
    // compiled node that represents nodes of several groups joins them.
    let mut groups: Vec<Became> = Vec::new();
    let mut group_of: HashMap<NodeId, usize> = HashMap::new();
    for &node in compiled {
        let stood_for = origins(node);
        let known = stood_for.iter().filter_map(|n| group_of.get(n).copied()).min();
        let at = known.unwrap_or_else(|| {
            groups.push(Default::default());
            groups.len() - 1
        });
        groups[at].1.push(node);
        for origin in stood_for {
            match group_of.insert(origin, at) {
                Some(other) if other != at => {
                    let (_, moved) = std::mem::take(&mut groups[other]);
                    groups[at].1.extend(moved);
                    group_of.values_mut().filter(|g| **g == other).for_each(|g| *g = at);
                }
                _ => {}
            }
        }
    }
    let mut gone = Vec::new();
    for &node in described {
        match group_of.get(&node) {
            Some(&at) => groups[at].0.push(node),
            None => gone.push((vec![node], Vec::new())),
        }
    }
    groups.retain(|(_, compiled)| !compiled.is_empty());
    groups.into_iter().chain(gone).collect()
}

fn nodes(graph: &Graph, order: &[NodeId]) -> Vec<Node> {
    let position: HashMap<NodeId, usize> =
        order.iter().enumerate().map(|(i, &node)| (node, i)).collect();
    let node = |&id: &NodeId| Node {
        id: id.to_string(),
        name: name(graph, id),
        op: graph.node(id).op.name(),
        kind: kind(&graph.node(id).op),
        line: line(graph, id),
        operands: graph.operands(id).iter().filter_map(|o| position.get(o).copied()).collect(),
    };
    order.iter().map(node).collect()
}

fn machine(survey: &Survey) -> ReportMachine {
    let key = MachineKey::of(survey.isa, survey.threads);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    ReportMachine {
        resnetc: env!("CARGO_PKG_VERSION"),
        debug: cfg!(debug_assertions),
        os: std::env::consts::OS,
        cpu: key.cpu.into_iter().collect(),
        core_cache_bytes: core_cache_bytes(),
        last_cache_bytes: last_cache_bytes(),
        date: date(now.as_secs()),
        command: std::env::args_os().map(|a| short(&path_line(a))).collect(),
    }
}

/// Seconds since 1970 as a date, in the Gregorian calendar.
fn date(seconds: u64) -> String {
    let (mut days, minutes) = (seconds / 86_400, seconds / 60 % 1440);
    let is_leap = |y: u64| y.is_multiple_of(4) && (!y.is_multiple_of(100) || y.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let mut month = 0;
    let lengths = [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    let (hour, minute) = (minutes / 60, minutes % 60);
    format!("{year}-{:02}-{:02} {hour:02}:{minute:02}", month + 1, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let found = [0, 951_782_400, 1_709_251_199, 4_107_542_400].map(date);
        let expected =
            ["1970-01-01 00:00", "2000-02-29 00:00", "2024-02-29 23:59", "2100-03-01 00:00"];
        assert_eq!(found, expected);
    }

    /// Described nodes, and compiled nodes with the described ones that each represents.
    fn grouped(described: usize, stands_for: &[Vec<usize>]) -> Vec<Became> {
        let mut graph = Graph::new();
        let count = described.max(stands_for.len());
        let ids: Vec<NodeId> = (0..count).map(|i| graph.input(i.to_string(), [1])).collect();
        groups(&ids[..described], &ids[..stands_for.len()], |node| {
            stands_for[node.index()].iter().map(|&i| ids[i % described]).collect()
        })
    }

    proptest! {
        #[test]
        fn every_node_is_in_one_group_with_all_that_stand_for_it(
            described in 1usize..12,
            stands_for in prop::collection::vec(prop::collection::vec(0usize..12, 0..4), 1..12),
        ) {
            let found = grouped(described, &stands_for);
            let all = |side: fn(&Became) -> &Vec<NodeId>| {
                let mut all: Vec<usize> = found.iter().flat_map(side).map(|n| n.index()).collect();
                all.sort_unstable();
                all
            };
            prop_assert_eq!(all(|g| &g.0), (0..described).collect::<Vec<_>>());
            prop_assert_eq!(all(|g| &g.1), (0..stands_for.len()).collect::<Vec<_>>());
            for (before, after) in &found {
                for node in after {
                    for origin in &stands_for[node.index()] {
                        prop_assert!(before.iter().any(|n| n.index() == origin % described));
                    }
                }
            }
        }
    }
}
