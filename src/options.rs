//! What a caller can choose.

mod numerics;
mod setters;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

pub use numerics::Numerics;

use crate::advice::{NoEffect, OptionName};
use crate::error::Error;
use crate::import::onnx::Bindings;
use crate::isa::IsaChoice;
use crate::kernels::tuned::Tuned;
use crate::passes::{PassOptions, PassSelection};
use crate::plan::Reuse;
use crate::runtime::model::Model;
use crate::runtime::pool::{default_threads, most_threads};
use crate::runtime::threads::ThreadPool;

/// What runs a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Engine {
    /// Machine code. Compiling fails where the system allows no executable memory
    /// ([`executable`](crate::host::executable)).
    #[default]
    Compiled,
    /// The interpreter: the network as it was described, in f64, on one thread, and some hundred
    /// times slower. No pass runs and nothing is compiled or planned, so options for those stages
    /// are refused, and reports are empty.
    Interpreted,
    /// Machine code, or the interpreter where the system allows no executable memory;
    /// [`CompileReport::interpreted`](crate::compile::CompileReport::interpreted) says which. Never
    /// the interpreter for numerics that promise bits ([`Numerics::is_portable`]): it has others.
    Auto,
}

/// How to load and compile a network.
///
/// Setting an option that has no effect is an error that names it ([`Error::NoEffect`]): weights
/// for an ONNX file, which has its own, or a batch for a graph, whose shapes are fixed.
///
/// ```
/// use resnetc::{Numerics, Options};
///
/// let options = Options::default().threads(2).numerics(Numerics::Exact);
/// assert_eq!(options.threads, Some(2));
/// assert_eq!(options.batch, None);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// What runs the network; machine code by default.
    pub engine: Engine,
    /// Instruction set; the widest of this CPU by default.
    pub isa: IsaChoice,
    /// Threads of a run, 1 to [`most_threads`]; by default as many as the process may use.
    pub threads: Option<usize>,
    /// The threads of runs, for models that share them with no others. By default all models of a
    /// process with the same number of threads share theirs.
    pub pool: Option<ThreadPool>,
    /// How much rounding is allowed.
    pub numerics: Numerics,
    /// Images in one run; by default as many as the model declares, or 1 if it leaves that open.
    pub batch: Option<usize>,
    /// Extents of other symbolic dimensions of an ONNX model, by name.
    pub dims: BTreeMap<String, usize>,
    /// Whole shapes of inputs, by name. They must agree with what the model declares, except for
    /// the batch. An input of an ONNX model that is declared without a shape needs one.
    pub shapes: BTreeMap<String, Vec<usize>>,
    /// The outputs that are computed, by name and in this order; without names, all of them.
    /// Any other value of the network becomes an output by its name: that of the value in an ONNX
    /// file, that of the node that computes it, or that of a module whose nodes are named after it
    /// and compute one value for the others (`layer4` for `layer4.1.act2` or
    /// `/layer4/layer4.1/relu/Relu`).
    /// Whatever only serves other outputs of an ONNX model is left out: such nodes are not even
    /// checked, and such inputs are not inputs of the compiled model.
    pub outputs: Vec<String>,
    /// File with the weights of a built-in network or a spec; without it they are random.
    pub weights: Option<PathBuf>,
    /// Seed of the random weights.
    pub seed: u64,
    /// Which of the optional passes run.
    pub passes: PassSelection,
    /// Which values may share memory.
    pub reuse: Reuse,
    /// The most bytes of a context's arena, which holds all values; [`Error::MemoryLimit`] says how
    /// many it must have. A step of training that needs more computes values again for the gradients,
    /// in place of keeping them, as far as that is necessary. Its results are the same, bit for bit.
    pub memory: Option<usize>,
    /// Have equal packed weights in memory once: in this model's, as far as it has them. For a
    /// network that is compiled for several sizes; see also [`Model::with_batch`].
    pub share: Option<Model>,
    /// A folder of compiled networks. A network that is in it is not compiled again, and its packed
    /// weights are mapped, so that all processes have them in memory once;
    /// [`CompileReport::cache`](crate::compile::CompileReport::cache) says what was found there.
    ///
    /// The folder is created if it is missing. It holds machine code, so it must belong to this
    /// user, and nobody else may be able to write to it.
    pub cache_dir: Option<PathBuf>,
    /// Name the compiled functions for `perf` and other tools that read `/tmp/perf-PID.map`. If
    /// that file cannot be written,
    /// [`CompileReport::perf_map`](crate::compile::CompileReport::perf_map) says why.
    pub perf_map: bool,
    /// Algorithms that were measured to be the fastest on this machine, from [`tune`](crate::tune).
    /// Without it, and for layers that were not measured, a cost model chooses, and chooses the
    /// same every time. [`Numerics::Exact`] leaves no choice.
    pub tuned: Option<Arc<Tuned>>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            engine: Engine::default(),
            isa: IsaChoice::Auto,
            threads: None,
            pool: None,
            numerics: Numerics::Fast,
            batch: None,
            dims: BTreeMap::new(),
            shapes: BTreeMap::new(),
            outputs: Vec::new(),
            weights: None,
            seed: 0,
            passes: PassSelection::All,
            reuse: Reuse::default(),
            memory: None,
            share: None,
            cache_dir: None,
            perf_map: false,
            tuned: None,
        }
    }
}

