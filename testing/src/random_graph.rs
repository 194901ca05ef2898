//! Random small graphs that look like pieces of convolutional networks.
//!
//! Every graph is valid; all operators and the patterns that passes look for occur: batch
//! normalization after a convolution, per-channel constant chains, identity and projection
//! shortcuts, channels-last detours, groups of channels, explicit padding, option-A shortcuts,
//! classifier heads.
//!
//! ```ignore
//! proptest! {
//!     #[test]
//!     fn pass_keeps_meaning(random in random_graph(1..12)) {
//!         let before = eval(&random.graph, &random.inputs()).unwrap();
//!         // ...
//!     }
//! }
//! ```

mod blocks;
mod builder;
pub mod dice;
mod elementwise;
mod heads;
mod integers;
mod moves;
mod windows;

use std::fmt;
use std::ops::Range;

use builder::Builder;
use dice::Dice;
use proptest::prelude::*;
use resnetc_ir::eval::Value;
use resnetc_ir::{Graph, TensorType};

/// A graph and the seed for its data. Prints as the text of the graph.
#[derive(Clone)]
pub struct RandomGraph {
    /// A valid graph.
    pub graph: Graph,
    /// Whether constants and inputs are small integers, so that sums are exact in f32.
    pub integers: bool,
    seed: u64,
}

impl RandomGraph {
    /// A value for each input of the graph, the same on every call.
    pub fn inputs(&self) -> Vec<Value> {
        let mut dice = Dice::new(self.seed, self.integers);
        let types = self.graph.inputs().iter().map(|&id| &self.graph.node(id).ty);
        types.map(|ty| Value::from(&dice.tensor_of(ty))).collect()
    }
}

impl fmt::Debug for RandomGraph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "seed {} integers {}\n{}",
            self.seed,
            self.integers,
            resnetc_ir::text::print(&self.graph)
        )
    }
}

/// Graphs of `steps` building steps, each of one to six nodes.
pub fn random_graph(steps: Range<usize>) -> impl Strategy<Value = RandomGraph> {
    let extent = || prop_oneof![3 => 1..=9usize, 1 => 7..=14usize];
    let channels = prop_oneof![2 => 1..=6usize, 1 => 15..=20usize];
    let step = (0..STEPS.len(), any::<u64>());
    let steps = prop::collection::vec(step, steps);
    (1..=2usize, channels, extent(), extent(), steps, any::<bool>(), any::<u64>()).prop_map(
        |(n, c, h, w, steps, integers, seed)| {
            let graph = build(TensorType::planar([n, c, h, w]), STEPS, &steps, integers);
            RandomGraph { graph, integers, seed }
        },
    )
}

/// Like [`random_graph`], but with integers only: no result depends on the order of a sum.
pub fn random_integer_graph(steps: Range<usize>) -> impl Strategy<Value = RandomGraph> {
    let sizes = (1..=2usize, 1..=20usize, 1..=9usize, 1..=9usize);
    let steps = prop::collection::vec((0..integers::STEPS.len(), any::<u64>()), steps);
    let dtype = prop::sample::select(integers::TYPES);
    (sizes, dtype, steps, any::<u64>()).prop_map(|((n, c, h, w), dtype, steps, seed)| {
        let input = TensorType::of(dtype, [n, c, h, w]);
        let graph = build(input, integers::STEPS, &steps, true);
        RandomGraph { graph, integers: true, seed }
    })
}

fn build(
    input: TensorType,
    known: &[fn(&mut Builder)],
    steps: &[(usize, u64)],
    integers: bool,
) -> Graph {
    let mut graph = Graph::new();
    let current = graph.input_of("x", input);
    let dice = Dice::new(0, integers);
    let mut builder = Builder { graph, dice, current, earlier: Vec::new() };
    for &(step, seed) in steps {
        builder.dice = Dice::new(seed, integers);
        let before = builder.current;
        builder.shrink();
        known[step](&mut builder);
        if builder.current != before {
            builder.earlier.push(before);
        }
    }
    builder.finish()
}

/// All steps that can be added.
const STEPS: &[fn(&mut Builder)] = &[
    Builder::conv,
    Builder::conv_bn_relu,
    Builder::conv_affine,
    Builder::fused_conv,
    Builder::projected_conv,
    Builder::identity_block,
    Builder::projection_block,
    Builder::option_a_block,
    Builder::pre_activation,
    Builder::batch_norm,
    Builder::unary,
    Builder::binary_constant,
    Builder::binary_earlier,
    Builder::max_pool,
    Builder::average_pool,
    Builder::global_average_pool,
    Builder::channels_last_mean,
    Builder::grouped,
    Builder::channels_last_detour,
    Builder::pad,
    Builder::pad_conv,
    Builder::slice,
    Builder::gather,
    Builder::interpolate,
    Builder::choose,
    Builder::concat,
    Builder::transpose,
    Builder::reshape,
    Builder::gemm,
    Builder::matmul,
    Builder::batched_matmul,
    Builder::softmax,
    Builder::identity,
    Builder::second_input,
];
