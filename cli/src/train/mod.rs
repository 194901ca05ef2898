//! `resnetc train`: a network of a spec from a data set.
//!
//! | module | what it has |
//! |---|---|
//! | `args` | the arguments |
//! | `data` | pictures and their classes, varied and prepared in batches |
//! | `schedule` | the learning rate of each step |
//! | `session` | epoch after epoch |
//! | `evaluate` | how right a network is about a data set |
//! | `log` | what is known of each epoch |
//! | `checkpoint` | what a run that was stopped needs to go on |
//! | `outputs` | the files that are written, which must not be somebody else's |
//! | `plan` | what it must not change on its way |
//! | `interrupt` | Ctrl-C |

mod args;
mod checkpoint;
mod data;
pub(crate) mod evaluate;
mod interrupt;
pub(crate) mod log;
mod outputs;
mod plan;
mod schedule;
mod session;

use std::sync::Arc;

use resnetc::ErrorCode;
use resnetc::import::safetensors::{self, WeightMap};
use resnetc::one_line::{name_line, path_line};
use resnetc::spec::{Spec, Weights};

use crate::failure::Failure;
use crate::units::plural;
use crate::{output, step};
use data::{Dataset, Split};
use outputs::Outputs;
use session::Session;

pub(crate) use args::Args;

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    args.check()?;
    let outputs = Outputs::open(args)?;
    let spec = step::spec(&args.model)?;
    let train = Arc::new(open(args, &spec, Split::Train)?.with_part(args.pictures)?);
    let test = Arc::new(open(args, &spec, Split::Test)?);
    check_classes(&spec, &train)?;
    check_names(&train, &test)?;
    let weights = Weights::Map(start(args, &spec)?);
    let data = [Arc::clone(&train), Arc::clone(&test)];
    let session = Session::new(args, spec, data, &weights, outputs)?;
    output::print(&format!(
        "{}: {} and {} of {}\n",
        path_line(&args.data),
        plural(train.len(), "training picture"),
        plural(test.len(), "test picture"),
        plural(train.classes().len(), "class"),
    ))?;
    session.run()
}

/// The weights to start with. Those of a training that goes on are in its checkpoint.
fn start(args: &Args, spec: &Spec) -> Result<WeightMap, Failure> {
    let Some(file) = args.from.as_ref().filter(|_| !args.resume) else {
        return Ok(spec.initial_weights(args.seed).map_err(resnetc::Error::from)?);
    };
    let weights = safetensors::load(file)?;
    if !args.new_head {
        return Ok(weights);
    }
    let all = spec.with_new_head(&weights, args.seed).map_err(resnetc::Error::from)?;
    let is_new = |name: &str, tensor| weights.get(name).is_none_or(|old| !Arc::ptr_eq(old, tensor));
    let recipe = args.recipe();
    match all.iter().find(|(name, tensor)| recipe.is_frozen(name) && is_new(name, tensor)) {
        Some((name, _)) => {
            let name = name_line(name);
            Err(Failure::usage(format!("--freeze would keep the random {name} of --new-head"))
                .help("leave the last layer out of --freeze"))
        }
        None => Ok(all),
    }
}

/// Half of the data set, with as many channels as the network takes.
fn open(args: &Args, spec: &Spec, split: Split) -> Result<Dataset, Failure> {
    let dataset = Dataset::open(&args.data, split)?.with_channels(spec.input.channels)?;
    let left_out = dataset.left_out();
    if left_out > 0 {
        let files = plural(left_out, "file");
        output::note(&format!("{}: {files} that are no pictures left out", path_line(&args.data)));
    }
    Ok(dataset)
}

/// Checks that a network tells as many classes apart as a data set has.
fn check_classes(spec: &Spec, dataset: &Dataset) -> Result<(), Failure> {
    let (own, found) = (spec.classes, dataset.classes().len());
    if own == found {
        return Ok(());
    }
    let what = format!("the data set has {}, but the network {own}", plural(found, "class"));
    Err(Failure::file(dataset.folder(), what)
        .help(format!("set classes = {found} in a spec; docs/SPEC.md describes specs"))
        .code(ErrorCode::BadRecipe))
}

/// Checks that both halves of a data set have the same classes.
fn check_names(train: &Dataset, test: &Dataset) -> Result<(), Failure> {
    let [own, other] = [train, test].map(Dataset::classes);
    let pairs = own.iter().zip(other);
    let differs = match pairs.into_iter().find(|(own, other)| own != other) {
        Some((own, other)) => {
            format!("\"{}\" in one and \"{}\" in the other", name_line(own), name_line(other))
        }
        None if own.len() != other.len() => format!("{} and {}", own.len(), other.len()),
        None => return Ok(()),
    };
    let what = format!("training and test pictures have different classes: {differs}");
    Err(Failure::file(train.folder(), what)
        .help("give both the same classes")
        .code(ErrorCode::Format))
}
