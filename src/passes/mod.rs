//! Optimizations: every file is one rewrite of the graph, and [`pipeline`] is their order.
//!
//! A pass looks at one node and proposes a [`Patch`](resnetc_ir::Patch) or declines. The driver in
//! [`run`] walks the graph, applies, verifies, counts and times the patches, and records the
//! reasons for near misses. So a pass contains no policy: switching it off, stopping after a number
//! of rewrites and reporting work the same way for all passes.
//!
//! Every pass preserves what the graph computes. Where weights are folded, the new constant is
//! computed in f64 and rounded to f32 once.

mod affine;
mod driver;
mod encodings;
mod error;
mod fused;
mod measure;
mod near_misses;
mod origins;
mod pass;
mod permute;
mod remarks;
mod selection;
mod weighted;

pub mod cancel_transposes;
pub mod cse;
pub mod dead_code;
pub mod fold_affine;
pub mod fold_batch_norm;
pub mod fold_constants;
pub mod fuse_activation;
pub mod fuse_bytes;
pub mod fuse_channel_sums;
pub mod fuse_measured;
pub mod fuse_pointwise;
pub mod fuse_projection;
pub mod fuse_quantized;
pub mod fuse_quantizers;
pub mod fuse_residual;
pub mod fuse_strided_shortcut;
pub mod layout;
pub mod lower_batch_norm;
pub mod lower_conv_source;
pub mod lower_cross_entropy;
pub mod lower_gemm;
pub mod measure_ranges;
pub mod merge_affine;
pub mod merge_border;
pub mod merge_branches;
pub mod merge_pad;
pub mod merge_scales;
pub mod reduce_mean_to_pool;
pub mod remove_identity;
pub mod split_conv_weights;
pub mod ungroup;
pub mod update_in_place;

pub use driver::{PassOptions, Verify, run, run_pass, run_steps};
pub use error::{Leftover, PassError};
pub use measure::Measure;
pub use near_misses::{NearMisses, NodeRef};
pub use origins::Origins;
pub use pass::{Need, Pass, PipelineStep, Rewrite, Stage, Sweeps};
pub use remarks::{Applied, Declined, PassStats, Remarks};
pub use selection::{PassSelection, optional_names};

/// All passes in the order in which they run.
pub fn pipeline() -> &'static [PipelineStep] {
    PIPELINE
}

const fn step(stage: Stage, need: Need, sweeps: Sweeps, pass: Pass) -> PipelineStep {
    PipelineStep { pass, sweeps, need, stage }
}

const PIPELINE: &[PipelineStep] = {
    use Need::{Optional, Required};
    use Stage::{Canonical, Fused, Scheduled};
    use Sweeps::{Once, UntilStable};
    &[
        // Fewer nodes for all later passes. Required: no kernel copies a value unchanged.
        step(Canonical, Required, UntilStable, remove_identity::PASS),
        // What kernels do not compute of a training step. Before constants are folded, since
        // weights of a gradient may be constants.
        step(Canonical, Required, Once, lower_cross_entropy::PASS),
        step(Canonical, Required, Once, lower_conv_source::PASS),
        step(Canonical, Required, Once, split_conv_weights::PASS),
        // Before quantizers, which take the rounding of a zero point for one.
        step(Canonical, Optional, Once, measure_ranges::PASS),
        // Before constants are folded: dequantized weights are floats.
        step(Canonical, Optional, Once, fuse_quantizers::PASS),
        step(Canonical, Optional, Once, fuse_quantized::PASS),
        step(Canonical, Optional, Once, fuse_measured::PASS),
        // Exporters compute constants in the graph; most patterns below, and kernels, require
        // constant operands.
        step(Canonical, Required, Once, fold_constants::PASS),
        // Before fusion, which refuses a value with two users: equal users become one.
        step(Canonical, Optional, Once, cse::PASS),
        // Brings NHWC exports into the NCHW form that all patterns below are written for.
        step(Canonical, Optional, UntilStable, cancel_transposes::PASS),
        // After the transposes: groups consist of channels, which must be axis 1.
        step(Canonical, Optional, UntilStable, ungroup::PASS),
        // Removed transposes and groups leave behind reshapes, and slices of everything.
        step(Canonical, Required, UntilStable, remove_identity::PASS),
        // After the transposes, since it needs the spatial axes last.
        step(Canonical, Optional, Once, reduce_mean_to_pool::PASS),
        // One form of matrix product, so that the folds below only need to handle that form.
        step(Canonical, Required, UntilStable, lower_gemm::PASS),
        // While ReLUs are separate nodes: it checks whether the padded value can be negative.
        step(Fused, Optional, UntilStable, merge_pad::PASS),
        // A border of rows and columns is two patterns, one after the other.
        step(Fused, Optional, UntilStable, merge_border::PASS),
        step(Fused, Optional, Once, fold_batch_norm::PASS),
        step(Fused, Optional, Once, fold_affine::PASS),
        // Once branches are convolutions with biases, and before a sum becomes a residual.
        step(Fused, Optional, UntilStable, merge_branches::PASS),
        // For arithmetic that could not be folded: pre-activation networks.
        step(Fused, Optional, Once, merge_affine::PASS),
        step(Fused, Required, Once, lower_batch_norm::PASS),
        // Once each chain of constants is one factor.
        step(Fused, Optional, UntilStable, merge_scales::PASS),
        // Residual before activation: in `relu(conv + x)` the convolution must take the sum first.
        step(Fused, Optional, Once, fuse_residual::PASS),
        step(Fused, Optional, Once, fuse_activation::PASS),
        // After both: it looks for a residual, and a shortcut with an activation is not a
        // projection.
        step(Fused, Optional, Once, fuse_projection::PASS),
        // Skipping pixels and adding channels are two operators, one after the other.
        step(Fused, Optional, UntilStable, fuse_strided_shortcut::PASS),
        // After all fusion on floats: whatever a convolution takes is no longer between a
        // dequantizer and a quantizer.
        step(Fused, Optional, Once, fuse_bytes::PASS),
        // After everything that looks for single functions.
        step(Fused, Optional, Once, fuse_pointwise::PASS),
        step(Fused, Optional, UntilStable, fuse_channel_sums::PASS),
        // Constants that a fold no longer needs are removed with their last user; this removes what
        // was unused in the description.
        step(Fused, Optional, Once, dead_code::PASS),
        // Last: every pass above adds nodes, and none of them handles layouts.
        step(Scheduled, Required, Once, layout::PASS),
        // What it adds is planar, as all state is.
        step(Scheduled, Required, Once, update_in_place::PASS),
    ]
};
