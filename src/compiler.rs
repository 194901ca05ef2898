//! The main entry point: description in, model out.

use std::collections::HashMap;
use std::path::Path;

use resnetc_ir::{Graph, NodeId};

use crate::compile::compile;
use crate::description::{self, Description, Kind, read};
use crate::error::Error;
use crate::import::named::{Candidate, find};
use crate::import::onnx::Bindings;
use crate::import::{ImportErrorKind, limits, onnx, safetensors};
use crate::options::{Options, Source};
use crate::runtime::model::Model;
use crate::spec::{Spec, SpecErrorKind, Weights};

/// Loads networks with one set of options.
///
/// ```
/// use resnetc::spec::Spec;
/// use resnetc::{Compiler, Options};
///
/// # fn main() -> Result<(), resnetc::Error> {
/// let spec = Spec::from_toml(
///     r#"
///     block = "basic"
///     layers = [1, 1]
///     channels = [8, 16]
///     classes = 10
///     [input]
///     channels = 3
///     height = 32
///     width = 32
///     "#,
/// )?;
/// let compiler = Compiler::new(Options::default().batch(2).threads(1));
/// let model = compiler.spec(&spec)?.compile()?; // its weights are random
/// assert_eq!(model.inputs()[0].shape, [2, 3, 32, 32]);
/// assert_eq!(model.outputs()[0].shape, [2, 10]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Compiler {
    options: Options,
}

/// A network that is loaded but not yet compiled.
///
/// It can be compiled several times, each time with different options:
///
/// ```
/// use resnetc::{Compiler, Numerics, Options};
///
/// # fn main() -> Result<(), resnetc::Error> {
/// let network = Compiler::new(Options::default()).load("cifar_resnet20")?;
/// let exact = network.with_options(Options::default().numerics(Numerics::Exact)).compile()?;
/// let fast = network.compile()?;
/// assert_eq!(exact.outputs(), fast.outputs());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Network {
    graph: Graph,
    options: Options,
    random_weights: Option<u64>,
}

impl Compiler {
    /// A compiler with these options.
    pub fn new(options: Options) -> Self {
        Compiler { options }
    }

    /// Loads what `model` names: a built-in network (`resnet50`), a spec (`.toml`, `.json`) or an
    /// ONNX file (see [`Compiler::onnx`]).
    ///
    /// # Errors
    /// If there is no such network or file, or it cannot be imported; the error names the file and
    /// every offending node or key.
    pub fn load(&self, model: impl AsRef<Path>) -> Result<Network, Error> {
        self.build(&Description::open(model)?)
    }

    /// Builds the network of a description.
    ///
    /// # Errors
    /// As [`Compiler::load`].
    pub fn build(&self, description: &Description) -> Result<Network, Error> {
        match &description.0 {
            Kind::Spec(spec, file) => self.spec(spec).map_err(|e| match (e, file) {
                (Error::Spec(e), Some(file)) => e.in_file(file).into(),
                (e, _) => e,
            }),
            Kind::Onnx(model) => {
                self.options.check(Source::Onnx)?;
                Ok(self.network(model.graph(&self.options.bindings())?))
            }
        }
    }

    /// Builds the network of a spec, with weights from the file that the options name, or with
    /// seeded random ones.
    ///
    /// # Errors
    /// If the spec makes no sense or the weights do not fit it.
    pub fn spec(&self, spec: &Spec) -> Result<Network, Error> {
        let mut integers = Vec::new();
        let (weights, random_weights) = match &self.options.weights {
            Some(file) => {
                self.options.check(Source::Weighted)?;
                let mut buffer = read(file, limits::FILE_BYTES)?;
                let read = safetensors::decode_all(&mut buffer).map_err(|e| e.in_file(file))?;
                integers = read.integers;
                (Weights::Map(read.floats), None)
            }
            None => {
                self.options.check(Source::Drawn)?;
                let seed = self.options.seed;
                (Weights::Random { seed }, Some(seed))
            }
        };
        let built = spec.build(&weights, self.batch(spec)?);
        let mut graph = built.map_err(|e| match (&*e.kind, &self.options.weights) {
            (SpecErrorKind::Weights { .. }, Some(file)) => e.with_integers(&integers).in_file(file),
            _ => e,
        })?;
        choose_outputs(&mut graph, &self.options.outputs)?;
        Ok(Network { random_weights, ..self.network(graph) })
    }

