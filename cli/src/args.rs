//! Options that commands share.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Once;

use resnetc::advice::OptionName;
use resnetc::codegen::perf_map;
use resnetc::one_line::path_line;
use resnetc::runtime::pool::{default_threads, most_threads};
use resnetc::training::{Optimizer, Recipe};
use resnetc::{
    Compiler, Engine, ErrorCode, IsaChoice, Network, Numerics, Options, PassSelection, Reuse,
};

use crate::failure::{Failure, flag};
use crate::tuned::{Choices, OFF, Wish};
use crate::units::plural;
use crate::{output, step};

/// How to load and compile a network, and how large a run is.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Model options")]
pub(crate) struct Common {
    /// Threads per run [default: as many as the process may use]
    #[arg(long, value_name = "N", value_parser = threads)]
    pub(crate) threads: Option<usize>,
    /// Images per run [default: as many as the model declares, or 1]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(crate) batch: Option<usize>,
    #[command(flatten)]
    pub(crate) model: ModelOptions,
}

/// How to load and compile a network.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Model options")]
pub(crate) struct ModelOptions {
    /// Instruction set: auto, amx, avx512vnni, avx512, avxvnni, avx2, neoni8mm, neondot, neon or baseline
    #[arg(long, default_value = "auto", value_parser = IsaChoice::from_str)]
    pub(crate) isa: IsaChoice,
    /// fast; portable: the same bits on every CPU with fused multiply-adds, hardly slower except
    /// where `fast` uses AMX; exact: likewise, with only the algorithms that round no more than
    /// direct convolution; or half: like `fast`, with weights of 16 bits, which take half of the
    /// memory
    #[arg(long, default_value = "fast", value_parser = numerics)]
    pub(crate) numerics: Numerics,
    /// Weights for a built-in network or a spec, under PyTorch's names [default: random]
    #[arg(long, value_name = "FILE.safetensors")]
    pub(crate) weights: Option<PathBuf>,
    /// Seed of whatever is random: weights without a file, inputs without values [default: 0]
    #[arg(long, value_name = "N", value_parser = whole::<u64>)]
    seed: Option<u64>,
    /// Extent of a symbolic dimension, NAME=N, or INPUT.AXIS=N if it has no name; or the shape of
    /// an input, INPUT=1,3,64,64. Can be given several times
    #[arg(long = "shape", value_name = "NAME=N", value_parser = binding)]
    pub(crate) shapes: Vec<(String, Size)>,
    /// Outputs to compute, in this order; nodes that only other outputs need are left out. The name
    /// of any other value, or of a module (layer4), makes that value an output: `resnetc info
    /// --values` lists them [default: all outputs]
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', value_parser = name)]
    pub(crate) outputs: Vec<String>,
    #[command(flatten)]
    passes: Passes,
    /// How values may share memory: in-place, freed or never
    #[arg(long, value_name = "WHAT", default_value = "in-place", value_parser = reuse)]
    reuse: Reuse,
    /// The most memory for all values of a run, such as 500MB. A step of training then computes
    /// values again instead of keeping them, as far as that is necessary [default: no limit]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    memory: Option<usize>,
    /// Write the names of compiled code to /tmp/perf-PID.map, for `perf`
    #[arg(long)]
    perf_map: bool,
    /// Choose algorithms by the times that `resnetc tune` wrote to this file, or ignore measured
    /// times: off [default: the file for this machine in the cache folder]
    #[arg(long, value_name = "FILE|off")]
    pub(crate) tuned: Option<PathBuf>,
    /// What was read from it.
    #[arg(skip)]
    choices: Choices,
    /// What runs the network; commands that offer a choice set it.
    #[arg(skip)]
    engine: Engine,
    /// The folder of compiled networks; commands that use one set it.
    #[arg(skip)]
    cache: Option<PathBuf>,
    /// A step of training with this optimizer in place of a run; commands that offer one set it.
    #[arg(skip)]
    training: Option<Optimizer>,
}

/// Where the input values of a network come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Values {
    /// Random values, determined by the seed.
    Random,
    /// Values from the user, or none.
    Given,
}

/// The weight decay of a step of training that is inspected or timed.
const DECAY: f64 = 1e-4;

