//! Compares the compiled network with the interpreter, and finds the cause where they differ.
//!
//! | module | holds |
//! |---|---|
//! | [`layers`] | compares every layer, and the outputs; the causes of differences |
//! | `outputs` | the unmodified network, and what the passes changed |
//! | [`suspect`] | a layer run alone on the interpreter's operands |
//! | `jumps`, `sides` | values midway between two integers, where either is right |
//! | `decisions` | comparisons within a fused operator, and the largest element of a window |
//! | `choices`, `moved` | the side that the interpreter takes there, wherever passes moved the elements |
//! | `rounding` | differences that rounding of earlier values explains |
//! | `received` | layers that are right for what they received |
//! | `seen`, `slack` | what is known of a node; how far a value may be off |
//! | `isolate` | one operator as a separate network |
//! | [`bisect`] | the first patch of a pass with which the outputs differ |
//! | [`difference`], [`classes`] | how far values are apart; whether they rank the same classes first |
//! | [`subject`] | what is checked: passes and compiler, this library's own by default |
//!
//! ```no_run
//! use resnetc::check::{Check, random_values};
//! use resnetc::{Compiler, Options};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let network = Compiler::new(Options::default()).load("resnet50.onnx")?;
//! let inputs = random_values(network.graph(), 0)?;
//! let report = Check::new(&network, &inputs)?.compare(&mut |_, _| {})?;
//! if let Some(layer) = report.guilty {
//!     println!("{} \"{}\" is off by {} ulp", layer.layer.op, layer.layer.name, layer.layer.difference.ulp());
//! }
//! # Ok(())
//! # }
//! ```

pub mod bisect;
mod choices;
pub mod classes;
mod compared;
mod decisions;
pub mod difference;
mod error;
mod isolate;
mod jumps;
pub mod layers;
mod moved;
mod outputs;
mod received;
mod rounding;
mod seen;
mod sides;
mod slack;
pub mod subject;
pub mod suspect;
mod values;
mod work;

use std::cell::RefCell;
use std::sync::Arc;

use resnetc_ir::eval::Value;
use resnetc_ir::{Graph, Tensor};

use crate::compiler::Network;

pub use bisect::{Bisection, Cause, GuiltyPatch, Outcome};
use choices::Reference;
pub use classes::Classes;
pub use compared::Compared;
pub use difference::Difference;
pub use error::CheckError;
pub use layers::{CheckReport, Finding};
pub use subject::Subject;
pub use suspect::{Case, Suspect};
pub use values::{network_values, random_values};

/// The largest error that a value may have by default, relative to the largest value of its layer.
pub const TOLERANCE: f64 = 1e-4;

/// The finest tolerance that f32 can represent: half the distance between two neighbours, relative
/// to the smaller one.
pub const FINEST: f64 = f32::EPSILON as f64 / 2.0;

/// A network and the inputs on which it is checked.
#[derive(Clone, Debug)]
pub struct Check<'a> {
    network: &'a Network,
    inputs: &'a [Tensor],
    /// The inputs, for the interpreter.
    values: Vec<Value>,
    subject: Subject<'a>,
    tolerance: f64,
    /// The interpreter's last result for the graph before any pass.
    reference: RefCell<Option<Arc<Reference>>>,
}

impl<'a> Check<'a> {
    /// A check with one value for each input.
    ///
    /// # Errors
    /// If the values do not match the network's inputs.
    pub fn new(network: &'a Network, inputs: &'a [Tensor]) -> Result<Self, CheckError> {
        values::check_inputs(network.graph(), inputs)?;
        Ok(Check {
            network,
            inputs,
            values: inputs.iter().map(Value::of_tensor).collect::<Result<_, _>>()?,
            subject: Subject::default(),
            tolerance: TOLERANCE,
            reference: RefCell::default(),
        })
    }

    /// Checks other passes or another compiler than this library's.
    #[must_use]
    pub fn subject(self, subject: Subject<'a>) -> Self {
        Check { subject, ..self }
    }

    /// Whether the tolerance is finer than f32 can represent, so that exceeding it means nothing.
    fn is_too_fine(&self) -> bool {
        self.tolerance < FINEST
    }

    /// The largest error that passes may introduce. The constants that they create are rounded to
    /// f32, each by half a unit, and each layer adds at most one to a chain of them.
    fn tolerance_of_passes(&self, scheduled: &Graph) -> f64 {
        let layers = scheduled.nodes().filter(|&n| scheduled.node(n).op.is_computed()).count();
        self.tolerance.max(FINEST * layers as f64)
    }

    /// Sets the largest error that a value may have, relative to the largest value of its layer.
    /// Below [`FINEST`] a difference is no sign of a bug, and nothing is blamed.
    #[must_use]
    pub fn tolerance(self, tolerance: f64) -> Self {
        Check { tolerance, ..self }
    }
}