/// The options that have no effect on the interpreter.
const INTERPRETED: &[NoEffect] = {
    const fn idle(option: OptionName) -> NoEffect {
        NoEffect { option, reason: "the interpreter compiles nothing" }
    }
    &[
        idle(OptionName::Isa),
        idle(OptionName::Threads),
        idle(OptionName::Pool),
        idle(OptionName::Numerics),
        idle(OptionName::Passes),
        idle(OptionName::Reuse),
        idle(OptionName::Memory),
        idle(OptionName::Share),
        idle(OptionName::CacheDir),
        idle(OptionName::PerfMap),
        idle(OptionName::Tuned),
    ]
};

impl Options {
    /// The options of the passes.
    pub fn pass_options(&self) -> PassOptions {
        PassOptions { selection: self.passes.clone(), ..PassOptions::default() }
    }

    /// The sizes and outputs chosen for an ONNX model.
    pub fn bindings(&self) -> Bindings {
        Bindings {
            batch: self.batch,
            dims: self.dims.clone(),
            shapes: self.shapes.clone(),
            outputs: self.outputs.clone(),
        }
    }

    /// Threads of a run: the requested number, or those of the pool, or as many as the process may
    /// use.
    ///
    /// # Errors
    /// If 0 were requested, or more than [`most_threads`].
    pub fn thread_count(&self) -> Result<usize, Error> {
        let pool = self.pool.as_ref().map(ThreadPool::threads);
        let Some(threads) = self.threads else { return Ok(pool.unwrap_or_else(default_threads)) };
        match (1..=most_threads()).contains(&threads) {
            true => Ok(threads),
            false => Err(Error::ThreadCount { threads, most: most_threads() }),
        }
    }

    /// The options that are not at their defaults, in the order of the fields.
    pub fn given(&self) -> Vec<OptionName> {
        // Every field is named here, so that a new one cannot be forgotten.
        let Options {
            engine,
            isa,
            threads,
            pool,
            numerics,
            batch,
            dims,
            shapes,
            outputs,
            weights,
            seed,
            passes,
            reuse,
            memory,
            share,
            cache_dir,
            perf_map,
            tuned,
        } = self;
        let given = [
            (OptionName::Engine, *engine != Engine::default()),
            (OptionName::Isa, *isa != IsaChoice::default()),
            (OptionName::Threads, threads.is_some()),
            (OptionName::Pool, pool.is_some()),
            (OptionName::Numerics, *numerics != Numerics::default()),
            (OptionName::Batch, batch.is_some()),
            (OptionName::Dims, !dims.is_empty()),
            (OptionName::Shapes, !shapes.is_empty()),
            (OptionName::Outputs, !outputs.is_empty()),
            (OptionName::Weights, weights.is_some()),
            (OptionName::Seed, *seed != 0),
            (OptionName::Passes, *passes != PassSelection::All),
            (OptionName::Reuse, *reuse != Reuse::default()),
            (OptionName::Memory, memory.is_some()),
            (OptionName::Share, share.is_some()),
            (OptionName::CacheDir, cache_dir.is_some()),
            (OptionName::PerfMap, *perf_map),
            (OptionName::Tuned, tuned.is_some()),
        ];
        given.into_iter().filter_map(|(name, is_given)| is_given.then_some(name)).collect()
    }

    /// Refuses options that have no effect on a network from this source.
    pub(crate) fn check(&self, source: Source) -> Result<(), Error> {
        self.refuse(source.ignores())?;
        self.check_compilation()
    }