impl Common {
    /// The options for a model and a batch; what the user gave takes precedence.
    pub(crate) fn options(&self, model: Option<&Path>, batch: Option<usize>) -> Options {
        let own = &self.model;
        let is_loaded = own.training.is_none();
        let is_compiled = own.engine != Engine::Interpreted;
        let extents = own.sizes(|size| match size {
            Size::Extent(extent) => Some(*extent),
            Size::Shape(_) => None,
        });
        let shapes = own.sizes(|size| match size {
            Size::Extent(_) => None,
            Size::Shape(shape) => Some(shape.clone()),
        });
        let loaded = Options::default()
            .batch(self.batch.or(batch).filter(|_| is_loaded))
            .dims(extents)
            .shapes(shapes)
            .outputs(own.outputs.clone())
            .weights(own.weights.clone().filter(|_| is_loaded))
            .seed(if is_loaded && own.draws_weights(model) { self.seed() } else { 0 });
        loaded
            .engine(own.engine)
            .isa(own.isa)
            .threads(self.threads)
            .numerics(own.numerics)
            .passes(own.passes.selection())
            .reuse(own.reuse)
            .memory(own.memory)
            .cache_dir(own.cache.clone())
            .perf_map(own.perf_map)
            .tuned(if is_compiled { own.choices.get(self.wish()) } else { None })
    }

    /// The files that the network and its options are read from.
    pub(crate) fn reads<'a>(&'a self, model: &'a Path) -> Vec<&'a Path> {
        let files = [&self.model.weights, &self.model.tuned];
        files.into_iter().flatten().map(PathBuf::as_path).chain([model]).collect()
    }

    /// What the options say about measured times.
    pub(crate) fn wish(&self) -> Wish<'_> {
        let ModelOptions { tuned, isa, numerics, .. } = &self.model;
        Wish { tuned: tuned.as_deref(), isa: *isa, threads: self.threads, numerics: *numerics }
    }

    /// The seed of random weights and inputs.
    pub(crate) fn seed(&self) -> u64 {
        self.model.seed.unwrap_or(0)
    }

    /// The same for another engine.
    pub(crate) fn on(&self, engine: Engine) -> Self {
        let model = ModelOptions { engine, ..self.model.clone() };
        Common { model, ..self.clone() }
    }

    /// The same with a folder of compiled networks, or none.
    pub(crate) fn cached(&self, folder: Option<&Path>) -> Self {
        let model = ModelOptions { cache: folder.map(Path::to_owned), ..self.model.clone() };
        Common { model, ..self.clone() }
    }

    /// The same for a step of training with this optimizer, if there is one.
    pub(crate) fn training(&self, training: Option<Optimizer>) -> Self {
        let model = ModelOptions { training, ..self.model.clone() };
        Common { model, ..self.clone() }
    }

    /// The same without measured times.
    pub(crate) fn without_tuned(&self) -> Self {
        let model = ModelOptions {
            tuned: Some(OFF.into()),
            choices: Choices::default(),
            ..self.model.clone()
        };
        Common { model, ..self.clone() }
    }

    /// Loads MODEL.
    pub(crate) fn load(&self, model: &Path, values: Values) -> Result<Network, Failure> {
        self.check(Some(model), values)?;
        self.read(model)
    }

    fn read(&self, model: &Path) -> Result<Network, Failure> {
        let options = self.options(Some(model), None);
        let Some(optimizer) = self.model.training else {
            return Ok(Compiler::new(options).load(model)?);
        };
        let recipe = Recipe { optimizer, decay: DECAY, ..Recipe::new(self.batch.unwrap_or(1)) };
        step::network(model, &recipe, self.model.weights.as_deref(), self.seed(), options)
    }

    /// Loads MODEL to run it, and notes on stderr if its weights are random.
    pub(crate) fn load_to_run(&self, model: &Path, values: Values) -> Result<Network, Failure> {
        let network = self.load(model, values)?;
        note_random_weights(model, &network);
        Ok(network)
    }

    /// Loads MODEL to compile it for another program, whose threads may be more than the CPUs here.
    pub(crate) fn load_to_export(&self, model: &Path) -> Result<Network, Failure> {
        self.check_options(Some(model), Values::Given)?;
        let network = self.read(model)?;
        note_random_weights(model, &network);
        Ok(network)
    }

    /// Refuses what can be refused before anything is read, and warns of too many threads. No model
    /// means the bundled one.
    pub(crate) fn check(&self, model: Option<&Path>, values: Values) -> Result<(), Failure> {
        warn_of_threads(self.threads);
        self.check_options(model, values)
    }

    fn check_options(&self, model: Option<&Path>, values: Values) -> Result<(), Failure> {
        let own = &self.model;
        own.isa.resolve().map_err(resnetc::Error::from)?;
        own.passes.selection().check().map_err(resnetc::Error::from)?;
        own.check_shapes()?;
        if values == Values::Given && !own.draws_weights(model) {
            self.refuse(&[OptionName::Seed], "nothing is random here")?;
        }
        if own.training.is_some() {
            self.refuse(&[OptionName::Dims], "the size of a step's images is a key of the spec")?;
        }
        if let Some(reason) = own.numerics.why_untuned()
            && own.tuned_file().is_some()
        {
            self.refuse(&[OptionName::Tuned], reason)?;
        }
        own.choices.check_named(self.wish())?;
        if own.perf_map
            && let Err(e) = perf_map::append(std::iter::empty())
        {
            eprintln!("warning: perf will not know the compiled code's names: {e}");
        }
        Ok(())
    }

    /// Refuses options that have no effect on a command.
    pub(crate) fn refuse(&self, idle: &[OptionName], why: &str) -> Result<(), Failure> {
        match idle.iter().find_map(|&option| self.given(option)) {
            Some(flag) => Err(Failure::no_effect(flag, why)),
            None => Ok(()),
        }
    }

    /// Whether values may take so much memory only.
    pub(crate) fn limits_memory(&self) -> bool {
        self.model.memory.is_some()
    }

    /// The flag by which an option was given.
    fn given(&self, option: OptionName) -> Option<&'static str> {
        let own = &self.model;
        let is_given = match option {
            OptionName::Isa => own.isa != IsaChoice::default(),
            OptionName::Threads => self.threads.is_some(),
            OptionName::Numerics => own.numerics != Numerics::default(),
            OptionName::Batch => self.batch.is_some(),
            OptionName::Dims => !own.shapes.is_empty(),
            OptionName::Outputs => !own.outputs.is_empty(),
            OptionName::Weights => own.weights.is_some(),
            OptionName::Seed => own.seed.is_some(),
            OptionName::Passes => return own.passes.given(),
            OptionName::Reuse => own.reuse != Reuse::default(),
            OptionName::Memory => own.memory.is_some(),
            OptionName::PerfMap => own.perf_map,
            OptionName::Tuned => own.tuned_file().is_some(),
            _ => false,
        };
        is_given.then(|| flag(option))
    }
}

