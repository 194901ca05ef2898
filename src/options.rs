//! What a caller can choose.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::cpu::IsaChoice;
use crate::passes::{PassOptions, PassSelection};
use crate::plan::Reuse;
use crate::tune::Tuned;

/// How much rounding may be traded for speed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Numerics {
    /// Algorithms that round otherwise than direct convolution are allowed: Winograd's, about twice the error, and tile
    /// registers, where numbers have a fixed point: an error of `2^-20` of the greatest value of an image times the greatest
    /// weight of an output at most, a product, and about that of f32 sums in ResNets. With tiles a value that is not finite
    /// makes all results of its image NaN.
    #[default]
    Fast,
    /// Direct convolution only.
    Exact,
}

/// How to load and compile a network.
#[derive(Clone, Debug)]
pub struct Options {
    /// Instruction set; the widest of this CPU by default.
    pub isa: IsaChoice,
    /// Threads of a run; by default as many as the process may use.
    pub threads: Option<usize>,
    /// Rounding.
    pub numerics: Numerics,
    /// Pictures in one run. Without, as many as the model declares, or 1 if it leaves that open.
    pub batch: Option<usize>,
    /// Extents of other symbolic dimensions of an ONNX model, by name.
    pub dims: BTreeMap<String, usize>,
    /// Weights of a built-in network or a spec; seeded random ones without.
    pub weights: Option<PathBuf>,
    /// Seed of random weights.
    pub seed: u64,
    /// Which of the optional passes run.
    pub passes: PassSelection,
    /// What values may share memory.
    pub reuse: Reuse,
    /// Name the compiled functions for `perf` and other tools that read `/tmp/perf-PID.map`. If that file cannot be
    /// written, [`CompileReport::perf_map`](crate::compile::CompileReport::perf_map) says why.
    pub perf_map: bool,
    /// Algorithms that were measured to be the fastest on this machine, from [`tune`](crate::tune). Without, and for
    /// layers that were not measured, a cost model chooses, which gives the same on every run. [`Numerics::Exact`] has
    /// no choice.
    pub tuned: Option<Arc<Tuned>>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            isa: IsaChoice::Auto,
            threads: None,
            numerics: Numerics::Fast,
            batch: None,
            dims: BTreeMap::new(),
            weights: None,
            seed: 0,
            passes: PassSelection::All,
            reuse: Reuse::default(),
            perf_map: false,
            tuned: None,
        }
    }
}

impl Options {
    /// Which passes are run.
    pub fn pass_options(&self) -> PassOptions {
        PassOptions { selection: self.passes.clone(), ..PassOptions::default() }
    }

    /// Threads of a run: what was asked for, at least 1, or as many as the process may use.
    pub fn thread_count(&self) -> usize {
        self.threads.unwrap_or_else(crate::runtime::pool::default_threads).max(1)
    }
}