    /// The batch for a spec: the first extent of the shape that the options give its input, if they
    /// give one.
    fn batch(&self, spec: &Spec) -> Result<usize, Error> {
        let Options { batch, ref shapes, .. } = self.options;
        if shapes.is_empty() {
            return Ok(batch.unwrap_or(1));
        }
        let bindings = Bindings { batch, shapes: shapes.clone(), ..Bindings::default() };
        let input = description::spec_input(spec);
        let shapes = onnx::shapes(&[input], &bindings).map_err(|mut e| {
            if let ImportErrorKind::GivenShape { advice, .. } = &mut *e.kind {
                advice.get_or_insert_with(|| SIZES.to_owned());
            }
            e
        })?;
        Ok(shapes.first().and_then(|shape| shape.first().copied()).unwrap_or(1))
    }

    /// Imports an ONNX file. It is read once, whole; later changes to it have no effect.
    ///
    /// # Errors
    /// If it cannot be imported, or was changed while it was read.
    pub fn onnx(&self, file: &Path) -> Result<Network, Error> {
        self.build(&Description::onnx(file)?)
    }

    /// Imports an ONNX model from memory. Data that it keeps in other files is looked for in
    /// `folder`.
    ///
    /// # Errors
    /// If it cannot be imported.
    pub fn onnx_bytes(&self, bytes: &[u8], folder: Option<&Path>) -> Result<Network, Error> {
        self.options.check(Source::Onnx)?;
        Ok(self.network(onnx::Model::parse(bytes, folder)?.graph(&self.options.bindings())?))
    }

    /// Takes a graph as it is, without the outputs that the options leave out.
    ///
    /// # Errors
    /// If an option is set that controls how a network is loaded (shapes and weights of a graph are
    /// fixed), or there is no such output.
    pub fn graph(&self, mut graph: Graph) -> Result<Network, Error> {
        self.options.check(Source::Graph)?;
        choose_outputs(&mut graph, &self.options.outputs)?;
        Ok(self.network(graph))
    }

    fn network(&self, graph: Graph) -> Network {
        Network { graph, options: self.options.clone(), random_weights: None }
    }
}

impl Network {
    /// The graph as it was described, before any pass.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The seed of its weights, if they are random: for a spec or a built-in network without a
    /// weight file.
    pub fn random_weights(&self) -> Option<u64> {
        self.random_weights
    }

    /// The options with which it will be compiled.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The same network, to be compiled with other options. Those that control how a network is
    /// loaded (batch, dims, weights, seed) keep their values.
    #[must_use]
    pub fn with_options(&self, options: Options) -> Network {
        Network { options: options.loaded_as(&self.options), ..self.clone() }
    }

    /// The network as the bytes of an ONNX file, which any engine reads;
    /// [`export::onnx`](crate::export::onnx) also writes files.
    ///
    /// # Errors
    /// If it has values that ONNX cannot express, or is too large for a file.
    pub fn to_onnx(&self) -> Result<Vec<u8>, Error> {
        Ok(crate::export::onnx::encode(&self.graph)?)
    }

    /// Compiles the network.
    ///
    /// # Errors
    /// If an operator cannot be compiled, the CPU lacks the instruction set, or the system refuses
    /// memory.
    pub fn compile(self) -> Result<Model, Error> {
        compile(self.graph, &self.options)
    }
}

/// What a caller can choose of the input of a spec's network.
const SIZES: &str = "only the batch of a spec or a built-in network can be chosen; the size of its \
    images is in the spec: `channels`, `height` and `width` under `[input]` (docs/SPEC.md)";

/// Keeps only the outputs of these names, in this order, or makes the values of these names outputs;
/// without names, keeps all outputs.
fn choose_outputs(graph: &mut Graph, names: &[String]) -> Result<(), Error> {
    if names.is_empty() {
        return Ok(());
    }
    let known: Vec<String> = graph.outputs().iter().map(|o| o.name.clone()).collect();
    for name in names {
        if graph.outputs().iter().all(|output| output.name != *name) {
            let node = computed(graph, name, &known)?;
            graph.output(name, node);
        }
    }
    let place = |name: &String| graph.outputs().iter().position(|output| output.name == *name);
    let kept: Vec<usize> = names.iter().filter_map(place).collect();
    graph.keep_outputs(&kept);
    Ok(())
}

/// The computed value that a name stands for.
fn computed(graph: &Graph, name: &str, known: &[String]) -> Result<NodeId, Error> {
    let is_computed = |&node: &NodeId| graph.node(node).op.is_computed();
    let order: Vec<NodeId> = graph.topo().into_iter().filter(is_computed).collect();
    let places: HashMap<NodeId, usize> = order.iter().enumerate().map(|(i, &n)| (n, i)).collect();
    let candidate = |&node: &NodeId| Candidate {
        name: &graph.node(node).name,
        operands: graph.operands(node).iter().filter_map(|o| places.get(o).copied()).collect(),
        is_output: graph.outputs().iter().any(|output| output.node == node),
    };
    let nodes: Vec<Candidate<'_>> = order.iter().map(candidate).collect();
    Ok(order[find(name, known, &nodes)?])
}