impl ModelOptions {
    fn sizes<T>(&self, kind: impl Fn(&Size) -> Option<T>) -> BTreeMap<String, T> {
        self.shapes.iter().filter_map(|(name, size)| Some((name.clone(), kind(size)?))).collect()
    }

    /// Whether a model's weights are random: that of a built-in network or a spec, unless a file
    /// has them.
    fn draws_weights(&self, model: Option<&Path>) -> bool {
        let is_onnx =
            |path: &Path| path.extension().is_some_and(|e| e.eq_ignore_ascii_case("onnx"));
        self.weights.is_none() && model.is_some_and(|path| !is_onnx(path))
    }

    /// A file of measured times that the user names.
    pub(crate) fn tuned_file(&self) -> Option<&Path> {
        self.tuned.as_deref().filter(|file| file.as_os_str() != OFF)
    }

    fn check_shapes(&self) -> Result<(), Failure> {
        let mut seen = HashSet::new();
        match self.shapes.iter().find(|(name, _)| !seen.insert(name)) {
            Some((name, _)) => Err(Failure::usage(format!("--shape {name}=N is given twice"))
                .code(ErrorCode::Conflict)),
            None => Ok(()),
        }
    }
}

/// Notes on stderr, once, that the weights of the command's network are random, so that its results
/// mean nothing.
pub(crate) fn note_random_weights(model: &Path, network: &Network) {
    static ONCE: Once = Once::new();
    if let Some(seed) = network.random_weights() {
        ONCE.call_once(|| {
            output::note(&format!(
                "the weights of {} are random (seed {seed}); --weights FILE.safetensors loads trained ones",
                path_line(model)
            ));
        });
    }
}

/// Which of the optional passes run.
#[derive(Clone, Debug, clap::Args)]
struct Passes {
    /// Leave out one optional pass; can be given several times (see `resnetc passes`)
    #[arg(long = "no-pass", value_name = "PASS", conflicts_with_all = ["only_pass", "unfused"])]
    no_pass: Vec<String>,
    /// Run no optional pass but this one; can be given several times
    #[arg(long = "only-pass", value_name = "PASS", conflicts_with = "unfused")]
    only_pass: Vec<String>,
    /// Leave out all optional passes
    #[arg(long)]
    unfused: bool,
}