    /// Refuses options of compilation that exclude each other.
    pub(crate) fn check_compilation(&self) -> Result<(), Error> {
        const THREADS: NoEffect =
            NoEffect { option: OptionName::Threads, reason: "a run has the threads of the pool" };
        if self.engine == Engine::Interpreted {
            return self.refuse(INTERPRETED);
        }
        let tuned = |reason| NoEffect { option: OptionName::Tuned, reason };
        let tuned = self.numerics.why_untuned().map(tuned);
        let threads = self.pool.is_some().then_some(THREADS);
        self.refuse(&tuned.into_iter().chain(threads).collect::<Vec<_>>())
    }

    fn refuse(&self, idle: &[NoEffect]) -> Result<(), Error> {
        let given = self.given();
        let idle = idle.iter().copied().filter(|one| given.contains(&one.option));
        match idle.collect::<Vec<_>>() {
            none if none.is_empty() => Ok(()),
            options => Err(Error::NoEffect { options }),
        }
    }

    /// These options without those that control how a network is loaded: for a graph that was made
    /// from a loaded network.
    #[must_use]
    pub fn for_graph(self) -> Options {
        Options { cache_dir: None, ..self.loaded_as(&Options::default()) }
    }

    /// These options for another number of images.
    pub(crate) fn with_images(mut self, images: usize) -> Options {
        // A batch that whole shapes include.
        let firsts = self.shapes.values_mut().filter_map(|shape| shape.first_mut());
        firsts.for_each(|first| *first = images);
        Options { batch: Some(images), ..self }
    }

    /// These options for inputs of other shapes, which include the batch.
    pub(crate) fn with_shapes(mut self, shapes: &[(&str, &[usize])]) -> Options {
        let shapes = shapes.iter().map(|(name, shape)| ((*name).to_owned(), shape.to_vec()));
        self.shapes.extend(shapes);
        Options { batch: None, ..self }
    }

    /// These options, with those that control how a network is loaded taken from `loaded`.
    pub(crate) fn loaded_as(self, loaded: &Options) -> Options {
        Options {
            batch: loaded.batch,
            dims: loaded.dims.clone(),
            shapes: loaded.shapes.clone(),
            outputs: loaded.outputs.clone(),
            weights: loaded.weights.clone(),
            seed: loaded.seed,
            ..self
        }
    }
}

/// Where a network comes from, which decides which loading options have an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A spec or a built-in network, with weights from a seed.
    Drawn,
    /// A spec or a built-in network, with weights from a file.
    Weighted,
    /// A spec, with weights from memory.
    Given,
    /// An ONNX model.
    Onnx,
    /// A graph that the caller made.
    Graph,
}

impl Source {
    fn ignores(self) -> &'static [NoEffect] {
        const fn idle(option: OptionName, reason: &'static str) -> NoEffect {
            NoEffect { option, reason }
        }
        const NO_DIMS: NoEffect = idle(
            OptionName::Dims,
            "a spec or a built-in network has no symbolic dimensions; the size of its images is a key of the spec",
        );
        const DRAWN: &[NoEffect] = &[NO_DIMS];
        const WEIGHTED: &[NoEffect] =
            &[NO_DIMS, idle(OptionName::Seed, "the weights come from a file")];
        const GIVEN: &[NoEffect] = &[
            NO_DIMS,
            idle(OptionName::Weights, "the weights are given in memory"),
            idle(OptionName::Seed, "the weights are given in memory"),
        ];
        const ONNX: &[NoEffect] = &[
            idle(OptionName::Weights, "an ONNX file has its own weights"),
            idle(OptionName::Seed, "an ONNX file has its own weights"),
        ];
        const GRAPH: &[NoEffect] = &[
            idle(OptionName::Batch, "the shapes of a graph are fixed"),
            idle(OptionName::Dims, "the shapes of a graph are fixed"),
            idle(OptionName::Shapes, "the shapes of a graph are fixed"),
            idle(OptionName::Weights, "a graph has its own weights"),
            idle(OptionName::Seed, "a graph has its own weights"),
            idle(
                OptionName::CacheDir,
                "only networks that are read from files or bytes are cached",
            ),
        ];
        match self {
            Source::Drawn => DRAWN,
            Source::Weighted => WEIGHTED,
            Source::Given => GIVEN,
            Source::Onnx => ONNX,
            Source::Graph => GRAPH,
        }
    }
}
