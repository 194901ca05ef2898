//! Options that commands share.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use resnetc::codegen::perf_map;
use resnetc::{Compiler, IsaChoice, Network, Numerics, Options, PassSelection, Reuse};

use crate::failure::Failure;
use crate::output;
use crate::tuned::{Choices, OFF};

/// How to load and compile a network.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Model options")]
pub(crate) struct Common {
    /// Threads of a run [default: as many as the process may use]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(crate) threads: Option<usize>,
    /// Instruction set: auto, amx, avx512, avx2 or baseline
    #[arg(long, default_value = "auto", value_parser = IsaChoice::from_str)]
    pub(crate) isa: IsaChoice,
    /// fast, or exact: only algorithms that round no more than direct convolution
    #[arg(long, default_value = "fast", value_parser = numerics)]
    pub(crate) numerics: Numerics,
    /// Weights of a built-in network or a spec, under PyTorch's names [default: random]
    #[arg(long, value_name = "FILE.safetensors")]
    pub(crate) weights: Option<PathBuf>,
    /// Seed of random weights and random inputs
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Pictures in one run [default: as many as the model says, or 1]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(crate) batch: Option<usize>,
    /// Extent of a symbolic dimension; one without a name is INPUT.AXIS; can be given several times
    #[arg(long = "shape", value_name = "NAME=N", value_parser = binding)]
    pub(crate) shapes: Vec<(String, usize)>,
    #[command(flatten)]
    passes: Passes,
    /// What values may share memory: in-place, freed or never
    #[arg(long, value_name = "WHAT", default_value = "in-place", value_parser = reuse)]
    reuse: Reuse,
    /// Name the compiled code for `perf` in /tmp/perf-PID.map
    #[arg(long)]
    perf_map: bool,
    /// Choose algorithms by the times in this file of `resnetc tune`, or by none
    /// [default: the file for this machine in the cache folder]
    #[arg(long, value_name = "FILE|off")]
    pub(crate) tuned: Option<PathBuf>,
    /// What was read of it.
    #[arg(skip)]
    choices: Choices,
}

impl Common {
    /// The options for a batch; what the user gave comes first.
    pub(crate) fn options(&self, batch: Option<usize>) -> Options {
        Options {
            isa: self.isa,
            threads: self.threads,
            numerics: self.numerics,
            batch: self.batch.or(batch),
            dims: self.shapes.iter().cloned().collect(),
            weights: self.weights.clone(),
            seed: self.seed,
            passes: self.passes.selection(),
            reuse: self.reuse,
            perf_map: self.perf_map,
            tuned: self.choices.get(self),
        }
    }

    /// The same without measured times.
    pub(crate) fn without_tuned(&self) -> Self {
        Common { tuned: Some(OFF.into()), choices: Choices::default(), ..self.clone() }
    }

    /// Loads MODEL.
    pub(crate) fn load(&self, model: &Path) -> Result<Network, Failure> {
        self.check()?;
        Ok(Compiler::new(self.options(None)).load(model)?)
    }

    /// Loads MODEL to run it, and says so if its weights are random.
    pub(crate) fn load_to_run(&self, model: &Path) -> Result<Network, Failure> {
        let network = self.load(model)?;
        note_random_weights(model, &network);
        Ok(network)
    }

    /// What can be refused before anything is read.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        self.isa.resolve().map_err(resnetc::Error::from)?;
        if self.perf_map
            && let Err(e) = perf_map::append(std::iter::empty())
        {
            eprintln!("warning: perf will not know the compiled code's names: {e}");
        }
        self.passes.selection().check().map_err(resnetc::Error::from)?;
        Ok(())
    }
}

/// Says on stderr that what a network computes means nothing, if its weights are random.
pub(crate) fn note_random_weights(model: &Path, network: &Network) {
    if let Some(seed) = network.random_weights() {
        output::note(&format!(
            "the weights of {} are random (seed {seed}); --weights FILE.safetensors gives it trained ones",
            model.display()
        ));
    }
}

/// Which of the optional passes run.
#[derive(Clone, Debug, clap::Args)]
struct Passes {
    /// Leave out one optional pass; can be given several times (see `resnetc passes`)
    #[arg(long = "no-pass", value_name = "PASS", conflicts_with_all = ["only_pass", "unfused"])]
    no_pass: Vec<String>,
    /// Leave out all optional passes but this one; can be given several times
    #[arg(long = "only-pass", value_name = "PASS", conflicts_with = "unfused")]
    only_pass: Vec<String>,
    /// Leave out all optional passes
    #[arg(long)]
    unfused: bool,
}

impl Passes {
    fn selection(&self) -> PassSelection {
        match (&self.no_pass[..], &self.only_pass[..]) {
            ([], []) if self.unfused => PassSelection::None,
            ([], []) => PassSelection::All,
            (without, []) => PassSelection::without(without),
            (_, only) => PassSelection::only(only),
        }
    }
}

/// A number of 1 or more.
pub(crate) fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("it must be at least 1".to_owned()),
        Ok(n) => Ok(n),
        Err(_) => Err("it must be a whole number".to_owned()),
    }
}

fn numerics(text: &str) -> Result<Numerics, String> {
    match text {
        "fast" => Ok(Numerics::Fast),
        "exact" => Ok(Numerics::Exact),
        _ => Err("there are fast and exact".to_owned()),
    }
}

fn reuse(text: &str) -> Result<Reuse, String> {
    match text {
        "in-place" => Ok(Reuse::InPlace),
        "freed" => Ok(Reuse::Freed),
        "never" => Ok(Reuse::Never),
        _ => Err("there are in-place, freed and never".to_owned()),
    }
}

fn binding(text: &str) -> Result<(String, usize), String> {
    match text.rsplit_once('=') {
        Some((name, extent)) if !name.is_empty() => Ok((name.to_owned(), positive(extent)?)),
        _ => Err("it is written name=N".to_owned()),
    }
}
