//! The main entry point: description in, model out.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use resnetc_ir::{Graph, NodeId};

use crate::compile::compile;
use crate::description::{self, Description, Kind, read};
use crate::error::Error;
use crate::import::named::{Candidate, find};
use crate::import::onnx::Bindings;
use crate::import::safetensors::WeightFile;
use crate::import::{ImportErrorKind, limits, onnx, safetensors};
use crate::options::{Options, Source};
use crate::runtime::model::Model;
use crate::spec::{Spec, SpecError, SpecErrorKind, Weights};

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
        match &self.options.weights {
            Some(file) => {
                self.options.check(Source::Weighted)?;
                let mut buffer = read(file, limits::FILE_BYTES)?;
                let read = safetensors::decode_all(&mut buffer).map_err(|e| e.in_file(file))?;
                self.weighted(spec, read, &|error| error.in_file(file))
            }
            None => {
                self.options.check(Source::Drawn)?;
                let seed = self.options.seed;
                let network = self.built(spec, &Weights::Random { seed }, &|error| error)?;
                Ok(Network { random_weights: Some(seed), ..network })
            }
        }
    }

    /// Builds the network of a spec with weights from memory: the bytes of a safetensors file.
    ///
    /// # Errors
    /// If the spec makes no sense, the weights do not fit it, or the options name a file of
    /// weights.
    pub fn spec_with_weights(&self, spec: &Spec, weights: &[u8]) -> Result<Network, Error> {
        self.options.check(Source::Given)?;
        let mut bytes = weights;
        self.weighted(spec, safetensors::decode_all(&mut bytes)?, &|error| error)
    }

    /// The network of a spec with weights from a file, which `locate` names in errors.
    fn weighted(
        &self,
        spec: &Spec,
        WeightFile { floats, integers }: WeightFile,
        locate: &dyn Fn(SpecError) -> SpecError,
    ) -> Result<Network, Error> {
        self.built(spec, &Weights::Map(floats), &|error| match &*error.kind {
            SpecErrorKind::Weights { .. } => locate(error.with_integers(&integers)),
            _ => error,
        })
    }

    fn built(
        &self,
        spec: &Spec,
        weights: &Weights,
        refine: &dyn Fn(SpecError) -> SpecError,
    ) -> Result<Network, Error> {
        let mut graph = spec.build(weights, self.batch(spec)?).map_err(refine)?;
        choose_outputs(&mut graph, &self.options.outputs)?;
        Ok(self.network(graph))
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

    /// Imports an ONNX model from memory, and from `data` the contents of each other file in which
    /// it keeps constants, by the name that the model gives that file. No file is opened.
    ///
    /// ```no_run
    /// use std::borrow::Cow;
    /// use std::io::ErrorKind;
    ///
    /// use resnetc::{Compiler, Options};
    ///
    /// const MODEL: &[u8] = // include_bytes!("model.onnx");
    /// #   &[];
    /// const WEIGHTS: &[u8] = // include_bytes!("model.onnx.data");
    /// #   &[];
    ///
    /// # fn main() -> Result<(), resnetc::Error> {
    /// let network = Compiler::new(Options::default()).onnx_bytes_with(MODEL, |name| match name {
    ///     "model.onnx.data" => Ok(Cow::Borrowed(WEIGHTS)),
    ///     _ => Err(ErrorKind::NotFound.into()),
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If it cannot be imported, or `data` returns an error or too few bytes.
    pub fn onnx_bytes_with(
        &self,
        bytes: &[u8],
        data: impl Fn(&str) -> io::Result<Cow<'static, [u8]>> + Send + Sync + 'static,
    ) -> Result<Network, Error> {
        self.options.check(Source::Onnx)?;
        let model = onnx::Model::parse(bytes, onnx::Beside::Given(Arc::new(data)))?;
        Ok(self.network(model.graph(&self.options.bindings())?))
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

/// Keeps only the outputs of these names, in this order, or makes the values of these names
/// outputs; without names, keeps all outputs.
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
