//! The options of `resnetc bench`.

use std::path::PathBuf;

use crate::args::{Common, ModelOptions, positive, threads, whole};
use crate::failure::Failure;
use crate::output;
use crate::step::StepArgs;

/// Measure how long a run takes
///
/// The peak is what a loop of multiply-adds reaches on the same threads, measured before and after;
/// GFLOP/s count two operations for each multiply-add of direct convolution. Where an algorithm
/// does fewer multiply-adds, or a different kind, the share is of direct convolution at the peak,
/// and may be above 100 %.
///
/// Where the times or the peaks show that the machine is busy, everything is measured again, at
/// most three times, unless --iters gives the number of runs.
///
/// With several values of --threads and --batch, every combination is measured, one row each.
/// --against compares the median with that of an earlier run and says what was not the same: CPU,
/// instruction set, threads, batch or model. --concurrency runs that many contexts of the model at
/// once, each on its own thread: a run that finds the model's threads in use begins on its own, and
/// goes on with more once they are free.
///
/// --ablate shows what each optimization brings: it times the network without optimizations, with
/// more and more of them, and without each one alone. All variants give the same results, which is
/// checked first, and take turns. Measured choices of `resnetc tune` are ignored, as they apply to
/// the layers of the full network only.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Built-in network, .toml, .json or .onnx
    pub(super) model: PathBuf,
    /// Timed runs [default: about two seconds of them, or twenty seconds for all variants, at least
    /// 10]
    #[arg(long, value_name = "K", value_parser = positive)]
    pub(super) iters: Option<usize>,
    /// Warm-up runs before the first timed one
    #[arg(long, value_name = "W", default_value_t = 3, value_parser = whole::<usize>)]
    pub(super) warmup: usize,
    /// Time the network without its optional passes too, alternating; --memory does not limit that
    #[arg(long, conflicts_with_all = ["unfused", "ablate"])]
    pub(super) compare: bool,
    /// Time each layer too, in separate runs
    #[arg(long, conflicts_with = "ablate")]
    pub(super) layers: bool,
    /// Time the network with more and more optimizations, and without each of them
    #[arg(long, conflicts_with_all = ["unfused", "no_pass", "only_pass"])]
    pub(super) ablate: bool,
    /// Run the interpreter too, however long it takes [default: if it takes less than a minute]
    #[arg(long, requires = "ablate")]
    pub(super) interpreter: bool,
    /// Write the rows of --ablate, or of several --threads or --batch, as CSV too
    #[arg(long, value_name = "FILE")]
    pub(super) csv: Option<PathBuf>,
    /// Memory for all variants at once; if they need more, each is recompiled for each of its turns
    #[arg(long, value_name = "MB", requires = "ablate", default_value_t = 4000, value_parser = whole::<usize>)]
    pub(super) hold: usize,
    /// Print the figures as JSON
    #[arg(long)]
    pub(super) json: bool,
    /// Run this many contexts at once too, and report throughput and tail latency
    #[arg(long, value_name = "N", value_parser = threads, conflicts_with = "ablate")]
    pub(super) concurrency: Option<usize>,
    /// Compare with what an earlier run printed with --json
    #[arg(long, value_name = "FILE.json", conflicts_with = "ablate")]
    pub(super) against: Option<PathBuf>,
    /// Threads per run; several, as in 1,2, are measured one after the other [default: as many as
    /// the process may use]
    #[arg(long, value_name = "N,..", value_delimiter = ',', value_parser = threads)]
    pub(super) threads: Vec<usize>,
    /// Images per run; several, as in 1,8, are measured one after the other [default: as many as
    /// the model declares, or 1]
    #[arg(long, value_name = "N,..", value_delimiter = ',', value_parser = positive)]
    pub(super) batch: Vec<usize>,
    #[command(flatten)]
    step: StepArgs,
    #[command(flatten)]
    pub(super) options: ModelOptions,
}

impl Args {
    /// The combinations of threads and batch.
    pub(super) fn sizes(&self) -> Vec<Common> {
        let each = |given: &[usize]| -> Vec<Option<usize>> {
            if given.is_empty() { vec![None] } else { given.iter().copied().map(Some).collect() }
        };
        let batches = each(&self.batch);
        let threads = each(&self.threads).into_iter();
        threads
            .flat_map(|threads| batches.iter().map(move |&batch| (threads, batch)))
            .map(|(threads, batch)| self.of(threads, batch))
            .collect()
    }

    /// The options, with the first of the combinations.
    pub(super) fn common(&self) -> Common {
        let first = |given: &[usize]| given.first().copied();
        self.of(first(&self.threads), first(&self.batch))
    }

    fn of(&self, threads: Option<usize>, batch: Option<usize>) -> Common {
        let common = Common { threads, batch, model: self.options.clone() };
        common.training(self.step.optimizer())
    }

    /// Refuses what can be refused before the work.
    pub(super) fn check(&self, sizes: usize) -> Result<(), Failure> {
        let one_size =
            [(self.ablate, "--ablate"), (self.layers, "--layers"), (self.compare, "--compare")];
        if let Some((_, flag)) = one_size.into_iter().find(|(given, _)| *given && sizes > 1) {
            return Err(Failure::usage(format!(
                "{flag} needs a single number of threads and a single batch"
            )));
        }
        if self.csv.is_some() && !self.ablate && sizes == 1 {
            return Err(Failure::no_effect(
                "--csv",
                "it writes the rows of --ablate, or of several --threads or --batch",
            ));
        }
        match &self.csv {
            Some(path) => output::check_text(path, &self.common().reads(&self.model)),
            None => Ok(()),
        }
    }
}