impl Passes {
    /// The flag that was given, if one was.
    fn given(&self) -> Option<&'static str> {
        match (&self.no_pass[..], &self.only_pass[..]) {
            ([], []) => self.unfused.then_some("--unfused"),
            (_, []) => Some("--no-pass"),
            _ => Some("--only-pass"),
        }
    }

    fn selection(&self) -> PassSelection {
        match (&self.no_pass[..], &self.only_pass[..]) {
            ([], []) if self.unfused => PassSelection::None,
            ([], []) => PassSelection::All,
            (without, []) => PassSelection::without(without),
            (_, only) => PassSelection::only(only),
        }
    }
}

/// An entry of a list of names.
pub(crate) fn name(text: &str) -> Result<String, String> {
    match text.is_empty() {
        true => Err("a name is missing: the list has a comma too many".to_owned()),
        false => Ok(text.to_owned()),
    }
}

/// A number of 1 or more.
pub(crate) fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        _ if text.is_empty() => Err("a number is missing".to_owned()),
        Ok(0) => Err("it must be at least 1".to_owned()),
        Ok(n) => Ok(n),
        Err(_) => Err("it must be a whole number, 1 or more".to_owned()),
    }
}

/// A number of 0 or more.
pub(crate) fn whole<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| "it must be a whole number, 0 or more, that 64 bits hold".to_owned())
}

/// A number of threads that a run may use.
pub(crate) fn threads(text: &str) -> Result<usize, String> {
    let most = most_threads();
    match positive(text)? {
        threads if threads > most => Err(format!("at most {most} threads are supported")),
        threads => Ok(threads),
    }
}

/// Warns once if there are more threads than CPUs.
pub(crate) fn warn_of_threads(threads: Option<usize>) {
    static ONCE: Once = Once::new();
    let cpus = default_threads();
    if let Some(threads) = threads.filter(|&threads| threads > cpus) {
        ONCE.call_once(|| {
            eprintln!(
                "warning: --threads {threads}: this process may use {}; more threads make runs slower",
                plural(cpus, "CPU")
            );
        });
    }
}

fn numerics(text: &str) -> Result<Numerics, String> {
    let known = Numerics::ALL.into_iter().find(|(name, _)| *name == text);
    known.map(|(_, numerics)| numerics).ok_or_else(|| {
        let names = Numerics::ALL.map(|(name, _)| name).join(", ");
        format!("expected one of {names}")
    })
}

fn reuse(text: &str) -> Result<Reuse, String> {
    match text {
        "in-place" => Ok(Reuse::InPlace),
        "freed" => Ok(Reuse::Freed),
        "never" => Ok(Reuse::Never),
        _ => Err("expected in-place, freed or never".to_owned()),
    }
}

/// A number of bytes: `800MB`, `1.5 GB`, or without a unit.
pub(crate) fn size(text: &str) -> Result<usize, String> {
    const UNITS: [(&str, f64); 7] = [
        ("kib", 1024.0),
        ("mib", 1048576.0),
        ("gib", 1073741824.0),
        ("kb", 1e3),
        ("mb", 1e6),
        ("gb", 1e9),
        ("b", 1.0),
    ];
    let text = text.trim().to_ascii_lowercase();
    let with_unit = UNITS.iter().find_map(|&(unit, bytes)| Some((text.strip_suffix(unit)?, bytes)));
    let (number, bytes) = with_unit.unwrap_or((&text, 1.0));
    match number.trim_end().parse::<f64>() {
        Ok(number) if number > 0.0 && number * bytes < 1e15 => Ok((number * bytes) as usize),
        _ => Err("expected a size, such as 500MB or 2GiB".to_owned()),
    }
}

/// What `--shape` gives a name.
#[derive(Clone, Debug)]
pub(crate) enum Size {
    /// The extent of a dimension.
    Extent(usize),
    /// The shape of an input.
    Shape(Vec<usize>),
}

fn binding(text: &str) -> Result<(String, Size), String> {
    let (name, size) = match text.rsplit_once('=') {
        Some((name, size)) if !name.is_empty() => (name.to_owned(), size),
        _ => return Err("expected NAME=N or INPUT=1,3,64,64".to_owned()),
    };
    // Brackets distinguish a shape of one number, or of none, from an extent.
    let list = size.strip_prefix('[').and_then(|list| list.strip_suffix(']'));
    match list {
        None if !size.contains(',') => Ok((name, Size::Extent(positive(size)?))),
        list => {
            let list = list.unwrap_or(size).trim();
            let extent = |text: &str| match text.trim() {
                "" => Err("an extent is missing: the list has a comma too many".to_owned()),
                text => positive(text),
            };
            // Brackets with nothing in them are the shape of a scalar.
            let extents = list.split(',').filter(|_| !list.is_empty());
            Ok((name, Size::Shape(extents.map(extent).collect::<Result<_, _>>()?)))
        }
    }
}
