//! `--interpret`, and the warning if the interpreter runs a network.

use resnetc::compile::Interpreted;
use resnetc::{Engine, Model};

/// The option to interpret the network.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Interpret {
    /// Run the network as described on the interpreter, in f64: slow, and without machine code
    /// [default: only where the system allows no executable memory]
    #[arg(long, help_heading = "Model options", conflicts_with_all = WITHOUT_EFFECT)]
    interpret: bool,
}

/// Options that only affect compiled code.
const WITHOUT_EFFECT: [&str; 9] =
    ["threads", "isa", "numerics", "no_pass", "only_pass", "unfused", "reuse", "perf_map", "tuned"];

impl Interpret {
    /// What runs the network.
    pub(crate) fn engine(self) -> Engine {
        if self.interpret { Engine::Interpreted } else { Engine::Auto }
    }
}

/// The instruction set of a model's code, or the interpreter.
pub(crate) fn engine_name(model: &Model) -> &'static str {
    let report = model.report();
    report.interpreted.as_ref().map_or(report.isa.name(), |_| "interpreter")
}

/// Warns if a network is interpreted without `--interpret`.
pub(crate) fn warn(model: &Model) {
    if let Some(Interpreted::NoCode(refusal)) = &model.report().interpreted {
        eprintln!("warning: {refusal}; the interpreter runs the network, which is far slower");
    }
}
