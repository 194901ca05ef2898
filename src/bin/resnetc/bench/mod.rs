//! `resnetc bench`: how long a run takes.

mod class;
mod compare;
mod layers;
mod report;
mod timing;

use std::path::PathBuf;
use std::time::Duration;

use resnetc::runtime::peak;
use resnetc::{Context, Model, Network};

use crate::args::{Common, positive};
use crate::failure::Failure;
use crate::{inputs, output};
use report::{Figures, Report};
use timing::Plan;

/// Measure how long a run takes
///
/// The peak is what a loop of multiply-adds reaches on the same threads, measured before and after; GFLOP/s count
/// two operations for each multiply-add of direct convolution.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Built-in network, .toml, .json or .onnx
    model: PathBuf,
    /// Timed runs [default: about two seconds of them, at least 10]
    #[arg(long, value_name = "K", value_parser = positive)]
    iters: Option<usize>,
    /// Runs before the first that counts
    #[arg(long, value_name = "W", default_value_t = 3)]
    warmup: usize,
    /// Time the network without its optional passes too, alternating
    #[arg(long, conflicts_with = "unfused")]
    compare: bool,
    /// Time each layer too, in runs of their own
    #[arg(long)]
    layers: bool,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    common: Common,
}

/// How long the peak is measured, each time.
const PEAK_TIME: Duration = Duration::from_millis(150);

/// A compiled network with its inputs in place.
struct Subject {
    model: Model,
    context: Context,
}

impl Subject {
    fn new(network: Network, seed: u64) -> Result<Self, Failure> {
        let values = inputs::random(&network, seed);
        let model = network.compile()?;
        let mut context = model.context()?;
        for (i, tensor) in values.iter().enumerate() {
            context.input_mut(i)?.copy_from_slice(tensor.data());
        }
        Ok(Subject { model, context })
    }

    fn run(&mut self) -> Result<(), Failure> {
        Ok(self.model.run(&mut self.context)?)
    }

    fn peak(&self) -> Result<f64, Failure> {
        Ok(peak::measure(self.model.report().isa, self.model.threads(), PEAK_TIME)?.gflops)
    }
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let network = args.common.load(&args.model, 1)?;
    let mut subject = Subject::new(network.clone(), args.common.seed)?;
    let plan = Plan { warmup: args.warmup, iterations: args.iters };
    let before = subject.peak()?;
    let (times, compared) = match args.compare {
        false => (timing::measure(&mut subject, plan)?, None),
        true => {
            let (times, compared) =
                compare::measure(&mut subject, &network, args.common.seed, plan)?;
            (times, Some(compared))
        }
    };
    let layer_times = match args.layers {
        true => Some(layers::measure(&mut subject, plan)?),
        false => None,
    };
    let peak = before.max(subject.peak()?);
    let mut report = Report::new(&args.model, &network, Figures::of(&subject.model, &times), peak);
    report.compare = compared;
    if let Some(times) = layer_times {
        report.add_layers(layers::report(&network, &subject.model, &times, peak)?);
    }
    match args.json {
        true => output::print_json(&report),
        false => output::print(&report.text()),
    }
}
