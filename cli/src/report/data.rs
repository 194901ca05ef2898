//! The contents of a report: plain data, which `--json` prints and the page draws.

use resnetc::compile::ForGradients;
use resnetc::noise::Noise;
use resnetc::profile::share::ShareOf;
use resnetc::report::explain::Explanation;
use resnetc::report::plan::MemoryPlan;
use serde::Serialize;

use crate::bench::survey::{Level, Skipped};

/// The whole report.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    /// As the user named it.
    pub(crate) model: String,
    pub(crate) run: Run,
    pub(crate) ladder: Ladder,
    /// The operators that run, in order.
    pub(crate) layers: Vec<ReportLayer>,
    pub(crate) roofs: Roofs,
    pub(crate) memory: MemoryPlan,
    /// What is in memory for the gradients of a step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) for_gradients: Option<ForGradients>,
    pub(crate) graphs: Graphs,
    pub(crate) explanation: Explanation,
    pub(crate) machine: ReportMachine,
    /// Reasons not to trust the figures.
    pub(crate) noise: Noise,
}

/// The network and a run of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Run {
    pub(crate) inputs: Vec<Vec<usize>>,
    pub(crate) batch: usize,
    pub(crate) isa: &'static str,
    pub(crate) threads: usize,
    /// Multiply-adds by the definition of the operators.
    pub(crate) macs: u64,
    pub(crate) gflops: f64,
    pub(crate) share_of_peak: f64,
    /// What that is a share of.
    pub(crate) share_of: ShareOf,
    /// How many times as fast as unfused code it is; absent if that was not timed.
    pub(crate) speedup: Option<f64>,
    /// The largest difference between outputs of two levels, relative to the largest value.
    pub(crate) difference: f64,
    /// The largest difference that rounding explains.
    pub(crate) tolerance: f64,
}

/// Levels of optimization.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Ladder {
    pub(crate) levels: Vec<Level>,
    pub(crate) skipped: Vec<Skipped>,
    /// Which level is the full network.
    pub(crate) full: usize,
    /// Which level has no optional pass, on the same instruction set.
    pub(crate) unfused: Option<usize>,
}

impl Report {
    /// The figures of the full network.
    pub(crate) fn full(&self) -> &Level {
        &self.ladder.levels[self.ladder.full]
    }
}

/// The kind of an operator, which determines its colour and mark in all plots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// A convolution of single pixels.
    Pointwise,
    /// A 3x3 convolution.
    ThreeByThree,
    /// Any other convolution.
    OtherConv,
    Product,
    Pool,
    Elementwise,
    Movement,
}

impl Kind {
    pub(crate) const ALL: [Kind; 7] = [
        Kind::Pointwise,
        Kind::ThreeByThree,
        Kind::OtherConv,
        Kind::Product,
        Kind::Pool,
        Kind::Elementwise,
        Kind::Movement,
    ];

    /// The name in legends.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Pointwise => "1x1 convolution",
            Kind::ThreeByThree => "3x3 convolution",
            Kind::OtherConv => "other convolution",
            Kind::Product => "matrix product",
            Kind::Pool => "pooling",
            Kind::Elementwise => "element-wise",
            Kind::Movement => "movement",
        }
    }
}

/// One operator that runs.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ReportLayer {
    pub(crate) name: String,
    pub(crate) op: &'static str,
    pub(crate) kind: Kind,
    /// The class of layers that kernels treat alike.
    pub(crate) class: String,
    /// Operator, operands and attributes; for a convolution, its problem line.
    pub(crate) line: String,
    pub(crate) algorithm: String,
    /// The number of its regions.
    pub(crate) launches: usize,
    /// Sum of the medians of its regions.
    pub(crate) median_ms: f64,
    pub(crate) share_of_time: f64,
    pub(crate) macs: u64,
    /// Bytes of operands and result, each once.
    pub(crate) bytes: usize,
    pub(crate) gflops: f64,
    pub(crate) share_of_peak: f64,
    /// What that is a share of.
    pub(crate) share_of: ShareOf,
}

impl ReportLayer {
    /// Floating-point operations per byte.
    pub(crate) fn intensity(&self) -> f64 {
        2.0 * self.macs as f64 / self.bytes.max(1) as f64
    }
}

/// What the machine can do, measured between the runs.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Roofs {
    pub(crate) gflops: f64,
    pub(crate) gbytes: f64,
    /// Bytes that were read in one turn to measure the bandwidth.
    pub(crate) read_bytes: usize,
    /// Timed runs of each layer.
    pub(crate) layer_runs: usize,
}

/// The graph as it was described and as it is compiled, without constants.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Graphs {
    /// Sorted by group.
    pub(crate) before: Vec<Node>,
    /// Sorted by group.
    pub(crate) after: Vec<Node>,
    /// In the order in which the compiled network runs them.
    pub(crate) groups: Vec<Group>,
}

/// A node of a graph.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Node {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) op: &'static str,
    pub(crate) kind: Kind,
    /// Attributes and type.
    pub(crate) line: String,
    /// Positions of its operands in the same list.
    pub(crate) operands: Vec<usize>,
}

/// Nodes before that became nodes after; each node after represents at least one node before.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Group {
    /// Range of positions; empty if a pass added the nodes after.
    pub(crate) before: (usize, usize),
    /// Range of positions; empty if a pass removed the nodes before.
    pub(crate) after: (usize, usize),
}

/// Where and how it was measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ReportMachine {
    pub(crate) resnetc: &'static str,
    /// Whether developer checks slow it down.
    pub(crate) debug: bool,
    pub(crate) os: &'static str,
    /// The CPU model, as the system reports it.
    pub(crate) cpu: Vec<(String, String)>,
    pub(crate) core_cache_bytes: usize,
    pub(crate) last_cache_bytes: usize,
    /// Universal time, as `2026-11-24 10:22`.
    pub(crate) date: String,
    /// The command line.
    pub(crate) command: Vec<String>,
}
