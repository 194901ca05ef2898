//! The arguments of `resnetc train`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::ValueEnum;
use resnetc::one_line::path_line;
use resnetc::spec::Spec;
use resnetc::training::{Decayed, Optimizer, Recipe};
use resnetc::{IsaChoice, Numerics, Options};

use super::data::{Augmentation, Dataset};
use super::plan::Plan;
use super::schedule::{Course, Schedule};
use crate::args::{name, positive, size, threads, warn_of_threads, whole};
use crate::failure::Failure;
use crate::step::OptimizerName;

/// Train a network on pictures
///
/// The data set has MNIST's or CIFAR's files, or a folder of pictures for each class in `train` and
/// in `val` or `test`. The defaults are the recipe of He et al., "Deep Residual Learning for Image
/// Recognition" (2015), section 4.2. After each epoch the network is measured with the test
/// pictures, and its weights are written, under PyTorch's names. The same seed gives the same
/// weights, bit for bit, for any number of threads.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Built-in network, .toml or .json
    pub(super) model: PathBuf,
    /// The data set
    #[arg(long, value_name = "FOLDER")]
    pub(super) data: PathBuf,
    /// The file for the weights
    #[arg(short, long, value_name = "FILE.safetensors")]
    pub(super) output: PathBuf,
    /// Use only N of the training pictures, evenly spaced in the data set [default: all]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(super) pictures: Option<usize>,
    /// How often all training pictures are seen
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = positive)]
    pub(super) epochs: usize,
    /// Pictures of a step
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = positive)]
    pub(super) batch: usize,
    /// How weights move along their gradients
    #[arg(long, value_name = "NAME", value_enum, default_value = "sgd")]
    optimizer: OptimizerName,
    /// The learning rate [default: 0.1, for adamw 0.001]
    #[arg(long, value_name = "RATE")]
    rate: Option<f64>,
    /// How the learning rate falls
    #[arg(long, value_name = "NAME", value_enum, default_value = "steps")]
    schedule: Falls,
    /// Epochs after which --schedule steps divides the rate by 10 [default: half and three quarters
    /// of all]
    #[arg(long, value_name = "EPOCH,...", value_delimiter = ',', value_parser = positive)]
    drops: Vec<usize>,
    /// Epochs in which the rate rises from 0
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = whole::<usize>)]
    warm_up: usize,
    /// The momentum of sgd [default: 0.9]
    #[arg(long, value_name = "SHARE")]
    momentum: Option<f64>,
    /// Nesterov's momentum
    #[arg(long)]
    nesterov: bool,
    /// The factor of weight decay
    #[arg(long, value_name = "FACTOR", default_value_t = 1e-4)]
    decay: f64,
    /// Weight decay of biases and normalizations, too
    #[arg(long)]
    decay_all: bool,
    /// Label smoothing: the share of the target that is spread evenly over all classes
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    smoothing: f64,
    /// How pictures are varied: none; mirror; crop: padded by 4 pixels, a random crop, and mirrored;
    /// or resized: a random part, scaled and mirrored
    #[arg(long, value_name = "NAME", value_enum, default_value = "crop")]
    augment: Varied,
    /// Seed of weights, order and variation
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = whole::<u64>)]
    pub(super) seed: u64,
    /// Weights to start with, under PyTorch's names [default: random]
    #[arg(long, value_name = "FILE.safetensors")]
    pub(super) from: Option<PathBuf>,
    /// Give the last layer random weights instead of those of --from, for other classes
    #[arg(long, requires = "from")]
    pub(super) new_head: bool,
    /// Layers that stay as they are, such as layer1; needs --from
    #[arg(long, value_name = "LAYER,...", value_delimiter = ',', value_parser = name)]
    freeze: Vec<String>,
    /// Write a line of JSON for each epoch
    #[arg(long, value_name = "FILE.jsonl")]
    pub(super) log: Option<PathBuf>,
    /// Add how large the results of blocks are, and the gradients with respect to them, in the last
    /// step of each epoch
    #[arg(long, requires = "log")]
    norms: bool,
    /// Go on with a run that was stopped, from FILE.checkpoint.safetensors beside the weights
    ///
    /// That file is written after each epoch and at Ctrl-C, and removed at the end. The weights will
    /// be those of a run that was not stopped, bit for bit.
    #[arg(long)]
    pub(super) resume: bool,
    /// Replace files that exist
    #[arg(long)]
    pub(super) force: bool,
    /// Threads of a step [default: as many as the process may use]
    #[arg(long, value_name = "N", value_parser = threads)]
    pub(super) threads: Option<usize>,
    /// The most memory for all values of a step, such as 500MB: values are computed again instead
    /// of being kept, as far as that is necessary. The weights will be the same, bit for bit
    /// [default: no limit]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(super) memory: Option<usize>,
    /// Instruction set, as for `resnetc run`
    #[arg(long, default_value = "auto", value_parser = IsaChoice::from_str)]
    isa: IsaChoice,
    /// fast; or exact: only algorithms that round no more than direct convolution
    #[arg(long, value_name = "NAME", value_enum, default_value = "fast")]
    numerics: Rounding,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Falls {
    Constant,
    Steps,
    Cosine,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Varied {
    None,
    Mirror,
    Crop,
    Resized,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Rounding {
    Fast,
    Exact,
}

impl Args {
    /// Refuses what can be refused before anything is read.
    pub(super) fn check(&self) -> Result<(), Failure> {
        warn_of_threads(self.threads);
        self.isa.resolve().map_err(resnetc::Error::from)?;
        if self.optimizer == OptimizerName::Adamw && (self.momentum.is_some() || self.nesterov) {
            let flag = if self.nesterov { "--nesterov" } else { "--momentum" };
            return Err(Failure::no_effect(flag, "adamw has momenta of its own"));
        }
        if self.schedule != Falls::Steps && !self.drops.is_empty() {
            return Err(Failure::no_effect("--drops", "only --schedule steps has steps"));
        }
        if self.resume && self.force {
            return Err(Failure::no_effect("--force", "--resume replaces its own files"));
        }
        if !self.freeze.is_empty() && self.from.is_none() && !self.resume {
            return Err(Failure::usage("--freeze would keep random weights")
                .help("give the weights to keep with --from"));
        }
        let rate = self.rate();
        if !(rate.is_finite() && rate > 0.0) {
            return Err(Failure::usage(format!("--rate {rate}: it must be a number above 0")));
        }
        if self.warm_up > self.epochs {
            return Err(Failure::usage(format!(
                "--warm-up {}: there are only {} epochs",
                self.warm_up, self.epochs
            )));
        }
        if self.output.extension().is_none_or(|e| e != "safetensors") {
            let message =
                format!("--output {}: it must end in .safetensors", path_line(&self.output));
            return Err(Failure::usage(message));
        }
        Ok(())
    }

    pub(super) fn recipe(&self) -> Recipe {
        Recipe {
            optimizer: match self.optimizer {
                OptimizerName::Sgd => Optimizer::Sgd {
                    momentum: self.momentum.unwrap_or(0.9),
                    nesterov: self.nesterov,
                },
                OptimizerName::Adamw => Optimizer::ADAM_W,
            },
            decay: self.decay,
            decayed: if self.decay_all { Decayed::All } else { Decayed::Weights },
            smoothing: self.smoothing,
            frozen: self.freeze.clone(),
            norms: self.norms,
            ..Recipe::new(self.batch)
        }
    }

    /// What a training that is resumed must have in common with its beginning. `contents` is a
    /// checksum of training pictures.
    pub(super) fn plan(&self, spec: &Spec, [train, test]: [&Dataset; 2], contents: u32) -> Plan {
        let Schedule { rate, warm_up, epochs, course } = self.schedule();
        let network = Spec { name: String::new(), ..spec.clone() };
        Plan::new([
            ("network", serde_json::to_string(&network).unwrap_or_default()),
            ("training pictures:", train.summary()),
            ("contents of training pictures: CRC-32", format!("{contents:08x}")),
            ("test pictures:", test.summary()),
            ("--epochs", epochs.to_string()),
            ("--batch", self.batch.to_string()),
            ("--seed", self.seed.to_string()),
            ("--optimizer", format!("{:?}", self.recipe().optimizer)),
            ("--rate", rate.to_string()),
            ("--schedule", format!("{course:?}")),
            ("--warm-up", warm_up.to_string()),
            ("--decay", self.decay.to_string()),
            ("--decay-all", self.decay_all.to_string()),
            ("--smoothing", self.smoothing.to_string()),
            ("--augment", format!("{:?}", self.augmentation())),
            ("--freeze", self.freeze.join(",")),
            ("--numerics", format!("{:?}", self.numerics)),
            // Values that are read once more are not fused as they are otherwise.
            ("--norms", self.norms.to_string()),
        ])
    }

    fn rate(&self) -> f64 {
        self.rate.unwrap_or(match self.optimizer {
            OptimizerName::Sgd => 0.1,
            OptimizerName::Adamw => 1e-3,
        })
    }

    pub(super) fn schedule(&self) -> Schedule {
        let epochs = self.epochs as f64;
        let drops = match self.drops.is_empty() {
            true => vec![0.5 * epochs, 0.75 * epochs],
            false => self.drops.iter().map(|&epoch| epoch as f64).collect(),
        };
        let course = match self.schedule {
            Falls::Constant => Course::Constant,
            Falls::Steps => Course::Steps(drops),
            Falls::Cosine => Course::Cosine,
        };
        Schedule { rate: self.rate(), warm_up: self.warm_up as f64, epochs, course }
    }

    pub(super) fn augmentation(&self) -> Augmentation {
        match self.augment {
            Varied::None => Augmentation::None,
            Varied::Mirror => Augmentation::Mirror,
            Varied::Crop => Augmentation::PadCrop { pad: 4 },
            Varied::Resized => Augmentation::IMAGENET,
        }
    }

    /// How steps and measurements are compiled.
    pub(super) fn options(&self) -> Options {
        let numerics = match self.numerics {
            Rounding::Fast => Numerics::Fast,
            Rounding::Exact => Numerics::Exact,
        };
        Options::default().isa(self.isa).threads(self.threads).numerics(numerics)
    }
}
