//! The main entry point: description in, model out.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use resnetc_ir::{Graph, NodeId};

use crate::advice::OptionName;
use crate::cache::{self, Contents, FileVersion, Made};
use crate::compile::compile;
use crate::description::{self, Description, Kind, Named, read};
use crate::error::Error;
use crate::import::named::{Candidate, find};
use crate::import::onnx::Bindings;
use crate::import::safetensors::{WeightFile, WeightMap};
use crate::import::{ImportErrorKind, limits, onnx, safetensors};
use crate::options::{Engine, Options, Source};
use crate::runtime::model::{Model, Origin, Resize};
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
    /// Values that inputs start with, by their names.
    start: Arc<WeightMap>,
    /// What it is made from, if it may be in a folder of compiled networks; or why that is not
    /// known.
    contents: Option<Result<Contents, String>>,
    /// What it was loaded from; `None` for bytes and graphs.
    origin: Option<Arc<Loaded>>,
}

/// What a network was loaded from, and with which options.
#[derive(Debug)]
struct Loaded {
    source: LoadedFrom,
    options: Options,
}

#[derive(Debug)]
enum LoadedFrom {
    Onnx(FileVersion),
    Spec(Box<Spec>, Option<PathBuf>),
}

/// Finds out what a network is made from, for the folder of compiled networks at a path.
type FindContents<'a> = dyn Fn(&Path) -> Result<Contents, String> + 'a;

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
        self.build(&Description::opened(model.as_ref(), self.options.cache_dir.as_deref())?)
    }

    /// Loads and compiles what `model` names, as [`Compiler::load`] and [`Network::compile`] do. If
    /// the options name a folder of compiled networks ([`Options::cache_dir`]) that has this one, and
    /// its file has not changed since, the file is not even read.
    ///
    /// # Errors
    /// As [`Compiler::load`] and [`Network::compile`].
    pub fn compile(&self, model: impl AsRef<Path>) -> Result<Model, Error> {
        let path = model.as_ref();
        match self.cached(path)? {
            Some(model) => Ok(model),
            None => self.load(path)?.compile(),
        }
    }

    /// The compiled network that a name or a path stands for, if it can be had without reading
    /// files of weights.
    fn cached(&self, path: &Path) -> Result<Option<Model>, Error> {
        let Options { cache_dir: Some(cache), weights, seed, .. } = &self.options else {
            return Ok(None);
        };
        let named = Named::of(path)?;
        let source = match (&named, weights) {
            (Named::Onnx, _) => Source::Onnx,
            (Named::Spec(..), Some(_)) => Source::Weighted,
            (Named::Spec(..), None) => Source::Drawn,
        };
        self.options.check(source)?;
        let contents = match &named {
            Named::Onnx => Contents::known_onnx(cache, path),
            Named::Spec(spec, _) => Contents::known_spec(cache, spec, weights.as_deref(), *seed),
        };
        let Some(contents) = contents else { return Ok(None) };
        let found = cache::find(cache, &contents, &self.options)?;
        let source = match named {
            Named::Onnx => LoadedFrom::Onnx(FileVersion::unread(path)),
            Named::Spec(spec, file) => LoadedFrom::Spec(spec, file),
        };
        Ok(found.map(|model| model.with_origin(self.loaded(source))))
    }

    /// Builds the network of a description.
    ///
    /// # Errors
    /// As [`Compiler::load`].
    pub fn build(&self, description: &Description) -> Result<Network, Error> {
        match &description.0 {
            Kind::Spec(spec, file) => self.named_spec(spec, file.as_deref()),
            Kind::Onnx(model, version) => {
                self.options.check(Source::Onnx)?;
                let graph = model.graph(&self.options.bindings())?;
                let contents =
                    |cache: &Path| Contents::of_onnx(version.contents(cache)?, model, cache);
                let source = LoadedFrom::Onnx(version.clone());
                Ok(self.network(graph, contents).loaded_from(self.loaded(source)))
            }
        }
    }

    /// As [`Compiler::spec`]; `file` is where the spec was read from.
    fn named_spec(&self, spec: &Spec, file: Option<&Path>) -> Result<Network, Error> {
        self.spec(spec).map_err(|e| match (e, file) {
            (Error::Spec(e), Some(file)) => e.in_file(file).into(),
            (e, _) => e,
        })
    }

    fn loaded(&self, source: LoadedFrom) -> Arc<Loaded> {
        Arc::new(Loaded { source, options: self.options.clone().share(None) })
    }

    /// Builds the network of a spec, with weights from the file that the options name, or with
    /// seeded random ones.
    ///
    /// # Errors
    /// If the spec makes no sense or the weights do not fit it.
    pub fn spec(&self, spec: &Spec) -> Result<Network, Error> {
        let network = match &self.options.weights {
            Some(file) => self.spec_with_file(spec, file)?,
            None => {
                self.options.check(Source::Drawn)?;
                let seed = self.options.seed;
                let contents = |_: &Path| Contents::of_spec(spec, Made::Seed(seed));
                let weights = Weights::Random { seed };
                let network = self.built(spec, &weights, &|error| error, &contents)?;
                Network { random_weights: Some(seed), ..network }
            }
        };
        Ok(network.loaded_from(self.loaded(LoadedFrom::Spec(Box::new(spec.clone()), None))))
    }

    fn spec_with_file(&self, spec: &Spec, file: &Path) -> Result<Network, Error> {
        self.options.check(Source::Weighted)?;
        let read = |file: &Path| read(file, limits::FILE_BYTES);
        let cache = self.options.cache_dir.as_deref();
        let (version, mut buffer) = FileVersion::read(file, cache, read)?;
        let weights = safetensors::decode_all(&mut buffer).map_err(|e| e.in_file(file))?;
        let contents =
            |cache: &Path| Contents::of_spec(spec, Made::File(&version.contents(cache)?));
        self.weighted(spec, weights, &|error| error.in_file(file), &contents)
    }

    /// Builds the network of a spec with weights from memory: the bytes of a safetensors file.
    ///
    /// # Errors
    /// If the spec makes no sense, the weights do not fit it, or the options name a file of
    /// weights.
    pub fn spec_with_weights(&self, spec: &Spec, weights: &[u8]) -> Result<Network, Error> {
        self.options.check(Source::Given)?;
        let mut bytes = weights;
        let contents = |_: &Path| Contents::of_spec(spec, Made::Bytes(weights));
        self.weighted(spec, safetensors::decode_all(&mut bytes)?, &|error| error, &contents)
    }

    /// The network of a spec with weights from a file, which `locate` names in errors.
    fn weighted(
        &self,
        spec: &Spec,
        WeightFile { floats, integers }: WeightFile,
        locate: &dyn Fn(SpecError) -> SpecError,
        contents: &FindContents<'_>,
    ) -> Result<Network, Error> {
        let refine = |error: SpecError| match &*error.kind {
            SpecErrorKind::Weights { .. } => locate(error.with_integers(&integers)),
            _ => error,
        };
        self.built(spec, &Weights::Map(floats), &refine, contents)
    }

    fn built(
        &self,
        spec: &Spec,
        weights: &Weights,
        refine: &dyn Fn(SpecError) -> SpecError,
        contents: &FindContents<'_>,
    ) -> Result<Network, Error> {
        let mut graph = spec.build(weights, self.batch(spec)?).map_err(refine)?;
        choose_outputs(&mut graph, &self.options.outputs)?;
        Ok(self.network(graph, contents))
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
        self.build(&Description::onnx(file, self.options.cache_dir.as_deref())?)
    }

    /// Imports an ONNX model from memory. Data that it keeps in other files is looked for in
    /// `folder`.
    ///
    /// # Errors
    /// If it cannot be imported.
    pub fn onnx_bytes(&self, bytes: &[u8], folder: Option<&Path>) -> Result<Network, Error> {
        self.parsed(bytes, folder.into())
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
        self.parsed(bytes, onnx::Beside::Given(Arc::new(data)))
    }

    fn parsed(&self, bytes: &[u8], beside: onnx::Beside) -> Result<Network, Error> {
        self.options.check(Source::Onnx)?;
        let model = onnx::Model::parse(bytes, beside)?;
        let graph = model.graph(&self.options.bindings())?;
        Ok(self.network(graph, |_| Contents::of_onnx_bytes(bytes, &model)))
    }

    /// Takes a graph as it is, without the outputs that the options leave out.
    ///
    /// # Errors
    /// If an option is set that controls how a network is loaded (shapes and weights of a graph are
    /// fixed), or there is no such output.
    pub fn graph(&self, mut graph: Graph) -> Result<Network, Error> {
        self.options.check(Source::Graph)?;
        choose_outputs(&mut graph, &self.options.outputs)?;
        Ok(self.network(graph, |_| Err("a graph in memory has no files".to_owned())))
    }

    /// A network with these contents, which are determined if they are needed.
    fn network(
        &self,
        graph: Graph,
        contents: impl FnOnce(&Path) -> Result<Contents, String>,
    ) -> Network {
        let options = self.options.clone();
        let contents = options.cache_dir.as_deref().map(contents);
        Network {
            graph,
            options,
            random_weights: None,
            start: Arc::default(),
            contents,
            origin: None,
        }
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

    /// The values that inputs start with, by their names: parameters and the like of a step of
    /// training ([`Recipe::network`](crate::training::Recipe::network)). Other networks have none.
    pub fn start(&self) -> &WeightMap {
        &self.start
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

    /// The same network with only these outputs, in this order, as [`Options::outputs`] chooses them.
    ///
    /// # Errors
    /// If a name stands for no value.
    pub fn with_outputs(&self, names: Vec<String>) -> Result<Network, Error> {
        let mut network = self.clone();
        choose_outputs(&mut network.graph, &names)?;
        network.options.outputs = names;
        Ok(network)
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
        let Network { graph, options, random_weights: _, start: _, contents, origin } = self;
        let model = match &options.cache_dir {
            Some(folder) => {
                let unknown = || Err(format!("it was loaded without {}", OptionName::CacheDir));
                let contents = contents.unwrap_or_else(unknown);
                cache::compile(graph, &options, folder, contents)?
            }
            None => compile(graph, &options)?,
        };
        Ok(match origin {
            Some(origin) => model.with_origin(origin),
            None => model,
        })
    }

    /// The same network with values that its inputs start with.
    pub(crate) fn starting(self, start: WeightMap) -> Network {
        Network { start: Arc::new(start), ..self }
    }

    fn loaded_from(self, origin: Arc<Loaded>) -> Network {
        Network { origin: Some(origin), ..self }
    }
}

impl Origin for Loaded {
    fn random_weights(&self) -> Option<u64> {
        let is_drawn =
            matches!(self.source, LoadedFrom::Spec(..)) && self.options.weights.is_none();
        is_drawn.then_some(self.options.seed)
    }

    fn resized(&self, size: Resize<'_>, model: &Model) -> Result<Model, Error> {
        let options = self.options.clone();
        let mut options = match size {
            Resize::Batch(images) => options.with_images(images),
            Resize::Shapes(shapes) => options.with_shapes(shapes),
        };
        if options.engine != Engine::Interpreted {
            options.share = Some(model.clone());
        }
        let compiler = Compiler::new(options);
        match &self.source {
            LoadedFrom::Onnx(version) if !version.is_there() => {
                Err(Error::ChangedOrigin { file: version.path().to_owned() })
            }
            LoadedFrom::Onnx(version) => compiler.compile(version.path()),
            LoadedFrom::Spec(spec, file) => compiler.named_spec(spec, file.as_deref())?.compile(),
        }
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
