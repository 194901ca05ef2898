//! `resnetc check`: the compiled network against the interpreter, and who is to blame where they
//! differ.

mod args;
mod estimate;
mod report;
mod reproduce;

pub(crate) use args::Args;

use resnetc::advice::OptionName;
use resnetc::check::{
    Bisection, Cause, Check, CheckError, CheckReport, Finding, Outcome, TOLERANCE,
};
use resnetc::ir::Tensor;

use crate::failure::Failure;
use crate::units::name;
use crate::{inputs, output};
use estimate::Interpreting;
use report::Report;
use reproduce::{Place, Reproduction};

impl From<CheckError> for Failure {
    fn from(error: CheckError) -> Self {
        match error {
            CheckError::Compile(e) => e.into(),
            other => Failure::of(&other).code(other.code()),
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    args.common.refuse(&[OptionName::Memory], "all values are kept, to be compared")?;
    let place = Place::of(args.reproduce.as_deref(), &args.model)?;
    let common = args.common.training(args.step.optimizer());
    let loaded = inputs::load(&args.model, args.input.as_deref(), &common)?;
    let values: Vec<Tensor> = loaded.inputs.iter().map(|t| (**t).clone()).collect();
    let check = Check::new(&loaded.network, &values)?.tolerance(args.tolerance);
    let found = {
        let mut bar = Interpreting::default();
        check.compare(&mut |done, total| bar.set(done, total))?
    };
    let bisection = match args.bisect {
        true => {
            let mut bar = Interpreting::default();
            Some(check.bisect(&mut |done, total| bar.set(done, total))?)
        }
        false => None,
    };
    let suspect = found.guilty.as_ref();
    let reproduction = suspect.map(|suspect| place.write(args, &check, suspect));
    let report = Report::new(args, &found, bisection, reproduction);
    match args.json {
        true => output::print_json(&report)?,
        false => output::print(&report.text())?,
    }
    match found.passed() {
        true => Ok(()),
        false => Err(failure(args, &found, &report)),
    }
}

/// The error, in one line, and what to do.
fn failure(args: &Args, found: &CheckReport, report: &Report<'_>) -> Failure {
    if found.findings.contains(&Finding::Tolerance) {
        return Failure::new(format!(
            "the tolerance {:.0e} is finer than the precision of an f32",
            found.tolerance
        ))
        .help(format!("sums of f32 need 1e-6 or more; the default tolerance is {TOLERANCE:.0e}"));
    }
    let guilty = found.guilty.as_ref().map(|suspect| &suspect.layer);
    let Some(bad) = guilty.or(found.first_above()) else { return Failure::silent() };
    let failure = Failure::new(format!(
        "{} \"{}\" differs by {:.2e} of its largest value, more than the tolerance {:.0e}",
        bad.op,
        name(&bad.name),
        bad.difference.relative(),
        args.tolerance
    ));
    match (&report.reproduction, &report.bisection) {
        (Some(Reproduction::Written(written)), _) if written.reproduces => {
            failure.help(written.command.clone())
        }
        (_, Some(bisection)) => failure.help(advice(bisection)),
        (_, None) => failure.help("--bisect finds the pass that makes the difference"),
    }
}

/// What to do once the bisection is done.
fn advice(bisection: &Bisection) -> String {
    match &bisection.outcome {
        Outcome::Patch(patch) if patch.cause == Cause::Pass => {
            format!("leave the pass out with --no-pass {}", patch.pass)
        }
        Outcome::Patch(patch) => {
            format!("try --isa baseline, or leave the pass out with --no-pass {}", patch.pass)
        }
        Outcome::Always { .. } | Outcome::Agrees | Outcome::TooFine => {
            "try --isa baseline".to_owned()
        }
    }
}
